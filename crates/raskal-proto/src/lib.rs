//! raskal-proto
