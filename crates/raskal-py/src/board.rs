//! The board and calls into executors under Python: requests are posted, answers come by mail.
//!
//! Start at [`Board`]; one thread of `raskal.distributed` empties its mailbox. What notes and calls hold is bytes here.

use crate::client::{Remote, handles, seconds};
use crate::error::to_exception;
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raskal_proto::board::{Name, Put};
use raskal_proto::{BoardAnswer, BoardRequest, CallMessage, Setup, ToClient};
use raskal_runtime::client::board::Read;
use raskal_runtime::client::{Answered, Client as Inner, Mail};
use raskal_types::{GraphId, TaskId, WorkerId};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The board of a client's cluster: requests, and the mailbox of their answers.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct Board {
    letters: Mutex<Receiver<ToClient>>,
    client: Weak<Inner>,
}

fn name(kind: &str, name: String) -> Name {
    Name { kind: kind.to_owned(), name }
}

impl Board {
    pub(crate) fn new(client: &Arc<Inner>) -> Board {
        Board { letters: Mutex::new(client.mail()), client: Arc::downgrade(client) }
    }

    fn inner(&self) -> PyResult<Arc<Inner>> {
        let gone = || PyValueError::new_err("this client was closed\nhint: make a new one with Client(address)");
        self.client.upgrade().ok_or_else(gone)
    }

    fn ask(&self, py: Python<'_>, ask: BoardRequest) -> PyResult<u32> {
        let inner = self.inner()?;
        py.detach(|| inner.ask_board(ask)).map_err(|failure| to_exception(py, &failure))
    }
}

#[pymethods]
impl Board {
    /// Leaves a note in a cell; `how` is `append`, `replace` or `new`.
    #[pyo3(signature = (kind, cell, data, remotes, how, capacity=0))]
    #[expect(clippy::too_many_arguments)]
    fn put(
        &self,
        py: Python<'_>,
        kind: &str,
        cell: String,
        data: Vec<u8>,
        remotes: Vec<Bound<'_, Remote>>,
        how: &str,
        capacity: u32,
    ) -> PyResult<u32> {
        let how = match how {
            "append" => Put::Append { capacity },
            "replace" => Put::Replace,
            "new" => Put::New,
            _ => return Err(PyValueError::new_err(format!("how must be append, replace or new, got {how:?}"))),
        };
        let handles = handles(&remotes);
        // Keys may call Python.
        let note = py.detach(|| Inner::note(data, &handles));
        self.ask(py, BoardRequest::Put { cell: name(kind, cell), note, how })
    }

    /// Takes up to `max` notes (0: all) out of a cell.
    fn take(&self, py: Python<'_>, kind: &str, cell: String, max: u32, wait: bool) -> PyResult<u32> {
        self.ask(py, BoardRequest::Take { cell: name(kind, cell), max, wait })
    }

    /// Reads the notes of a cell.
    fn look(&self, py: Python<'_>, kind: &str, cell: String, wait: bool) -> PyResult<u32> {
        self.ask(py, BoardRequest::Look { cell: name(kind, cell), wait })
    }

    /// Counts notes or leases.
    fn count(&self, py: Python<'_>, kind: &str, cell: String) -> PyResult<u32> {
        self.ask(py, BoardRequest::Count { cell: name(kind, cell) })
    }

    /// Empties a cell.
    fn remove(&self, py: Python<'_>, kind: &str, cell: String) -> PyResult<u32> {
        self.ask(py, BoardRequest::Remove { cell: name(kind, cell) })
    }

    /// Reads all notes of a kind.
    fn list(&self, py: Python<'_>, kind: String) -> PyResult<u32> {
        self.ask(py, BoardRequest::List { kind })
    }

    /// Leases `need` of the names, of which each has `limit` leases.
    fn acquire(
        &self,
        py: Python<'_>,
        kind: &str,
        names: Vec<String>,
        need: u32,
        limit: u32,
        wait: bool,
    ) -> PyResult<u32> {
        let names = names.into_iter().map(|cell| name(kind, cell)).collect();
        self.ask(py, BoardRequest::Acquire { names, need, limit, wait })
    }

    /// Gives a lease back.
    fn release(&self, py: Python<'_>, lease: u64) -> PyResult<u32> {
        self.ask(py, BoardRequest::Release { lease })
    }

    /// Tells a topic's listeners.
    fn publish(&self, py: Python<'_>, topic: String, data: Vec<u8>, keep: bool) -> PyResult<u32> {
        self.ask(py, BoardRequest::Publish { topic, note: Inner::note(data, &[]), keep })
    }

    /// Listens to a topic, or does so no more.
    fn listen(&self, py: Python<'_>, topic: String, listen: bool) -> PyResult<u32> {
        match listen {
            true => self.ask(py, BoardRequest::Subscribe { topic }),
            false => self.ask(py, BoardRequest::Unsubscribe { topic }),
        }
    }

    /// What a topic kept; without one, the names of the topics that kept something.
    #[pyo3(signature = (topic=None))]
    fn events(&self, py: Python<'_>, topic: Option<String>) -> PyResult<u32> {
        self.ask(py, topic.map_or(BoardRequest::Topics, |topic| BoardRequest::Events { topic }))
    }

    /// Waits no more for an answer.
    fn give_up(&self, py: Python<'_>, request: u32) -> PyResult<()> {
        let inner = self.inner()?;
        py.detach(|| inner.give_up(request)).map_err(|failure| to_exception(py, &failure))
    }

    /// Calls into the executors of a worker, or one of them.
    #[pyo3(signature = (worker, payload, pid=None))]
    fn call(&self, py: Python<'_>, worker: u32, payload: Vec<u8>, pid: Option<u32>) -> PyResult<u32> {
        let inner = self.inner()?;
        let call = CallMessage { worker: WorkerId(worker), pid, payload };
        py.detach(|| inner.call(call)).map_err(|failure| to_exception(py, &failure))
    }

    /// Sets what executors that come later call first, or ends it.
    #[pyo3(signature = (name, payload=None))]
    fn set_up(&self, py: Python<'_>, name: String, payload: Option<Vec<u8>>) -> PyResult<()> {
        let inner = self.inner()?;
        py.detach(|| inner.set_up(Setup { name, payload })).map_err(|failure| to_exception(py, &failure))
    }

    /// A result that some other client told of.
    fn borrow(&self, py: Python<'_>, graph: u32, index: u32, key: String) -> PyResult<Remote> {
        let inner = self.inner()?;
        let task = TaskId { graph: GraphId(graph), index };
        let handle = py.detach(|| inner.borrow(task, key)).map_err(|failure| to_exception(py, &failure))?;
        Ok(Remote { handle })
    }

    /// What came since the last call; waits until the time runs out. None when nothing will come any more.
    fn mail<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Option<Vec<Bound<'py, PyTuple>>>> {
        let timeout = seconds(Some(timeout))?.unwrap_or(Duration::ZERO);
        let letters = py.detach(|| {
            let letters = self.letters.lock();
            letters
                .recv_timeout(timeout)
                .map(|first| std::iter::once(first).chain(letters.try_iter()).collect::<Vec<_>>())
        });
        let letters = match letters {
            Ok(letters) => letters,
            Err(RecvTimeoutError::Timeout) => return Ok(Some(Vec::new())),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        };
        let Some(client) = self.client.upgrade() else { return Ok(None) };
        let mail = letters.into_iter().filter_map(|letter| client.open(letter));
        mail.map(|mail| to_tuple(py, mail)).collect::<PyResult<_>>().map(Some)
    }
}

fn to_tuple(py: Python<'_>, mail: Mail) -> PyResult<Bound<'_, PyTuple>> {
    match mail {
        Mail::Board { request, answer } => {
            let (tag, value) = match answer {
                Answered::Notes(notes) => ("notes", notes_of(py, notes)?),
                Answered::Events(kept) => {
                    let events = kept.iter().map(|kept| (kept.at_us as f64 / 1e6, PyBytes::new(py, &kept.data)));
                    ("events", events.collect::<Vec<_>>().into_pyobject(py)?)
                }
                Answered::Other(answer) => other(py, answer)?,
            };
            ("board", request, tag, value).into_pyobject(py)
        }
        Mail::Topic { topic, at_us, data } => {
            ("topic", topic, at_us as f64 / 1e6, PyBytes::new(py, &data)).into_pyobject(py)
        }
        Mail::Called { request, answers } => {
            let answers = answers.into_iter().map(|called| {
                let (ok, value) = match called.result {
                    Ok(bytes) => (true, PyBytes::new(py, &bytes).into_any()),
                    Err(text) => (false, text.into_pyobject(py)?.into_any()),
                };
                (called.pid, ok, value).into_pyobject(py)
            });
            ("called", request, answers.collect::<PyResult<Vec<_>>>()?).into_pyobject(py)
        }
    }
}

fn notes_of(py: Python<'_>, notes: Vec<Read>) -> PyResult<Bound<'_, PyAny>> {
    let notes = notes.into_iter().map(|read| {
        let remotes: Vec<Remote> = read.remotes.into_iter().map(|handle| Remote { handle }).collect();
        (read.name, read.order, PyBytes::new(py, &read.data), remotes)
    });
    Ok(notes.collect::<Vec<_>>().into_pyobject(py)?.into_any())
}

fn other(py: Python<'_>, answer: BoardAnswer) -> PyResult<(&'static str, Bound<'_, PyAny>)> {
    let none = || py.None().into_bound(py);
    Ok(match answer {
        BoardAnswer::Done => ("done", none()),
        BoardAnswer::Absent => ("absent", none()),
        BoardAnswer::GaveUp => ("gave up", none()),
        BoardAnswer::Refused(text) => ("refused", text.into_pyobject(py)?.into_any()),
        BoardAnswer::Count(count) => ("count", count.into_pyobject(py)?.into_any()),
        BoardAnswer::Lease(lease) => ("lease", lease.into_pyobject(py)?.into_any()),
        BoardAnswer::Topics(topics) => ("topics", topics.into_pyobject(py)?),
        BoardAnswer::Notes(_) | BoardAnswer::Events(_) => ("absent", none()),
    })
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Board>()
}
