//! Answers to clients' questions about the cluster.

use crate::core::Core;
use raskal_proto::client::{Answer, ClusterInfo, Holding, Question, WorkerInfo};
use raskal_scheduler::Scheduler;
use raskal_types::{GraphId, TaskId, WorkerId};
use std::collections::BTreeMap;

pub(crate) fn answer(core: &Core, question: Question) -> Answer {
    match question {
        Question::WhoHas(tasks) => Answer::WhoHas(tasks.into_iter().map(|task| core.scheduler.holders(task)).collect()),
        // Answered by `Core::answer_view`, whose answers are made elsewhere.
        Question::View(_) => Answer::View(Err("a view is not answered here; this is a defect of raskal".into())),
        Question::HasWhat => Answer::HasWhat(has_what(core)),
        Question::Backlog => {
            let (unfinished, running) = unfinished(&core.scheduler);
            Answer::Backlog { unfinished, running }
        }
        Question::Replicate { .. } | Question::Rebalance { .. } | Question::Retire { .. } | Question::Restart => {
            Answer::Done
        }
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

/// Numbers of tasks that have not ended, and of those of them that workers have.
pub(crate) fn unfinished(scheduler: &Scheduler) -> (u64, u64) {
    let graphs: Vec<GraphId> = scheduler.graphs().map(|(graph, _)| graph).collect();
    graphs.into_iter().flat_map(|graph| scheduler.counts(graph)).fold((0, 0), |(unfinished, running), counts| {
        let left = counts.needed.saturating_sub(counts.done + counts.failed);
        (unfinished + u64::from(left), running + u64::from(counts.running))
    })
}

fn has_what(core: &Core) -> Vec<(WorkerId, Vec<Holding>)> {
    let mut keys: BTreeMap<WorkerId, Vec<Holding>> =
        core.tables.workers.keys().map(|&worker| (worker, Vec::new())).collect();
    let mut graphs: Vec<_> = core.tables.graphs.iter().collect();
    graphs.sort_unstable_by_key(|(id, _)| **id);
    for (&graph, submitted) in graphs {
        let mut held: Vec<(u32, u64)> = submitted.held.iter().map(|(&index, held)| (index, held.size_bytes)).collect();
        held.sort_unstable();
        for (index, size_bytes) in held {
            let task = TaskId { graph, index };
            for holder in core.scheduler.holders(task) {
                let key = crate::tables::key_of(&submitted.graph, &submitted.names, index);
                keys.entry(holder).or_default().push(Holding { task, key, size_bytes });
            }
        }
    }
    keys.into_iter().collect()
}
