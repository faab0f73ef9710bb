//! Programs as messages.

use crate::client::Client;
use crate::client::results::Remote;
use crate::client::table::{Known, Outcome};
use crate::{Failure, Function, Program};
use raskal_graph::Graph;
use raskal_proto::client::Submit;
use raskal_proto::{FromClient, FunctionMessage, TaskNames};
use raskal_types::{ErrorKind, GraphId, SlotClass, TaskId};
use std::sync::Arc;

/// The most bytes of functions and values in one submission: what fits a frame, with room for the graph itself.
const SUBMIT_BYTES_MAX: usize = raskal_proto::FRAME_BYTES_MAX - (256 << 20);

/// Fewer free graph numbers than this, and the scheduler is asked for more.
const GRAPHS_LOW: usize = 2048;

impl Client {
    /// Submits a program; the results that it wants are kept on the cluster for as long as the handles live.
    ///
    /// # Errors
    /// If a function can't be encoded (the message names it), or the connection has ended.
    pub fn submit(self: &Arc<Self>, program: Program) -> Result<Vec<Arc<Remote>>, Failure> {
        let Program { graph, functions, imports, wanted, recorder: _ } = program;
        let mut encoded = Vec::with_capacity(functions.len());
        let mut imported = Vec::new();
        for (layer, function) in functions.iter().enumerate() {
            let id = raskal_graph::LayerId(layer as u32);
            if let Some(tasks) = imports.get(&id) {
                imported.extend(graph.tasks(id).zip(tasks.iter().copied()));
                encoded.push(FunctionMessage::default());
                continue;
            }
            let function = function.encode()?;
            let tasks = function.tasks.unwrap_or_default();
            encoded.push(FunctionMessage {
                codec: function.codec.to_owned(),
                shared: function.shared.into(),
                offsets: tasks.offsets,
                payloads: tasks.bytes.into(),
                names: TaskNames { names: tasks.names, name_of: tasks.name_of, keys: tasks.keys },
            });
        }
        let size_bytes: usize = encoded.iter().map(|function| function.shared.len() + function.payloads.len()).sum();
        if size_bytes > SUBMIT_BYTES_MAX {
            return Err(Failure::new(
                ErrorKind::Value,
                format!(
                    "the functions and values of this computation are {size_bytes} bytes, and at most {SUBMIT_BYTES_MAX} \
                     travel to a cluster at once\nhint: have the workers read large data from files, or submit it in parts"
                ),
            ));
        }
        let known = functions.into_iter().enumerate().map(|(layer, function)| {
            // Layers of values have neither keys nor lines of their own, and may be large.
            (graph.layers()[layer].class == SlotClass::Python).then_some(function)
        });
        let known = known.collect();
        let parts = graph.to_parts();

        let id = self.next_graph()?;
        let mut unique = wanted.clone();
        unique.sort_unstable();
        unique.dedup();
        if unique.is_empty() {
            return Ok(Vec::new());
        }
        #[allow(clippy::useless_conversion)]
        let graph = Arc::from(graph);
        // Together, so that a connection that breaks finds both or neither.
        let mut line = self.sender.lock();
        self.shared.table.lock().graphs.insert(id, Known::new(graph, known, unique.clone()));
        let handles: Vec<Arc<Remote>> =
            unique.iter().map(|&index| Arc::new(Remote::new(self.clone(), TaskId { graph: id, index }))).collect();
        let submit = Submit { graph: id, layers: parts, functions: encoded, imports: imported, wanted: unique.clone() };
        let said = line.push([FromClient::Submit(Box::new(submit))]);
        // Before handles may be dropped, which takes the same lock.
        drop(line);
        said?;
        wanted
            .iter()
            .map(|index| {
                let position =
                    unique.binary_search(index).map_err(|_| Failure::internal("a wanted task has no handle"))?;
                Ok(handles[position].clone())
            })
            .collect()
    }

    /// A graph number that nobody used before.
    fn next_graph(&self) -> Result<GraphId, Failure> {
        let mut table = self.shared.table.lock();
        loop {
            table.check_open()?;
            if table.free_graphs.len() < GRAPHS_LOW && !table.asked_for_graphs {
                table.asked_for_graphs = true;
                // The line's lock is never taken behind the table's.
                drop(table);
                self.sender.push([FromClient::MoreGraphs])?;
                table = self.shared.table.lock();
            }
            match table.free_graphs.pop_front() {
                Some(id) => return Ok(GraphId(id)),
                None => self.shared.changed.wait(&mut table),
            }
        }
    }

    /// Submits a graph of one task that stands for a task of another client's.
    pub(crate) fn submit_borrowed(
        self: &Arc<Self>,
        graph: Graph,
        functions: Vec<Arc<dyn Function>>,
        source: TaskId,
    ) -> Result<Arc<Remote>, Failure> {
        let id = self.next_graph()?;
        let layers = graph.to_parts();
        let known = functions.into_iter().map(Some).collect();
        self.shared.table.lock().graphs.insert(id, Known::new(Arc::new(graph), known, vec![0]));
        let remote = Arc::new(Remote::new(self.clone(), TaskId { graph: id, index: 0 }));
        let functions = vec![FunctionMessage::default()];
        let submit = Submit { graph: id, layers, functions, imports: vec![(0, source)], wanted: vec![0] };
        self.sender.push([FromClient::Submit(Box::new(submit))])?;
        Ok(remote)
    }

    /// Gives these results up; their status becomes cancelled. Those that other clients have of them live on, unless
    /// `for_all`.
    ///
    /// # Errors
    /// If the connection has ended.
    pub fn cancel(&self, handles: &[Arc<Remote>], for_all: bool) -> Result<(), Failure> {
        let mut table = self.shared.table.lock();
        table.check_open()?;
        let mut tasks: Vec<TaskId> = handles.iter().map(|handle| handle.task()).collect();
        tasks.retain(|task| !matches!(table.outcome(*task), None | Some(Outcome::Cancelled)));
        for &task in &tasks {
            table.settle(task, Outcome::Cancelled);
        }
        table.changes += 1;
        drop(table);
        self.shared.changed.notify_all();
        let message = if for_all { FromClient::CancelForAll { tasks } } else { FromClient::Release { tasks } };
        self.sender.push([message]).map_err(|error| Failure::new(ErrorKind::Io, error.to_string()))
    }
}
