//! The board: cells, leases and topics that clients share. Pure: requests in, answers out.
//!
//! Start at [`Board::ask`]. A request that can't be answered yet waits in line; whatever changes a cell or frees a lease
//! answers those that wait. What a client waits for or leases ends when the client is gone; what it left stays.
//! Invariant: a note that leaves the board is given to whoever asked, or its references come out as [`Out::Drop`].
//!
//! What outlives the scheduler's process is told as [`Change`]s, by which another board becomes the same ([`Board::apply`]):
//! notes, leases, and the last answers, since a client that did not hear one asks again.

use bitcode::{Decode, Encode};
use raskal_proto::board::{Kept, Name, Named, Note, Put, Reference};
use raskal_proto::{BoardAnswer, BoardRequest};
use raskal_types::{ClientId, TaskId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// So many answers of each client are remembered...
const ANSWERS_MAX: usize = 256;
/// ...and so many bytes of them.
const ANSWERS_BYTES_MAX: usize = 16 << 20;
/// A topic keeps at most so many notes...
const KEPT_MAX: usize = 10_000;
/// ...and at most so many bytes of them; the oldest go first.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// What the board says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// The answer to a request.
    Answer { client: ClientId, request: u32, answer: BoardAnswer },
    /// A topic that a client listens to.
    Topic { client: ClientId, topic: String, at_us: u64, note: Note },
    /// Nothing on the board speaks of these tasks any more.
    Drop(Vec<Reference>),
}

/// A change of what outlives the scheduler's process.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Change {
    /// A note was left behind those of its cell.
    Left { cell: Name, order: u64, note: Note },
    /// So many notes of a cell are gone, from the first on.
    Gone { cell: Name, count: u32 },
    /// Names were leased, each of which has so many leases.
    Leased { lease: u64, client: ClientId, names: Vec<Name>, limit: u32 },
    /// A lease was given back.
    GivenBack { lease: u64 },
    /// A request that changed something was answered.
    Answered { client: ClientId, request: u32, answer: BoardAnswer },
}

/// Who asked, to be answered later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Asker {
    client: ClientId,
    request: u32,
}

/// How a reader wants its notes.
#[derive(Clone, Copy)]
enum Want {
    Take(u32),
    Look,
}

#[derive(Default)]
struct Cell {
    notes: VecDeque<(u64, Note)>,
    readers: VecDeque<(Asker, Want)>,
    writers: VecDeque<(Asker, Note, u32)>,
}

impl Cell {
    fn is_unused(&self) -> bool {
        self.notes.is_empty() && self.readers.is_empty() && self.writers.is_empty()
    }
}

/// A lease that is held.
struct Lease {
    client: ClientId,
    names: Vec<Name>,
}

/// A request for a lease that waits.
struct Wish {
    asker: Asker,
    names: Vec<Name>,
    need: usize,
}

/// How many leases a name has, and how many of them are held.
struct Leased {
    limit: u32,
    held: u32,
}

#[derive(Default)]
struct Topic {
    listeners: Vec<ClientId>,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
}

/// The board.
#[derive(Default)]
pub(crate) struct Board {
    cells: BTreeMap<Name, Cell>,
    leases: BTreeMap<u64, Lease>,
    leased: BTreeMap<Name, Leased>,
    wishes: VecDeque<Wish>,
    topics: BTreeMap<String, Topic>,
    next: u64,
    /// Requests that change something and were not answered yet.
    open: BTreeSet<Asker>,
    /// The last answers to such requests.
    answers: BTreeMap<ClientId, VecDeque<(u32, BoardAnswer)>>,
    /// What was not written down yet; none while nobody writes it down.
    changes: Option<Vec<Change>>,
}

impl Board {
    /// Has changes told from now on.
    pub(crate) fn tell_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// The changes since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        self.changes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn note(&mut self, change: Change) {
        if let Some(changes) = &mut self.changes {
            changes.push(change);
        }
    }

    /// What would make an empty board this one, as far as that outlives the process.
    pub(crate) fn state(&self) -> Vec<Change> {
        let mut state = Vec::new();
        for (cell, own) in &self.cells {
            let left =
                |(order, note): &(u64, Note)| Change::Left { cell: cell.clone(), order: *order, note: note.clone() };
            state.extend(own.notes.iter().map(left));
        }
        for (&lease, Lease { client, names }) in &self.leases {
            let limit = names.first().and_then(|name| self.leased.get(name)).map_or(1, |leased| leased.limit);
            state.push(Change::Leased { lease, client: *client, names: names.clone(), limit });
        }
        for (&client, answers) in &self.answers {
            let answered = |(request, answer): &(u32, BoardAnswer)| Change::Answered {
                client,
                request: *request,
                answer: answer.clone(),
            };
            state.extend(answers.iter().map(answered));
        }
        state
    }

    /// Makes a change that was told before.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Left { cell, order, note } => {
                self.next = self.next.max(order + 1);
                self.cells.entry(cell).or_default().notes.push_back((order, note));
            }
            Change::Gone { cell, count } => {
                if let Some(own) = self.cells.get_mut(&cell) {
                    own.notes.drain(..own.notes.len().min(count as usize));
                }
                self.tidy(&cell);
            }
            Change::Leased { lease, client, names, limit } => {
                self.next = self.next.max(lease + 1);
                for name in &names {
                    self.leased.entry(name.clone()).or_insert(Leased { limit, held: 0 }).held += 1;
                }
                self.leases.insert(lease, Lease { client, names });
            }
            Change::GivenBack { lease } => {
                if let Some(lease) = self.leases.remove(&lease) {
                    self.give_back(lease);
                    self.tidy_leased();
                }
            }
            Change::Answered { client, request, answer } => self.remember(client, request, answer),
        }
    }

    fn remember(&mut self, client: ClientId, request: u32, answer: BoardAnswer) {
        let size = |answer: &BoardAnswer| match answer {
            BoardAnswer::Notes(notes) => notes.iter().map(|named| named.note.data.len()).sum(),
            _ => 0,
        };
        let answers = self.answers.entry(client).or_default();
        answers.push_back((request, answer));
        let mut bytes: usize = answers.iter().map(|(_, answer)| size(answer)).sum();
        while answers.len() > ANSWERS_MAX || answers.len() > 1 && bytes > ANSWERS_BYTES_MAX {
            let Some((_, oldest)) = answers.pop_front() else { break };
            bytes -= size(&oldest);
        }
    }

    /// A client has its answer.
    pub(crate) fn answered(&mut self, client: ClientId, request: u32, answer: &BoardAnswer) {
        if self.changes.is_some() && self.open.remove(&Asker { client, request }) {
            self.remember(client, request, answer.clone());
            self.note(Change::Answered { client, request, answer: answer.clone() });
        }
    }

    /// Whether a request was answered before.
    pub(crate) fn has_answered(&self, client: ClientId, request: u32) -> bool {
        self.answer_again(Asker { client, request }).is_some()
    }

    /// The tasks that its notes speak of.
    pub(crate) fn references(&self) -> BTreeSet<TaskId> {
        let notes = self.cells.values().flat_map(|cell| &cell.notes);
        notes.flat_map(|(_, note)| note.references.iter().map(|reference| reference.task)).collect()
    }

    /// The answer to a request that is asked again, since its client did not hear it.
    fn answer_again(&self, asker: Asker) -> Option<BoardAnswer> {
        let answers = self.answers.get(&asker.client)?;
        answers.iter().find(|(request, _)| *request == asker.request).map(|(_, answer)| answer.clone())
    }

    /// Takes in one request. `now_us` is what events are dated with.
    pub(crate) fn ask(&mut self, client: ClientId, request: u32, ask: BoardRequest, now_us: u64, out: &mut Vec<Out>) {
        let asker = Asker { client, request };
        if let Some(answer) = self.answer_again(asker) {
            out.push(Out::Answer { client, request, answer });
            return;
        }
        let looks = matches!(
            ask,
            BoardRequest::Look { .. }
                | BoardRequest::Count { .. }
                | BoardRequest::List { .. }
                | BoardRequest::Subscribe { .. }
                | BoardRequest::Unsubscribe { .. }
                | BoardRequest::Events { .. }
                | BoardRequest::Topics
        );
        if self.changes.is_some() && !looks {
            self.open.insert(asker);
        }
        let answer = match ask {
            BoardRequest::Put { cell, note, how } => return self.put(asker, cell, note, how, out),
            BoardRequest::Take { cell, max, wait } => return self.read(asker, cell, Want::Take(max), wait, out),
            BoardRequest::Look { cell, wait } => return self.read(asker, cell, Want::Look, wait, out),
            BoardRequest::Count { cell } => BoardAnswer::Count(self.count(&cell)),
            BoardRequest::Remove { cell } => return self.remove(asker, &cell, out),
            BoardRequest::List { kind } => BoardAnswer::Notes(self.list(&kind)),
            BoardRequest::Acquire { names, need, limit, wait } => {
                return self.acquire(Wish { asker, need: need as usize, names }, limit, wait, out);
            }
            BoardRequest::Release { lease: number } => match self.leases.remove(&number) {
                Some(lease) => {
                    self.note(Change::GivenBack { lease: number });
                    self.give_back(lease);
                    self.grant(out);
                    BoardAnswer::Done
                }
                None => BoardAnswer::Absent,
            },
            BoardRequest::Publish { topic, note, keep } => {
                self.publish(&topic, note, keep, now_us, out);
                BoardAnswer::Done
            }
            BoardRequest::Subscribe { topic } => {
                let listeners = &mut self.topics.entry(topic).or_default().listeners;
                if !listeners.contains(&client) {
                    listeners.push(client);
                }
                BoardAnswer::Done
            }
            BoardRequest::Unsubscribe { topic } => {
                if let Some(topic) = self.topics.get_mut(&topic) {
                    topic.listeners.retain(|listener| *listener != client);
                }
                BoardAnswer::Done
            }
            BoardRequest::Events { topic } => {
                let kept = self.topics.get(&topic).map(|topic| topic.kept.iter().cloned().collect());
                BoardAnswer::Events(kept.unwrap_or_default())
            }
            BoardRequest::Topics => {
                let kept = self.topics.iter().filter(|(_, topic)| !topic.kept.is_empty());
                BoardAnswer::Topics(kept.map(|(name, _)| name.clone()).collect())
            }
        };
        out.push(Out::Answer { client, request, answer });
    }

    /// A client does not wait for its request any more.
    pub(crate) fn give_up(&mut self, client: ClientId, request: u32, out: &mut Vec<Out>) {
        if self.forget(out, |asker| asker == Asker { client, request }) {
            out.push(Out::Answer { client, request, answer: BoardAnswer::GaveUp });
        }
    }

    /// A client does not come back.
    pub(crate) fn forget_answers(&mut self, client: ClientId) {
        self.answers.remove(&client);
    }

    /// A client is gone, and with it what it waited for, leased and listened to.
    pub(crate) fn client_gone(&mut self, client: ClientId, out: &mut Vec<Out>) {
        self.forget(out, |asker| asker.client == client);
        self.open.retain(|asker| asker.client != client);
        let held: Vec<u64> =
            self.leases.iter().filter(|(_, lease)| lease.client == client).map(|(&id, _)| id).collect();
        for number in held {
            if let Some(lease) = self.leases.remove(&number) {
                self.note(Change::GivenBack { lease: number });
                self.give_back(lease);
            }
        }
        self.topics.values_mut().for_each(|topic| topic.listeners.retain(|listener| *listener != client));
        self.topics.retain(|_, topic| !topic.listeners.is_empty() || !topic.kept.is_empty());
        self.grant(out);
    }

    /// Tells those who listen to a topic.
    pub(crate) fn publish(&mut self, name: &str, note: Note, keep: bool, now_us: u64, out: &mut Vec<Out>) {
        let topic = match self.topics.get_mut(name) {
            Some(topic) => topic,
            None if keep => self.topics.entry(name.to_owned()).or_default(),
            None => return,
        };
        for &client in &topic.listeners {
            out.push(Out::Topic { client, topic: name.to_owned(), at_us: now_us, note: note.clone() });
        }
        if keep {
            topic.kept_bytes += note.data.len();
            topic.kept.push_back(Kept { at_us: now_us, data: note.data });
            while topic.kept.len() > KEPT_MAX || topic.kept_bytes > KEPT_BYTES_MAX {
                let Some(oldest) = topic.kept.pop_front() else { break };
                topic.kept_bytes -= oldest.data.len();
            }
        }
    }

    /// Drops the waiting requests of those that `is_gone` knows; whether there were any.
    fn forget(&mut self, out: &mut Vec<Out>, is_gone: impl Fn(Asker) -> bool) -> bool {
        let mut found = false;
        for cell in self.cells.values_mut() {
            let before = cell.readers.len() + cell.writers.len();
            cell.readers.retain(|(asker, _)| !is_gone(*asker));
            cell.writers.retain(|(asker, note, _)| {
                let gone = is_gone(*asker);
                if gone {
                    drop_note(note, out);
                }
                !gone
            });
            found |= before != cell.readers.len() + cell.writers.len();
        }
        self.cells.retain(|_, cell| !cell.is_unused());
        let before = self.wishes.len();
        self.wishes.retain(|wish| !is_gone(wish.asker));
        if before != self.wishes.len() {
            found = true;
            // Those behind it may have waited for it alone.
            self.grant(out);
        }
        found
    }

    // ---- cells

    fn put(&mut self, asker: Asker, name: Name, note: Note, how: Put, out: &mut Vec<Out>) {
        let cell = self.cells.entry(name.clone()).or_default();
        match how {
            Put::Append { capacity } if capacity > 0 && cell.notes.len() >= capacity as usize => {
                cell.writers.push_back((asker, note, capacity));
                return;
            }
            Put::New if !cell.notes.is_empty() => {
                drop_note(&note, out);
                let text = format!("the {} '{}' exists already", name.kind, name.name);
                out.push(Out::Answer {
                    client: asker.client,
                    request: asker.request,
                    answer: BoardAnswer::Refused(text),
                });
                return;
            }
            Put::Replace => {
                let count = cell.notes.len() as u32;
                cell.notes.drain(..).for_each(|(_, old)| drop_note(&old, out));
                if count > 0 {
                    self.note(Change::Gone { cell: name.clone(), count });
                }
            }
            Put::Append { .. } | Put::New => {}
        }
        self.note(Change::Left { cell: name.clone(), order: self.next, note: note.clone() });
        self.cells.entry(name.clone()).or_default().notes.push_back((self.next, note));
        self.next += 1;
        out.push(Out::Answer { client: asker.client, request: asker.request, answer: BoardAnswer::Done });
        self.serve(&name, out);
    }

    fn read(&mut self, asker: Asker, name: Name, want: Want, wait: bool, out: &mut Vec<Out>) {
        let cell = self.cells.entry(name.clone()).or_default();
        let answerable = !cell.notes.is_empty() && cell.readers.is_empty();
        if answerable || wait {
            cell.readers.push_back((asker, want));
            self.serve(&name, out);
            return;
        }
        out.push(Out::Answer { client: asker.client, request: asker.request, answer: BoardAnswer::Absent });
        self.tidy(&name);
    }

    fn remove(&mut self, asker: Asker, name: &Name, out: &mut Vec<Out>) {
        let notes = self.cells.get_mut(name).map(|cell| std::mem::take(&mut cell.notes)).unwrap_or_default();
        let answer = if notes.is_empty() { BoardAnswer::Absent } else { BoardAnswer::Done };
        notes.iter().for_each(|(_, note)| drop_note(note, out));
        if !notes.is_empty() {
            self.note(Change::Gone { cell: name.clone(), count: notes.len() as u32 });
        }
        out.push(Out::Answer { client: asker.client, request: asker.request, answer });
        self.serve(name, out);
    }

    /// Answers whoever waits at a cell and can be answered now, in turn.
    fn serve(&mut self, name: &Name, out: &mut Vec<Out>) {
        let (next, changes) = (&mut self.next, &mut self.changes);
        let Some(cell) = self.cells.get_mut(name) else { return };
        let mut note_change = |change: Change| changes.iter_mut().for_each(|changes| changes.push(change.clone()));
        loop {
            if let Some((asker, want)) = cell.readers.front().copied()
                && !cell.notes.is_empty()
            {
                cell.readers.pop_front();
                let count = match want {
                    Want::Take(max) if max > 0 => cell.notes.len().min(max as usize),
                    Want::Take(_) | Want::Look => cell.notes.len(),
                };
                let named = |(order, note): (u64, Note)| Named { name: String::new(), order, note };
                let (notes, taken): (Vec<Named>, bool) = match want {
                    Want::Take(_) => (cell.notes.drain(..count).map(named).collect(), true),
                    Want::Look => (cell.notes.iter().cloned().map(named).collect(), false),
                };
                if taken {
                    note_change(Change::Gone { cell: name.clone(), count: count as u32 });
                }
                let gone: Vec<Reference> = match taken {
                    true => notes.iter().flat_map(|named| named.note.references.iter().cloned()).collect(),
                    false => Vec::new(),
                };
                let answer = BoardAnswer::Notes(notes);
                out.push(Out::Answer { client: asker.client, request: asker.request, answer });
                if !gone.is_empty() {
                    // Behind the answer, which makes the references its client's own.
                    out.push(Out::Drop(gone));
                }
            } else if let Some((_, _, capacity)) = cell.writers.front()
                && cell.notes.len() < *capacity as usize
                && let Some((asker, note, _)) = cell.writers.pop_front()
            {
                note_change(Change::Left { cell: name.clone(), order: *next, note: note.clone() });
                cell.notes.push_back((*next, note));
                *next += 1;
                out.push(Out::Answer { client: asker.client, request: asker.request, answer: BoardAnswer::Done });
            } else {
                break;
            }
        }
        self.tidy(name);
    }

    fn tidy(&mut self, name: &Name) {
        if self.cells.get(name).is_some_and(Cell::is_unused) {
            self.cells.remove(name);
        }
    }

    fn count(&self, name: &Name) -> u64 {
        let notes = self.cells.get(name).map_or(0, |cell| cell.notes.len() as u64);
        notes + self.leased.get(name).map_or(0, |leased| u64::from(leased.held))
    }

    fn list(&self, kind: &str) -> Vec<Named> {
        let cells = self.cells.iter().filter(|(name, _)| name.kind == kind);
        let named = cells.flat_map(|(name, cell)| {
            cell.notes.iter().map(|(order, note)| {
                // Only to be looked at: whoever wants what it speaks of reads the cell.
                let note = Note { data: note.data.clone(), references: Vec::new() };
                Named { name: name.name.clone(), order: *order, note }
            })
        });
        named.collect()
    }

    // ---- leases

    fn acquire(&mut self, wish: Wish, limit: u32, wait: bool, out: &mut Vec<Out>) {
        let Asker { client, request } = wish.asker;
        if wish.need == 0 || wish.need > wish.names.len() || limit == 0 {
            let text = format!("{} of {} names can't be leased, with {limit} leases each", wish.need, wish.names.len());
            out.push(Out::Answer { client, request, answer: BoardAnswer::Refused(text) });
            return;
        }
        let other = |name: &&Name| self.leased.get(*name).is_some_and(|leased| leased.limit != limit);
        if let Some(name) = wish.names.iter().find(other) {
            let known = self.leased.get(name).map_or(0, |leased| leased.limit);
            let text = format!("the {} '{}' has {known} leases, not {limit}", name.kind, name.name);
            out.push(Out::Answer { client, request, answer: BoardAnswer::Refused(text) });
            return;
        }
        for name in &wish.names {
            self.leased.entry(name.clone()).or_insert(Leased { limit, held: 0 });
        }
        self.wishes.push_back(wish);
        self.grant(out);
        let left = self.wishes.iter().position(|wish| wish.asker == Asker { client, request });
        if let (false, Some(place)) = (wait, left) {
            self.wishes.remove(place);
            out.push(Out::Answer { client, request, answer: BoardAnswer::Absent });
            self.tidy_leased();
        }
    }

    /// Grants what can be granted. A name that an earlier wish waits for is not given to a later one, so that nobody
    /// waits for ever.
    fn grant(&mut self, out: &mut Vec<Out>) {
        let mut awaited: Vec<Name> = Vec::new();
        let mut place = 0;
        while let Some(wish) = self.wishes.get(place) {
            let free = |name: &&Name| {
                !awaited.contains(name) && self.leased.get(*name).is_none_or(|leased| leased.held < leased.limit)
            };
            let free: Vec<Name> = wish.names.iter().filter(free).take(wish.need).cloned().collect();
            if free.len() < wish.need {
                awaited.extend(wish.names.iter().cloned());
                place += 1;
                continue;
            }
            let Some(wish) = self.wishes.remove(place) else { break };
            for name in &free {
                if let Some(leased) = self.leased.get_mut(name) {
                    leased.held += 1;
                }
            }
            let Asker { client, request } = wish.asker;
            let lease = self.next;
            self.next += 1;
            let limit = free.first().and_then(|name| self.leased.get(name)).map_or(1, |leased| leased.limit);
            self.note(Change::Leased { lease, client, names: free.clone(), limit });
            self.leases.insert(lease, Lease { client, names: free });
            out.push(Out::Answer { client, request, answer: BoardAnswer::Lease(lease) });
        }
        self.tidy_leased();
    }

    fn give_back(&mut self, lease: Lease) {
        for name in lease.names {
            if let Some(leased) = self.leased.get_mut(&name) {
                leased.held = leased.held.saturating_sub(1);
            }
        }
    }

    fn tidy_leased(&mut self) {
        let wishes = &self.wishes;
        let awaited = |name: &Name| wishes.iter().any(|wish| wish.names.contains(name));
        self.leased.retain(|name, leased| leased.held > 0 || awaited(name));
    }
}

fn drop_note(note: &Note, out: &mut Vec<Out>) {
    if !note.references.is_empty() {
        out.push(Out::Drop(note.references.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raskal_types::GraphId;

    const ANN: ClientId = ClientId(1);
    const BOB: ClientId = ClientId(2);

    struct Desk {
        board: Board,
        request: u32,
    }

    impl Desk {
        fn new() -> Desk {
            Desk { board: Board::default(), request: 0 }
        }

        /// What the board says to a request, which gets the next number.
        fn ask(&mut self, client: ClientId, ask: BoardRequest) -> Vec<Out> {
            self.request += 1;
            let mut out = Vec::new();
            self.board.ask(client, self.request, ask, 0, &mut out);
            out
        }
    }

    fn name(kind: &str) -> Name {
        Name { kind: kind.into(), name: "x".into() }
    }

    fn note(data: u8) -> Note {
        Note { data: vec![data], references: vec![] }
    }

    fn referring(task: u32) -> (Note, Reference) {
        let reference = Reference { task: TaskId { graph: GraphId(0), index: task }, key: "k".into() };
        (Note { data: vec![], references: vec![reference.clone()] }, reference)
    }

    fn append(data: u8, capacity: u32) -> BoardRequest {
        BoardRequest::Put { cell: name("queue"), note: note(data), how: Put::Append { capacity } }
    }

    fn take() -> BoardRequest {
        BoardRequest::Take { cell: name("queue"), max: 1, wait: true }
    }

    fn lease(kind: &str) -> BoardRequest {
        BoardRequest::Acquire { names: vec![name(kind)], need: 1, limit: 1, wait: true }
    }

    fn answered(client: ClientId, request: u32, answer: BoardAnswer) -> Out {
        Out::Answer { client, request, answer }
    }

    fn given(data: u8, order: u64) -> BoardAnswer {
        BoardAnswer::Notes(vec![Named { name: String::new(), order, note: note(data) }])
    }

    #[test]
    fn readers_wait_their_turn_and_are_served_in_order() {
        let mut desk = Desk::new();
        assert!(desk.ask(ANN, take()).is_empty() && desk.ask(BOB, take()).is_empty());
        let out = desk.ask(ANN, append(7, 0));
        assert_eq!(out, [answered(ANN, 3, BoardAnswer::Done), answered(ANN, 1, given(7, 0))]);
        let out = desk.ask(ANN, append(8, 0));
        assert_eq!(out, [answered(ANN, 4, BoardAnswer::Done), answered(BOB, 2, given(8, 1))]);
    }

    #[test]
    fn a_full_cell_makes_writers_wait() {
        let mut desk = Desk::new();
        desk.ask(ANN, append(1, 1));
        assert!(desk.ask(BOB, append(2, 1)).is_empty());
        let out = desk.ask(ANN, take());
        assert_eq!(out, [answered(ANN, 3, given(1, 0)), answered(BOB, 2, BoardAnswer::Done)]);
        assert_eq!(desk.ask(ANN, take()), [answered(ANN, 4, given(2, 1))]);
        assert!(desk.board.cells.is_empty());
    }

    #[test]
    fn a_request_that_was_given_up_takes_nothing() {
        let mut desk = Desk::new();
        desk.ask(ANN, take());
        let mut out = Vec::new();
        desk.board.give_up(ANN, 1, &mut out);
        assert_eq!(out, [answered(ANN, 1, BoardAnswer::GaveUp)]);
        desk.ask(BOB, append(7, 0));
        out.clear();
        desk.board.give_up(ANN, 1, &mut out);
        assert!(out.is_empty(), "it is answered once");
        assert_eq!(desk.board.count(&name("queue")), 1);
    }

    #[test]
    fn references_are_dropped_when_their_note_is_replaced_or_taken_and_not_before() {
        let mut desk = Desk::new();
        let put = |note| BoardRequest::Put { cell: name("variable"), note, how: Put::Replace };
        let ((first, one), (second, two)) = (referring(1), referring(2));
        desk.ask(ANN, put(first));
        let out = desk.ask(ANN, BoardRequest::Look { cell: name("variable"), wait: false });
        assert!(!out.iter().any(|out| matches!(out, Out::Drop(_))));
        assert!(desk.ask(ANN, put(second)).contains(&Out::Drop(vec![one])));
        let out = desk.ask(BOB, BoardRequest::Take { cell: name("variable"), max: 0, wait: false });
        assert_eq!(out.last(), Some(&Out::Drop(vec![two])), "behind the answer");
    }

    #[test]
    fn a_name_that_is_taken_is_refused() {
        let mut desk = Desk::new();
        let put = || BoardRequest::Put { cell: name("dataset"), note: note(1), how: Put::New };
        desk.ask(ANN, put());
        let out = desk.ask(BOB, put());
        assert!(matches!(&out[..], [Out::Answer { answer: BoardAnswer::Refused(text), .. }] if text.contains("'x'")));
    }

    #[test]
    fn leases_end_with_their_client() {
        let mut desk = Desk::new();
        assert_eq!(desk.ask(ANN, lease("lock")), [answered(ANN, 1, BoardAnswer::Lease(0))]);
        assert!(desk.ask(BOB, lease("lock")).is_empty());
        let mut out = Vec::new();
        desk.board.client_gone(ANN, &mut out);
        assert_eq!(out, [answered(BOB, 2, BoardAnswer::Lease(1))]);
        assert_eq!(desk.ask(BOB, BoardRequest::Release { lease: 0 }), [answered(BOB, 3, BoardAnswer::Absent)]);
        desk.ask(BOB, BoardRequest::Release { lease: 1 });
        assert!(desk.board.leased.is_empty());
    }

    #[test]
    fn several_names_are_leased_all_or_none_and_in_turn() {
        let mut desk = Desk::new();
        let both = BoardRequest::Acquire { names: vec![name("a"), name("b")], need: 2, limit: 1, wait: true };
        desk.ask(ANN, lease("a"));
        assert!(desk.ask(BOB, both).is_empty());
        assert!(desk.ask(ANN, lease("b")).is_empty(), "the earlier wish comes first");
        let out = desk.ask(ANN, BoardRequest::Release { lease: 0 });
        assert!(out.contains(&answered(BOB, 2, BoardAnswer::Lease(1))) && out.len() == 2);
        let any = BoardRequest::Acquire { names: vec![name("a"), name("c")], need: 1, limit: 1, wait: false };
        assert_eq!(desk.ask(ANN, any), [answered(ANN, 5, BoardAnswer::Lease(2))]);
    }

    #[test]
    fn one_name_has_one_number_of_leases() {
        let mut desk = Desk::new();
        desk.ask(ANN, lease("semaphore"));
        let other = BoardRequest::Acquire { names: vec![name("semaphore")], need: 1, limit: 3, wait: true };
        let out = desk.ask(BOB, other);
        assert!(matches!(&out[..], [Out::Answer { answer: BoardAnswer::Refused(text), .. }] if text.contains("not 3")));
    }

    #[test]
    fn what_is_told_of_changes_makes_another_board_the_same() {
        let mut desk = Desk::new();
        desk.board.tell_changes();
        let mut other = Board::default();
        for number in 0..6 {
            desk.ask(ANN, append(number, 4));
        }
        desk.ask(BOB, take());
        desk.ask(BOB, lease("lock"));
        desk.ask(ANN, lease("lock"));
        let put = BoardRequest::Put { cell: name("variable"), note: note(9), how: Put::Replace };
        desk.ask(ANN, put.clone());
        desk.ask(ANN, put);
        desk.board.take_changes().into_iter().for_each(|change| other.apply(change));
        assert_eq!(other.state(), desk.board.state());
        assert_eq!(
            (other.count(&name("queue")), other.count(&name("lock")), other.count(&name("variable"))),
            (4, 1, 1)
        );
        let mut third = Board::default();
        other.state().into_iter().for_each(|change| third.apply(change));
        assert_eq!(third.state(), other.state(), "and so does its whole state");
    }

    #[test]
    fn a_request_that_is_asked_again_is_answered_as_before_and_does_nothing_twice() {
        let mut desk = Desk::new();
        desk.board.tell_changes();
        let out = desk.ask(ANN, append(7, 0));
        let [Out::Answer { client, request, answer }] = &out[..] else { panic!("{out:?}") };
        desk.board.answered(*client, *request, answer);
        let mut other = Board::default();
        desk.board.take_changes().into_iter().for_each(|change| other.apply(change));
        let mut again = Vec::new();
        other.ask(ANN, *request, append(7, 0), 0, &mut again);
        assert_eq!(again, out);
        assert_eq!(other.count(&name("queue")), 1);
    }

    #[test]
    fn topics_reach_those_who_listen_and_keep_what_they_are_told_to() {
        let mut desk = Desk::new();
        let publish = |data, keep| BoardRequest::Publish { topic: "t".into(), note: note(data), keep };
        desk.ask(BOB, BoardRequest::Subscribe { topic: "t".into() });
        let out = desk.ask(ANN, publish(1, true));
        assert_eq!(out[0], Out::Topic { client: BOB, topic: "t".into(), at_us: 0, note: note(1) });
        desk.ask(BOB, BoardRequest::Unsubscribe { topic: "t".into() });
        assert_eq!(desk.ask(ANN, publish(2, false)).len(), 1);
        let kept = BoardAnswer::Events(vec![Kept { at_us: 0, data: vec![1] }]);
        assert_eq!(desk.ask(ANN, BoardRequest::Events { topic: "t".into() }), [answered(ANN, 5, kept)]);
    }

    #[test]
    fn a_topic_forgets_its_oldest_notes() {
        let mut desk = Desk::new();
        for _ in 0..KEPT_MAX + 5 {
            desk.ask(ANN, BoardRequest::Publish { topic: "t".into(), note: note(1), keep: true });
        }
        assert_eq!(desk.board.topics["t"].kept.len(), KEPT_MAX);
        assert_eq!(desk.board.topics["t"].kept_bytes, KEPT_MAX);
    }
}
