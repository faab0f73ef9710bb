//! What is to happen, and when: the queue of events and the virtual clock.
//!
//! Invariant: time never runs backwards, and messages of one link arrive in the order in which they were sent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Happenings by time. Those of the same time come in the order in which they were put in.
pub(crate) struct Agenda<Happening> {
    now_us: u64,
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    entries: BTreeMap<u64, Happening>,
    next: u64,
}

impl<Happening> Agenda<Happening> {
    pub(crate) fn new() -> Agenda<Happening> {
        Agenda { now_us: 0, heap: BinaryHeap::new(), entries: BTreeMap::new(), next: 0 }
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Has something happen at a time that is not past.
    pub(crate) fn put(&mut self, at_us: u64, happening: Happening) {
        self.heap.push(Reverse((at_us.max(self.now_us), self.next)));
        self.entries.insert(self.next, happening);
        self.next += 1;
    }

    /// Moves the clock to what happens next; with the number by which it can be put off.
    pub(crate) fn pop(&mut self) -> Option<(u64, Happening)> {
        let Reverse((at_us, number)) = self.heap.pop()?;
        self.now_us = at_us;
        self.entries.remove(&number).map(|happening| (number, happening))
    }

    /// Puts off what was popped. It keeps its number, and so its place among those that are put off to the same time.
    pub(crate) fn put_off(&mut self, number: u64, until_us: u64, happening: Happening) {
        self.heap.push(Reverse((until_us, number)));
        self.entries.insert(number, happening);
    }
}

/// When the last message of each link arrives, so that none overtakes it.
pub(crate) struct Links<Link>(BTreeMap<Link, u64>);

impl<Link: Ord> Links<Link> {
    pub(crate) fn new() -> Links<Link> {
        Links(BTreeMap::new())
    }

    /// The time of arrival of a message that would arrive at `at_us`, were it alone.
    pub(crate) fn arrival_us(&mut self, link: Link, at_us: u64) -> u64 {
        let last = self.0.entry(link).or_default();
        *last = at_us.max(*last);
        *last
    }

    /// Nothing arrives on a link before this time.
    pub(crate) fn hold(&mut self, link: Link, until_us: u64) {
        self.arrival_us(link, until_us);
    }
}
