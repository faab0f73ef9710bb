//! The invented cluster's answers to what is asked beside snapshots.

use raskal_dashboard::Snapshot;
use raskal_dashboard::view::{
    GraphDetail, LayerDetail, LogLine, Logs, Neighbour, Profile, ProfileNode, Progress, Stream, TaskDetail, View,
    ViewData, WorkerName,
};

/// Answers a view from a snapshot.
pub(crate) fn answer(snapshot: Snapshot, hostile: bool, view: &View) -> Option<ViewData> {
    let workers: Vec<WorkerName> = snapshot.workers.iter().map(WorkerName::from).collect();
    Some(match view {
        View::Snapshot => ViewData::Snapshot(snapshot),
        View::Progress(query) => {
            let graphs = snapshot.graphs.into_iter().filter(|graph| query.wants(graph.id)).collect();
            ViewData::Progress(Progress { graphs })
        }
        View::Stream(query) => {
            let since = query.since;
            let mut stream = stream(&snapshot, workers, |event| Some(event.sequence) > since);
            stream.time_us = snapshot.time_us;
            ViewData::Stream(stream)
        }
        View::Graph(query) => {
            let graph = snapshot.graphs.iter().find(|graph| graph.id == query.id)?;
            let layer = |layer: &raskal_dashboard::Layer| LayerDetail {
                prefix: layer.prefix.clone(),
                names: layer.names.clone(),
                shape: vec![layer.counts.total as u32],
                python: true,
                counts: layer.counts,
                held_bytes: layer.counts.in_memory * (48 << 20),
            };
            let edges = (1..graph.layers.len() as u32).map(|to| (to - 1, to, "one to one")).collect();
            ViewData::Graph(GraphDetail { id: graph.id, layers: graph.layers.iter().map(layer).collect(), edges })
        }
        View::Task(query) => {
            let of = |event: &&raskal_dashboard::TaskEvent| event.task == (query.graph, query.index);
            let event = snapshot.events.iter().rfind(of)?;
            let neighbour = |index: u32| Neighbour { index, key: format!("('{}', {index})", event.layer) };
            ViewData::Task(Box::new(TaskDetail {
                key: event.key.clone(),
                name: event.name.clone(),
                layer: event.layer.clone(),
                state: if event.ok { "in memory" } else { "failed" },
                holders: workers.iter().filter(|worker| worker.id == event.worker).cloned().collect(),
                size_bytes: event.ok.then_some(event.size_bytes),
                inputs: vec![neighbour(query.index.saturating_sub(1))],
                input_count: 1,
                users: vec![neighbour(query.index + 1)],
                user_count: 73,
                runs: stream(&snapshot, workers, |other| other.task == event.task),
                error: snapshot.errors.iter().rfind(|error| error.task == event.task).cloned(),
            }))
        }
        View::Profile(query) => {
            let share = if query.worker.is_some() { workers.len().max(1) as u64 } else { 1 };
            let layers = ["simulate", "score", "read-csv"].map(str::to_owned).to_vec();
            let root = if workers.is_empty() { ProfileNode::default() } else { tree(6_000 / share, hostile) };
            ViewData::Profile(Profile { interval_us: 10_000, layers, workers, root })
        }
        View::Logs(query) => {
            let since = query.since.unwrap_or(0);
            let line = |(sequence, (source, text)): (usize, (&str, &str))| LogLine {
                sequence: sequence as u64 + 1,
                time_us: snapshot.scheduler.started_us + 1_000_000 * sequence as u64,
                source: source.to_owned(),
                text: text.to_owned(),
            };
            let hostile_line = if hostile { "<img src=x onerror=window.hacked=3>" } else { "a worker joined" };
            let lines = [
                ("scheduler", " INFO the scheduler listens addresses=[tls://10.0.0.5:8786]"),
                ("scheduler", hostile_line),
                ("node-1", "/opt/lib/pandas/io.py:12: FutureWarning: the default of squeeze will change"),
                ("node-0", " WARN an executor died executor=1 how=\"was killed (signal 9, SIGKILL)\""),
                ("node-2", "ValueError: row 977: balance is negative: -0.15"),
            ];
            let lines = lines.into_iter().enumerate().map(line).filter(|line| line.sequence > since).collect();
            ViewData::Logs(Logs { lines })
        }
    })
}

fn stream(
    snapshot: &Snapshot,
    workers: Vec<WorkerName>,
    wanted: impl Fn(&raskal_dashboard::TaskEvent) -> bool,
) -> Stream {
    let mut stream = Stream { workers, ..Stream::default() };
    for event in snapshot.events.iter().filter(|event| wanted(event)) {
        let place = stream.names.iter().position(|name| *name == event.name).unwrap_or_else(|| {
            stream.names.push(event.name.clone());
            stream.layers.push(event.layer.clone());
            stream.names.len() - 1
        });
        stream.sequence.push(event.sequence);
        stream.graph.push(event.task.0);
        stream.index.push(event.task.1);
        stream.key.push(event.key.clone());
        stream.name.push(place as u32);
        stream.layer.push(place as u32);
        stream.worker.push(event.worker);
        stream.thread.push(event.thread);
        stream.start_us.push(event.start_us);
        stream.stop_us.push(event.stop_us);
        stream.size_bytes.push(event.size_bytes);
        stream.kind.push(if event.ok { "task" } else { "failed" });
    }
    stream
}

/// A tree of functions as a table of accounts would give: each child has its share of thousandths.
fn tree(samples: u64, hostile: bool) -> ProfileNode {
    type Shape = (&'static str, &'static str, u32, u64, &'static [usize]);
    const NODES: [Shape; 9] = [
        ("root", "", 0, 1000, &[1, 4]),
        ("simulate", "/home/ada/portfolio.py", 30, 640, &[2, 3]),
        ("draw_paths", "/home/ada/portfolio.py", 52, 410, &[7]),
        ("discount", "/home/ada/portfolio.py", 70, 150, &[]),
        ("read_csv", "/opt/lib/python3.12/site-packages/pandas/io/parsers/readers.py", 868, 360, &[5, 6]),
        ("TextReader.read", "/opt/lib/python3.12/site-packages/pandas/io/parsers/c_parser_wrapper.py", 210, 250, &[]),
        ("_infer_types", "/opt/lib/python3.12/site-packages/pandas/io/parsers/base_parser.py", 702, 60, &[8]),
        ("Generator.normal", "/opt/lib/python3.12/site-packages/numpy/random/_generator.py", 11, 380, &[]),
        ("to_numeric", "/opt/lib/python3.12/site-packages/pandas/core/tools/numeric.py", 47, 45, &[]),
    ];
    fn node(place: usize, samples: u64, hostile: bool) -> ProfileNode {
        let (name, file, line, share, children) = NODES[place];
        let name = if hostile && place == 3 { "<script>window.hacked = 4</script>" } else { name };
        ProfileNode {
            name: name.into(),
            file: file.into(),
            line,
            samples: samples * share / 1000,
            children: children.iter().map(|&child| node(child, samples, hostile)).collect(),
        }
    }
    node(0, samples, hostile)
}
