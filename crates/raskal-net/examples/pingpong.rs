//! Measures a connection on loopback: us per message batched, us per round trip, and MB/s of bulk data.
//!
//! `cargo run --release --example pingpong -p raskal-net [tls|tcp|unix]`

use bitcode::{Decode, Encode};
use raskal_net::data::{DataClient, DataOptions, Parcel, serve};
use raskal_net::{Address, ConnectionOptions, Credentials, HandshakeOptions, Link, Listener, NetError, Role, connect};
use std::time::{Duration, Instant};

const BATCHED: u32 = 500_000;
const ROUND_TRIPS: u32 = 5_000;
const BULK_BYTES: usize = 64 << 20;
const BULK_TIMES: usize = 4;

/// About what a finished task says.
#[derive(Encode, Decode)]
struct Message {
    task: u32,
    attempt: u32,
    size_bytes: u64,
}

async fn pair(scheme: &str) -> Result<(Link, Link), NetError> {
    let socket = std::env::temp_dir().join(format!("raskal-pingpong-{}", std::process::id()));
    let (address, credentials) = match scheme {
        "tcp" => (Address::tcp("127.0.0.1", 0), Credentials::insecure()),
        "unix" => (Address::Unix(socket), Credentials::generate(&["localhost"])?),
        _ => (Address::tls("127.0.0.1", 0), Credentials::generate(&["127.0.0.1"])?),
    };
    let mut listener = Listener::bind(&address, &credentials, HandshakeOptions::new(Role::Scheduler)).await?;
    let address = listener.address().clone();
    let (one, other) =
        tokio::join!(listener.accept(), connect(&address, &credentials, Role::Worker, Duration::from_secs(5)));
    Ok((one, other?))
}

async fn messages(scheme: &str) -> Result<(), NetError> {
    let (one, other) = pair(scheme).await?;
    let (sender, mut back) = one.into_connection::<Message, Message>(ConnectionOptions::default());
    let (echo, mut receiver) = other.into_connection::<Message, Message>(ConnectionOptions::default());
    let echoing = tokio::spawn(async move {
        let mut received = 0;
        while let Ok(Some(messages)) = receiver.receive().await {
            received += messages.len() as u32;
            // The batched messages are only counted; then each is answered.
            let answers = if received == BATCHED { messages.len().min(1) } else { messages.len() };
            if received >= BATCHED && echo.push(messages.into_iter().take(answers)).is_err() {
                break;
            }
        }
    });
    let message = |task| Message { task, attempt: 0, size_bytes: 28 };
    let started = Instant::now();
    for task in 0..BATCHED {
        sender.send(message(task)).await?;
    }
    back.receive().await?;
    let batched = started.elapsed().as_secs_f64() * 1e6 / f64::from(BATCHED);
    let written = sender.written();
    let started = Instant::now();
    for task in 0..ROUND_TRIPS {
        sender.push([message(task)])?;
        back.receive().await?;
    }
    let round_trip = started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUND_TRIPS);
    println!(
        "{scheme}: {batched:.2} us a message batched ({} a frame), {round_trip:.1} us a round trip",
        written.messages / written.frames
    );
    drop((sender, back));
    echoing.abort();
    Ok(())
}

async fn bulk(scheme: &str) -> Result<(), NetError> {
    let (one, other) = pair(scheme).await?;
    let buffer = bytes::Bytes::from(vec![1; BULK_BYTES]);
    let serving = tokio::spawn(serve(one, DataOptions::default(), move |_: u32, _| {
        let buffers = vec![buffer.clone()];
        async move { Ok(Parcel { head: bytes::Bytes::new(), buffers }) }
    }));
    let client = DataClient::<u32>::new(other, DataOptions::default());
    let started = Instant::now();
    for _ in 0..BULK_TIMES {
        client.request(&0, Vec::new(), BULK_BYTES as u64).await?;
    }
    let mb = (BULK_BYTES * BULK_TIMES) as f64 / 1e6;
    println!("{scheme}: {:.0} MB/s of bulk data", mb / started.elapsed().as_secs_f64());
    serving.abort();
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), NetError> {
    let scheme = std::env::args().nth(1).unwrap_or_else(|| "tls".to_owned());
    messages(&scheme).await?;
    bulk(&scheme).await
}
