//! What a node is told.

use raskal_net::{Address, Credentials};
use std::ffi::OsString;
use std::time::Duration;

/// How to run a node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The scheduler.
    pub scheduler: Address,
    /// How to be let in.
    pub credentials: Credentials,
    /// A name for people; made from host and process if empty.
    pub name: String,
    /// Where to listen for peers and clients: a host, or nothing for the one from which the scheduler is reached.
    pub host: Option<String>,
    /// How many executor processes.
    pub executors: u32,
    /// How many threads each.
    pub executor_threads: u32,
    /// How many native tasks run at once.
    pub native_threads: u32,
    /// The command that starts an executor; its standard input is the pipe.
    pub executor_command: Vec<OsString>,
    /// How much it has of each named resource.
    pub resources: Vec<(String, f64)>,
    /// The memory budget, for people to see; 0 for none.
    pub memory_limit_bytes: u64,
    /// After so long it leaves, once its values are elsewhere; never if not given.
    pub lifetime: Option<Duration>,
    /// How long to try to reach the scheduler.
    pub connect_time: Duration,
    /// End when the standard input ends: the process that started this one is gone.
    pub end_with_stdin: bool,
}
