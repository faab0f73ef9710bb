//! raskal-server
