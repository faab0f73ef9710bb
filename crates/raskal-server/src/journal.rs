//! What a scheduler that is started again needs to know: submissions, what clients still want of them, and the board.
//!
//! Start at [`Journal::open`]. A record is a kind (1 byte), a length (8 bytes), a checksum (4 bytes) and a body in bitcode.
//! A record that was cut short by the end of the process ends the journal. What nobody wants any more is left out when
//! the journal is opened, and when it has become much. Results and failures are not in it: workers hold the former, and
//! what failed is tried again.
//! Invariant: what a client was told is in the journal, as far as the operating system lives.

use crate::board::{Board, Change};
use bitcode::{Decode, Encode};
use raskal_net::{Credentials, NetError};
use raskal_proto::Setup;
use raskal_proto::client::Submit;
use raskal_types::{ClientId, GraphId, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"rskjrn01";
/// A journal of this size is written anew once nobody wants anything.
const LARGE_BYTES: u64 = 16 << 20;
const HEAD_BYTES: usize = 13;
/// The file of certificate, key and token.
const IDENTITY: &str = "identity";

/// One record, as it is read.
#[derive(Debug, Encode, Decode)]
pub(crate) enum Record {
    /// A client came.
    Client { client: ClientId, session: u128, name: String },
    /// A client was given graph numbers.
    Graphs { client: ClientId, first: u32, behind: u32 },
    /// Results are not wanted any more.
    Release { tasks: Vec<TaskId> },
    /// Nothing of a graph is wanted any more.
    Cancel { graph: GraphId },
    /// A client is gone for good.
    Gone { client: ClientId },
    /// A worker came.
    Worker { worker: WorkerId, name: String },
    /// A worker is gone.
    Left { worker: WorkerId },
    /// The board changed.
    Board(Change),
    /// What executors are to call first, or are not any more.
    Setup(Setup),
}

const RECORD: u8 = 0;
const SUBMIT: u8 = 1;

/// A client of before.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) session: u128,
    pub(crate) name: String,
    pub(crate) graphs: Vec<(u32, u32)>,
}

/// A graph of before.
pub(crate) struct Wanted {
    pub(crate) client: ClientId,
    body: Vec<u8>,
    unwanted: BTreeSet<u32>,
    cancelled: bool,
}

/// What was before.
#[derive(Default)]
pub(crate) struct Past {
    pub(crate) clients: BTreeMap<ClientId, Known>,
    pub(crate) graphs: BTreeMap<GraphId, Wanted>,
    /// The workers that had not left, by name.
    pub(crate) workers: BTreeMap<WorkerId, String>,
    pub(crate) board: Board,
    /// In the order in which they were asked for.
    pub(crate) setups: Vec<Setup>,
    pub(crate) next_peer: u32,
    pub(crate) next_graph: u32,
}

impl Wanted {
    /// The submission, and what of it is not wanted any more.
    pub(crate) fn submission(&self) -> Option<(Submit, Vec<TaskId>)> {
        let submit: Submit = bitcode::decode(&self.body).ok()?;
        let task = |&index: &u32| TaskId { graph: submit.graph, index };
        let unwanted = match self.cancelled {
            true => submit.wanted.iter().map(task).collect(),
            false => self.unwanted.iter().map(task).collect(),
        };
        Some((submit, unwanted))
    }
}

impl Past {
    fn take_in(&mut self, kind: u8, body: Vec<u8>) -> Result<(), bitcode::Error> {
        if kind == SUBMIT {
            let (client, submit): (ClientId, Vec<u8>) = bitcode::decode(&body)?;
            let graph = bitcode::decode::<Submit>(&submit)?.graph;
            // Those that the scheduler makes itself are of no client's range.
            self.next_graph = self.next_graph.max(graph.0.saturating_add(1));
            let wanted = Wanted { client, body: submit, unwanted: BTreeSet::new(), cancelled: false };
            self.graphs.insert(graph, wanted);
            return Ok(());
        }
        match bitcode::decode(&body)? {
            Record::Client { client, session, name } => {
                self.next_peer = self.next_peer.max(client.0 + 1);
                self.clients.insert(client, Known { session, name, graphs: Vec::new() });
            }
            Record::Graphs { client, first, behind } => {
                self.next_graph = self.next_graph.max(behind);
                if let Some(known) = self.clients.get_mut(&client) {
                    known.graphs.push((first, behind));
                }
            }
            Record::Release { tasks } => {
                for task in tasks {
                    if let Some(wanted) = self.graphs.get_mut(&task.graph) {
                        wanted.unwanted.insert(task.index);
                    }
                }
            }
            Record::Cancel { graph } => {
                if let Some(wanted) = self.graphs.get_mut(&graph) {
                    wanted.cancelled = true;
                }
            }
            Record::Gone { client } => {
                self.clients.remove(&client);
                self.graphs
                    .values_mut()
                    .filter(|wanted| wanted.client == client)
                    .for_each(|wanted| wanted.cancelled = true);
            }
            Record::Worker { worker, name } => {
                self.next_peer = self.next_peer.max(worker.0 + 1);
                self.workers.insert(worker, name);
            }
            Record::Left { worker } => drop(self.workers.remove(&worker)),
            Record::Board(change) => self.board.apply(change),
            Record::Setup(setup) => {
                self.setups.retain(|other| other.name != setup.name);
                if setup.payload.is_some() {
                    self.setups.push(setup);
                }
            }
        }
        Ok(())
    }

    /// Leaves out the graphs of which nothing is wanted, by clients or by other graphs.
    fn tidy(&mut self) {
        let mut needed: BTreeSet<GraphId> = BTreeSet::new();
        for (&graph, wanted) in self.graphs.iter().rev() {
            let Some((submit, unwanted)) = wanted.submission() else { continue };
            let unwanted: BTreeSet<TaskId> = unwanted.into_iter().collect();
            let wants = |&index: &u32| !unwanted.contains(&TaskId { graph, index });
            if needed.contains(&graph) || submit.wanted.iter().any(wants) {
                needed.insert(graph);
                // Graphs import from earlier ones.
                needed.extend(submit.imports.iter().map(|(_, source)| source.graph));
            }
        }
        self.graphs.retain(|graph, _| needed.contains(graph));
    }
}

/// Writes down what happens.
pub(crate) struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    dirty: bool,
}

impl Journal {
    /// Opens the journal in a folder, and reads what was before.
    ///
    /// # Errors
    /// If the folder can't be made or read, or holds something else.
    pub(crate) fn open(folder: &Path) -> io::Result<(Journal, Past)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join("journal");
        let mut past = Past::default();
        match File::open(&path) {
            Ok(file) => read(file, &mut past)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        past.tidy();
        let mut journal = Journal::create(path)?;
        journal.rewrite(&past)?;
        Ok((journal, past))
    }

    fn create(path: PathBuf) -> io::Result<Journal> {
        let unfinished = path.with_extension("part");
        let file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
        let mut file = BufWriter::with_capacity(1 << 16, file);
        file.write_all(MAGIC)?;
        Ok(Journal { path, file, bytes: MAGIC.len() as u64, dirty: true })
    }

    fn rewrite(&mut self, past: &Past) -> io::Result<()> {
        for (&client, known) in &past.clients {
            self.put(&Record::Client { client, session: known.session, name: known.name.clone() })?;
            for &(first, behind) in &known.graphs {
                self.put(&Record::Graphs { client, first, behind })?;
            }
        }
        for (&graph, wanted) in &past.graphs {
            self.append(SUBMIT, &bitcode::encode(&(wanted.client, wanted.body.clone())))?;
            if wanted.cancelled {
                self.put(&Record::Cancel { graph })?;
            } else if !wanted.unwanted.is_empty() {
                let tasks = wanted.unwanted.iter().map(|&index| TaskId { graph, index }).collect();
                self.put(&Record::Release { tasks })?;
            }
        }
        for change in past.board.state() {
            self.put(&Record::Board(change))?;
        }
        for setup in &past.setups {
            self.put(&Record::Setup(setup.clone()))?;
        }
        for (&worker, name) in &past.workers {
            self.put(&Record::Worker { worker, name: name.clone() })?;
        }
        self.file.flush()?;
        fs::rename(self.path.with_extension("part"), &self.path)
    }

    fn append(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let mut head = [0; HEAD_BYTES];
        head[0] = kind;
        head[1..9].copy_from_slice(&(body.len() as u64).to_le_bytes());
        head[9..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
        self.file.write_all(&head)?;
        self.file.write_all(body)?;
        self.bytes += (HEAD_BYTES + body.len()) as u64;
        self.dirty = true;
        Ok(())
    }

    fn put(&mut self, record: &Record) -> io::Result<()> {
        self.append(RECORD, &bitcode::encode(record))
    }

    /// Writes something down.
    pub(crate) fn write(&mut self, record: &Record) {
        let result = self.put(record);
        self.check(result);
    }

    /// Writes a submission down.
    pub(crate) fn submitted(&mut self, client: ClientId, submit: &Submit) {
        let result = self.append(SUBMIT, &bitcode::encode(&(client, bitcode::encode(submit))));
        self.check(result);
    }

    /// Hands what was written to the operating system; `idle` tells that nobody wants anything, and `past` who is there.
    pub(crate) fn flush(&mut self, idle: bool, past: impl FnOnce() -> Past) {
        if idle && self.bytes > LARGE_BYTES {
            let anew = Journal::create(self.path.clone()).and_then(|mut journal| {
                journal.rewrite(&past())?;
                Ok(journal)
            });
            match anew {
                Ok(journal) => *self = journal,
                Err(error) => self.check(Err(error)),
            }
        }
        if std::mem::take(&mut self.dirty) {
            let result = self.file.flush();
            self.check(result);
        }
    }

    /// The cluster ends in order: there is nothing to come back to.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            let _ = fs::remove_file(folder.join(IDENTITY));
            // Unless something else is in it.
            let _ = fs::remove_dir(folder);
        }
    }

    fn check(&self, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::error!(path = %self.path.display(), %error, "the journal can't be written: a restart would lose work");
        }
    }
}

fn read(file: File, past: &mut Past) -> io::Result<()> {
    let size = file.metadata()?.len();
    let mut input = io::BufReader::new(file);
    let mut magic = [0; 8];
    if size < 8 || input.read_exact(&mut magic).is_err() || magic != *MAGIC {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is no journal of this version of raskal"));
    }
    let mut left = size - 8;
    let mut head = [0; HEAD_BYTES];
    while left >= HEAD_BYTES as u64 && input.read_exact(&mut head).is_ok() {
        left -= HEAD_BYTES as u64;
        let number = |from: usize| head[from..from + 4].try_into().map(u32::from_le_bytes).unwrap_or_default();
        let length = u64::from(number(1)) | u64::from(number(5)) << 32;
        if length > left {
            tracing::warn!("the last record of the journal is cut short, and is left out");
            return Ok(());
        }
        left -= length;
        let mut body = vec![0; length as usize];
        input.read_exact(&mut body)?;
        if crc32fast::hash(&body) != number(9) || past.take_in(head[0], body).is_err() {
            tracing::warn!("a record of the journal is damaged: it and what follows is left out");
            return Ok(());
        }
    }
    Ok(())
}

/// The certificate, key and token of the scheduler that was before in this folder; fresh ones, kept there, if there was
/// none.
///
/// # Errors
/// If they can't be made, read or kept.
pub(crate) fn credentials(folder: &Path, hosts: &[&str]) -> Result<Credentials, NetError> {
    let failed = |error: io::Error| {
        NetError::Credentials(format!("cannot use the journal's folder {}: {error}", folder.display()))
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let path = folder.join(IDENTITY);
    if let Ok(text) = fs::read_to_string(&path) {
        return Credentials::from_secret(&text);
    }
    let credentials = Credentials::generate(hosts)?;
    let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(credentials.to_secret().unwrap_or_default().as_bytes()).map_err(failed)?;
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use raskal_graph::{Graph, Layer};

    fn submit(graph: u32, imports: Vec<(u32, TaskId)>) -> Submit {
        let mut layers = Graph::new();
        layers.add(Layer::new("layer", vec![2])).unwrap();
        Submit { graph: GraphId(graph), layers: layers.to_parts(), functions: vec![], imports, wanted: vec![0, 1] }
    }

    fn task(graph: u32, index: u32) -> TaskId {
        TaskId { graph: GraphId(graph), index }
    }

    #[test]
    fn what_is_wanted_is_there_again_and_what_is_not_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, past) = Journal::open(folder.path()).unwrap();
        assert!(past.graphs.is_empty());
        let client = ClientId(7);
        journal.write(&Record::Client { client, session: 1 << 100, name: "c".into() });
        journal.write(&Record::Graphs { client, first: 0, behind: 4096 });
        for graph in 0..4 {
            let imports = if graph == 3 { vec![(0, task(2, 1))] } else { vec![] };
            journal.submitted(client, &submit(graph, imports));
        }
        journal.write(&Record::Release { tasks: vec![task(0, 0), task(1, 0), task(1, 1), task(2, 0), task(2, 1)] });
        journal.write(&Record::Worker { worker: WorkerId(9), name: "w".into() });
        journal.flush(false, Past::default);
        drop(journal);
        // Twice: what is read is written anew.
        for _ in 0..2 {
            let (_, past) = Journal::open(folder.path()).unwrap();
            assert_eq!(past.clients[&client].session, 1 << 100);
            assert_eq!((past.next_peer, past.next_graph), (10, 4096));
            assert_eq!(past.graphs.keys().map(|id| id.0).collect::<Vec<_>>(), [0, 2, 3]);
            assert_eq!(past.graphs[&GraphId(0)].submission().unwrap().1, [task(0, 0)]);
            assert_eq!(past.workers[&WorkerId(9)], "w");
        }
    }

    #[test]
    fn a_record_that_was_cut_short_ends_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.write(&Record::Client { client: ClientId(0), session: 5, name: "c".into() });
        journal.submitted(ClientId(0), &submit(0, vec![]));
        journal.submitted(ClientId(0), &submit(1, vec![]));
        journal.flush(false, Past::default);
        drop(journal);
        let path = folder.path().join("journal");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let (_, past) = Journal::open(folder.path()).unwrap();
        assert_eq!(past.graphs.len(), 1);
    }

    #[test]
    fn something_else_in_its_place_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("journal"), b"my thesis, the only copy").unwrap();
        let error = Journal::open(folder.path()).err().unwrap();
        assert!(error.to_string().contains("no journal"), "{error}");
    }

    #[test]
    fn the_next_scheduler_is_the_same_to_its_peers() {
        let folder = tempfile::tempdir().unwrap();
        let first = credentials(folder.path(), &["127.0.0.1"]).unwrap();
        let again = credentials(folder.path(), &["127.0.0.1"]).unwrap();
        assert_eq!(first.token().unwrap().reveal(), again.token().unwrap().reveal());
        assert_eq!(first.certificate().unwrap().to_pem(), again.certificate().unwrap().to_pem());
    }
}
