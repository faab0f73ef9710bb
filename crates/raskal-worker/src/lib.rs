//! raskal-worker
