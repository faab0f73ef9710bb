//! A scheduler under test, and words to tell its stories in.

#![allow(dead_code, reason = "each test binary uses some of it")]

use raskal_graph::{Csr, Graph, Layer};
use raskal_scheduler::{Event, Instruction, Scheduler, Slots, Traits};
use raskal_types::{Attempt, ClientId, GraphId, TaskId, WorkerId};
use std::sync::Arc;

/// A scheduler whose invariants are looked at after every step.
#[derive(Default)]
pub(crate) struct Machine(pub(crate) Scheduler);

impl Machine {
    /// Takes in one event, and looks at the invariants.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Instruction> {
        let mut out = Vec::new();
        self.0.step(event, &mut out);
        self.0.validate();
        out
    }

    /// A worker joins.
    pub(crate) fn join(&mut self, worker: u32, slots: Slots) -> Vec<Instruction> {
        self.join_as(worker, slots, Traits::default())
    }

    /// A worker of these traits joins.
    pub(crate) fn join_as(&mut self, worker: u32, slots: Slots, traits: Traits) -> Vec<Instruction> {
        self.step(Event::WorkerJoined { worker: WorkerId(worker), slots, traits })
    }

    /// A worker is lost.
    pub(crate) fn lose(&mut self, worker: u32) -> Vec<Instruction> {
        self.step(Event::WorkerLost { worker: WorkerId(worker) })
    }

    /// A client submits a graph.
    pub(crate) fn submit(
        &mut self,
        graph: u32,
        layers: Graph,
        imports: Vec<(u32, TaskId)>,
        wanted: Vec<u32>,
    ) -> Vec<Instruction> {
        let (graph, client, layers) = (GraphId(graph), ClientId(0), Arc::new(layers));
        self.step(Event::Submit { graph, client, layers, imports, wanted })
    }

    /// A worker finishes a task.
    pub(crate) fn finish(&mut self, worker: u32, task: TaskId, attempt: u32) -> Vec<Instruction> {
        let (worker, attempt) = (WorkerId(worker), Attempt(attempt));
        self.step(Event::Finished { worker, task, attempt, size_bytes: 1_000, duration_us: 10_000 })
    }

    /// A task raises.
    pub(crate) fn fail(&mut self, worker: u32, task: TaskId, attempt: u32) -> Vec<Instruction> {
        self.step(Event::Failed { worker: WorkerId(worker), task, attempt: Attempt(attempt), died: false })
    }

    /// A result is not wanted any more.
    pub(crate) fn release(&mut self, task: TaskId) -> Vec<Instruction> {
        self.step(Event::Release { tasks: vec![task] })
    }
}

/// A task.
pub(crate) fn task(graph: u32, index: u32) -> TaskId {
    TaskId { graph: GraphId(graph), index }
}

/// A graph drawn by hand: for each task, which it takes.
pub(crate) fn drawn(rows: &[&[u32]]) -> Graph {
    let mut graph = Graph::new();
    let layer = Layer::new("hand", vec![rows.len() as u32]);
    graph.add_explicit(layer, Csr::from_rows(rows.iter().copied())).unwrap();
    graph
}

/// That a worker is told to run a task.
pub(crate) fn run(worker: u32, task: TaskId, attempt: u32) -> Instruction {
    Instruction::Run { worker: WorkerId(worker), task, attempt: Attempt(attempt) }
}
