//! The dashboard over an invented cluster, to look at the page and to test it in a browser. Test data, nothing more.
//!
//! ```text
//! cargo run -p raskal-dashboard --example fake_cluster -- --port 8787
//! ```
//! Options: `--host A`, `--port N` (0 for any), `--workers N`, `--token T`, `--empty` (no worker, no graph),
//! `--hostile` (names and keys that try to be HTML). Stops when its standard input closes.

mod cluster;
mod views;

use cluster::Cluster;
use raskal_dashboard::{Access, Snapshot, Source, View, ViewData, router, serve};
use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

struct Fake {
    cluster: Mutex<Cluster>,
    hostile: bool,
}

impl Source for Fake {
    fn snapshot(&self) -> Snapshot {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        cluster.advance(u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
        cluster.snapshot()
    }

    fn view(&self, view: &View) -> Option<ViewData> {
        views::answer(self.snapshot(), self.hostile, view)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = options(std::env::args().skip(1));
    let option = |name: &str, default: &str| options.get(name).cloned().unwrap_or_else(|| default.to_owned());
    let address: SocketAddr = format!("{}:{}", option("host", "127.0.0.1"), option("port", "8787")).parse()?;
    let workers = if options.contains_key("empty") { 0 } else { option("workers", "4").parse()? };

    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let hostile = options.contains_key("hostile");
    let cluster = Mutex::new(Cluster::new(workers, hostile, u64::try_from(now)?));
    let listener = tokio::net::TcpListener::bind(address).await?;
    let access = Access::for_listener(listener.local_addr()?, options.get("token").map(String::as_str))?;
    println!("http://{}/status", listener.local_addr()?);

    let stdin_closed = async {
        let _ = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin())).await;
    };
    serve(listener, router(Arc::new(Fake { cluster, hostile }), access), stdin_closed).await?;
    Ok(())
}

/// `--name value` and `--flag`.
fn options(args: impl Iterator<Item = String>) -> HashMap<String, String> {
    let mut options = HashMap::new();
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        let value = args.next_if(|next| !next.starts_with("--")).unwrap_or_default();
        options.insert(arg.trim_start_matches('-').to_owned(), value);
    }
    options
}
