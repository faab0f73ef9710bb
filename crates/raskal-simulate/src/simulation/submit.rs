//! A client submits a graph: what it imports, and when it loses interest.

use super::{Happening, Link, SPAN_US, Simulation};
use crate::graphs;
use crate::plan::Plan;
use rand::RngExt;
use rand::seq::IndexedRandom;
use raskal_scheduler::Event;
use raskal_types::{ClientId, GraphId, TaskId};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Simulation {
    pub(super) fn submit(&mut self, client: ClientId) {
        if self.client(client).vanished {
            return;
        }
        let id = GraphId(self.plans.len() as u32);
        let sources = self.sources(client);
        let Ok((layers, wanted)) = graphs::random(&mut self.rng, sources.len() as u32) else {
            panic!("the simulator drew a graph that is none")
        };
        let imports: Vec<(u32, TaskId)> = (0..).zip(sources).collect();
        let resolved = imports.iter().map(|&(own, source)| (own, self.resolve(source))).collect();
        let layers = Arc::new(layers);
        let mut plan = Plan::new(&mut self.rng, &self.profile, id, layers.clone(), resolved, &self.plans);
        let own = &self.clients[&client];
        for &(import, source) in &imports {
            // A stand-in of a graph that was forgotten is missed under its own name.
            let inherited = self.plans[&source.graph].doubtful.get(&source.index).into_iter().flatten().copied();
            let names =
                inherited.chain((!own.wants(source)).then(|| [source, self.resolve(source)]).into_iter().flatten());
            plan.doubtful.insert(import, names.collect());
        }
        self.plans.insert(id, plan);
        let results: BTreeSet<TaskId> = wanted.iter().map(|&index| TaskId { graph: id, index }).collect();
        self.client(client).want(&results);
        self.report.wanted += results.len() as u64;
        self.send(
            Link::FromClient(client),
            Happening::Notice(Event::Submit { graph: id, client, layers, imports, wanted }),
        );
        if self.rng.random_bool(self.profile.impatience) {
            let at_us = self.agenda.now_us() + self.rng.random_range(0..SPAN_US / 4);
            let some = results.into_iter().filter(|_| self.rng.random_bool(0.5)).collect();
            let cancel = self.rng.random_bool(0.3);
            self.agenda
                .put(at_us, if cancel { Happening::Cancel(client, id) } else { Happening::Release(client, some) });
        }
    }

    /// What a new graph imports: results that its client wants, now and then anybody's, or something long released.
    fn sources(&mut self, client: ClientId) -> Vec<TaskId> {
        if !self.rng.random_bool(self.profile.imports) {
            return Vec::new();
        }
        let mut sources: Vec<TaskId> = Vec::new();
        for _ in 0..self.rng.random_range(1..=3) {
            let own: Vec<TaskId> = self.clients[&client].wanted().collect();
            sources.extend(own.choose(&mut self.rng));
            if self.rng.random_bool(0.15)
                && let Some((&graph, plan)) = self.plans.iter().nth(self.rng.random_range(0..=self.plans.len()))
            {
                sources.push(TaskId { graph, index: self.rng.random_range(0..plan.layers.task_count()) });
            }
        }
        sources
    }
}
