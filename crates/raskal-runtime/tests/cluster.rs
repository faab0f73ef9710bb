//! Scheduler, nodes and client in one process, over real sockets, with native functions: no Python anywhere.

use bytes::Bytes;
use raskal_graph::{Edge, EdgeMap, Layer};
use raskal_net::{Address, Credentials};
use raskal_runtime::client::{Client, ClientOptions, Remote, Status};
use raskal_runtime::node::NodeOptions;
use raskal_runtime::{
    Call, EncodedFunction, Failure, Function, FunctionRegistry, Program, ProgramBuilder, TaskPayloads,
};
use raskal_server::{ServerOptions, Started};
use raskal_store::{Block, Value};
use raskal_types::{ErrorKind, SlotClass};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const TIME: Duration = Duration::from_secs(20);

/// Sums its inputs and adds its payload's number to each element; fails at the numbers that are asked for.
struct Add {
    numbers: Vec<f64>,
    length: usize,
    fail_at: Option<u32>,
}

impl Add {
    fn call(call: &Call<'_>, number: f64, length: usize, fail_at: Option<u32>) -> Result<Value, Failure> {
        if fail_at == Some(call.index) {
            return Err(Failure::new(ErrorKind::Value, format!("no {}", call.index)));
        }
        let mut sum = vec![number; length];
        for input in &call.inputs {
            let block = input.as_block()?;
            let values = block.as_slice::<f64>().ok_or_else(|| Failure::internal("not floats"))?;
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        Ok(Block::from_vec(sum, &[length]).into())
    }
}

impl Function for Add {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        Add::call(&call, self.numbers[call.index as usize], self.length, self.fail_at)
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        let shared: Vec<u8> =
            [self.length as u32, self.fail_at.unwrap_or(u32::MAX)].iter().flat_map(|n| n.to_le_bytes()).collect();
        let bytes: Vec<u8> = self.numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let offsets = (0..=self.numbers.len() as u64).map(|index| index * 8).collect();
        Ok(EncodedFunction {
            codec: "test.add",
            shared: shared.into(),
            tasks: Some(TaskPayloads { offsets, bytes: bytes.into(), ..TaskPayloads::default() }),
        })
    }

    fn describe(&self) -> String {
        "add".into()
    }
}

struct Decoded {
    length: usize,
    fail_at: Option<u32>,
}

impl Function for Decoded {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let number = f64::from_le_bytes(call.payload.try_into().map_err(Failure::internal)?);
        Add::call(&call, number, self.length, self.fail_at)
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Err(Failure::internal("not sent again"))
    }

    fn describe(&self) -> String {
        "add".into()
    }
}

fn registry() -> FunctionRegistry {
    let mut registry = FunctionRegistry::new();
    registry.register("test.add", |shared: &Bytes| {
        let number = |at: usize| u32::from_le_bytes(shared[at..at + 4].try_into().unwrap());
        let fail_at = Some(number(4)).filter(|&at| at != u32::MAX);
        Ok(Arc::new(Decoded { length: number(0) as usize, fail_at }))
    });
    raskal_runtime::program::register(&mut registry);
    registry
}

struct Cluster {
    started: Started,
    credentials: Credentials,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Everything lives until the test process ends, but for what tests end themselves.
    fn start(nodes: u32) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::generate(&["127.0.0.1"]).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let options = ServerOptions {
            listen: vec![Address::tls("127.0.0.1", 0)],
            credentials: Some(credentials.clone()),
            scheduler_file: Some(PathBuf::from(folder.path()).join("scheduler.json")),
            dashboard: None,
            on_start: Some(Box::new(move |started| tell.send(started.clone()).unwrap())),
            ..ServerOptions::default()
        };
        std::thread::spawn(move || raskal_server::run(options).unwrap());
        let cluster = Cluster { started: told.recv().unwrap(), credentials, _folder: folder };
        (0..nodes).for_each(|_| cluster.start_node());
        cluster
    }

    fn start_node(&self) {
        let options = NodeOptions {
            ports: (0, 0),
            nursery: None,
            contact: None,
            scheduler: self.started.addresses[0].clone(),
            credentials: self.credentials.clone(),
            name: String::new(),
            host: None,
            executors: 0,
            executor_threads: 1,
            native_threads: 2,
            executor_command: vec![],
            resources: vec![],
            memory_limit_bytes: 0,
            lifetime: None,
            connect_time: TIME,
            end_with_stdin: false,
        };
        std::thread::spawn(move || raskal_runtime::node::run(options, registry()));
    }

    fn client(&self, workers: usize) -> Arc<Client> {
        let options = ClientOptions {
            address: None,
            scheduler_file: Some(self.started.scheduler_file.clone()),
            token: None,
            credentials: None,
            name: "test".into(),
            timeout: TIME,
        };
        let client = Client::connect(&options).unwrap();
        client.wait_for_workers(workers, Some(TIME), &mut || Ok(())).unwrap();
        Arc::new(client)
    }
}

/// `count` blocks of `length` elements, all equal to their index, and one sum of them.
fn program(name: &str, count: u32, length: usize, fail_at: Option<u32>) -> Program {
    let mut builder = ProgramBuilder::new();
    let numbers: Vec<f64> = (0..count).map(f64::from).collect();
    let load = Layer::new(format!("load-{name}"), vec![count]).class(SlotClass::Native);
    let load = builder.add(load, Arc::new(Add { numbers, length, fail_at })).unwrap();
    let sum = Layer::new(format!("sum-{name}"), vec![]).class(SlotClass::Native).edge(Edge::new(load, EdgeMap::All));
    let sum = builder.add(sum, Arc::new(Add { numbers: vec![0.5], length, fail_at: None })).unwrap();
    let wanted = vec![builder.graph().task(sum, 0)];
    builder.finish(wanted)
}

fn first(client: &Client, handles: &[Arc<Remote>]) -> Vec<f64> {
    let values = client.gather(handles, Some(TIME), &mut || Ok(())).unwrap();
    let block = values[0].as_ref().map_err(|failure| failure.message.clone()).unwrap().as_block().unwrap();
    block.as_slice::<f64>().unwrap().to_vec()
}

#[test]
fn small_values_go_with_messages_and_large_ones_from_worker_to_worker() {
    let cluster = Cluster::start(2);
    let client = cluster.client(2);
    for length in [1, 100_000] {
        let handles = client.submit(program("a", 20, length, None)).unwrap();
        assert_eq!(first(&client, &handles), vec![190.5; length]);
        assert_eq!(handles[0].status(), Status::Finished);
    }
}

#[test]
fn values_given_by_the_client_are_inputs_like_others() {
    let cluster = Cluster::start(2);
    let client = cluster.client(2);
    let mut builder = ProgramBuilder::new();
    let values = (0..3).map(|n| Block::from_vec(vec![f64::from(n); 50_000], &[50_000]).into()).collect();
    let given = builder.add_values("given-1", vec![3], values).unwrap();
    let sum = Layer::new("sum-1", vec![]).class(SlotClass::Native).edge(Edge::new(given, EdgeMap::All));
    let sum = builder.add(sum, Arc::new(Add { numbers: vec![1.0], length: 50_000, fail_at: None })).unwrap();
    let wanted = vec![builder.graph().task(sum, 0)];
    let handles = client.submit(builder.finish(wanted)).unwrap();
    assert_eq!(first(&client, &handles), vec![4.0; 50_000]);
}

#[test]
fn a_failure_names_the_task_and_the_next_computation_works() {
    let cluster = Cluster::start(1);
    let client = cluster.client(1);
    let handles = client.submit(program("bad", 5, 2, Some(3))).unwrap();
    let values = client.gather(&handles, Some(TIME), &mut || Ok(())).unwrap();
    let failure = values[0].as_ref().err().unwrap();
    assert_eq!((failure.message.as_str(), failure.key.as_deref()), ("no 3", Some("('load-bad', 3)")));
    assert_eq!(handles[0].status(), Status::Failed);
    let handles = client.submit(program("good", 5, 2, None)).unwrap();
    assert_eq!(first(&client, &handles), [10.5; 2]);
}

#[test]
fn results_are_inputs_of_later_programs_even_when_their_handles_are_gone() {
    let cluster = Cluster::start(2);
    let client = cluster.client(2);
    let handles = client.submit(program("a", 4, 30_000, None)).unwrap();
    let mut builder = ProgramBuilder::new();
    let imported = builder.add_imports("kept-1", vec![1], vec![handles[0].task()]).unwrap();
    let sum = Layer::new("again-1", vec![]).class(SlotClass::Native).edge(Edge::new(imported, EdgeMap::All));
    let sum = builder.add(sum, Arc::new(Add { numbers: vec![1.0], length: 30_000, fail_at: None })).unwrap();
    let wanted = vec![builder.graph().task(sum, 0), builder.graph().task(imported, 0)];
    let later = client.submit(builder.finish(wanted)).unwrap();
    drop(handles);
    assert_eq!(first(&client, &later), vec![7.5; 30_000]);
    assert_eq!(first(&client, &later[1..]), vec![6.5; 30_000]);
}

#[test]
fn released_results_leave_nothing_on_the_workers() {
    let cluster = Cluster::start(1);
    let client = cluster.client(1);
    let handles = client.submit(program("a", 4, 30_000, None)).unwrap();
    first(&client, &handles);
    let held = |client: &Client| -> Vec<String> {
        let holdings = client.has_what(&mut || Ok(())).unwrap().swap_remove(0).1;
        holdings.into_iter().map(|holding| holding.key).collect()
    };
    assert_eq!(held(&client), ["sum-a"]);
    drop(handles);
    let mut left = held(&client);
    let started = std::time::Instant::now();
    while !left.is_empty() && started.elapsed() < TIME {
        left = held(&client);
    }
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_interrupt_ends_a_wait_and_the_client_lives() {
    let cluster = Cluster::start(0);
    let client = cluster.client(0);
    let handles = client.submit(program("a", 4, 1, None)).unwrap();
    let interrupt = || Failure::new(ErrorKind::Cancelled, "interrupted");
    let failure = client.gather(&handles, None, &mut || Err(interrupt())).err().unwrap();
    assert_eq!(failure.message, "interrupted");
    cluster.start_node();
    assert_eq!(first(&client, &handles), [6.5]);
}

#[test]
fn a_closed_client_says_so() {
    let cluster = Cluster::start(0);
    let client = cluster.client(0);
    let handles = client.submit(program("a", 4, 1, None)).unwrap();
    client.close();
    let failure = client.gather(&handles, None, &mut || Ok(())).err().unwrap();
    assert!(failure.message.contains("closed"), "{failure}");
    assert!(client.submit(program("b", 4, 1, None)).is_err());
    assert_eq!(handles[0].status(), Status::Lost);
}
