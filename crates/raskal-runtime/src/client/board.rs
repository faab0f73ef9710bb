//! The board and calls into executors, from a client's side.
//!
//! Start at [`Client::mail`]. Requests are posted and answered later; answers and what topics tell come as [`Mail`], in
//! order, to whoever opened the mailbox.

use crate::client::Client;
use crate::client::results::Remote;
use crate::client::table::Known;
use crate::{Call, EncodedFunction, Failure, Function};
use raskal_graph::{Graph, Layer};
use raskal_proto::board::{Kept, Note, Reference};
use raskal_proto::{BoardAnswer, BoardRequest, CallMessage, Called, FromClient, Setup, ToClient};
use raskal_store::Value;
use raskal_types::{GraphId, TaskId};
use std::sync::Arc;

/// What comes to a client beside its results.
pub enum Mail {
    /// The board's answer to a request.
    Board {
        /// The request.
        request: u32,
        /// The answer.
        answer: Answered,
    },
    /// A topic that the client listens to.
    Topic {
        /// Which.
        topic: String,
        /// When, in microseconds since the Unix epoch.
        at_us: u64,
        /// What.
        data: Vec<u8>,
    },
    /// The answers to a call.
    Called {
        /// The call.
        request: u32,
        /// From each process.
        answers: Vec<Called>,
    },
}

/// A note with handles for its references.
pub struct Read {
    /// Its name within its kind.
    pub name: String,
    /// Larger is later.
    pub order: u64,
    /// The value, as its client encoded it.
    pub data: Vec<u8>,
    /// The results that it speaks of.
    pub remotes: Vec<Arc<Remote>>,
}

/// The board's answer, with handles for tasks.
pub enum Answered {
    /// Notes.
    Notes(Vec<Read>),
    /// What a topic kept.
    Events(Vec<Kept>),
    /// Any other.
    Other(BoardAnswer),
}

/// Names tasks that others named.
struct Names(Vec<String>);

impl Function for Names {
    fn run(&self, _: Call<'_>) -> Result<Value, Failure> {
        Err(Failure::internal("a stand-in was run"))
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Err(Failure::internal("a stand-in was encoded"))
    }

    fn describe(&self) -> String {
        "results of others".into()
    }

    fn key(&self, index: u32) -> Option<String> {
        self.0.get(index as usize).cloned()
    }
}

/// The graph of a note's references, as the scheduler made it.
pub(crate) fn known(references: &[Reference]) -> Option<(GraphId, Known)> {
    let id = references.first()?.task.graph;
    let mut graph = Graph::new();
    graph.add(Layer::new("shared", vec![references.len() as u32])).ok()?;
    let names = Names(references.iter().map(|reference| reference.key.clone()).collect());
    let indices = (0..references.len() as u32).collect();
    Some((id, Known::new(Arc::new(graph), vec![Some(Arc::new(names))], indices)))
}

impl Client {
    /// What comes beside results from now on. There is one mailbox: opening another closes the first.
    pub fn mail(&self) -> std::sync::mpsc::Receiver<ToClient> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut table = self.shared.table.lock();
        if table.ended.is_none() {
            table.mail = Some(sender);
        }
        receiver
    }

    /// Opens a letter: makes handles for what it speaks of. None if it is no mail.
    pub fn open(self: &Arc<Self>, letter: ToClient) -> Option<Mail> {
        Some(match letter {
            ToClient::Board { request, answer: BoardAnswer::Notes(notes) } => {
                let read = notes.into_iter().map(|named| Read {
                    name: named.name,
                    order: named.order,
                    data: named.note.data,
                    remotes: self.handles(&named.note.references),
                });
                Mail::Board { request, answer: Answered::Notes(read.collect()) }
            }
            ToClient::Board { request, answer: BoardAnswer::Events(kept) } => {
                Mail::Board { request, answer: Answered::Events(kept) }
            }
            ToClient::Board { request, answer } => Mail::Board { request, answer: Answered::Other(answer) },
            ToClient::Topic { topic, at_us, note } => Mail::Topic { topic, at_us, data: note.data },
            ToClient::Called { request, answers } => Mail::Called { request, answers },
            _ => return None,
        })
    }

    fn handles(self: &Arc<Self>, references: &[Reference]) -> Vec<Arc<Remote>> {
        references.iter().map(|reference| Arc::new(Remote::new(self.clone(), reference.task))).collect()
    }

    fn post(&self, message: impl FnOnce(u32) -> FromClient) -> Result<u32, Failure> {
        let request = {
            let mut table = self.shared.table.lock();
            table.check_open()?;
            table.next_request += 1;
            table.next_request
        };
        self.sender.push([message(request)])?;
        Ok(request)
    }

    /// Asks something of the board; the answer comes by mail, under the number returned.
    ///
    /// # Errors
    /// If the connection has ended.
    pub fn ask_board(&self, ask: BoardRequest) -> Result<u32, Failure> {
        self.post(|request| FromClient::Board { request, ask })
    }

    /// Waits no more for the board's answer; it comes all the same, and says whether it was too late to give up.
    ///
    /// # Errors
    /// If the connection has ended.
    pub fn give_up(&self, request: u32) -> Result<(), Failure> {
        Ok(self.sender.push([FromClient::GiveUp { request }])?)
    }

    /// Calls into the executors of a worker; the answers come by mail, under the number returned.
    ///
    /// # Errors
    /// If the connection has ended.
    pub fn call(&self, call: CallMessage) -> Result<u32, Failure> {
        self.post(|request| FromClient::Call { request, call })
    }

    /// Sets what executors that come later call first, or ends it.
    ///
    /// # Errors
    /// If the connection has ended.
    pub fn set_up(&self, setup: Setup) -> Result<(), Failure> {
        Ok(self.sender.push([FromClient::Setup(setup)])?)
    }

    /// A note that speaks of results.
    pub fn note(data: Vec<u8>, remotes: &[Arc<Remote>]) -> Note {
        let references = remotes.iter().map(|remote| Reference { task: remote.task(), key: remote.key() }).collect();
        Note { data, references }
    }

    /// A result that some other client told of: a handle of its own. It is lost if nobody keeps it by now.
    ///
    /// # Errors
    /// If the connection has ended.
    pub fn borrow(self: &Arc<Self>, task: TaskId, key: String) -> Result<Arc<Remote>, Failure> {
        let mut graph = Graph::new();
        let layer = Layer::new("shared", vec![1]);
        graph.add(layer).map_err(Failure::internal)?;
        let functions: Vec<Arc<dyn Function>> = vec![Arc::new(Names(vec![key]))];
        self.submit_borrowed(graph, functions, task)
    }
}
