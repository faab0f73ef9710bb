//! From the scheduler's instructions to messages.
//!
//! Start at [`Core::deliver`]. Here functions, payloads and small values join the ids that the scheduler speaks of.

use crate::core::Core;
use crate::history::Named;
use raskal_proto::{FailureMessage, FunctionMessage, InputFrom, ToClient, ToWorker};
use raskal_scheduler::{Cause, Instruction};
use raskal_types::{Attempt, ClientId, ErrorKind, GraphId, TaskId, WorkerId};

/// The worker that is nowhere: a value whose holder was lost this very moment.
const NOBODY: WorkerId = WorkerId(u32::MAX);

impl Core {
    pub(crate) fn deliver(&mut self, instructions: &mut Vec<Instruction>) {
        let mut failed: Option<(ClientId, Cause, Vec<TaskId>)> = None;
        for instruction in instructions.drain(..) {
            if let Instruction::Failed { client, task, cause } = instruction {
                // Many tasks that fail for one reason share one message.
                match &mut failed {
                    Some((to, of, tasks)) if *to == client && *of == cause => tasks.push(task),
                    _ => {
                        if let Some(failed) = failed.replace((client, cause, vec![task])) {
                            self.deliver_failure(failed);
                        }
                    }
                }
                continue;
            }
            if let Some(failed) = failed.take() {
                self.deliver_failure(failed);
            }
            match instruction {
                Instruction::Run { worker, task, attempt } => self.deliver_run(worker, task, attempt),
                Instruction::Abandon { worker, task, attempt } => {
                    self.tables.tell_worker(worker, ToWorker::Abandon { task, attempt });
                }
                Instruction::Copy { worker, task, from } => {
                    self.tables.tell_worker(worker, ToWorker::Copy { task, from });
                }
                Instruction::Retired { worker } => self.retired(worker),
                Instruction::Stays { worker } => self.worker_settled(worker, false),
                Instruction::Retract { worker, task, attempt } => {
                    self.tables.tell_worker(worker, ToWorker::Retract { task, attempt });
                }
                Instruction::Free { worker, task } => {
                    // Memory is given back at once; a few bytes can wait for company.
                    match self.tables.is_small(task) {
                        true => self.tables.mention_to_worker(worker, ToWorker::Free { task }),
                        false => self.tables.tell_worker(worker, ToWorker::Free { task }),
                    }
                    if self.scheduler.holders(task).is_empty() {
                        self.tables.let_go(task);
                    }
                }
                Instruction::Finished { client, task } => self.deliver_finished(client, task),
                Instruction::Forget { graph } => self.forget(graph),
                Instruction::Failed { .. } => {}
            }
        }
        if let Some(failed) = failed {
            self.deliver_failure(failed);
        }
    }

    fn deliver_run(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt) {
        let inputs = self.scheduler.inputs(task);
        let inputs = inputs
            .into_iter()
            .map(|input| {
                if input.holders.contains(&worker) {
                    return (input.task, InputFrom::Here);
                }
                let held =
                    self.tables.graphs.get(&input.task.graph).and_then(|graph| graph.held.get(&input.task.index));
                let from = match held.and_then(|held| held.inline.as_ref()) {
                    Some(bytes) => InputFrom::Inline(bytes.clone()),
                    None => InputFrom::Peer(input.holders.first().copied().unwrap_or(NOBODY)),
                };
                (input.task, from)
            })
            .collect();
        let Some(submitted) = self.tables.graphs.get_mut(&task.graph) else { return };
        let Some(target) = self.tables.workers.get_mut(&worker) else { return };
        let (layer_id, index) = submitted.graph.locate(task.index);
        let function = &submitted.functions[layer_id.0 as usize];
        if submitted.informed.insert((layer_id.0, worker)) {
            let layer = submitted.graph.layer(layer_id);
            target.outbox.say(ToWorker::Function {
                graph: task.graph,
                layer: layer_id.0,
                prefix: layer.prefix.clone(),
                shape: layer.shape.clone(),
                class: layer.class,
                function: FunctionMessage {
                    codec: function.codec.clone(),
                    shared: function.shared.clone(),
                    ..FunctionMessage::default()
                },
            });
        }
        let payload = function.payload(index).to_vec();
        target.outbox.say(ToWorker::Run { task, attempt, layer: layer_id.0, index, payload, inputs });
    }

    pub(crate) fn deliver_finished(&mut self, client: ClientId, task: TaskId) {
        let source = self.scheduler.resolve(task);
        let Some(&holder) = self.scheduler.holders(source).first() else { return };
        let held = self.tables.graphs.get(&source.graph).and_then(|graph| graph.held.get(&source.index));
        let (size_bytes, inline) = held.map_or((0, None), |held| (held.size_bytes, held.inline.clone()));
        self.tables.tell_client(client, ToClient::Finished { task, source, holder, size_bytes, inline });
    }

    pub(crate) fn deliver_failure(&mut self, (client, cause, tasks): (ClientId, Cause, Vec<TaskId>)) {
        let (Cause::Raised(task) | Cause::Killed(task) | Cause::Lost(task)) = cause;
        let failure = FailureMessage { task: Some(task), ..self.failure(cause) };
        self.tables.tell_client(client, ToClient::Failed { tasks, failure });
    }

    fn failure(&self, cause: Cause) -> FailureMessage {
        let known = |task: TaskId| self.tables.graphs.get(&task.graph);
        match cause {
            Cause::Raised(task) => {
                known(task).and_then(|graph| graph.failures.get(&task.index)).cloned().unwrap_or_else(|| {
                    FailureMessage::new(
                        ErrorKind::Lost,
                        format!("task {} failed, and why was forgotten", self.tables.key(task)),
                    )
                })
            }
            Cause::Killed(task) => {
                let mut deaths =
                    known(task).and_then(|graph| graph.deaths.get(&task.index)).cloned().unwrap_or_default();
                let missing = 3usize.saturating_sub(deaths.len());
                deaths.extend(self.history.lost_workers().take(missing));
                let key = self.tables.key(task);
                let list: String = deaths.iter().map(|death| format!("\n- {death}")).collect();
                let text = format!(
                    "task {key} was given up: {} processes died while they ran it{list}\nhint: a process dies by \
                     running out of memory (use smaller chunks or partitions, or fewer threads) or by a crash in native code",
                    deaths.len().max(3)
                );
                FailureMessage { key: Some(key), ..FailureMessage::new(ErrorKind::Killed, text) }
            }
            Cause::Lost(task) => {
                let key = self.tables.key(task);
                let text = format!(
                    "the value of task {key} is lost and can't be made again\nhint: it was released, or its scheduler was \
                     restarted; compute it anew"
                );
                FailureMessage { key: Some(key), ..FailureMessage::new(ErrorKind::Lost, text) }
            }
        }
    }

    fn forget(&mut self, graph: GraphId) {
        let Some(submitted) = self.tables.graphs.remove(&graph) else { return };
        let mut informed: Vec<WorkerId> = submitted.informed.iter().map(|&(_, worker)| worker).collect();
        informed.sort_unstable();
        informed.dedup();
        for worker in informed {
            self.tables.mention_to_worker(worker, ToWorker::Forget { graph });
        }
        self.history.forgotten(graph, Named { graph: submitted.graph, names: submitted.names });
    }
}
