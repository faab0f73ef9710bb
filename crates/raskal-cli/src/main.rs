//! The `raskal` command.
fn main() {}
