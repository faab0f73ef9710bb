//! The board and calls under the core: from clients' messages to the pure [`Board`], and back.
//!
//! Start at [`Core::hear_board`]. A note's references are tasks of whoever left it; the scheduler gets a small graph of
//! stand-ins for each note and for each reader of it, so that values live for as long as anybody speaks of them.

use crate::board::Out;
use crate::core::Core;
use crate::history::now_us;
use crate::journal::Record;
use crate::tables::Submitted;
use raskal_graph::{Graph, Layer};
use raskal_proto::board::Note;
use raskal_proto::client::Submit;
use raskal_proto::{
    BoardAnswer, BoardRequest, CallMessage, Called, FunctionMessage, Setup, TaskNames, ToClient, ToWorker,
};
use raskal_scheduler::Event;
use raskal_types::{ClientId, GraphId, TaskId, WorkerId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The client in whose name the board wants results: no connection has this number.
pub(crate) const BOARD: ClientId = ClientId(u32::MAX);

/// The topic on which the scheduler itself tells who comes and goes.
const CLUSTER_TOPIC: &str = "raskal:cluster";

/// Calls under way, and what executors that come later are to call first.
#[derive(Default)]
pub(crate) struct Calls {
    open: HashMap<u64, (ClientId, u32, WorkerId)>,
    setups: BTreeMap<String, Vec<u8>>,
    /// The order in which setups were first asked for.
    order: Vec<String>,
    next: u64,
}

impl Core {
    pub(crate) fn hear_board(&mut self, client: ClientId, request: u32, mut ask: BoardRequest) {
        if let BoardRequest::Put { note, .. } = &mut ask
            && !self.board.has_answered(client, request)
        {
            self.adopt(BOARD, note);
        }
        let mut out = Vec::new();
        self.board.ask(client, request, ask, now_us(), &mut out);
        self.deliver_board(out);
    }

    pub(crate) fn hear_give_up(&mut self, client: ClientId, request: u32) {
        let mut out = Vec::new();
        self.board.give_up(client, request, &mut out);
        self.deliver_board(out);
    }

    /// A client is gone: what it leased, waited for and called ends.
    pub(crate) fn end_sharing(&mut self, client: ClientId) {
        self.calls.open.retain(|_, call| call.0 != client);
        let mut out = Vec::new();
        self.board.client_gone(client, &mut out);
        self.deliver_board(out);
        self.announce(&format!("{{\"action\":\"remove-client\",\"client\":{}}}", client.0));
    }

    /// Writes down what changed on the board.
    pub(crate) fn note_board(&mut self) {
        let changes = self.board.take_changes();
        if let Some(journal) = &mut self.journal {
            changes.into_iter().for_each(|change| journal.write(&Record::Board(change)));
        }
    }

    /// A client that was away does not come back: what it leased others may have.
    pub(crate) fn end_leases(&mut self, client: ClientId) {
        let mut out = Vec::new();
        self.board.client_gone(client, &mut out);
        self.board.forget_answers(client);
        self.deliver_board(out);
    }

    /// Tells those who listen what happens to the cluster, as JSON.
    pub(crate) fn announce(&mut self, json: &str) {
        let mut out = Vec::new();
        let note = Note { data: json.as_bytes().to_vec(), references: Vec::new() };
        self.board.publish(CLUSTER_TOPIC, note, false, now_us(), &mut out);
        self.deliver_board(out);
    }

    fn deliver_board(&mut self, out: Vec<Out>) {
        for out in out {
            match out {
                Out::Answer { client, request, mut answer } => {
                    self.board.answered(client, request, &answer);
                    if !self.tables.clients.contains_key(&client) {
                        continue;
                    }
                    let mut events = Vec::new();
                    if let BoardAnswer::Notes(notes) = &mut answer {
                        for named in notes {
                            events.extend(self.stand_in(client, &mut named.note));
                        }
                    }
                    // First the answer, which makes the references known there, then how they stand.
                    self.tables.tell_client(client, ToClient::Board { request, answer });
                    events.into_iter().for_each(|event| self.step(event));
                }
                Out::Topic { client, topic, at_us, note } => {
                    self.tables.tell_client(client, ToClient::Topic { topic, at_us, note });
                }
                Out::Drop(references) => {
                    let tasks: Vec<TaskId> = references.into_iter().map(|reference| reference.task).collect();
                    self.note_record(Record::Release { tasks: tasks.clone() });
                    self.step(Event::Release { tasks });
                }
            }
        }
    }

    /// Makes a note's references tasks of `client`'s, at once.
    fn adopt(&mut self, client: ClientId, note: &mut Note) {
        if let Some(event) = self.stand_in(client, note) {
            self.step(event);
        }
    }

    /// Makes a note's references tasks of `client`'s: stand-ins for what they were, in a graph of their own.
    fn stand_in(&mut self, client: ClientId, note: &mut Note) -> Option<Event> {
        let count = u32::try_from(note.references.len()).ok().filter(|&count| count > 0)?;
        let mut graph = Graph::new();
        graph.add(Layer::new("shared", vec![count])).ok()?;
        let graph = Arc::new(graph);
        let id = GraphId(self.tables.next_graph);
        self.tables.next_graph = self.tables.next_graph.checked_add(1)?;
        let mut imports = Vec::with_capacity(note.references.len());
        for (index, reference) in (0u32..).zip(&mut note.references) {
            imports.push((index, reference.task));
            reference.task = TaskId { graph: id, index };
        }
        let wanted: Vec<u32> = (0..count).collect();
        if let Some(journal) = &mut self.journal {
            let functions = vec![FunctionMessage::default()];
            let (layers, imports, wanted) = (graph.to_parts(), imports.clone(), wanted.clone());
            journal.submitted(client, &Submit { graph: id, layers, functions, imports, wanted });
        }
        let submitted = Submitted {
            client,
            held_by_layer: vec![0],
            names: Arc::new(vec![TaskNames::default()]),
            graph: graph.clone(),
            functions: vec![FunctionMessage::default()],
            informed: Default::default(),
            held: Default::default(),
            failures: Default::default(),
            deaths: Default::default(),
            submitted_us: now_us(),
        };
        self.tables.graphs.insert(id, submitted);
        Some(Event::Submit { graph: id, client, layers: graph, imports, wanted })
    }

    // ---- calls

    pub(crate) fn hear_call(&mut self, client: ClientId, request: u32, call: CallMessage) {
        let CallMessage { worker, pid, payload } = call;
        if !self.tables.workers.contains_key(&worker) {
            let answers = vec![Called { pid: pid.unwrap_or(0), result: Err("the worker is gone".into()) }];
            self.tables.tell_client(client, ToClient::Called { request, answers });
            return;
        }
        let number = self.calls.next;
        self.calls.next += 1;
        self.calls.open.insert(number, (client, request, worker));
        self.tables.tell_worker(worker, ToWorker::Call { call: number, pid, payload });
    }

    pub(crate) fn hear_called(&mut self, call: u64, answers: Vec<Called>) {
        if let Some((client, request, _)) = self.calls.open.remove(&call) {
            self.tables.tell_client(client, ToClient::Called { request, answers });
        }
    }

    pub(crate) fn hear_setup(&mut self, setup: Setup) {
        self.note_record(Record::Setup(setup.clone()));
        match &setup.payload {
            Some(payload) => {
                if self.calls.setups.insert(setup.name.clone(), payload.clone()).is_none() {
                    self.calls.order.push(setup.name.clone());
                }
            }
            None => {
                self.calls.setups.remove(&setup.name);
                self.calls.order.retain(|name| *name != setup.name);
            }
        }
        for worker in self.tables.workers.values_mut() {
            worker.outbox.say(ToWorker::Setup { setup: setup.clone(), now: false });
        }
    }

    /// What was set up, as it was asked for.
    pub(crate) fn past_setups(&self) -> Vec<Setup> {
        let setup = |name: &String| Setup { name: name.clone(), payload: self.calls.setups.get(name).cloned() };
        self.calls.order.iter().map(setup).collect()
    }

    /// What a worker that joins is to have its executors call first.
    pub(crate) fn setups(&self) -> Vec<ToWorker> {
        let setups = self.calls.order.iter().filter_map(|name| {
            let payload = Some(self.calls.setups.get(name)?.clone());
            Some(ToWorker::Setup { setup: Setup { name: name.clone(), payload }, now: true })
        });
        setups.collect()
    }

    /// A worker is gone: nobody answers what was called there.
    pub(crate) fn end_calls(&mut self, worker: WorkerId) {
        let ended: Vec<u64> = self.calls.open.iter().filter(|(_, call)| call.2 == worker).map(|(&id, _)| id).collect();
        for call in ended {
            self.hear_called(call, vec![Called { pid: 0, result: Err("the worker is gone".into()) }]);
        }
    }
}
