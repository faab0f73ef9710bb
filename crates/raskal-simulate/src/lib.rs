//! raskal-simulate
