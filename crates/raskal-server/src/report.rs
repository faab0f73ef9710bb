//! What the dashboard and clients are shown, made of the scheduler and the history on demand.
//!
//! Start at [`Core::view`]. The task that owns the scheduler only copies what is asked for; names, trees and JSON are made
//! of the copy elsewhere.

use crate::core::{Core, Incoming};
use crate::history::{Kind, Named, Run, now_us};
use crate::tables::key_of;
use raskal_dashboard as dashboard;
use raskal_dashboard::view::{
    GraphDetail, LayerDetail, Logs, NEIGHBOURS_MAX, Neighbour, Profile, Progress, Stream, StreamQuery, TaskDetail,
    View, ViewData, WorkerName,
};
use raskal_proto::client::Answer;
use raskal_types::{ClientId, GraphId, SlotClass, TaskId, key};
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};

/// How many runs a snapshot holds: what a page that was just opened can draw.
const SNAPSHOT_RUNS: usize = 4096;
/// How many names of a layer's tasks are told.
const NAMES_MAX: usize = 4;

/// The rest of the work of a view, for another thread.
pub(crate) type Rest = Box<dyn FnOnce() -> Option<ViewData> + Send>;

/// The dashboard's way to the task that owns the scheduler.
pub(crate) struct Reports {
    inbox: mpsc::Sender<Incoming>,
}

impl Reports {
    pub(crate) fn new(inbox: mpsc::Sender<Incoming>) -> Reports {
        Reports { inbox }
    }
}

impl dashboard::Source for Reports {
    fn snapshot(&self) -> dashboard::Snapshot {
        match self.view(&View::Snapshot) {
            Some(ViewData::Snapshot(snapshot)) => snapshot,
            // Only while the process ends, when nobody looks any more.
            _ => dashboard::Snapshot::default(),
        }
    }

    fn view(&self, view: &View) -> Option<ViewData> {
        let (answer, answered) = oneshot::channel();
        self.inbox.blocking_send(Incoming::View { view: view.clone(), answer }).ok()?;
        answered.blocking_recv().ok()?()
    }
}

/// What names tasks, without the scheduler.
#[derive(Default)]
struct Names(HashMap<GraphId, Named>);

impl Names {
    fn layer(&self, task: TaskId) -> Option<&str> {
        let graph = &self.0.get(&task.graph)?.graph;
        (task.index < graph.task_count()).then(|| graph.layer(graph.locate(task.index).0).prefix.as_str())
    }

    fn key(&self, task: TaskId) -> String {
        match self.0.get(&task.graph) {
            Some(named) if task.index < named.graph.task_count() => key_of(&named.graph, &named.names, task.index),
            _ => task.to_string(),
        }
    }

    /// What people call a task.
    fn name(&self, task: TaskId) -> &str {
        let named = self.0.get(&task.graph).filter(|named| task.index < named.graph.task_count());
        let own = named.and_then(|named| {
            let (layer, index) = named.graph.locate(task.index);
            named.names.get(layer.0 as usize)?.get(index)
        });
        own.unwrap_or_else(|| self.layer(task).map_or("forgotten", key::name))
    }

    fn event(&self, run: &Run) -> dashboard::TaskEvent {
        dashboard::TaskEvent {
            sequence: run.sequence,
            key: self.key(run.task),
            layer: self.layer(run.task).unwrap_or("forgotten").to_owned(),
            name: self.name(run.task).to_owned(),
            task: (u64::from(run.task.graph.0), run.task.index),
            worker: u64::from(run.worker.0),
            thread: run.thread,
            start_us: run.start_us,
            stop_us: run.start_us + u64::from(run.duration_us),
            ok: run.kind != Kind::Failed,
            transfer: run.kind == Kind::Transfer,
            size_bytes: run.size_bytes,
        }
    }

    fn stream(&self, runs: &[Run], workers: Vec<WorkerName>) -> Stream {
        let mut stream = Stream { time_us: now_us(), workers, ..Stream::default() };
        let (mut names, mut layers) = (HashMap::new(), HashMap::new());
        for run in runs {
            stream.sequence.push(run.sequence);
            stream.graph.push(u64::from(run.task.graph.0));
            stream.index.push(run.task.index);
            stream.key.push(self.key(run.task));
            stream.name.push(place(&mut names, &mut stream.names, self.name(run.task)));
            stream.layer.push(place(&mut layers, &mut stream.layers, self.layer(run.task).unwrap_or("forgotten")));
            stream.worker.push(u64::from(run.worker.0));
            stream.thread.push(run.thread);
            stream.start_us.push(run.start_us);
            stream.stop_us.push(run.start_us + u64::from(run.duration_us));
            stream.size_bytes.push(run.size_bytes);
            stream.kind.push(run.kind.name());
        }
        stream
    }
}

/// The position of a text in a list, in which it is put if it is not there.
fn place(known: &mut HashMap<String, u32>, list: &mut Vec<String>, text: &str) -> u32 {
    if let Some(&place) = known.get(text) {
        return place;
    }
    let place = list.len() as u32;
    list.push(text.to_owned());
    known.insert(text.to_owned(), place);
    place
}

impl Core {
    /// The scheduler's part of a view.
    pub(crate) fn view(&self, view: View) -> Rest {
        match view {
            View::Snapshot => {
                let mut snapshot = self.snapshot();
                let skip = self.history.runs.len().saturating_sub(SNAPSHOT_RUNS);
                let runs: Vec<Run> = self.history.runs.iter().skip(skip).copied().collect();
                let names = self.names(runs.iter().map(|run| run.task.graph));
                Box::new(move || {
                    snapshot.scheduler.memory_bytes = own_memory();
                    snapshot.events = runs.iter().map(|run| names.event(run)).collect();
                    Some(ViewData::Snapshot(snapshot))
                })
            }
            View::Progress(query) => {
                let graphs = self.scheduler.graphs().filter(|(graph, _)| query.wants(graph.0.into()));
                let graphs = graphs.filter_map(|(graph, _)| self.graph(graph)).collect();
                Box::new(move || Some(ViewData::Progress(Progress { graphs })))
            }
            View::Stream(query) => {
                let runs = self.runs(&query);
                let names = self.names(runs.iter().map(|run| run.task.graph));
                let workers = self.worker_names();
                Box::new(move || Some(ViewData::Stream(names.stream(&runs, workers))))
            }
            View::Graph(query) => {
                let detail = u32::try_from(query.id).ok().and_then(|id| self.graph_detail(GraphId(id)));
                Box::new(move || detail.map(ViewData::Graph))
            }
            View::Task(query) => {
                let graph = u32::try_from(query.graph).ok().map(GraphId);
                let detail = graph.and_then(|graph| self.task_detail(TaskId { graph, index: query.index }));
                Box::new(move || detail.map(|detail| ViewData::Task(Box::new(detail))))
            }
            View::Profile(query) => {
                let profiles = self.history.profiles.clone();
                let workers = self.worker_names();
                Box::new(move || {
                    let mut layers: Vec<_> = profiles.layers().into_iter().collect();
                    layers.sort_by_key(|&(_, samples)| std::cmp::Reverse(samples));
                    let known = profiles.workers();
                    let seen = |worker: &WorkerName| known.iter().any(|known| u64::from(known.0) == worker.id);
                    Some(ViewData::Profile(Profile {
                        interval_us: profiles.interval_us,
                        layers: layers.into_iter().map(|(layer, _)| layer.to_string()).collect(),
                        workers: workers.into_iter().filter(seen).collect(),
                        root: profiles.tree(&query),
                    }))
                })
            }
            View::Logs(query) => {
                let wanted = |line: &&dashboard::view::LogLine| {
                    Some(line.sequence) > query.since
                        && query.source.as_ref().is_none_or(|source| *source == line.source)
                };
                let mut lines: Vec<_> = self.history.lines.iter().filter(wanted).cloned().collect();
                lines.drain(..lines.len().saturating_sub(query.count.unwrap_or(usize::MAX)));
                Box::new(move || Some(ViewData::Logs(Logs { lines })))
            }
        }
    }

    /// Answers a client that asks for a view: the answer goes out when it is made.
    pub(crate) fn answer_view(&self, client: ClientId, request: u32, address: &str) {
        let Some(sender) = self.tables.clients.get(&client).map(|client| client.sender.clone()) else { return };
        let say = move |answer: Result<String, String>| {
            // A client that is gone needs no answer.
            let _ = sender.push([raskal_proto::ToClient::Answer { request, answer: Answer::View(answer) }]);
        };
        match View::parse(address) {
            Err(error) => say(Err(error.to_string())),
            Ok(view) => {
                let rest = self.view(view);
                tokio::task::spawn_blocking(move || {
                    let unknown = || "the cluster does not know it, or not any more".to_owned();
                    say(rest().map(|data| data.to_json()).ok_or_else(unknown));
                });
            }
        }
    }

    fn named(&self, id: GraphId) -> Option<Named> {
        match self.tables.graphs.get(&id) {
            Some(submitted) => Some(Named { graph: submitted.graph.clone(), names: submitted.names.clone() }),
            None => self.history.forgotten_graph(id).cloned(),
        }
    }

    fn names(&self, graphs: impl Iterator<Item = GraphId>) -> Names {
        let mut names = Names::default();
        for graph in graphs {
            if let std::collections::hash_map::Entry::Vacant(vacant) = names.0.entry(graph)
                && let Some(named) = self.named(graph)
            {
                vacant.insert(named);
            }
        }
        names
    }

    /// Workers, those that are gone first.
    fn worker_names(&self) -> Vec<WorkerName> {
        let here = self.tables.workers.values().map(|worker| WorkerName {
            id: u64::from(worker.info.worker.0),
            name: worker.info.name.clone(),
            address: worker.info.address.clone(),
        });
        self.history.gone.iter().cloned().chain(here).collect()
    }

    fn runs(&self, query: &StreamQuery) -> Vec<Run> {
        let wanted = |run: &&Run| {
            Some(run.sequence) > query.since
                && query.start_us.is_none_or(|start| run.start_us + u64::from(run.duration_us) >= start)
                && query.stop_us.is_none_or(|stop| run.start_us < stop)
        };
        let mut runs: Vec<Run> =
            self.history.runs.iter().rev().filter(wanted).take(query.count.unwrap_or(usize::MAX)).copied().collect();
        runs.reverse();
        runs
    }

    /// A snapshot without its runs.
    fn snapshot(&self) -> dashboard::Snapshot {
        let history = &self.history;
        dashboard::Snapshot {
            time_us: now_us(),
            scheduler: dashboard::Scheduler {
                address: self.addresses.first().cloned().unwrap_or_default(),
                version: raskal_net::VERSION.to_owned(),
                started_us: history.started_us,
                events: history.events,
                events_per_s: history.rates.events_per_s,
                event_us_mean: history.rates.event_us_mean,
                connections: (self.tables.workers.len() + self.tables.clients.len()) as u64,
                memory_bytes: 0,
                busy: history.rates.busy,
                inbox: self.inbox_len as u64,
                turn_us_max: history.rates.turn_us_max,
            },
            totals: dashboard::Totals { clients: self.tables.clients.len() as u64, ..history.totals.clone() },
            workers: self.tables.workers.values().map(|worker| self.worker(worker)).collect(),
            graphs: self.scheduler.graphs().filter_map(|(graph, _)| self.graph(graph)).collect(),
            events: Vec::new(),
            errors: history.errors.iter().cloned().collect(),
        }
    }

    fn worker(&self, worker: &crate::tables::Worker) -> dashboard::Worker {
        let (assigned, holds, held_bytes) = self.scheduler.load(worker.info.worker);
        let executing = u64::from(worker.executing).min(assigned as u64);
        dashboard::Worker {
            id: u64::from(worker.info.worker.0),
            name: worker.info.name.clone(),
            address: worker.info.address.clone(),
            threads: worker.info.python_slots.max(worker.info.native_slots),
            executing,
            queued: assigned as u64 - executing,
            in_memory: holds as u64,
            memory_used_bytes: worker.info.memory_used_bytes,
            memory_limit_bytes: worker.info.memory_limit_bytes,
            memory_managed_bytes: worker.memory_managed_bytes.max(held_bytes),
            spilled_bytes: worker.info.memory_spilled_bytes,
            received_bytes: worker.vitals.received_bytes,
            sent_bytes: worker.vitals.sent_bytes,
            transfers: u64::from(worker.vitals.transfers),
            occupancy_us: f64::from(self.scheduler.occupancy_us(worker.info.worker)),
            cpu_percent: f64::from(worker.cpu_percent),
            host: worker.info.host.clone(),
            pid: worker.info.pid,
            joined_us: worker.joined_us,
            last_seen_us: worker.info.last_seen_us,
        }
    }

    fn counts(&self, id: GraphId) -> Vec<dashboard::Counts> {
        let Some(submitted) = self.tables.graphs.get(&id) else { return Vec::new() };
        let counts = self.scheduler.counts(id);
        let counts = counts.iter().zip(&submitted.held_by_layer).map(|(counts, &in_memory)| {
            let [total, running, done, failed] =
                [counts.needed, counts.running, counts.done, counts.failed].map(u64::from);
            let waiting = total.saturating_sub(running + done + failed);
            dashboard::Counts { total, waiting, ready: 0, running, done, failed, in_memory }
        });
        counts.collect()
    }

    fn graph(&self, id: GraphId) -> Option<dashboard::Graph> {
        let submitted = self.tables.graphs.get(&id)?;
        let client = self.tables.clients.get(&submitted.client).map(|client| client.name.clone()).unwrap_or_default();
        let layers = submitted.graph.layers().iter().zip(&submitted.functions).zip(&*submitted.names);
        // Results of other graphs are nothing to be done here, and there may be thousands of them.
        let own = layers.zip(self.counts(id)).filter(|(((_, function), _), _)| !function.codec.is_empty());
        let layers = own.map(|(((layer, _), names), counts)| dashboard::Layer {
            prefix: layer.prefix.clone(),
            names: names.names.iter().take(NAMES_MAX).cloned().collect(),
            counts,
        });
        let layers = layers.collect();
        Some(dashboard::Graph { id: u64::from(id.0), client, submitted_us: submitted.submitted_us, layers })
    }

    fn graph_detail(&self, id: GraphId) -> Option<GraphDetail> {
        let submitted = self.tables.graphs.get(&id)?;
        let counts = self.counts(id);
        let graph = &submitted.graph;
        let mut held_bytes = vec![0; graph.layers().len()];
        for (&index, held) in &submitted.held {
            held_bytes[graph.locate(index).0.0 as usize] += held.size_bytes;
        }
        let mut detail = GraphDetail { id: u64::from(id.0), ..GraphDetail::default() };
        for (number, layer) in graph.layers().iter().enumerate() {
            for edge in &layer.edges {
                // A layer of calls may depend on itself, which the picture does not show.
                if edge.source.0 as usize != number {
                    detail.edges.push((edge.source.0, number as u32, edge_name(&edge.map)));
                }
            }
            let names = submitted.names.get(number).map(|names| names.names.as_slice()).unwrap_or_default();
            detail.layers.push(LayerDetail {
                prefix: layer.prefix.clone(),
                names: names.iter().take(NAMES_MAX).cloned().collect(),
                shape: layer.shape.clone(),
                python: layer.class == SlotClass::Python,
                counts: counts.get(number).copied().unwrap_or_default(),
                held_bytes: held_bytes[number],
            });
        }
        Some(detail)
    }

    fn task_detail(&self, task: TaskId) -> Option<TaskDetail> {
        let names = self.names(std::iter::once(task.graph));
        let graph = names.0.get(&task.graph)?.graph.clone();
        if task.index >= graph.task_count() {
            return None;
        }
        let submitted = self.tables.graphs.get(&task.graph);
        let runs: Vec<Run> = self.history.runs.iter().filter(|run| run.task == task).copied().collect();
        let holders = self.scheduler.holders(task);
        let workers = self.worker_names();
        let failure = submitted.and_then(|submitted| submitted.failures.get(&task.index));
        let state = match submitted {
            None => "forgotten",
            Some(_) if failure.is_some() || self.scheduler.cause(task).is_some() => "failed",
            Some(_) if !holders.is_empty() => "in memory",
            Some(_) if self.scheduler.is_running(task) => "running",
            Some(_) if runs.iter().any(|run| run.kind == Kind::Task) => "released",
            Some(_) => "waiting",
        };
        let neighbours = |tasks: &[u32]| {
            let neighbour = |&index: &u32| Neighbour { index, key: names.key(TaskId { graph: task.graph, index }) };
            tasks.iter().take(NEIGHBOURS_MAX).map(neighbour).collect::<Vec<_>>()
        };
        let (mut inputs, mut users) = (Vec::new(), Vec::new());
        graph.predecessors(task.index, &mut inputs);
        graph.successors(task.index, &mut users);
        Some(TaskDetail {
            name: names.name(task).to_owned(),
            layer: names.layer(task).unwrap_or_default().to_owned(),
            state,
            holders: workers
                .iter()
                .filter(|worker| holders.iter().any(|holder| u64::from(holder.0) == worker.id))
                .cloned()
                .collect(),
            size_bytes: submitted.and_then(|submitted| submitted.held.get(&task.index)).map(|held| held.size_bytes),
            inputs: neighbours(&inputs),
            input_count: inputs.len() as u64,
            users: neighbours(&users),
            user_count: users.len() as u64,
            runs: names.stream(&runs, workers),
            error: self
                .history
                .errors
                .iter()
                .rfind(|error| error.task == (u64::from(task.graph.0), task.index))
                .cloned(),
            key: names.key(task),
        })
    }
}

fn edge_name(map: &raskal_graph::EdgeMap) -> &'static str {
    use raskal_graph::EdgeMap;
    match map {
        EdgeMap::OneToOne => "one to one",
        EdgeMap::BlockMap { .. } => "blocks",
        EdgeMap::Tree { .. } => "tree",
        EdgeMap::All => "all to all",
        EdgeMap::Stretches { .. } => "stretches",
        EdgeMap::Previous { .. } => "previous",
        EdgeMap::Explicit(_) => "explicit",
    }
}

/// Resident memory of this process.
fn own_memory() -> u64 {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
    let Ok(pid) = sysinfo::get_current_pid() else { return 0 };
    let Ok(mut system) = System::new() else { return 0 };
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        false,
        ProcessRefreshKind::nothing().with_memory(),
    );
    system.process(pid).map_or(0, sysinfo::Process::memory)
}
