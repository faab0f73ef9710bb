//! What a node is told.

use crate::node::nursery::Nursery;
use raskal_net::{Address, Credentials};
use std::ffi::OsString;
use std::sync::Arc;
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
    /// The first and the last of the ports to listen at, of which a free one is taken; 0 for any.
    pub ports: (u16, u16),
    /// The address that others are told, where it is not the one that it listens at.
    pub contact: Option<Address>,
    /// How many executor processes.
    pub executors: u32,
    /// How many threads each.
    pub executor_threads: u32,
    /// How many native tasks run at once.
    pub native_threads: u32,
    /// The command that starts an executor; its standard input is the pipe.
    pub executor_command: Vec<OsString>,
    /// What forks executors, in place of the command.
    pub nursery: Option<Arc<Nursery>>,
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
