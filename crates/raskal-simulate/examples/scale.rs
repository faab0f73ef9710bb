//! The scheduler's own time per event, for many workers and tasks: `cargo run --release --example scale -p
//! raskal-simulate -- 1000 1000000` (workers, tasks).
//!
//! Workers answer at once and in turn; nothing but the scheduler's steps is timed, on the machine's clock.

use raskal_graph::{Edge, EdgeMap, Graph, Layer};
use raskal_scheduler::{Event, Instruction, Scheduler, Slots, Traits};
use raskal_types::{ClientId, GraphId, WorkerId};
use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Slots of each kind of a worker.
const SLOTS: u32 = 4;
/// How many tasks of a layer one of the next takes.
const GROUP: u32 = 8;

/// Independent tasks.
fn wide(tasks: u32) -> Result<Graph, Box<dyn Error>> {
    let mut graph = Graph::new();
    graph.add(Layer::new("wide", vec![tasks]))?;
    Ok(graph)
}

/// Chains of ten tasks.
fn chains(tasks: u32) -> Result<Graph, Box<dyn Error>> {
    let (mut graph, shape) = (Graph::new(), vec![(tasks / 10).max(1)]);
    let mut last = graph.add(Layer::new("link-0", shape.clone()))?;
    for link in 1..10 {
        let layer = Layer::new(format!("link-{link}"), shape.clone());
        last = graph.add(layer.edge(Edge::new(last, EdgeMap::OneToOne)))?;
    }
    Ok(graph)
}

/// A tree that reduces everything to one.
fn tree(tasks: u32) -> Result<Graph, Box<dyn Error>> {
    let (mut graph, mut count) = (Graph::new(), tasks - tasks / GROUP);
    let mut last = graph.add(Layer::new("leaves", vec![count]))?;
    while count > 1 {
        count = count.div_ceil(GROUP);
        let layer = Layer::new(format!("of-{count}"), vec![count]);
        last = graph.add(layer.edge(Edge::new(last, EdgeMap::Tree { group: vec![GROUP] })))?;
    }
    Ok(graph)
}

/// Each task of one layer takes each of another; the two have the same number of tasks.
fn all_to_all(tasks: u32) -> Result<Graph, Box<dyn Error>> {
    let (mut graph, shape) = (Graph::new(), vec![tasks.min(2_000) / 2]);
    let parts = graph.add(Layer::new("split", shape.clone()))?;
    graph.add(Layer::new("merge", shape).edge(Edge::new(parts, EdgeMap::All)))?;
    Ok(graph)
}

/// A task and when it is answered: after so many others.
type Running = VecDeque<(WorkerId, raskal_types::TaskId, raskal_types::Attempt)>;

fn measure(name: &str, workers: u32, duration_us: u32, graph: Graph) {
    let (mut scheduler, mut out, mut running) = (Scheduler::new(), Vec::new(), Running::new());
    for worker in (0..workers).map(WorkerId) {
        scheduler.step(
            Event::WorkerJoined {
                worker,
                slots: Slots::Separate { python: SLOTS, native: SLOTS },
                traits: Traits::default(),
            },
            &mut out,
        );
    }
    let tasks = graph.task_count();
    let last = raskal_graph::LayerId(graph.layers().len() as u32 - 1);
    let wanted: Vec<u32> = graph.tasks(last).collect();
    let (id, client, layers) = (GraphId(0), ClientId(0), Arc::new(graph));
    let (mut events, mut submitted, mut slowest) = (0u32, Duration::ZERO, Duration::ZERO);
    let mut total = Duration::ZERO;
    let mut next = Some(Event::Submit { graph: id, client, layers, imports: Vec::new(), wanted: wanted.clone() });
    while let Some(event) = next.take() {
        let begun = Instant::now();
        scheduler.step(event, &mut out);
        let took = begun.elapsed();
        match events {
            0 => submitted = took,
            _ => (total, slowest) = (total + took, slowest.max(took)),
        }
        events += 1;
        for instruction in out.drain(..) {
            if let Instruction::Run { worker, task, attempt } = instruction {
                running.push_back((worker, task, attempt));
            }
        }
        next = running.pop_front().map(|(worker, task, attempt)| Event::Finished {
            worker,
            task,
            attempt,
            size_bytes: 100_000,
            duration_us,
        });
    }
    let held: usize = wanted
        .iter()
        .filter(|&&index| !scheduler.holders(raskal_types::TaskId { graph: id, index }).is_empty())
        .count();
    assert_eq!((held, events), (wanted.len(), tasks + 1), "not everything was computed");
    let mean_us = total.as_secs_f64() * 1e6 / f64::from(tasks);
    println!(
        "{name:>10} {tasks:>9} tasks of {duration_us:>6} us: submit {:>8.1} ms, {mean_us:>7.2} us per event, slowest {:>8.0} us",
        submitted.as_secs_f64() * 1e3,
        slowest.as_secs_f64() * 1e6
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Result<Vec<u32>, _> = std::env::args().skip(1).map(|number| number.parse()).collect();
    let (workers, tasks) = match numbers?[..] {
        [] => (100, 100_000),
        [workers, tasks] if workers > 0 && tasks >= 10 => (workers, tasks),
        _ => return Err("usage: scale WORKERS TASKS (at least 1 and 10)".into()),
    };
    println!("{workers} workers");
    for duration_us in [10, 100_000] {
        measure("wide", workers, duration_us, wide(tasks)?);
        measure("chains", workers, duration_us, chains(tasks)?);
        measure("tree", workers, duration_us, tree(tasks)?);
        measure("all-to-all", workers, duration_us, all_to_all(tasks)?);
    }
    Ok(())
}
