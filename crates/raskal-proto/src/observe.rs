//! What processes tell of their work for people to look at. Nothing here decides what runs.
//!
//! Start at [`Ran`], which rides on every answer, and [`Observation`], which is told from time to time.

use bitcode::{Decode, Encode};
use raskal_types::{TaskId, WorkerId};

/// When and where a task ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Ran {
    /// When its function was entered, in microseconds since the Unix epoch, by the clock of its machine.
    pub began_us: u64,
    /// How long it ran.
    pub duration_us: u32,
    /// The thread: an executor counts its own, a worker those of all its executors and behind them the native ones.
    pub thread: u32,
}

/// What a worker tells of itself and its executors.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Observation {
    /// Once a second.
    Vitals(Vitals),
    /// A value came from another worker.
    Transferred(Transfer),
    /// Where Python spent its time.
    Profiled(Profile),
    /// What its processes wrote to the standard error.
    Logged(Vec<String>),
}

/// A worker's clock, and what went in and out of it since it joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Vitals {
    /// Its clock now, in microseconds since the Unix epoch.
    pub now_us: u64,
    /// Bytes of values that it got from others.
    pub received_bytes: u64,
    /// Bytes of values that it gave to others and to clients.
    pub sent_bytes: u64,
    /// Transfers to it that are under way.
    pub transfers: u32,
}

/// One value that came from another worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Transfer {
    /// Whose value.
    pub task: TaskId,
    /// Who gave it.
    pub from: WorkerId,
    /// When it was asked for, in microseconds since the Unix epoch, by the clock of who asked.
    pub began_us: u64,
    /// How long that took.
    pub duration_us: u32,
    /// Its size.
    pub size_bytes: u64,
}

/// Samples of the stacks of threads that ran Python tasks.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Profile {
    /// Time between two samples.
    pub interval_us: u32,
    /// The frames that occur.
    pub frames: Vec<Frame>,
    /// The stacks that occur.
    pub stacks: Vec<Stack>,
}

/// A place in the code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct Frame {
    /// The function.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The line.
    pub line: u32,
}

/// A stack, and how often it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stack {
    /// Key prefix of the layer whose task ran.
    pub layer: String,
    /// Positions in [`Profile::frames`], the outermost first.
    pub frames: Vec<u32>,
    /// In how many samples.
    pub samples: u32,
}
