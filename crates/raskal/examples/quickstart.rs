//! A group-by, a reduction and a graph of tasks on all cores, from Rust alone.
//!
//! `cargo run --release --example quickstart -p raskal`

use raskal::array::{Chunks, NoHost, Plan, ops::Binary};
use raskal::frame::{Aggregate, CsvOptions, GroupOptions, Reduction};
use raskal::prelude::*;
use std::error::Error;
use std::fmt::Write as _;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let cores = std::thread::available_parallelism()?.get() as u32;
    let engine = Engine::with_threads(cores)?;

    // A dataframe: the mean balance by name over several files.
    let folder = std::env::temp_dir().join(format!("raskal-quickstart-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    for file in 0..4u32 {
        let mut text = String::from("name,balance\n");
        for row in 0..250_000u32 {
            let name = ["Ada", "Bob", "Cleo", "Dan"][(row % 4) as usize];
            writeln!(text, "{name},{}", f64::from(row / 4 + file))?;
        }
        std::fs::write(folder.join(format!("{file}.csv")), text)?;
    }
    let begun = Instant::now();
    let frame = Frame::read_csv(&[folder.join("*.csv").to_string_lossy().into_owned()], CsvOptions::default())?;
    let groups = frame.group_by(&["name"], GroupOptions::default())?;
    let means = groups.aggregate(&[Aggregate::new("balance", Reduction::Mean)])?.reset_index(false)?.collect()?;
    println!("mean balance by name, 1,000,000 rows in {:?}:", begun.elapsed());
    println!("{}", arrow::util::pretty::pretty_format_batches(&means.batches)?);
    std::fs::remove_dir_all(&folder)?;

    // An array: ((x + 1) * 2).mean() of 16 million numbers, in one fused pass per chunk.
    let begun = Instant::now();
    let x = Expr::from_block(
        &Block::from_vec(vec![0.5; 4_000 * 4_000], &[4_000, 4_000]),
        Chunks::regular(&[4_000, 4_000], &[1_000, 1_000]),
    )?;
    let y = x.binary(Binary::Add, 1.0)?.binary(Binary::Multiply, 2.0)?.mean(None)?;
    let mut builder = ProgramBuilder::new();
    let layer = Plan::of(&y, &NoHost)?.add_to(&mut builder)?;
    let wanted = builder.graph().tasks(layer).collect();
    let values = engine.run(builder.finish(wanted), &mut |_| Ok(()))?;
    println!(
        "mean of an array of 16 million: {:?} in {:?}",
        values[0].as_block()?.as_slice::<f64>().unwrap_or_default(),
        begun.elapsed()
    );

    // A graph of tasks: squares, and their sum by a tree.
    let begun = Instant::now();
    let mut tasks = Tasks::new();
    let mut level: Vec<Task<u64>> = (0..100_000u64).map(|n| tasks.add("square", move || n * n)).collect();
    while level.len() > 1 {
        level = level.chunks(8).map(|part| tasks.reduce("add", part, |parts| parts.iter().copied().sum())).collect();
    }
    let total = tasks.compute(&engine, level[0])?;
    println!("sum of 100,000 squares by a tree of tasks: {total} in {:?}", begun.elapsed());
    Ok(())
}
