//! Calls into executors beside the tasks: who was called, who has not answered, and what new executors call first.
//!
//! Start at [`Calls::begin`]. A call ends when every process that it went to has answered or died.

use crate::node::process::Process;
use raskal_proto::{Called, FromWorker, Setup, ToExecutor};
use raskal_worker::ExecutorId;
use std::collections::{BTreeMap, HashMap};

/// A call that not every process has answered.
struct Open {
    waiting: Vec<ExecutorId>,
    answers: Vec<Called>,
}

/// The calls of a node.
#[derive(Default)]
pub(crate) struct Calls {
    open: HashMap<u64, Open>,
    setups: Vec<(String, Vec<u8>)>,
}

impl Calls {
    /// Passes a call on; the answer, if there is nobody to call.
    pub(crate) fn begin(
        &mut self,
        call: u64,
        pid: Option<u32>,
        payload: Vec<u8>,
        executors: &mut BTreeMap<ExecutorId, Process>,
    ) -> Option<FromWorker> {
        let mut waiting = Vec::new();
        for (&id, process) in executors.iter_mut().filter(|(_, process)| pid.is_none_or(|pid| process.pid == pid)) {
            process.outbox.push(ToExecutor::Call { call, payload: payload.clone() });
            waiting.push(id);
        }
        if waiting.is_empty() {
            let result = Err(format!("there is no process {} on this worker any more", pid.unwrap_or_default()));
            return Some(FromWorker::Called { call, answers: vec![Called { pid: pid.unwrap_or_default(), result }] });
        }
        self.open.insert(call, Open { waiting, answers: Vec::new() });
        None
    }

    /// Takes in a process's answer; the answer to the call, if it was the last.
    pub(crate) fn answered(
        &mut self,
        call: u64,
        executor: ExecutorId,
        pid: u32,
        result: Result<Vec<u8>, String>,
    ) -> Option<FromWorker> {
        let open = self.open.get_mut(&call)?;
        let place = open.waiting.iter().position(|waiting| *waiting == executor)?;
        open.waiting.remove(place);
        open.answers.push(Called { pid, result });
        if !open.waiting.is_empty() {
            return None;
        }
        let mut answers = self.open.remove(&call)?.answers;
        answers.sort_by_key(|called| called.pid);
        Some(FromWorker::Called { call, answers })
    }

    /// A process died: it answers nothing any more.
    pub(crate) fn died(&mut self, executor: ExecutorId, pid: u32, how: &str) -> Vec<FromWorker> {
        let open = self.open.iter().filter(|(_, open)| open.waiting.contains(&executor));
        let calls: Vec<u64> = open.map(|(&call, _)| call).collect();
        calls.into_iter().filter_map(|call| self.answered(call, executor, pid, Err(how.to_owned()))).collect()
    }

    /// Keeps, replaces or ends what executors call first; with `now` those that are there call it.
    pub(crate) fn set_up(&mut self, setup: Setup, now: bool, executors: &mut BTreeMap<ExecutorId, Process>) {
        let place = self.setups.iter().position(|(name, _)| *name == setup.name);
        match (setup.payload, place) {
            (Some(payload), place) => {
                if now {
                    for process in executors.values_mut() {
                        process.outbox.push(ToExecutor::Setup { payload: payload.clone() });
                    }
                }
                match place {
                    Some(place) => self.setups[place].1 = payload,
                    None => self.setups.push((setup.name, payload)),
                }
            }
            (None, Some(place)) => drop(self.setups.remove(place)),
            (None, None) => {}
        }
    }

    /// Has a new executor call what all call first.
    pub(crate) fn prepare(&self, process: &mut Process) {
        let setups = self.setups.iter().map(|(_, payload)| ToExecutor::Setup { payload: payload.clone() });
        process.outbox.extend(setups);
    }
}
