//! Registered functions on a cluster of Rust programs: this one is worker and client, as it is told.
//!
//! ```sh
//! raskal scheduler &
//! cargo run --release --example cluster -p raskal -- worker tls://127.0.0.1:8786 &
//! cargo run --release --example cluster -p raskal -- client tls://127.0.0.1:8786
//! ```

use raskal::cluster::{Cluster, Functions, Worker};
use std::error::Error;
use std::time::{Duration, Instant};

/// What the workers know by name.
fn functions() -> Functions {
    let mut functions = Functions::new();
    functions.add("count", |first: u64, last: u64| Ok((first..last).filter(|&number| is_prime(number)).count() as u64));
    functions.add_many("sum", |parts: Vec<u64>| Ok(parts.iter().sum::<u64>()));
    functions
}

fn is_prime(number: u64) -> bool {
    number > 1 && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", address] => Worker::at(address)?.run(functions())?,
        ["client", address] => {
            let cluster = Cluster::connect(address)?;
            cluster.wait_for_workers(1, Duration::from_secs(10))?;
            let begun = Instant::now();
            let part = 10_000;
            let counts = (0..100u64)
                .map(|number| {
                    cluster.call("count").value(&(number * part)).value(&((number + 1) * part)).submit::<u64>()
                })
                .collect::<Result<Vec<_>, _>>()?;
            let total = cluster.call("sum").futures(&counts).submit::<u64>()?;
            println!("{} primes below 1,000,000 in {:?}", total.result()?, begun.elapsed());
        }
        _ => return Err("write: cluster worker ADDRESS, or: cluster client ADDRESS".into()),
    }
    Ok(())
}
