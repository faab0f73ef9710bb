//! What is asked of a cluster beside snapshots, by address: `stream?count=100`, `profile?worker=3`.
//!
//! Start at [`View::parse`]. The page asks over HTTP, a client over its own connection, and both get the same JSON: an
//! address means one thing, wherever it is asked.
//!
//! Invariant: nothing here is sent unasked, so a view may be large.

use crate::model::{Counts, Graph, Snapshot, TaskError, Worker};
use axum::extract::Query;
use axum::http::Uri;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// The whole cluster, as the page shows it.
    Snapshot,
    /// How far graphs are.
    Progress(ProgressQuery),
    /// Recent runs of tasks.
    Stream(StreamQuery),
    /// A graph: its layers and what each needs.
    Graph(GraphQuery),
    /// One task.
    Task(TaskQuery),
    /// Where Python spent its time.
    Profile(ProfileQuery),
    /// The last lines of the logs.
    Logs(LogQuery),
}

/// Which graphs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProgressQuery {
    /// Their numbers, with commas between them; all by default.
    pub graphs: Option<String>,
}

impl ProgressQuery {
    /// Whether a graph was asked for.
    pub fn wants(&self, graph: u64) -> bool {
        self.graphs.as_ref().is_none_or(|graphs| graphs.split(',').any(|number| number.parse() == Ok(graph)))
    }
}

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamQuery {
    /// Only those that ended at this time or later.
    pub start_us: Option<u64>,
    /// Only those that began before this time.
    pub stop_us: Option<u64>,
    /// Only those with a greater sequence number.
    pub since: Option<u64>,
    /// Only the last so many.
    pub count: Option<usize>,
}

/// Which graph.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphQuery {
    /// Its number.
    pub id: u64,
}

/// Which task.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskQuery {
    /// Number of its graph.
    pub graph: u64,
    /// Its number in the graph.
    pub index: u32,
}

/// Which samples.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileQuery {
    /// Only of this worker, by number.
    pub worker: Option<u64>,
    /// Only of layers of this name.
    pub layer: Option<String>,
    /// Only those taken at this time or later.
    pub start_us: Option<u64>,
    /// Only those taken before this time.
    pub stop_us: Option<u64>,
}

/// Which lines.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogQuery {
    /// Only those with a greater sequence number.
    pub since: Option<u64>,
    /// Only of the scheduler (`scheduler`) or of a worker, by name.
    pub source: Option<String>,
    /// Only the last so many.
    pub count: Option<usize>,
}

/// Why an address is no view.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ViewError {
    /// There is none of this name.
    #[error("there is no view '{0}'\nhint: the views are snapshot, progress, stream, graph, task, profile and logs")]
    Unknown(String),
    /// What follows the question mark is not right.
    #[error("the view '{name}' can't be asked so: {why}")]
    Query {
        /// The view.
        name: String,
        /// What is wrong.
        why: String,
    },
}

impl View {
    /// Reads an address: a name, and its query behind a question mark.
    ///
    /// # Errors
    /// If there is no such view or the query does not fit it.
    ///
    /// ```
    /// use raskal_dashboard::view::{StreamQuery, View};
    /// assert_eq!(View::parse("stream?count=3"), Ok(View::Stream(StreamQuery { count: Some(3), ..Default::default() })));
    /// assert!(View::parse("streams").is_err());
    /// ```
    pub fn parse(address: &str) -> Result<View, ViewError> {
        let name = address.split('?').next().unwrap_or_default();
        Ok(match name {
            "snapshot" => View::Snapshot,
            "progress" => View::Progress(query(name, address)?),
            "stream" => View::Stream(query(name, address)?),
            "graph" => View::Graph(query(name, address)?),
            "task" => View::Task(query(name, address)?),
            "profile" => View::Profile(query(name, address)?),
            "logs" => View::Logs(query(name, address)?),
            _ => return Err(ViewError::Unknown(name.to_owned())),
        })
    }
}

fn query<T: DeserializeOwned>(name: &str, address: &str) -> Result<T, ViewError> {
    let wrong = |why: String| ViewError::Query { name: name.to_owned(), why };
    let uri: Uri = format!("/{address}").parse().map_err(|error| wrong(format!("{error}")))?;
    let Query(query) = Query::try_from_uri(&uri).map_err(|error| wrong(error.body_text()))?;
    Ok(query)
}

/// The answer to a [`View`], as it goes out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ViewData {
    /// To [`View::Snapshot`].
    Snapshot(Snapshot),
    /// To [`View::Progress`].
    Progress(Progress),
    /// To [`View::Stream`].
    Stream(Stream),
    /// To [`View::Graph`].
    Graph(GraphDetail),
    /// To [`View::Task`].
    Task(Box<TaskDetail>),
    /// To [`View::Profile`].
    Profile(Profile),
    /// To [`View::Logs`].
    Logs(Logs),
}

impl ViewData {
    /// The answer as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| {
            tracing::error!(%error, "a view can't be written as JSON; this is a defect of raskal");
            "null".into()
        })
    }
}

/// How far graphs are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Progress {
    /// Those that are held; one that is not is done and forgotten.
    pub graphs: Vec<Graph>,
}

/// Runs of tasks, as columns: row *i* is entry *i* of each.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stream {
    /// When it was taken.
    pub time_us: u64,
    /// Workers that occur, whether or not they are still there.
    pub workers: Vec<WorkerName>,
    /// Names that occur.
    pub names: Vec<String>,
    /// Key prefixes of layers that occur.
    pub layers: Vec<String>,
    /// Sequence numbers.
    pub sequence: Vec<u64>,
    /// Number of the graph.
    pub graph: Vec<u64>,
    /// Number of the task in its graph.
    pub index: Vec<u32>,
    /// Keys.
    pub key: Vec<String>,
    /// Positions in `names`.
    pub name: Vec<u32>,
    /// Positions in `layers`.
    pub layer: Vec<u32>,
    /// [`Worker::id`].
    pub worker: Vec<u64>,
    /// Threads of the worker.
    pub thread: Vec<u32>,
    /// When each began.
    pub start_us: Vec<u64>,
    /// When each ended.
    pub stop_us: Vec<u64>,
    /// Bytes of the values.
    pub size_bytes: Vec<u64>,
    /// `task`, `failed` or `transfer`.
    pub kind: Vec<&'static str>,
}

/// A worker, as people call it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WorkerName {
    /// [`Worker::id`].
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where its peers reach it.
    pub address: String,
}

impl From<&Worker> for WorkerName {
    fn from(worker: &Worker) -> WorkerName {
        WorkerName { id: worker.id, name: worker.name.clone(), address: worker.address.clone() }
    }
}

/// A graph, as layers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GraphDetail {
    /// Its number.
    pub id: u64,
    /// Its layers, dependencies first.
    pub layers: Vec<LayerDetail>,
    /// `(from, to, kind)`: positions in `layers`, and how tasks of the two belong together.
    pub edges: Vec<(u32, u32, &'static str)>,
}

/// A layer of a graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LayerDetail {
    /// Key prefix.
    pub prefix: String,
    /// What people call its tasks, where that differs from the prefix.
    pub names: Vec<String>,
    /// Its grid.
    pub shape: Vec<u32>,
    /// Whether its tasks run Python.
    pub python: bool,
    /// Where its tasks are.
    pub counts: Counts,
    /// Bytes of its values that are held.
    pub held_bytes: u64,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TaskDetail {
    /// Its key.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// Key prefix of its layer.
    pub layer: String,
    /// `waiting`, `running`, `in memory`, `failed` or `forgotten`.
    pub state: &'static str,
    /// Workers that hold its value.
    pub holders: Vec<WorkerName>,
    /// Bytes of its value, where that is held.
    pub size_bytes: Option<u64>,
    /// Its inputs, at most [`NEIGHBOURS_MAX`].
    pub inputs: Vec<Neighbour>,
    /// How many inputs it has.
    pub input_count: u64,
    /// Tasks that need it, at most [`NEIGHBOURS_MAX`].
    pub users: Vec<Neighbour>,
    /// How many need it.
    pub user_count: u64,
    /// Its runs that are remembered.
    pub runs: Stream,
    /// Its failure, if it failed.
    pub error: Option<TaskError>,
}

/// How many inputs and users of a task are named.
pub const NEIGHBOURS_MAX: usize = 50;

/// Another task.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Neighbour {
    /// Its number in the graph.
    pub index: u32,
    /// Its key.
    pub key: String,
}

/// A tree of frames: where Python spent its time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Profile {
    /// Time between two samples.
    pub interval_us: u32,
    /// Layers that samples are known of, whatever was asked, most samples first.
    pub layers: Vec<String>,
    /// Workers that samples are known of.
    pub workers: Vec<WorkerName>,
    /// The whole, and what it called.
    pub root: ProfileNode,
}

/// A function that was seen in samples, and what it called.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProfileNode {
    /// The function; `root` for the whole.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// In how many samples it was seen here.
    pub samples: u64,
    /// What it called, most samples first.
    pub children: Vec<ProfileNode>,
}

/// Lines of logs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Logs {
    /// Oldest first.
    pub lines: Vec<LogLine>,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LogLine {
    /// Grows by one with each line of a scheduler.
    pub sequence: u64,
    /// When the scheduler heard of it.
    pub time_us: u64,
    /// `scheduler`, or the name of a worker.
    pub source: String,
    /// The text.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_mistakes_named() {
        let profile = ProfileQuery { worker: Some(3), layer: Some("a b&c".into()), ..ProfileQuery::default() };
        assert_eq!(View::parse("profile?worker=3&layer=a%20b%26c"), Ok(View::Profile(profile)));
        assert_eq!(View::parse("logs"), Ok(View::Logs(LogQuery::default())));
        for (address, part) in
            [("nothing", "'nothing'"), ("graph", "id"), ("stream?count=x", "count"), ("logs?x=1", "x")]
        {
            let error = View::parse(address).unwrap_err().to_string();
            assert!(error.contains(part), "{address}: {error}");
        }
    }
}
