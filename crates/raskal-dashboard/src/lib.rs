//! The dashboard of a cluster: one page, its JSON, a websocket, and Prometheus metrics.
//!
//! ```
//! use raskal_dashboard::{Access, Snapshot, Source, router, serve};
//! use std::{net::SocketAddr, sync::Arc};
//!
//! struct Cluster;
//! impl Source for Cluster {
//!     fn snapshot(&self) -> Snapshot {
//!         Snapshot::default()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let access = Access::for_listener(listener.local_addr()?, None)?;
//! let shutdown = async {}; // a real one waits
//! serve(listener, router(Arc::new(Cluster), access), shutdown).await?;
//! # Ok(())
//! # }
//! ```
//!
//! - [`model`]: [`Snapshot`], the data, and [`Source`], which the scheduler implements.
//! - [`access`]: who may look.
//! - [`view`]: what is asked beside snapshots: the task stream, a graph, a task, the profile, logs.
//! - [`server`]: addresses and what answers them.
//! - `feed`: takes one snapshot at a time for all who look.
//! - `websocket`, `metrics`, `assets`: the three kinds of answers. The page itself is in `static/`.
//!
//! This crate never changes a cluster and knows no type of the scheduler.

pub mod access;
pub mod model;
pub mod server;
pub mod view;

mod assets;
mod feed;
mod metrics;
mod websocket;

pub use access::{Access, AccessError};
pub use model::{Counts, Graph, Layer, Scheduler, Snapshot, Source, TaskError, TaskEvent, Totals, Worker};
pub use server::{router, serve};
pub use view::{View, ViewData};
