//! What a native task costs: so many tasks that do nothing, built, ordered and run on one thread and on two.
//!
//! `cargo run --release --example million -p raskal -- 1000000` prints one JSON object; the benchmarks read it. The time is
//! the smaller one.

use raskal::prelude::*;
use raskal::runtime::{Call, EncodedFunction, Function};
use raskal_graph::{Edge, EdgeMap, Layer};
use raskal_types::SlotClass;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Gives every task the same value, which is shared.
struct Nothing(Value);

impl Function for Nothing {
    fn run(&self, _call: Call<'_>) -> Result<Value, Failure> {
        Ok(self.0.clone())
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Err(Failure::internal("not sent anywhere"))
    }

    fn describe(&self) -> String {
        "nothing".into()
    }
}

/// A square of blocks, one step on each, and a tree over them: the shape of a reduction of an array.
fn program(tasks: u32) -> Result<(raskal::runtime::Program, u32), Failure> {
    let nothing = Arc::new(Nothing(Block::from_vec(vec![0.0], &[1]).into()));
    let mut builder = ProgramBuilder::new();
    // Two layers of the square and the tree: about 2 + 1/8 tasks for each of its places.
    let side = (f64::from(tasks) / 2.125).sqrt() as u32;
    let layer = |name: &str, shape: &[u32]| Layer::new(name, shape.to_vec()).class(SlotClass::Native);
    let first = builder.add(layer("first-0", &[side, side]), nothing.clone())?;
    let second = layer("second-0", &[side, side]).edge(Edge::new(first, EdgeMap::OneToOne));
    let mut last = builder.add(second, nothing.clone())?;
    let mut extent = side;
    while extent > 1 {
        extent = extent.div_ceil(8);
        let tree = layer(&format!("tree-{extent}"), &[extent, extent]);
        last = builder.add(tree.edge(Edge::new(last, EdgeMap::Tree { group: vec![8, 8] })), nothing.clone())?;
    }
    // What is left of the number, as tasks of their own.
    let rest = tasks.saturating_sub(builder.graph().task_count() + 1);
    let rest = builder.add(layer("rest-0", &[rest]), nothing.clone())?;
    let all = layer("all-0", &[]).edge(Edge::new(last, EdgeMap::All)).edge(Edge::new(rest, EdgeMap::All));
    let all = builder.add(all, nothing)?;
    let wanted = builder.graph().task(all, 0);
    let count = builder.graph().task_count();
    Ok((builder.finish(vec![wanted]), count))
}

fn timed(threads: u32, tasks: u32) -> Result<(Duration, u32), Box<dyn Error>> {
    let engine = Engine::with_threads(threads)?;
    let begun = Instant::now();
    let (program, count) = program(tasks)?;
    engine.run(program, &mut |_| Ok(()))?;
    let elapsed = begun.elapsed();
    engine.stop();
    Ok((elapsed, count))
}

fn main() -> Result<(), Box<dyn Error>> {
    let tasks: u32 = std::env::args().nth(1).as_deref().unwrap_or("1000000").parse()?;
    timed(1, tasks / 10)?;
    let (one, count) = timed(1, tasks)?;
    let (two, _) = timed(2, tasks)?;
    println!(
        "{{\"tasks\": {count}, \"seconds\": {}, \"one_thread_seconds\": {}, \"two_threads_seconds\": {}}}",
        one.min(two).as_secs_f64(),
        one.as_secs_f64(),
        two.as_secs_f64()
    );
    Ok(())
}
