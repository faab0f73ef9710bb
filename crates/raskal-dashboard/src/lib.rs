//! raskal-dashboard
