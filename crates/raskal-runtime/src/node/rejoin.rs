//! A node whose scheduler is gone looks for it, and tells what it has when it is there again.
//!
//! Start at [`Shell::scheduler_gone`]. Tasks run on meanwhile; their answers are part of what is told.

use crate::Failure;
use crate::node::shell::{NodeEvent, Shell};
use crate::node::start::read;
use crate::node::store::Stored;
use raskal_net::{ConnectionOptions, Link, NetError, Role, connect};
use raskal_proto::worker::Inventory;
use raskal_proto::{FRAME_BYTES_MAX, FromWorker, ToWorker};
use raskal_types::ErrorKind;
use std::time::Duration;
use tokio::time::Instant;

/// Pauses between attempts, doubled from the first to the last.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

impl Shell {
    /// The connection broke: it is looked for, as long as the options say.
    pub(crate) fn scheduler_gone(&mut self, reason: String) {
        tracing::warn!(reason, "the scheduler is gone; looking for it");
        self.offline = true;
        self.state.outbox.clear();
        let (options, events, lasting) = (self.options.clone(), self.events.clone(), self.lasting);
        tokio::spawn(async move {
            let deadline = Instant::now() + options.connect_time;
            let mut pause = PAUSE_MIN;
            let found = loop {
                let left = deadline.saturating_duration_since(Instant::now()).max(PAUSE_MIN);
                match connect(&options.scheduler, &options.credentials, Role::Worker, left).await {
                    Ok(link) => break Ok(link),
                    // One that keeps no journal does not come back: its process is gone, and its knowledge with it.
                    Err(error @ NetError::NotListening { .. }) if !lasting => break Err(error.to_string()),
                    Err(error) if Instant::now() + pause > deadline => break Err(error.to_string()),
                    Err(error) => tracing::debug!(%error, "the scheduler is not there yet"),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            };
            let found = found.map_err(|error| format!("{reason}; and it could not be reached again: {error}"));
            let _ = events.send(NodeEvent::SchedulerFound(found.map(Box::new)));
        });
    }

    /// The scheduler is there again: it is told what is here.
    pub(crate) fn scheduler_found(&mut self, found: Result<Box<Link>, String>) -> Result<(), Failure> {
        let link = *found.map_err(|reason| Failure::new(ErrorKind::Io, reason))?;
        let limits = ConnectionOptions { frame_bytes_max: FRAME_BYTES_MAX, ..ConnectionOptions::default() };
        let (sender, receiver) = link.into_connection::<FromWorker, ToWorker>(limits);
        let values = self.state.machine.inventory().into_iter().map(|(task, size_bytes)| {
            let inline = match self.state.store.get(task) {
                Some(Stored::Inline(bytes)) => Some(bytes.to_vec()),
                _ => None,
            };
            (task, size_bytes, inline)
        });
        let inventory = Inventory {
            info: self.info.clone(),
            before: self.state.machine.id(),
            values: values.collect(),
            running: self.state.machine.given(),
        };
        tracing::warn!(
            values = inventory.values.len(),
            running = inventory.running.len(),
            "the scheduler is there again"
        );
        self.state.outbox.clear();
        sender.push([FromWorker::Rejoin(Box::new(inventory))])?;
        *self.line.lock() = Some(sender.clone());
        self.scheduler = sender;
        self.offline = false;
        // Who the others are is told anew, with new numbers.
        self.state.forget_peers(&self.fetcher);
        tokio::spawn(read(receiver, self.events.clone()));
        Ok(())
    }

    /// Who this worker is to a scheduler.
    pub(crate) fn welcome(&mut self, worker: raskal_types::WorkerId, lasting: bool) {
        self.state.machine.rename(worker);
        self.lasting = lasting;
    }
}
