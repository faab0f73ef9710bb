//! What will happen, put down before it begins: when workers join and crash, when clients submit and vanish.

use super::{Happening, SPAN_US, Simulation};
use crate::graphs::{RESOURCE, name};
use crate::message::Shape;
use rand::RngExt;
use raskal_scheduler::Traits;

impl Simulation {
    /// Puts down when workers come and go and when clients act.
    pub(super) fn foresee(&mut self) {
        for _ in 0..self.rng.random_range(0..=4) {
            let at_us = if self.rng.random_bool(0.7) { 0 } else { self.sometime() };
            let (shape, traits) = (self.shape(), self.traits());
            self.agenda.put(at_us, Happening::Join(shape, traits));
        }
        for _ in 0..self.rng.random_range(0..=self.profile.crashes_max) {
            let at_us = self.sometime();
            self.agenda.put(at_us, Happening::Crash);
            if self.rng.random_bool(0.6) {
                let (shape, traits) = (self.shape(), self.traits());
                let after_us = self.rng.random_range(0..2_000);
                self.agenda.put(at_us + after_us, Happening::Join(shape, traits));
            }
        }
        let shared = self.rng.random_bool(0.3);
        let everything = Shape { executors: u32::from(!shared), threads: 1, native: 1, shared };
        let traits = Traits { anything: true, ..Traits::default() };
        self.agenda.put(SPAN_US, Happening::Join(everything, traits));
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            for _ in 0..self.rng.random_range(1..=self.profile.graphs_max) {
                let at_us = self.sometime();
                self.agenda.put(at_us, Happening::Submit(client));
            }
            if self.rng.random_bool(self.profile.vanishes) {
                let at_us = self.sometime();
                self.agenda.put(at_us, Happening::Vanish(client));
            }
        }
    }

    /// A time in which there may be trouble; more often early, when there is more to disturb.
    fn sometime(&mut self) -> u64 {
        let until_us = if self.rng.random_bool(0.5) { SPAN_US } else { SPAN_US / 10 };
        self.rng.random_range(0..until_us)
    }

    fn traits(&mut self) -> Traits {
        let labels = (0..self.rng.random_range(0..=2)).map(|_| name(&mut self.rng)).collect();
        let resources = match self.rng.random_bool(0.5) {
            true => vec![(RESOURCE.to_owned(), f64::from(self.rng.random_range(1..=4)) * 0.5)],
            false => vec![],
        };
        Traits { labels, resources, anything: false }
    }

    fn shape(&mut self) -> Shape {
        match self.rng.random_range(0..6) {
            0 => Shape { executors: 0, threads: 1, native: self.rng.random_range(1..=3), shared: true },
            _ => Shape {
                executors: self.rng.random_range(0..=2),
                threads: self.rng.random_range(1..=2),
                native: self.rng.random_range(0..=2),
                shared: false,
            },
        }
    }
}
