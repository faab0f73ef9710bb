//! raskal-net
