//! Plans that are cut into stages give the single-node answer, whatever they read and however many partitions there are.
//!
//! Every case runs through a sequential runner over the program's graph ([`runner`]): functions and values go through
//! their encoded form on the way, as on a cluster.

#[path = "stage/runner.rs"]
mod runner;
#[path = "stage/tables.rs"]
mod tables;

#[path = "stage/answers.rs"]
mod answers;
#[path = "stage/edges.rs"]
mod edges;
#[path = "stage/frames.rs"]
mod frames;
#[path = "stage/refusals.rs"]
mod refusals;
#[path = "stage/star.rs"]
mod star;
