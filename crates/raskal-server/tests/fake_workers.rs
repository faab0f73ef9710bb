//! A real scheduler process in this process, with workers and clients that are made of a connection and nothing else.

use raskal_graph::{Edge, EdgeMap, Graph, Layer};
use raskal_net::{
    Address, ConnectionOptions, Credentials, HandshakeOptions, Receiver, Role, Sender, connect, connect_with,
};
use raskal_proto::client::{Answer, Question, Submit, WorkerInfo};
use raskal_proto::{FailureMessage, FromClient, FromWorker, FunctionMessage, InputFrom, Ran, ToClient, ToWorker};
use raskal_server::{Ending, ServerOptions, Started, serve};
use raskal_types::{Attempt, ErrorKind, GraphId, TaskId, WorkerId};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::oneshot;

const TIME: Duration = Duration::from_secs(10);

struct Server {
    started: Started,
    credentials: Credentials,
    _folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(worker_timeout: Duration) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::generate(&["127.0.0.1"]).unwrap();
        let (tell, told) = oneshot::channel();
        let options = ServerOptions {
            listen: vec![Address::tls("127.0.0.1", 0)],
            credentials: Some(credentials.clone()),
            scheduler_file: Some(folder.path().join("scheduler.json")),
            dashboard: Some("127.0.0.1:0".parse().unwrap()),
            worker_timeout,
            on_start: Some(Box::new(move |started| tell.send(started.clone()).unwrap())),
            ..ServerOptions::default()
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stopped = async move {
                drop(stopped.await);
                Ending::ForGood
            };
            serve(options, stopped).await.unwrap();
        });
        Server { started: told.await.unwrap(), credentials, _folder: folder, stop: Some(stop), task }
    }

    async fn peer<S, R>(&self, role: Role) -> Peer<S, R>
    where
        S: bitcode::Encode + Send + 'static,
        R: bitcode::DecodeOwned,
    {
        let link = connect(&self.started.addresses[0], &self.credentials, role, TIME).await.unwrap();
        let (sender, receiver) = link.into_connection(ConnectionOptions::default());
        Peer { sender, receiver, heard: VecDeque::new() }
    }

    async fn worker(&self) -> (WorkerId, Peer<FromWorker, ToWorker>) {
        let mut peer = self.peer(Role::Worker).await;
        let info = WorkerInfo {
            python_slots: 1,
            native_slots: 1,
            address: "tls://127.0.0.1:1".into(),
            ..WorkerInfo::default()
        };
        peer.say(FromWorker::Hello(info));
        let id = peer
            .until(|message| if let ToWorker::Welcome { worker, .. } = message { Some(worker) } else { None })
            .await;
        (id, peer)
    }

    async fn client(&self) -> (GraphId, Peer<FromClient, ToClient>) {
        let mut peer = self.peer(Role::Client).await;
        peer.say(FromClient::Hello { name: "test".into(), session: 1 });
        let first =
            peer.until(|message| if let ToClient::Graphs { first, .. } = message { Some(first) } else { None }).await;
        (GraphId(first), peer)
    }
}

struct Peer<S, R> {
    sender: Sender<S>,
    receiver: Receiver<R>,
    heard: VecDeque<R>,
}

impl<S: bitcode::Encode, R: bitcode::DecodeOwned> Peer<S, R> {
    fn say(&self, message: S) {
        self.sender.push([message]).unwrap();
    }

    /// The next message; `None` when the connection has ended.
    async fn next(&mut self) -> Option<R> {
        while self.heard.is_empty() {
            let frame = tokio::time::timeout(TIME, self.receiver.receive()).await.expect("nothing was heard");
            self.heard.extend(frame.ok().flatten()?);
        }
        self.heard.pop_front()
    }

    async fn until<T>(&mut self, mut wanted: impl FnMut(R) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await.expect("the connection ended")) {
                return found;
            }
        }
    }
}

/// A task and what it was run with.
type Run = (TaskId, Attempt, Vec<u8>, Vec<(TaskId, InputFrom)>);

async fn next_run(worker: &mut Peer<FromWorker, ToWorker>) -> Run {
    worker
        .until(|message| match message {
            ToWorker::Run { task, attempt, payload, inputs, .. } => Some((task, attempt, payload, inputs)),
            _ => None,
        })
        .await
}

fn finish(worker: &Peer<FromWorker, ToWorker>, (task, attempt, ..): &Run, inline: Option<Vec<u8>>) {
    let (task, attempt) = (*task, *attempt);
    worker.say(FromWorker::Finished {
        task,
        attempt,
        size_bytes: 28,
        ran: Ran { duration_us: 2, ..Ran::default() },
        inline,
    });
}

/// `count` tasks with payloads `[index]`, and one that takes them all.
fn program(graph: GraphId, count: u32) -> Submit {
    let mut layers = Graph::new();
    let load = layers.add(Layer::new("load-0", vec![count])).unwrap();
    layers.add(Layer::new("sum-0", vec![]).edge(Edge::new(load, EdgeMap::All))).unwrap();
    let payloads: Vec<u8> = (0..count as u8).collect();
    let offsets = (0..=u64::from(count)).collect();
    Submit {
        graph,
        layers: layers.to_parts(),
        functions: vec![
            FunctionMessage {
                codec: "test.load".into(),
                shared: b"load".to_vec(),
                offsets,
                payloads,
                ..Default::default()
            },
            FunctionMessage { codec: "test.sum".into(), ..FunctionMessage::default() },
        ],
        imports: vec![],
        wanted: vec![count],
    }
}

async fn finished(client: &mut Peer<FromClient, ToClient>) -> (TaskId, Option<Vec<u8>>) {
    client
        .until(|message| match message {
            ToClient::Finished { task, inline, .. } => Some((task, inline)),
            ToClient::Failed { failure, .. } => panic!("{failure:?}"),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_worker_of_another_version_is_refused_and_the_next_one_runs_the_tasks() {
    let server = Server::start(TIME).await;
    let (graph, mut client) = server.client().await;
    client.say(FromClient::Submit(Box::new(program(graph, 1))));
    let other = HandshakeOptions { version: "0.0.1".into(), deadline: TIME, ..HandshakeOptions::new(Role::Worker) };
    let refused =
        connect_with(&server.started.addresses[0], &server.credentials, &other).await.unwrap_err().to_string();
    assert!(refused.starts_with("this worker is raskal 0.0.1, the scheduler at "), "{refused}");
    assert!(refused.contains(&format!("`pip install raskal=={}` here", raskal_net::VERSION)), "{refused}");

    let (_, mut worker) = server.worker().await;
    let run = next_run(&mut worker).await;
    finish(&worker, &run, Some(vec![1]));
    let run = next_run(&mut worker).await;
    finish(&worker, &run, Some(vec![2]));
    assert_eq!(finished(&mut client).await, (TaskId { graph, index: 1 }, Some(vec![2])));
}

#[tokio::test]
async fn a_graph_runs_with_payloads_small_values_and_one_copy_of_each_function() {
    let server = Server::start(TIME).await;
    let (_, mut worker) = server.worker().await;
    let (graph, mut client) = server.client().await;
    client.say(FromClient::Submit(Box::new(program(graph, 3))));
    let mut functions = 0;
    for expected in 0..3u8 {
        let (task, attempt, payload) = worker
            .until(|message| match message {
                ToWorker::Function { function, .. } => {
                    functions += 1;
                    assert_eq!((function.codec.as_str(), function.shared.as_slice()), ("test.load", &b"load"[..]));
                    assert!(function.payloads.is_empty(), "payloads go with their tasks");
                    None
                }
                ToWorker::Run { task, attempt, payload, .. } => Some((task, attempt, payload)),
                _ => None,
            })
            .await;
        assert_eq!(payload, [expected]);
        finish(&worker, &(task, attempt, vec![], vec![]), Some(vec![expected; 2]));
    }
    assert_eq!(functions, 1);
    let sum = next_run(&mut worker).await;
    assert_eq!(sum.3.len(), 3);
    assert!(sum.3.iter().all(|(_, from)| *from == InputFrom::Here));
    finish(&worker, &sum, Some(b"six".to_vec()));
    assert_eq!(finished(&mut client).await, (TaskId { graph, index: 3 }, Some(b"six".to_vec())));
    client.say(FromClient::Release { tasks: vec![TaskId { graph, index: 3 }] });
    worker.until(|message| matches!(message, ToWorker::Forget { graph: of } if of == graph).then_some(())).await;
}

#[tokio::test]
async fn small_inputs_from_another_worker_come_with_the_task() {
    let server = Server::start(TIME).await;
    let (_, mut first) = server.worker().await;
    let (_, mut second) = server.worker().await;
    let (graph, mut client) = server.client().await;
    client.say(FromClient::Submit(Box::new(program(graph, 2))));
    for worker in [&mut first, &mut second] {
        let run = next_run(worker).await;
        finish(worker, &run, Some(vec![run.2[0] + 10]));
    }
    let (worker, run) = tokio::select! {
        run = next_run(&mut first) => (&first, run),
        run = next_run(&mut second) => (&second, run),
    };
    let inline: Vec<_> = run.3.iter().filter(|(_, from)| matches!(from, InputFrom::Inline(_))).collect();
    assert_eq!((inline.len(), run.3.len()), (1, 2), "{:?}", run.3);
    finish(worker, &run, None);
    finished(&mut client).await;
}

#[tokio::test]
async fn what_a_lost_worker_held_is_made_again() {
    let server = Server::start(TIME).await;
    let (_, mut first) = server.worker().await;
    let (graph, mut client) = server.client().await;
    client.say(FromClient::Submit(Box::new(program(graph, 2))));
    let run = next_run(&mut first).await;
    finish(&first, &run, None);
    let second_run = next_run(&mut first).await;
    assert_ne!(second_run.0, run.0);
    drop(first);
    let (_, mut second) = server.worker().await;
    for _ in 0..3 {
        let run = next_run(&mut second).await;
        finish(&second, &run, None);
    }
    assert_eq!(finished(&mut client).await.0, TaskId { graph, index: 2 });
}

#[tokio::test]
async fn a_failure_reaches_the_client_with_its_bytes_and_its_key() {
    let server = Server::start(TIME).await;
    let (_, mut worker) = server.worker().await;
    let (graph, mut client) = server.client().await;
    client.say(FromClient::Submit(Box::new(program(graph, 1))));
    let (task, attempt, ..) = next_run(&mut worker).await;
    let failure =
        FailureMessage { exception: Some(vec![1, 2]), ..FailureMessage::new(ErrorKind::User, "division by zero") };
    worker.say(FromWorker::Failed { task, attempt, died: false, failure });
    let (tasks, failure) = client
        .until(|message| match message {
            ToClient::Failed { tasks, failure } => Some((tasks, failure)),
            _ => None,
        })
        .await;
    assert_eq!(tasks, [TaskId { graph, index: 1 }]);
    assert_eq!((failure.exception, failure.key.as_deref()), (Some(vec![1, 2]), Some("('load-0', 0)")));
}

#[tokio::test]
async fn a_task_under_which_three_processes_died_is_given_up_and_each_death_told() {
    let server = Server::start(TIME).await;
    let (_, mut worker) = server.worker().await;
    let (graph, mut client) = server.client().await;
    client.say(FromClient::Submit(Box::new(program(graph, 1))));
    for death in 1..=3 {
        let (task, attempt, ..) = next_run(&mut worker).await;
        let failure = FailureMessage::new(ErrorKind::Killed, format!("death {death}"));
        worker.say(FromWorker::Failed { task, attempt, died: true, failure });
    }
    let failure =
        client.until(|message| if let ToClient::Failed { failure, .. } = message { Some(failure) } else { None }).await;
    assert_eq!(failure.kind, ErrorKind::Killed);
    for part in ["('load-0', 0)", "death 1", "death 2", "death 3", "hint"] {
        assert!(failure.message.contains(part), "{part} is not in: {}", failure.message);
    }
}

#[tokio::test]
async fn a_silent_worker_counts_as_lost() {
    let server = Server::start(Duration::from_millis(200)).await;
    let (silent, mut worker) = server.worker().await;
    let (_, mut client) = server.client().await;
    let left = client
        .until(|message| match message {
            ToClient::Workers { left, .. } if !left.is_empty() => Some(left),
            _ => None,
        })
        .await;
    assert_eq!(left, [silent]);
    // If it lives, it finds its connection closed, and may come back.
    while worker.next().await.is_some() {}
}

#[tokio::test]
async fn a_client_that_talks_nonsense_is_hung_up_on_and_others_go_on() {
    let server = Server::start(TIME).await;
    let (_, mut worker) = server.worker().await;
    let (graph, mut good) = server.client().await;
    let lies: [fn(&mut Submit); 4] = [
        |submit| submit.graph = GraphId(u32::MAX),
        |submit| submit.wanted = vec![99],
        |submit| submit.imports = vec![(99, TaskId::default())],
        |submit| submit.functions.clear(),
    ];
    for lie in lies {
        let (own, mut bad) = server.client().await;
        let mut submit = program(own, 1);
        lie(&mut submit);
        bad.say(FromClient::Submit(Box::new(submit)));
        while bad.next().await.is_some() {}
    }
    good.say(FromClient::Submit(Box::new(program(graph, 1))));
    for _ in 0..2 {
        let run = next_run(&mut worker).await;
        finish(&worker, &run, None);
    }
    finished(&mut good).await;
}

#[tokio::test]
async fn questions_are_answered() {
    let server = Server::start(TIME).await;
    let (id, _worker) = server.worker().await;
    let (_, mut client) = server.client().await;
    client.say(FromClient::Ask { request: 5, question: Question::Info });
    let info = client
        .until(|message| match message {
            ToClient::Answer { request: 5, answer: Answer::Info(info) } => Some(info),
            _ => None,
        })
        .await;
    assert_eq!(info.workers.iter().map(|worker| worker.worker).collect::<Vec<_>>(), [id]);
    assert_eq!(info.dashboard, server.started.dashboard);
}

#[tokio::test]
async fn the_scheduler_file_goes_with_the_scheduler() {
    let mut server = Server::start(TIME).await;
    let path = server.started.scheduler_file.clone();
    let file = raskal_net::SchedulerFile::read(&path).unwrap();
    assert_eq!(file.addresses, server.started.addresses);
    assert_eq!(file.dashboard, server.started.dashboard);
    server.stop.take().unwrap().send(()).unwrap();
    (&mut server.task).await.unwrap();
    assert!(!path.exists());
}
