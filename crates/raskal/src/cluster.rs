//! Registered functions on a cluster of Rust programs.
//!
//! Start at [`Functions`]: a program that knows functions by name is a worker ([`Worker::run`]), and one that knows only
//! their names is a client ([`Cluster::connect`]). The scheduler is the usual one (`raskal scheduler`), which never reads
//! a value. Arguments and results are what bitcode encodes: numbers, text, vectors, and structs that derive it.
//!
//! ```no_run
//! use raskal::cluster::{Cluster, Functions, Worker};
//!
//! fn functions() -> Functions {
//!     let mut functions = Functions::new();
//!     functions.add("square", |n: u64| Ok(n * n));
//!     functions.add_many("sum", |parts: Vec<u64>| Ok(parts.iter().sum::<u64>()));
//!     functions
//! }
//!
//! // In the workers' program:
//! std::thread::spawn(|| Worker::at("tls://127.0.0.1:8786")?.run(functions()));
//! // In the client's:
//! let cluster = Cluster::connect("tls://127.0.0.1:8786")?;
//! let squares = cluster.map::<u64, u64>("square", 0..10)?;
//! let total = cluster.call("sum").futures(&squares).submit::<u64>()?;
//! assert_eq!(total.result()?, 285);
//! # Ok::<(), raskal::prelude::Failure>(())
//! ```

use bitcode::{Decode, DecodeOwned, Encode};
use bytes::Bytes;
use raskal_graph::{Csr, Edge, EdgeMap, Layer};
use raskal_net::{Address, Credentials};
use raskal_runtime::client::{Client, ClientOptions, Remote};
use raskal_runtime::node::{self, NodeOptions};
use raskal_runtime::{
    Call as TaskCall, EncodedFunction, Failure, Function, FunctionRegistry, ProgramBuilder, TaskPayloads, wire,
};
use raskal_store::{Block, Value};
use raskal_types::{ErrorKind, SlotClass, TaskId};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The codec of calls by name.
const CODEC: &str = "rust.call";
/// How long to wait for a scheduler.
const CONNECT_TIME: Duration = Duration::from_secs(10);

type Body = Arc<dyn Fn(Vec<Bytes>) -> Result<Vec<u8>, Failure> + Send + Sync>;

/// Functions by name.
#[derive(Clone, Default)]
pub struct Functions {
    bodies: BTreeMap<String, Body>,
}

impl Functions {
    /// No functions.
    pub fn new() -> Functions {
        Functions::default()
    }

    /// Adds a function of up to four arguments. One of the name takes the place of another.
    pub fn add<A, F: Callable<A>>(&mut self, name: &str, function: F) {
        self.bodies.insert(name.to_owned(), Arc::new(move |arguments| function.call(arguments)));
    }

    /// Adds a function of any number of arguments of one type.
    pub fn add_many<A, T>(
        &mut self,
        name: &str,
        function: impl Fn(Vec<A>) -> Result<T, Failure> + Send + Sync + 'static,
    ) where
        A: DecodeOwned,
        T: Encode,
    {
        let body = move |arguments: Vec<Bytes>| {
            let arguments = arguments.iter().map(decode).collect::<Result<Vec<A>, _>>()?;
            Ok(bitcode::encode(&function(arguments)?))
        };
        self.bodies.insert(name.to_owned(), Arc::new(body));
    }

    fn registry(self) -> FunctionRegistry {
        let mut registry = FunctionRegistry::new();
        raskal_runtime::program::register(&mut registry);
        raskal_array::register(&mut registry);
        registry.register(CODEC, move |shared| {
            let name = String::from_utf8_lossy(shared).into_owned();
            match self.bodies.get(&name) {
                Some(body) => Ok(Arc::new(Named { name, body: body.clone() }) as Arc<dyn Function>),
                None => {
                    let known = self.bodies.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    let text = format!("this worker has no function '{name}'\nhint: it has {known}");
                    Err(Failure::new(ErrorKind::Key, text))
                }
            }
        });
        registry
    }
}

/// A function whose arguments and result can travel.
pub trait Callable<A>: Send + Sync + 'static {
    /// Decodes the arguments, calls it, and encodes its result.
    ///
    /// # Errors
    /// If there are more or fewer arguments, or others; or what the function says.
    fn call(&self, arguments: Vec<Bytes>) -> Result<Vec<u8>, Failure>;
}

macro_rules! callable {
    ($count:literal $(, $name:ident)*) => {
        impl<F, T, $($name),*> Callable<($($name,)*)> for F
        where
            F: Fn($($name),*) -> Result<T, Failure> + Send + Sync + 'static,
            T: Encode,
            $($name: DecodeOwned,)*
        {
            #[allow(non_snake_case)] // Types and variables have one name in the macro.
            fn call(&self, arguments: Vec<Bytes>) -> Result<Vec<u8>, Failure> {
                let wrong = |given: Vec<Bytes>| {
                    let text = format!("the function takes {} arguments, and got {}", $count, given.len());
                    Failure::new(ErrorKind::Type, text)
                };
                let [$($name),*] = <[Bytes; $count]>::try_from(arguments).map_err(wrong)?;
                Ok(bitcode::encode(&self($(decode::<$name>(&$name)?),*)?))
            }
        }
    };
}

callable!(0);
callable!(1, A);
callable!(2, A, B);
callable!(3, A, B, C);
callable!(4, A, B, C, D);

fn decode<T: DecodeOwned>(bytes: &Bytes) -> Result<T, Failure> {
    bitcode::decode(bytes).map_err(|error| {
        let text = format!("{} bytes are no {}: {error}", bytes.len(), std::any::type_name::<T>());
        Failure::new(ErrorKind::Type, text)
    })
}

/// A value of the cluster that holds an encoded one of Rust's.
fn to_value(bytes: Vec<u8>) -> Value {
    let length = bytes.len();
    Block::from_vec(bytes, &[length]).into()
}

fn to_bytes(value: &Value) -> Result<Bytes, Failure> {
    let block = value.as_block()?;
    let bytes = block.as_slice::<u8>().ok_or_else(|| {
        Failure::new(ErrorKind::Type, format!("{} is not a result of a registered function", value.type_name()))
    })?;
    Ok(Bytes::copy_from_slice(bytes))
}

/// One argument of a task, as it travels.
#[derive(Encode, Decode)]
enum Argument {
    Given(Vec<u8>),
    Input,
}

/// A registered function, on a worker.
struct Named {
    name: String,
    body: Body,
}

impl Function for Named {
    fn run(&self, call: TaskCall<'_>) -> Result<Value, Failure> {
        let arguments: Vec<Argument> =
            bitcode::decode(call.payload).map_err(|error| Failure::internal(format!("a broken call: {error}")))?;
        let mut inputs = call.inputs.iter();
        let mut take = |argument| match argument {
            Argument::Given(bytes) => Ok(bytes.into()),
            Argument::Input => to_bytes(inputs.next().ok_or_else(|| Failure::internal("an input is missing"))?),
        };
        let arguments = arguments.into_iter().map(&mut take).collect::<Result<_, Failure>>()?;
        (self.body)(arguments).map(to_value)
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Err(Failure::internal("a worker's function was to be sent on"))
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

/// Calls of a registered function, on the client that only knows its name.
struct Calls {
    name: String,
    payloads: TaskPayloads,
}

impl Function for Calls {
    fn run(&self, _call: TaskCall<'_>) -> Result<Value, Failure> {
        Err(Failure::internal("a call by name was run by the client"))
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        let shared = Bytes::copy_from_slice(self.name.as_bytes());
        Ok(EncodedFunction { codec: CODEC, shared, tasks: Some(self.payloads.clone()) })
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

/// A worker that is to run in this process.
pub struct Worker {
    options: NodeOptions,
}

impl Worker {
    /// A worker of the scheduler at an address, such as `tls://127.0.0.1:8786`; how it is let in is found where the
    /// scheduler left it for its user.
    ///
    /// # Errors
    /// If the address is none, or nothing tells how to be let in.
    pub fn at(address: &str) -> Result<Worker, Failure> {
        let address: Address = address.parse()?;
        let credentials = Credentials::find(&address)?;
        Ok(Worker::with(address, credentials))
    }

    /// A worker that is let in by these credentials.
    pub fn with(scheduler: Address, credentials: Credentials) -> Worker {
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        Worker {
            options: NodeOptions {
                scheduler,
                credentials,
                name: String::new(),
                host: None,
                ports: (0, 0),
                contact: None,
                executors: 0,
                executor_threads: 1,
                native_threads: threads,
                executor_command: Vec::new(),
                nursery: None,
                resources: Vec::new(),
                memory_limit_bytes: 0,
                lifetime: None,
                connect_time: CONNECT_TIME,
                end_with_stdin: false,
            },
        }
    }

    /// How many tasks run at once; as many as there are cores by default.
    pub fn threads(mut self, threads: u32) -> Worker {
        self.options.native_threads = threads.max(1);
        self
    }

    /// Its name, for people and for placing tasks.
    pub fn name(mut self, name: &str) -> Worker {
        self.options.name = name.to_owned();
        self
    }

    /// Works until the scheduler ends or sends it away.
    ///
    /// # Errors
    /// If the scheduler can't be reached, or does not let it in.
    pub fn run(self, functions: Functions) -> Result<(), Failure> {
        node::run(self.options, functions.registry())
    }
}

/// A connection to a cluster whose workers know functions by name.
#[derive(Clone)]
pub struct Cluster {
    client: Arc<Client>,
}

impl Cluster {
    /// Connects to the scheduler at an address.
    ///
    /// # Errors
    /// If it is not there, or does not let us in; the message says what to do.
    pub fn connect(address: &str) -> Result<Cluster, Failure> {
        Cluster::with(&ClientOptions {
            address: Some(address.to_owned()),
            scheduler_file: None,
            token: None,
            credentials: None,
            name: format!("rust-{}", std::process::id()),
            timeout: CONNECT_TIME,
        })
    }

    /// Connects as these options say.
    ///
    /// # Errors
    /// As of [`Cluster::connect`].
    pub fn with(options: &ClientOptions) -> Result<Cluster, Failure> {
        Ok(Cluster { client: Arc::new(Client::connect(options)?) })
    }

    /// Waits until there are so many workers.
    ///
    /// # Errors
    /// If they are not there in time.
    pub fn wait_for_workers(&self, count: usize, time: Duration) -> Result<(), Failure> {
        self.client.wait_for_workers(count, Some(time), &mut || Ok(()))
    }

    /// The client beneath: what else can be asked of a cluster.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// A call of a function of the workers, to be given its arguments.
    pub fn call(&self, name: &str) -> Call<'_> {
        Call { cluster: self, name: name.to_owned(), arguments: Vec::new(), inputs: Vec::new(), keep: Vec::new() }
    }

    /// A call of a function of one argument for each value.
    ///
    /// # Errors
    /// If the connection has ended.
    pub fn map<A: Encode, T>(
        &self,
        name: &str,
        values: impl IntoIterator<Item = A>,
    ) -> Result<Vec<Future<T>>, Failure> {
        let calls = values.into_iter().map(|value| vec![Argument::Given(bitcode::encode(&value))]).collect::<Vec<_>>();
        self.submit(name, calls, Vec::new())
    }

    fn submit<T>(&self, name: &str, calls: Vec<Vec<Argument>>, inputs: Vec<TaskId>) -> Result<Vec<Future<T>>, Failure> {
        let count = calls.len() as u32;
        if count == 0 {
            return Ok(Vec::new());
        }
        let (mut payloads, mut bytes) = (TaskPayloads { offsets: vec![0], ..TaskPayloads::default() }, Vec::new());
        for arguments in &calls {
            bytes.extend_from_slice(&bitcode::encode(arguments));
            payloads.offsets.push(bytes.len() as u64);
        }
        payloads.bytes = bytes.into();
        payloads.names = vec![name.to_owned()];
        let mut builder = ProgramBuilder::new();
        let unique = rand::random::<u64>();
        let mut layer = Layer::new(format!("{name}-{unique:016x}"), vec![count]).class(SlotClass::Native);
        if !inputs.is_empty() {
            let rows: Vec<u32> = (0..inputs.len() as u32).collect();
            let imported = builder.add_imports(&format!("inputs-{unique:016x}"), vec![rows.len() as u32], inputs)?;
            layer = layer.edge(Edge::new(imported, EdgeMap::Explicit(Csr::from_rows([rows.as_slice()]))));
        }
        let layer = builder.add(layer, Arc::new(Calls { name: name.to_owned(), payloads }))?;
        let wanted = builder.graph().tasks(layer).collect();
        let handles = self.client.submit(builder.finish(wanted))?;
        let future = |handle| Future { cluster: self.clone(), handle, result: PhantomData };
        Ok(handles.into_iter().map(future).collect())
    }
}

/// A call that is being written.
pub struct Call<'a> {
    cluster: &'a Cluster,
    name: String,
    arguments: Vec<Argument>,
    inputs: Vec<TaskId>,
    keep: Vec<Arc<Remote>>,
}

impl Call<'_> {
    /// The next argument, as a value.
    pub fn value(mut self, value: &(impl Encode + ?Sized)) -> Self {
        self.arguments.push(Argument::Given(bitcode::encode(value)));
        self
    }

    /// The next argument, as the result of another task.
    pub fn future<T>(mut self, future: &Future<T>) -> Self {
        self.arguments.push(Argument::Input);
        self.inputs.push(future.handle.task());
        self.keep.push(future.handle.clone());
        self
    }

    /// The next arguments, as the results of other tasks.
    pub fn futures<'f, T: 'f>(self, futures: impl IntoIterator<Item = &'f Future<T>>) -> Self {
        futures.into_iter().fold(self, Call::future)
    }

    /// Has the cluster run it.
    ///
    /// # Errors
    /// If the connection has ended.
    pub fn submit<T>(self) -> Result<Future<T>, Failure> {
        let mut futures = self.cluster.submit(&self.name, vec![self.arguments], self.inputs)?;
        // Until here the inputs must not go.
        drop(self.keep);
        futures.pop().ok_or_else(|| Failure::internal("a call has no result"))
    }
}

/// A result on a cluster; it stays there for as long as this lives.
pub struct Future<T> {
    cluster: Cluster,
    handle: Arc<Remote>,
    result: PhantomData<fn() -> T>,
}

impl<T> Future<T> {
    /// The handle beneath: how the task stands, its key, the size of its result.
    pub fn handle(&self) -> &Arc<Remote> {
        &self.handle
    }
}

impl<T: DecodeOwned> Future<T> {
    /// Waits for the result and gets it.
    ///
    /// # Errors
    /// What the function said, with the task's key; or that the connection has ended, or that the result is of another type.
    pub fn result(&self) -> Result<T, Failure> {
        let handles = std::slice::from_ref(&self.handle);
        let mut values = self.cluster.client.gather(handles, None, &mut || Ok(()))?;
        match values.pop() {
            Some(Ok(value)) => decode(&to_bytes(&value)?),
            Some(Err(failure)) => Err(wire::from_message(&failure)),
            None => Err(Failure::internal("a result is missing")),
        }
    }
}
