//! What clients ask for.

use crate::answer::answer;
use crate::core::Core;
use crate::history::now_us;
use crate::tables::Submitted;
use raskal_graph::Graph;
use raskal_proto::client::{Question, Submit};
use raskal_proto::{FromClient, ToClient};
use raskal_scheduler::Event;
use raskal_types::{ClientId, GraphId, TaskId};
use std::sync::Arc;

impl Core {
    pub(crate) fn hear_client(&mut self, client: ClientId, message: FromClient) {
        self.note(&message);
        match message {
            FromClient::Submit(submit) => {
                if let Err(problem) = self.submit(client, *submit) {
                    self.hang_up(client, &problem);
                }
            }
            FromClient::Release { tasks } => {
                let tasks: Vec<TaskId> = tasks.into_iter().filter(|task| self.owns(client, task.graph)).collect();
                self.step(Event::Release { tasks });
            }
            FromClient::CancelForAll { tasks } => self.cancel_for_all(client, tasks),
            FromClient::Cancel { graph } => {
                if self.owns(client, graph) {
                    self.step(Event::Cancel { graph });
                }
            }
            FromClient::MoreGraphs => self.give_graphs(client),
            FromClient::Ask { request, question: Question::View(address) } => {
                self.answer_view(client, request, &address);
            }
            FromClient::Ask { request, question } => {
                if let Some(question) = self.order(client, request, question) {
                    let answer = answer(self, question);
                    self.tables.tell_client(client, ToClient::Answer { request, answer });
                }
            }
            FromClient::Board { request, ask } => self.hear_board(client, request, ask),
            FromClient::GiveUp { request } => self.hear_give_up(client, request),
            FromClient::Call { request, call } => self.hear_call(client, request, call),
            FromClient::Setup(setup) => self.hear_setup(setup),
            FromClient::Recall { tasks } => {
                let tasks = tasks.into_iter().filter(|task| !self.tables.has(*task) || self.owns(client, task.graph));
                let tasks: Vec<TaskId> = tasks.collect();
                self.release_others(client, &tasks);
                self.recall(client, tasks);
            }
            FromClient::Hello { .. } | FromClient::Resume { .. } => self.hang_up(client, "it said hello twice"),
        }
    }

    /// Gives up results that a client has, whoever made them and whoever else has them.
    fn cancel_for_all(&mut self, client: ClientId, tasks: Vec<TaskId>) {
        let mut all = Vec::new();
        for task in tasks.into_iter().filter(|task| self.owns(client, task.graph)) {
            let source = self.scheduler.resolve(task);
            let maker = self.tables.graphs.get(&source.graph).map(|submitted| (submitted.client, source));
            all.extend(maker.into_iter().chain(self.scheduler.stand_ins(source)));
        }
        for &(other, task) in &all {
            self.tables.tell_client(other, ToClient::Cancelled { tasks: vec![task] });
        }
        let tasks: Vec<TaskId> = all.into_iter().map(|(_, task)| task).collect();
        self.note(&FromClient::Release { tasks: tasks.clone() });
        self.step(Event::Release { tasks });
    }

    fn owns(&self, client: ClientId, graph: GraphId) -> bool {
        self.tables.graphs.get(&graph).is_some_and(|submitted| submitted.client == client)
    }

    /// Ends the connection of a client that says what no client of ours says.
    fn hang_up(&mut self, client: ClientId, problem: &str) {
        let Some(gone) = self.tables.clients.get(&client) else { return };
        tracing::warn!(%client, name = gone.name, problem, "a client's connection was closed");
        let _ = gone.sender.push([ToClient::Ended]);
        gone.sender.close();
        self.client_lost(client);
    }

    fn submit(&mut self, client: ClientId, submit: Submit) -> Result<(), String> {
        let id = submit.graph;
        let ranges = self.tables.clients.get(&client).map(|client| client.graphs.as_slice()).unwrap_or_default();
        if !ranges.iter().any(|&(first, behind)| (first..behind).contains(&id.0)) {
            return Err(format!("graph number {id} was not given to it"));
        }
        if self.owns(client, id) {
            // It was on its way when the connection broke, and is said again.
            self.tables.accepted(client, id);
            let tasks = submit.wanted.iter().map(|&index| TaskId { graph: id, index }).collect();
            self.recall(client, tasks);
            return Ok(());
        }
        if self.tables.graphs.contains_key(&id) {
            return Err(format!("graph number {id} is in use"));
        }
        if let Some(journal) = &mut self.journal {
            journal.submitted(client, &submit);
        }
        self.tables.accepted(client, id);
        self.accept(client, submit)
    }

    /// Takes a graph in, whoever sent it.
    pub(crate) fn accept(&mut self, client: ClientId, submit: Submit) -> Result<(), String> {
        let Submit { graph: id, layers, mut functions, imports, wanted } = submit;
        let graph = Arc::new(Graph::from_parts(layers).map_err(|error| error.to_string())?);
        let count = graph.task_count();
        if functions.len() != graph.layers().len() {
            return Err(format!("graph {id} has {} layers but {} functions", graph.layers().len(), functions.len()));
        }
        let out_of_range = |index: &&u32| **index >= count;
        if let Some(index) = wanted.iter().chain(imports.iter().map(|import| &import.0)).find(out_of_range) {
            return Err(format!("task {index} of graph {id} does not exist, it has {count}"));
        }
        tracing::debug!(%client, graph = %id, tasks = count, wanted = wanted.len(), "a graph was submitted");
        let submitted = Submitted {
            client,
            held_by_layer: vec![0; graph.layers().len()],
            names: Arc::new(functions.iter_mut().map(|function| std::mem::take(&mut function.names)).collect()),
            graph: graph.clone(),
            functions,
            informed: Default::default(),
            held: Default::default(),
            failures: Default::default(),
            deaths: Default::default(),
            submitted_us: now_us(),
        };
        self.tables.graphs.insert(id, submitted);
        self.step(Event::Submit { graph: id, client, layers: graph, imports, wanted });
        Ok(())
    }
}
