//! raskal-array
