//! Answers to clients' questions about the cluster.

use crate::core::Core;
use raskal_proto::client::{Answer, ClusterInfo, Question, WorkerInfo};
use raskal_types::{TaskId, WorkerId};
use std::collections::BTreeMap;

pub(crate) fn answer(core: &Core, question: Question) -> Answer {
    match question {
        Question::WhoHas(tasks) => Answer::WhoHas(tasks.into_iter().map(|task| core.scheduler.holders(task)).collect()),
        Question::HasWhat => Answer::HasWhat(has_what(core)),
        Question::Info => Answer::Info(ClusterInfo {
            addresses: core.addresses.clone(),
            dashboard: core.dashboard.clone(),
            version: raskal_net::VERSION.to_owned(),
            started_us: core.history.started_us,
            workers: core.tables.workers.values().map(|worker| info(core, &worker.info)).collect(),
        }),
    }
}

fn info(core: &Core, info: &WorkerInfo) -> WorkerInfo {
    let (assigned, holds, _) = core.scheduler.load(info.worker);
    WorkerInfo { assigned: assigned as u32, holds: holds as u32, ..info.clone() }
}

fn has_what(core: &Core) -> Vec<(WorkerId, Vec<String>)> {
    let mut keys: BTreeMap<WorkerId, Vec<String>> =
        core.tables.workers.keys().map(|&worker| (worker, Vec::new())).collect();
    let mut graphs: Vec<_> = core.tables.graphs.iter().collect();
    graphs.sort_unstable_by_key(|(id, _)| **id);
    for (&graph, submitted) in graphs {
        let mut held: Vec<u32> = submitted.held.keys().copied().collect();
        held.sort_unstable();
        for index in held {
            for holder in core.scheduler.holders(TaskId { graph, index }) {
                keys.entry(holder).or_default().push(submitted.graph.key(index));
            }
        }
    }
    keys.into_iter().collect()
}
