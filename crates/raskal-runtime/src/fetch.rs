//! Fetching values from the workers that hold them.
//!
//! Start at [`Fetcher::get`]. Connections are opened when first needed, shared, and opened anew once after they broke.

use crate::wire::{from_lent_parcel, from_parcel};
use parking_lot::Mutex;
use raskal_net::data::{DataClient, DataOptions};
use raskal_net::{Address, Credentials, NetError, Role, connect};
use raskal_proto::DataRequest;
use raskal_store::Frames;
use raskal_store::shared::SHARED_BYTES_MIN;
use raskal_types::TaskId;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a worker may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);

fn wrong(client: &DataClient<DataRequest>, task: TaskId) -> FetchError {
    FetchError::new(format!("{} gave bytes that are not the value of task {task}", client.peer()))
}

/// Whether an address is surely of this machine.
fn is_near(address: &str) -> bool {
    let host = address.parse::<Address>().ok();
    let host = host.as_ref().and_then(|address| address.host_port());
    host.is_some_and(|(host, _)| host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// What is the same for processes that can open each other's files under `/proc`: one start of one machine, one space of
/// process numbers.
pub(crate) fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let space = std::fs::read_link("/proc/self/ns/pid").map(|path| path.display().to_string()).unwrap_or_default();
        let refused = std::env::var_os("RASKAL_SHARE_MEMORY").is_some_and(|asked| asked == "off");
        match refused || boot.is_empty() || space.is_empty() {
            // Then it is like no other.
            true => format!("{}-{:x}", std::process::id(), rand::random::<u64>()),
            false => format!("{} {space}", boot.trim()),
        }
    })
}

/// A place for one worker's connection; the lock makes the first of many wait for one connection, not open its own.
type Slot = Arc<tokio::sync::Mutex<Option<DataClient<DataRequest>>>>;

/// Begins the refusal of a value that is held and can't be turned into bytes.
pub(crate) const UNUSABLE: &str = "the value can't leave its process: ";

/// Why a value could not be got.
#[derive(Clone, Debug)]
pub struct FetchError {
    /// What went wrong.
    pub message: String,
    /// Whether it is there and can't be turned into bytes, so that nobody can get it.
    pub unusable: bool,
}

impl FetchError {
    pub(crate) fn new(message: impl ToString) -> FetchError {
        FetchError { message: message.to_string(), unusable: false }
    }
}

impl From<NetError> for FetchError {
    fn from(error: NetError) -> FetchError {
        match error {
            NetError::Refused { message, .. } if message.starts_with(UNUSABLE) => {
                FetchError { message: message[UNUSABLE.len()..].to_owned(), unusable: true }
            }
            error => FetchError::new(error),
        }
    }
}

/// Fetches values from workers.
pub struct Fetcher {
    credentials: Credentials,
    options: DataOptions,
    slots: Mutex<HashMap<String, Slot>>,
}

impl Fetcher {
    /// A fetcher without connections.
    pub fn new(credentials: &Credentials) -> Fetcher {
        Fetcher { credentials: credentials.for_peers(), options: DataOptions::default(), slots: Mutex::default() }
    }

    /// The value of a task from the worker that gives values at `address`.
    ///
    /// # Errors
    /// If the worker can't be reached or does not hold the value.
    pub async fn get(&self, address: &str, task: TaskId, expected_bytes: u64) -> Result<Frames, FetchError> {
        let slot = self.slots.lock().entry(address.to_owned()).or_default().clone();
        let client = {
            let mut slot = slot.lock().await;
            match slot.as_ref().filter(|client| client.ended().is_none()) {
                Some(client) => client.clone(),
                None => {
                    let address: Address = address.parse()?;
                    let link = connect(&address, &self.credentials, Role::Data, CONNECT_TIME).await?;
                    let client = DataClient::new(link, self.options.clone());
                    *slot = Some(client.clone());
                    client
                }
            }
        };
        // Small values are not worth the questions.
        if expected_bytes == 0 || expected_bytes >= SHARED_BYTES_MIN as u64 {
            let borrow = DataRequest::Borrow { task, pid: std::process::id(), machine: machine().to_owned() };
            // What is lent does not come through the socket, and takes no credit of it.
            let parcel = client.request(&borrow, Vec::new(), if is_near(address) { 0 } else { expected_bytes }).await?;
            let Some(loan) = from_lent_parcel(&parcel) else {
                return from_parcel(parcel).ok_or_else(|| wrong(&client, task));
            };
            let id = loan.id;
            let taken = loan.take();
            client.request(&DataRequest::Taken { loan: id }, Vec::new(), 0).await?;
            match taken {
                Ok(frames) => return Ok(frames),
                Err(error) => tracing::debug!(%error, "lent memory can't be mapped; the value is sent instead"),
            }
        }
        let parcel = client.request(&DataRequest::Get(task), Vec::new(), expected_bytes).await?;
        from_parcel(parcel).ok_or_else(|| wrong(&client, task))
    }

    /// Forgets the connection to a worker that is gone.
    pub fn forget(&self, address: &str) {
        self.slots.lock().remove(address);
    }
}
