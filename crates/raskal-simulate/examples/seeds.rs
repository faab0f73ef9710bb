//! Plays many seeds and tells the kinds of failures: `cargo run --release --example seeds -p raskal-simulate -- PROFILE FROM
//! COUNT` (a profile's name, or `all`). One seed alone is told in full.

use raskal_simulate::{Profile, Report, Simulation};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;

/// What the last panic said, and where.
static SAID: Mutex<String> = Mutex::new(String::new());

/// Numbers differ from seed to seed: failures that differ in nothing else are of one kind.
fn kind(text: &str) -> String {
    let mut kind = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if kind.ends_with('#') => {}
            '0'..='9' => kind.push('#'),
            other => kind.push(other),
        }
    }
    kind.truncate(200);
    kind
}

fn play(profile: &Profile, from: u64, count: u64) -> usize {
    let mut failures: BTreeMap<String, (u64, String, u64)> = BTreeMap::new();
    let mut total = Report::default();
    for seed in from..from + count {
        let run = if count == 1 { Simulation::replay } else { Simulation::run };
        match std::panic::catch_unwind(|| run(profile, seed)) {
            Ok(report) => total += report,
            Err(_) => {
                let said = SAID.lock().map(|said| said.clone()).unwrap_or_default();
                failures.entry(kind(&said)).or_insert((seed, said, 0)).2 += 1;
            }
        }
    }
    println!("{}: seeds {from} to {}, {total:?}", profile.name, from + count - 1);
    for (seed, said, times) in failures.values() {
        println!("  {times} times, first in seed {seed}: {said}");
    }
    failures.len()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, from, count) = match &arguments[..] {
        [] => ("all", 0, 1_000),
        [name, from, count] => (name.as_str(), from.parse()?, count.parse()?),
        _ => return Err("usage: seeds PROFILE FROM COUNT".into()),
    };
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no text");
        if let Ok(mut said) = SAID.lock() {
            *said = format!("{text} ({})", panic.location().map(ToString::to_string).unwrap_or_default());
        }
    }));
    let profiles: Vec<Profile> =
        Profile::ALL.into_iter().filter(|profile| name == "all" || profile.name == name).collect();
    if profiles.is_empty() {
        return Err(format!("no profile is named {name:?}; there are {:?}", Profile::ALL.map(|own| own.name)).into());
    }
    let kinds: usize = profiles.iter().map(|profile| play(profile, from, count)).sum();
    if kinds > 0 {
        return Err(format!("{kinds} kinds of failures").into());
    }
    Ok(())
}
