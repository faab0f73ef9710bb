//! raskal
