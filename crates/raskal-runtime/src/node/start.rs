//! From options to a running node.
//!
//! Start at [`run`]. The scheduler hears of the node only when its executors are ready and its data server listens.

use crate::fetch::Fetcher;
use crate::node::data;
use crate::node::native::NativePool;
use crate::node::options::NodeOptions;
use crate::node::pipe::Frame;
use crate::node::process::{self, Process};
use crate::node::shell::{NodeEvent, Shell};
use crate::{Failure, FunctionRegistry};
use raskal_net::{
    Address, ConnectionOptions, HandshakeOptions, Link, Listener, NetError, Receiver, Role, Sender, connect,
};
use raskal_proto::client::WorkerInfo;
use raskal_proto::{FRAME_BYTES_MAX, FromExecutor, FromWorker, ToWorker};
use raskal_types::{ErrorKind, WorkerId};
use raskal_worker::ExecutorId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long executors may take to start.
const EXECUTOR_TIME: Duration = Duration::from_secs(60);

/// Runs a node until its scheduler is gone, it is told to end, or it can't go on.
///
/// # Errors
/// If the scheduler can't be reached or refuses the node, or the node can't run tasks. An ordered end is no error.
pub fn run(options: NodeOptions, registry: FunctionRegistry) -> Result<(), Failure> {
    // Messages on this thread; bulk data on others, so that transfers hold up no message.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let data = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("raskal-data")
        .enable_all()
        .build()?;
    let end_with_stdin = options.end_with_stdin;
    let result = runtime.block_on(async {
        let end = end(end_with_stdin)?;
        let line = Line::default();
        tokio::select! {
            failure = serve(options, registry, data.handle().clone(), line.clone()) => failure,
            () = end => {
                take_leave(&line).await;
                Ok(())
            }
        }
    });
    data.shutdown_background();
    result
}

/// The connection to the scheduler, once there is one.
pub(crate) type Line = Arc<parking_lot::Mutex<Option<Sender<FromWorker>>>>;

/// Closes the connection in order, so that the scheduler does not take the node for lost.
async fn take_leave(line: &Line) {
    let sender = line.lock().take();
    if let Some(sender) = sender {
        sender.close();
        // A scheduler that does not answer will find out by itself.
        let _ = tokio::time::timeout(Duration::from_secs(1), sender.closed()).await;
    }
}

async fn serve(
    mut options: NodeOptions,
    registry: FunctionRegistry,
    data: tokio::runtime::Handle,
    line: Line,
) -> Result<(), Failure> {
    let (events, mut inbox) = mpsc::unbounded_channel();
    let mut executors = BTreeMap::new();
    for number in 0..options.executors {
        let id = ExecutorId(number);
        executors.insert(id, process::start(id, number, &options, &events)?);
    }
    let link = reach(&options).await?;
    let host = options.host.clone().or_else(|| link.local_address().map(|address| address.ip().to_string()));
    let listener = listen(&options, host.as_deref().unwrap_or("127.0.0.1"), &data).await?;
    let address = options.contact.as_ref().unwrap_or(listener.address()).to_string();
    data.spawn(data::serve(listener, events.clone()));
    wait_for_executors(&mut executors, &mut inbox).await?;

    let hostname = sysinfo::System::host_name().unwrap_or_else(|_| "localhost".into());
    if options.name.is_empty() {
        options.name = format!("{hostname}-{}", std::process::id());
    }
    let connection = ConnectionOptions { frame_bytes_max: FRAME_BYTES_MAX, ..ConnectionOptions::default() };
    let (sender, mut receiver) = link.into_connection::<FromWorker, ToWorker>(connection);
    *line.lock() = Some(sender.clone());
    let info = WorkerInfo {
        name: options.name.clone(),
        address,
        host: hostname,
        pid: std::process::id(),
        python_slots: options.executors * options.executor_threads,
        native_slots: options.native_threads,
        memory_limit_bytes: options.memory_limit_bytes,
        resources: options.resources.clone(),
        ..WorkerInfo::default()
    };
    sender.push([FromWorker::Hello(info.clone())])?;
    let (worker, lasting, rest) = welcome(&mut receiver).await?;
    let _ = events.send(NodeEvent::Scheduler(rest));
    tokio::spawn(read(receiver, events.clone()));
    let native = NativePool::start(options.native_threads, Arc::new(registry), events.clone())?;
    let fetcher = Arc::new(Fetcher::new(&options.credentials));
    let mut shell =
        Shell::new(options, worker, sender.clone(), events, native, fetcher, data, executors, info, line.clone());
    shell.lasting = lasting;
    drop::<Sender<FromWorker>>(sender);
    let result = shell.run(inbox).await;
    if result.is_ok() {
        take_leave(&line).await;
    }
    result
}

/// Connects to the scheduler, which may be starting at this very moment.
async fn reach(options: &NodeOptions) -> Result<Link, Failure> {
    let deadline = Instant::now() + options.connect_time;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        match connect(&options.scheduler, &options.credentials, Role::Worker, left).await {
            Ok(link) => return Ok(link),
            Err(error @ (NetError::NotListening { .. } | NetError::Unreachable { .. })) => {
                if Instant::now() + Duration::from_millis(200) > deadline {
                    return Err(error.into());
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn listen(options: &NodeOptions, host: &str, data: &tokio::runtime::Handle) -> Result<Listener, Failure> {
    let told = options.contact.as_ref().and_then(Address::host_port).map_or(host, |(told, _)| told);
    let credentials = options.credentials.clone().with_identity(&["localhost", host, told])?;
    let encrypted = !matches!(options.scheduler, Address::Tcp { .. }) && !options.credentials.is_insecure();
    let (first, last) = options.ports;
    let mut port = first;
    loop {
        let address = if encrypted { Address::tls(host, port) } else { Address::tcp(host, port) };
        let credentials = credentials.clone();
        // Bound on the runtime of the data plane, where its connections then live.
        let bind = async move { Listener::bind(&address, &credentials, HandshakeOptions::new(Role::Worker)).await };
        match data.spawn(bind).await.map_err(Failure::internal)? {
            Err(NetError::Listen { .. }) if port < last => port += 1,
            bound => return Ok(bound?),
        }
    }
}

/// Waits until every executor has said that it is ready.
async fn wait_for_executors(
    executors: &mut BTreeMap<ExecutorId, Process>,
    inbox: &mut mpsc::UnboundedReceiver<NodeEvent>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + EXECUTOR_TIME;
    while executors.values().any(|process| !process.ready) {
        let event = tokio::time::timeout_at(deadline, inbox.recv()).await.map_err(|_| {
            Failure::new(ErrorKind::Io, format!("executors were not ready within {} s", EXECUTOR_TIME.as_secs()))
        })?;
        match event {
            Some(NodeEvent::Executor { executor, frame: Frame::Messages(messages) }) => {
                if messages.contains(&FromExecutor::Ready)
                    && let Some(process) = executors.get_mut(&executor)
                {
                    process.ready = true;
                }
            }
            Some(NodeEvent::ExecutorDied { how, .. }) => {
                return Err(Failure::new(ErrorKind::Io, format!("an executor can't start: {how}")));
            }
            // Nobody knows of this node yet, so nobody asks it for anything.
            Some(_) | None => {}
        }
    }
    Ok(())
}

async fn welcome(receiver: &mut Receiver<ToWorker>) -> Result<(WorkerId, bool, Vec<ToWorker>), Failure> {
    let mut messages = receiver.receive().await?.unwrap_or_default();
    if messages.is_empty() {
        return Err(Failure::new(ErrorKind::Io, "the scheduler closed the connection at once; its log tells why"));
    }
    match messages.remove(0) {
        ToWorker::Welcome { worker, lasting } => Ok((worker, lasting, messages)),
        other => Err(Failure::internal(format!("the scheduler began with {other:?}"))),
    }
}

pub(crate) async fn read(mut receiver: Receiver<ToWorker>, events: mpsc::UnboundedSender<NodeEvent>) {
    let reason = loop {
        match receiver.receive().await {
            Ok(Some(messages)) => {
                if events.send(NodeEvent::Scheduler(messages)).is_err() {
                    return;
                }
            }
            Ok(None) => break "the scheduler closed the connection".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    let _ = events.send(NodeEvent::SchedulerGone(reason));
}

/// Done when the process is asked to end, or its parent is gone.
fn end(end_with_stdin: bool) -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (ended, end) = tokio::sync::oneshot::channel();
    // Reading the standard input can't be cancelled, so a thread of its own does it.
    let watcher = end_with_stdin.then(|| {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = ended.send(());
        })
    });
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = end, if watcher.is_some() => {}
        }
    })
}
