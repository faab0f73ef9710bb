//! How much trouble a simulated cluster has.

/// How often what goes wrong. Probabilities are between 0 and 1.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// What a failing seed is reported under.
    pub name: &'static str,
    /// At most so many clients (at least one).
    pub clients_max: u32,
    /// At most so many graphs of each client (at least one).
    pub graphs_max: u32,
    /// At most so many workers crash.
    pub crashes_max: u32,
    /// That a task raises in its first run or runs.
    pub raises: f64,
    /// That a process dies under a run, and takes some of its worker's values with it.
    pub deaths: f64,
    /// That a value can't be got from a worker that has it.
    pub unreachable: f64,
    /// That a graph imports results of earlier graphs.
    pub imports: f64,
    /// That some results of a graph are released, or all of them cancelled, before they are there.
    pub impatience: f64,
    /// That a client vanishes without a word.
    pub vanishes: f64,
    /// At most so many connections of workers break and are made again.
    pub breaks_max: u32,
    /// At most so often a node hangs, or the network between it and the scheduler does, for short or for long.
    pub hangs_max: u32,
    /// That a node is slow, in all that it does.
    pub slow: f64,
    /// That a value can't leave the process that made it.
    pub unusable: f64,
    /// At most so often a value on a node's disk turns out to be damaged, or memory is short there.
    pub damages_max: u32,
    /// At most so often the scheduler is killed and started again.
    pub restarts_max: u32,
    /// That there are orders about where values are kept, and workers whose memory is short; the same for each further one.
    pub custody: f64,
}

impl Profile {
    /// Nothing goes wrong: delays and durations are all that is random.
    pub const CALM: Profile = Profile {
        name: "calm",
        clients_max: 1,
        graphs_max: 3,
        crashes_max: 0,
        raises: 0.0,
        deaths: 0.0,
        unreachable: 0.0,
        imports: 0.0,
        impatience: 0.0,
        vanishes: 0.0,
        breaks_max: 0,
        hangs_max: 0,
        slow: 0.0,
        unusable: 0.0,
        damages_max: 0,
        restarts_max: 0,
        custody: 0.0,
    };
    /// Workers crash and join, processes die.
    pub const LOSSES: Profile =
        Profile { name: "losses", crashes_max: 6, deaths: 0.03, unreachable: 0.03, ..Profile::CALM };
    /// Tasks raise, some of them until they run out of retries.
    pub const FAILURES: Profile =
        Profile { name: "failures", crashes_max: 1, raises: 0.1, deaths: 0.02, ..Profile::CALM };
    /// Many clients, who release early, cancel and vanish.
    pub const CLIENTS: Profile =
        Profile { name: "clients", clients_max: 5, crashes_max: 2, impatience: 0.5, vanishes: 0.3, ..Profile::CALM };
    /// Graphs that build on each other, and everything else as well.
    pub const IMPORTS: Profile = Profile {
        name: "imports",
        clients_max: 3,
        graphs_max: 5,
        crashes_max: 4,
        raises: 0.02,
        deaths: 0.02,
        unreachable: 0.01,
        imports: 0.8,
        impatience: 0.3,
        vanishes: 0.1,
        ..Profile::CALM
    };
    /// Copies, moves, workers that leave and workers whose memory is short.
    pub const CUSTODY: Profile =
        Profile { name: "custody", clients_max: 2, crashes_max: 2, deaths: 0.01, custody: 0.6, ..Profile::CALM };
    /// Connections that break, schedulers that are killed, and everything else as well.
    pub const RESTARTS: Profile =
        Profile { name: "restarts", breaks_max: 4, restarts_max: 2, custody: 0.3, vanishes: 0.0, ..Profile::IMPORTS };
    /// Nodes that hang or are cut off, for short and for long, and slow ones beside fast ones.
    pub const HANGS: Profile =
        Profile { name: "hangs", crashes_max: 1, hangs_max: 4, slow: 0.3, deaths: 0.01, ..Profile::CALM };
    /// Memory that is short, files that are damaged, and values that can't leave their process.
    pub const STORES: Profile =
        Profile { name: "stores", crashes_max: 2, damages_max: 8, unusable: 0.05, deaths: 0.02, ..Profile::CALM };
    /// Everything at once.
    pub const EVERYTHING: Profile = Profile {
        name: "everything",
        hangs_max: 3,
        slow: 0.2,
        unusable: 0.01,
        damages_max: 4,
        custody: 0.4,
        ..Profile::RESTARTS
    };
    /// All of the above.
    pub const ALL: [Profile; 10] = [
        Profile::CALM,
        Profile::LOSSES,
        Profile::FAILURES,
        Profile::CLIENTS,
        Profile::IMPORTS,
        Profile::CUSTODY,
        Profile::RESTARTS,
        Profile::HANGS,
        Profile::STORES,
        Profile::EVERYTHING,
    ];
}
