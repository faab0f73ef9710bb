//! The board: named things that clients share through the scheduler, which never reads them.
//!
//! Start at [`BoardRequest`]. Three primitives carry everything that coordinates clients and tasks: **cells** hold notes
//! (queues, variables, events, published datasets, metadata), **leases** are held by a client until it gives them back or
//! is gone (locks, semaphores), and **topics** pass notes on to whoever listens (events, what tasks print).

use bitcode::{Decode, Encode};
use raskal_types::TaskId;

/// A task whose value a note keeps alive.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reference {
    /// Which.
    pub task: TaskId,
    /// Its key, as users know it.
    pub key: String,
}

/// What is left on the board: bytes that only clients read, and the tasks that they speak of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Note {
    /// The value, as its client encoded it.
    pub data: Vec<u8>,
    /// The tasks whose values live for as long as the note does.
    pub references: Vec<Reference>,
}

/// The name of a cell or of something that is leased. What differs in kind never meets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Name {
    /// What it is: `queue`, `lock`...
    pub kind: String,
    /// Which one.
    pub name: String,
}

/// How a note is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Put {
    /// Behind those that are there; waits while there are this many (0: never).
    Append {
        /// The most notes.
        capacity: u32,
    },
    /// In place of those that are there.
    Replace,
    /// Refused if any is there.
    New,
}

/// What a client asks of the board. A request that waits is answered when it can be.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum BoardRequest {
    /// Leave a note in a cell.
    Put {
        /// Where.
        cell: Name,
        /// What.
        note: Note,
        /// How.
        how: Put,
    },
    /// Take notes out of a cell, oldest first; waits for one.
    Take {
        /// Where.
        cell: Name,
        /// The most; 0 for all.
        max: u32,
        /// Whether to wait for one.
        wait: bool,
    },
    /// Read a cell's notes and leave them there.
    Look {
        /// Where.
        cell: Name,
        /// Whether to wait for one.
        wait: bool,
    },
    /// Count a cell's notes, or the leases of a name.
    Count {
        /// Of what.
        cell: Name,
    },
    /// Empty a cell.
    Remove {
        /// Which.
        cell: Name,
    },
    /// Read all notes of a kind, without the tasks that they speak of.
    List {
        /// Which kind.
        kind: String,
    },
    /// Lease names; waits until `need` of them are free at once.
    Acquire {
        /// Which.
        names: Vec<Name>,
        /// How many of them.
        need: u32,
        /// How many leases each name has.
        limit: u32,
        /// Whether to wait.
        wait: bool,
    },
    /// Give a lease back.
    Release {
        /// The number of the lease.
        lease: u64,
    },
    /// Tell a topic's listeners.
    Publish {
        /// Which topic.
        topic: String,
        /// What.
        note: Note,
        /// Whether the topic keeps it for those who ask later.
        keep: bool,
    },
    /// Listen to a topic from now on.
    Subscribe {
        /// Which.
        topic: String,
    },
    /// Listen no more.
    Unsubscribe {
        /// Which.
        topic: String,
    },
    /// What a topic kept.
    Events {
        /// Which.
        topic: String,
    },
    /// The topics that kept something.
    Topics,
}

/// A note with its name, and its place in the order of all notes ever left.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Named {
    /// The name within its kind.
    pub name: String,
    /// Larger is later.
    pub order: u64,
    /// The note.
    pub note: Note,
}

/// What a topic kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Kept {
    /// When, in microseconds since the Unix epoch.
    pub at_us: u64,
    /// What.
    pub data: Vec<u8>,
}

/// The board's answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum BoardAnswer {
    /// It is done.
    Done,
    /// There is nothing, and the request did not wait.
    Absent,
    /// It can't be done; why.
    Refused(String),
    /// The notes.
    Notes(Vec<Named>),
    /// How many.
    Count(u64),
    /// The number of the lease.
    Lease(u64),
    /// What a topic kept, oldest first.
    Events(Vec<Kept>),
    /// Names of topics.
    Topics(Vec<String>),
    /// The client gave the request up before it could be done.
    GaveUp,
}
