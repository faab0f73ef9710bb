//! A client: which results it wants, and what it heard of them.

use raskal_scheduler::Cause;
use raskal_types::{GraphId, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};

/// What a client heard of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing yet.
    None,
    /// It is held there.
    Held(WorkerId),
    /// It is so small that it came along.
    Given(u64),
    /// It can't leave the process that made it.
    Unusable,
    /// There is none.
    Failed(Cause),
}

#[derive(Default)]
pub(crate) struct Client {
    answers: BTreeMap<TaskId, Answer>,
    pub(crate) vanished: bool,
}

impl Client {
    pub(crate) fn want(&mut self, results: &BTreeSet<TaskId>) {
        self.answers.extend(results.iter().map(|&task| (task, Answer::None)));
    }

    pub(crate) fn wants(&self, task: TaskId) -> bool {
        self.answers.contains_key(&task)
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = TaskId> {
        self.answers.keys().copied()
    }

    pub(crate) fn answers(&self) -> impl Iterator<Item = (TaskId, Answer)> {
        self.answers.iter().map(|(&task, &answer)| (task, answer))
    }

    /// Whether a result failed, as far as it heard.
    pub(crate) fn has_failed(&self, task: TaskId) -> bool {
        matches!(self.answers.get(&task), Some(Answer::Failed(_)))
    }

    /// A result that failed does not come back.
    pub(crate) fn learn(&mut self, task: TaskId, answer: Answer) {
        if let Some(known) = self.answers.get_mut(&task) {
            assert!(!matches!(known, Answer::Failed(_)), "{task} failed already, and now: {answer:?}");
            *known = answer;
        }
    }

    /// Wants these no more; returns those that it did want.
    pub(crate) fn give_up(&mut self, tasks: Vec<TaskId>) -> Vec<TaskId> {
        tasks.into_iter().filter(|task| self.answers.remove(task).is_some()).collect()
    }

    pub(crate) fn give_up_graph(&mut self, graph: GraphId) {
        self.answers.retain(|task, _| task.graph != graph);
    }

    pub(crate) fn vanish(&mut self) {
        self.vanished = true;
        self.answers.clear();
    }
}
