//! Plays clusters of the real machines, scheduler and workers: every one determined by a seed, with as much trouble as asked
//! for.
//!
//! A [`Simulation`] has random graphs, nodes that are slow, hang, die or join, executor processes that die, and clients that
//! import, release, cancel and vanish. Messages take random times, in order on each connection and pipe and in no order
//! otherwise; connections break with or without what was on its way; the scheduler is killed and started again. The value of
//! a task is a fingerprint of its name and its inputs, so that a wrong result can't be mistaken for a right one.
//!
//! ```
//! use raskal_simulate::{Profile, Simulation};
//! let report = Simulation::run(&Profile::LOSSES, 7);
//! assert!(report.collected > 0);
//! ```
//!
//! A failure names its seed; `SEED=7 PROFILE=losses cargo test -p raskal-simulate replay` plays it again.
//!
//! - [`profile`]: kinds of trouble. [`simulation`]: the world, where to start reading.
//! - `node`: the machine of `raskal-worker` in a model of its shell; `process`: a model of an executor process; `client`: a
//!   model of a client; `message`: what goes between them.
//! - `graphs` and `plan`: what is computed, and what is expected of it; `agenda`: the queue of events and the virtual clock.
//!
//! Never part of a running system: it knows no thread, no socket and no clock, and only tests use it.

mod agenda;
mod client;
mod graphs;
mod message;
mod node;
mod plan;
mod process;
pub mod profile;
pub mod simulation;

pub use profile::Profile;
pub use simulation::Simulation;

/// How much a simulation did, so that a test can tell that it looked at something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Events of any kind.
    pub happenings: u64,
    /// Steps of the scheduler; it and the workers are looked at after each of theirs.
    pub steps: u64,
    /// Runs of tasks that ended.
    pub runs: u64,
    /// Results that clients wanted.
    pub wanted: u64,
    /// Results that arrived at clients and were right; one that was lost and made again counts again.
    pub collected: u64,
    /// Results that failed, and were allowed to.
    pub failed: u64,
    /// Tasks that were asked back of a worker for an idle one.
    pub retracted: u64,
    /// Workers that came back after their connection broke or their scheduler was killed.
    pub rejoined: u64,
    /// How often the scheduler was killed and started again.
    pub restarts: u64,
    /// Workers that left in order.
    pub retired: u64,
    /// Graphs that were forgotten.
    pub forgotten: u64,
}

impl std::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Report) {
        self.happenings += other.happenings;
        self.steps += other.steps;
        self.runs += other.runs;
        self.wanted += other.wanted;
        self.collected += other.collected;
        self.failed += other.failed;
        self.retracted += other.retracted;
        self.rejoined += other.rejoined;
        self.restarts += other.restarts;
        self.retired += other.retired;
        self.forgotten += other.forgotten;
    }
}
