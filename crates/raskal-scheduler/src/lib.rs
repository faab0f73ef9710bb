//! raskal-scheduler
