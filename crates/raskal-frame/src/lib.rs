//! raskal-frame
