//! Fetching values from the workers that hold them.
//!
//! Start at [`Fetcher::get`]. Connections are opened when first needed, shared, and opened anew once after they broke.

use crate::wire::from_parcel;
use parking_lot::Mutex;
use raskal_net::data::{DataClient, DataOptions};
use raskal_net::{Address, Credentials, NetError, Role, connect};
use raskal_proto::DataRequest;
use raskal_store::Frames;
use raskal_types::TaskId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a worker may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);

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
        let parcel = client.request(&DataRequest::Get(task), Vec::new(), expected_bytes).await?;
        from_parcel(parcel).ok_or_else(|| {
            FetchError::new(format!("{} gave bytes that are not the value of task {task}", client.peer()))
        })
    }

    /// Forgets the connection to a worker that is gone.
    pub fn forget(&self, address: &str) {
        self.slots.lock().remove(address);
    }
}
