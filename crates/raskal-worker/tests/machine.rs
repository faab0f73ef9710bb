//! A worker's machine as its shell drives it: every way in which inputs, answers and losses can come.

use raskal_types::{Attempt, GraphId, SlotClass, TaskId, WorkerId};
use raskal_worker::{Delivery, Event, ExecutorId, Instruction, Source, Worker};

const ME: WorkerId = WorkerId(7);
const PEER: WorkerId = WorkerId(8);
const FIRST: Attempt = Attempt(1);

fn task(index: u32) -> TaskId {
    TaskId { graph: GraphId(0), index }
}

struct Node(Worker);

impl Node {
    /// A node with one native slot and `executors` executors of one thread.
    fn new(executors: u32) -> Node {
        let mut node = Node(Worker::new(ME, 1));
        for executor in 0..executors {
            node.on(Event::ExecutorReady { executor: ExecutorId(executor), threads: 1 });
        }
        node
    }

    fn on(&mut self, event: Event) -> Vec<Instruction> {
        let mut out = Vec::new();
        self.0.step(event, &mut out);
        self.0.validate();
        out
    }

    fn run(&mut self, index: u32, class: SlotClass, inputs: &[(u32, Source)]) -> Vec<Instruction> {
        let inputs = inputs.iter().map(|&(input, source)| (task(input), source)).collect();
        self.on(Event::Run { task: task(index), attempt: FIRST, class, inputs })
    }

    fn python_finished(&mut self, executor: u32, index: u32, size_bytes: u64, inline: bool) -> Vec<Instruction> {
        let executor = ExecutorId(executor);
        self.on(Event::PythonFinished {
            executor,
            task: task(index),
            attempt: FIRST,
            size_bytes,
            duration_us: 3,
            inline,
        })
    }
}

fn report(index: u32) -> Instruction {
    Instruction::Report { task: task(index), attempt: FIRST }
}

fn run_python(executor: u32, index: u32, inputs: &[(u32, Delivery)]) -> Instruction {
    let inputs = inputs.iter().map(|&(input, delivery)| (task(input), delivery)).collect();
    Instruction::RunPython { executor: ExecutorId(executor), task: task(index), attempt: FIRST, inputs }
}

#[test]
fn native_tasks_wait_for_a_slot_in_the_order_of_arrival() {
    let mut node = Node::new(0);
    assert_eq!(node.run(0, SlotClass::Native, &[]), [Instruction::RunNative { task: task(0), attempt: FIRST }]);
    assert!(node.run(1, SlotClass::Native, &[]).is_empty());
    let out = node.on(Event::NativeFinished { task: task(0), attempt: FIRST, size_bytes: 8 });
    assert_eq!(out, [report(0), Instruction::RunNative { task: task(1), attempt: FIRST }]);
}

#[test]
fn an_input_at_a_peer_is_fetched_once_for_all_who_need_it() {
    let mut node = Node::new(1);
    let fetch = Instruction::Fetch { value: task(0), peer: PEER };
    assert_eq!(node.run(1, SlotClass::Python, &[(0, Source::Peer(PEER))]), [fetch]);
    assert!(node.run(2, SlotClass::Native, &[(0, Source::Peer(PEER))]).is_empty());
    let out = node.on(Event::Fetched { value: task(0), size_bytes: 1 << 20 });
    assert_eq!(
        out,
        [
            Instruction::ReportCopied { value: task(0) },
            Instruction::RunNative { task: task(2), attempt: FIRST },
            run_python(0, 1, &[(0, Delivery::Sent)]),
        ]
    );
}

#[test]
fn a_fetch_that_fails_gives_every_task_that_waits_back() {
    let mut node = Node::new(1);
    node.run(1, SlotClass::Python, &[(0, Source::Peer(PEER))]);
    node.run(2, SlotClass::Python, &[(0, Source::Peer(PEER))]);
    let missing =
        |index| Instruction::ReportMissing { task: task(index), attempt: FIRST, input: task(0), holder: PEER };
    assert_eq!(node.on(Event::FetchFailed { value: task(0), unusable: false }), [missing(1), missing(2)]);
    assert_eq!(node.0.load(), (0, 0, 0));
}

#[test]
fn tasks_that_need_a_value_that_can_not_be_turned_into_bytes_fail_and_are_not_given_back() {
    let mut node = Node::new(1);
    node.run(1, SlotClass::Python, &[(0, Source::Peer(PEER))]);
    let unusable = |index, input| Instruction::ReportUnusable { task: task(index), attempt: FIRST, input: task(input) };
    assert_eq!(node.on(Event::FetchFailed { value: task(0), unusable: true }), [unusable(1, 0)]);
    node.run(2, SlotClass::Python, &[]);
    node.python_finished(0, 2, 100, false);
    node.run(3, SlotClass::Native, &[(2, Source::Here)]);
    node.on(Event::Requested { request: 1, value: task(2) });
    let out = node.on(Event::ExportFailed { executor: ExecutorId(0), value: task(2), gone: false });
    assert_eq!(out, [unusable(3, 2), Instruction::Refuse { request: 1, value: task(2) }]);
}

#[test]
fn an_input_that_should_be_here_and_is_not_is_told_at_once() {
    let out = Node::new(1).run(1, SlotClass::Python, &[(0, Source::Here)]);
    assert_eq!(out, [Instruction::ReportMissing { task: task(1), attempt: FIRST, input: task(0), holder: ME }]);
}

#[test]
fn a_small_input_that_came_along_is_dropped_with_its_last_user() {
    let mut node = Node::new(1);
    assert_eq!(node.run(1, SlotClass::Python, &[(0, Source::Inline)]), [run_python(0, 1, &[(0, Delivery::Inline)])]);
    node.run(2, SlotClass::Python, &[(0, Source::Inline)]);
    assert_eq!(node.python_finished(0, 1, 28, true)[0], report(1));
    assert_eq!(node.python_finished(0, 2, 28, true), [Instruction::Drop { value: task(0) }, report(2)]);
}

#[test]
fn a_task_runs_in_the_executor_that_holds_its_inputs() {
    let mut node = Node::new(2);
    node.run(0, SlotClass::Python, &[]);
    node.run(1, SlotClass::Python, &[]);
    node.python_finished(0, 0, 10, false);
    node.python_finished(1, 1, 1 << 20, false);
    // The larger input is in executor 1; the other one must come from executor 0 by way of the store.
    let out = node.run(2, SlotClass::Python, &[(0, Source::Here), (1, Source::Here)]);
    assert_eq!(out, [Instruction::Export { executor: ExecutorId(0), value: task(0) }]);
    let out = node.on(Event::Exported { executor: ExecutorId(0), value: task(0) });
    assert_eq!(out, [run_python(1, 2, &[(0, Delivery::Inline), (1, Delivery::Live)])]);
}

#[test]
fn a_native_task_waits_for_the_bytes_of_a_python_value() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 1 << 20, false);
    let export = Instruction::Export { executor: ExecutorId(0), value: task(0) };
    assert_eq!(node.run(1, SlotClass::Native, &[(0, Source::Here)]), [export]);
    let out = node.on(Event::Exported { executor: ExecutorId(0), value: task(0) });
    assert_eq!(out, [Instruction::RunNative { task: task(1), attempt: FIRST }]);
}

#[test]
fn a_request_from_outside_is_answered_from_wherever_the_value_is() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 1 << 20, false);
    let export = Instruction::Export { executor: ExecutorId(0), value: task(0) };
    assert_eq!(node.on(Event::Requested { request: 1, value: task(0) }), [export]);
    assert!(node.on(Event::Requested { request: 2, value: task(0) }).is_empty(), "it is on its way");
    let serve = |request| Instruction::Serve { request, value: task(0) };
    assert_eq!(node.on(Event::Exported { executor: ExecutorId(0), value: task(0) }), [serve(1), serve(2)]);
    assert_eq!(node.on(Event::Requested { request: 3, value: task(0) }), [serve(3)]);
    assert_eq!(
        node.on(Event::Requested { request: 4, value: task(9) }),
        [Instruction::Refuse { request: 4, value: task(9) }, Instruction::ReportDropped { value: task(9) }],
        "whoever asked was told that it is here"
    );
}

#[test]
fn an_executor_that_dies_takes_the_running_task_and_its_values_with_it() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 1 << 20, false);
    node.run(1, SlotClass::Python, &[]);
    node.run(2, SlotClass::Python, &[]);
    let out = node.on(Event::ExecutorDied { executor: ExecutorId(0), running: Some(vec![task(1)]) });
    assert_eq!(
        out,
        [
            Instruction::ReportDeath { executor: ExecutorId(0), task: task(1), attempt: FIRST },
            Instruction::ReportDropped { value: task(0) },
        ]
    );
    // The task that was only queued there runs in the next one, without having died.
    let out = node.on(Event::ExecutorReady { executor: ExecutorId(1), threads: 1 });
    assert_eq!(out, [run_python(1, 2, &[])]);
}

#[test]
fn a_task_whose_input_died_with_its_executor_is_given_back() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 1 << 20, false);
    // It waits for another input while the first one goes.
    node.run(2, SlotClass::Python, &[(0, Source::Here), (1, Source::Peer(PEER))]);
    node.on(Event::ExecutorDied { executor: ExecutorId(0), running: None });
    let out = node.on(Event::Fetched { value: task(1), size_bytes: 5 });
    let missing = Instruction::ReportMissing { task: task(2), attempt: FIRST, input: task(0), holder: ME };
    assert_eq!(out, [Instruction::ReportCopied { value: task(1) }, missing]);
}

#[test]
fn an_abandoned_task_answers_to_nobody_and_leaves_nothing() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    let out = node.on(Event::Abandon { task: task(0), attempt: FIRST });
    assert_eq!(out, [Instruction::AbandonIn { executor: ExecutorId(0), task: task(0), attempt: FIRST }]);
    let free = Instruction::FreeIn { executor: ExecutorId(0), value: task(0) };
    assert_eq!(node.python_finished(0, 0, 1 << 20, false), [free]);
    assert_eq!(node.0.load(), (0, 0, 0));
}

#[test]
fn the_answer_of_an_earlier_run_does_not_count_for_a_later_one() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.on(Event::Abandon { task: task(0), attempt: FIRST });
    let again = Event::Run { task: task(0), attempt: Attempt(2), class: SlotClass::Python, inputs: vec![] };
    assert!(node.on(again).is_empty(), "the executor is still busy with the earlier run");
    let out = node.python_finished(0, 0, 1 << 20, false);
    let [Instruction::FreeIn { .. }, Instruction::RunPython { attempt, .. }] = out[..] else { panic!("{out:?}") };
    assert_eq!(attempt, Attempt(2));
}

#[test]
fn freed_values_are_forgotten_wherever_they_are() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 1 << 20, false);
    node.on(Event::Requested { request: 1, value: task(0) });
    node.on(Event::Exported { executor: ExecutorId(0), value: task(0) });
    let out = node.on(Event::Free { value: task(0) });
    let free = Instruction::FreeIn { executor: ExecutorId(0), value: task(0) };
    assert_eq!(out, [Instruction::Drop { value: task(0) }, free]);
    assert!(node.on(Event::Free { value: task(0) }).is_empty(), "twice does no harm");
}

#[test]
fn short_tasks_are_sent_ahead_and_long_ones_are_not() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 28, true);
    let sent: usize = (1..50).map(|index| node.run(index, SlotClass::Python, &[]).len()).sum();
    assert_eq!(sent, 49, "tasks of 3 us wait in the executor, not here");
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    let executor = ExecutorId(0);
    let long = Event::PythonFinished {
        executor,
        task: task(0),
        attempt: FIRST,
        size_bytes: 1,
        duration_us: 1_000_000,
        inline: true,
    };
    node.on(long);
    let sent: usize = (1..50).map(|index| node.run(index, SlotClass::Python, &[]).len()).sum();
    assert_eq!(sent, 1, "tasks of 1 s wait here, where another executor may take them");
}

/// The executor never answers for it, and was thought to be busy for ever.
#[test]
fn a_task_that_was_abandoned_before_it_ran_leaves_its_room_to_another() {
    let mut node = Node::new(1);
    assert_eq!(node.run(0, SlotClass::Python, &[]), [run_python(0, 0, &[])]);
    node.on(Event::Abandon { task: task(0), attempt: FIRST });
    assert!(node.run(1, SlotClass::Python, &[]).is_empty());
    let skipped = Event::PythonSkipped { executor: ExecutorId(0), task: task(0), attempt: FIRST };
    assert_eq!(node.on(skipped), [run_python(0, 1, &[])]);
}

fn retract(index: u32) -> Event {
    Event::Retract { task: task(index), attempt: FIRST }
}

fn retracted(index: u32) -> Instruction {
    Instruction::ReportRetracted { task: task(index), attempt: FIRST }
}

#[test]
fn what_has_not_begun_is_given_back_and_what_has_is_not() {
    let mut node = Node::new(1);
    let retained = Instruction::ReportRetained { task: task(0), attempt: FIRST };
    node.run(0, SlotClass::Native, &[]);
    node.run(1, SlotClass::Native, &[]);
    assert_eq!(node.on(retract(1)), [retracted(1)]);
    assert_eq!(node.on(retract(0)), [retained]);
    // One that was sent to an executor is given back when that confirms that it has not begun.
    node.run(2, SlotClass::Python, &[]);
    let abandon = Instruction::AbandonIn { executor: ExecutorId(0), task: task(2), attempt: FIRST };
    assert_eq!(node.on(retract(2)), [abandon]);
    assert!(node.on(retract(2)).is_empty(), "it is asked for once");
    let skipped = Event::PythonSkipped { executor: ExecutorId(0), task: task(2), attempt: FIRST };
    assert_eq!(node.on(skipped), [retracted(2)]);
    // One that had begun is answered as ever.
    node.run(3, SlotClass::Python, &[]);
    node.on(retract(3));
    let begun = Event::PythonBegun { task: task(3), attempt: FIRST };
    assert_eq!(node.on(begun), [Instruction::ReportRetained { task: task(3), attempt: FIRST }]);
    assert_eq!(node.python_finished(0, 3, 100, false), [report(3)]);
}

#[test]
fn a_copy_that_was_ordered_is_told_of_whether_it_came_or_not() {
    let mut node = Node::new(1);
    let copy = || Event::Copy { value: task(0), peer: PEER };
    assert_eq!(node.on(copy()), [Instruction::Fetch { value: task(0), peer: PEER }]);
    let failed = node.on(Event::FetchFailed { value: task(0), unusable: false });
    assert_eq!(failed, [Instruction::ReportNotCopied { value: task(0) }]);
    node.on(copy());
    let copied = Instruction::ReportCopied { value: task(0) };
    assert_eq!(node.on(Event::Fetched { value: task(0), size_bytes: 100_000 }), std::slice::from_ref(&copied));
    assert_eq!(node.on(copy()), [copied], "it is here already");
    assert_eq!(node.0.inventory(), [(task(0), 100_000)]);
}

#[test]
fn the_value_that_was_used_the_longest_ago_leaves_first_and_none_that_a_running_task_takes() {
    let mut node = Node::new(1);
    for index in 0..3 {
        node.run(index, SlotClass::Python, &[]);
        node.python_finished(0, index, 100_000, false);
    }
    assert_eq!(node.0.live_bytes(), 300_000);
    node.run(3, SlotClass::Python, &[(0, Source::Here)]);
    let cold: Vec<TaskId> = node.0.coldest().iter().map(|cold| cold.value).collect();
    assert_eq!(cold, [task(1), task(2)]);
    node.python_finished(0, 3, 8, true);
    let cold: Vec<TaskId> = node.0.coldest().iter().map(|cold| cold.value).collect();
    assert_eq!(cold, [task(1), task(2), task(0), task(3)]);
}

#[test]
fn a_value_leaves_its_executor_by_way_of_the_store() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 100_000, false);
    let executor = ExecutorId(0);
    assert_eq!(node.on(Event::Evict { value: task(0) }), [Instruction::Export { executor, value: task(0) }]);
    let exported = node.on(Event::Exported { executor, value: task(0) });
    assert_eq!(exported, [Instruction::FreeIn { executor, value: task(0) }]);
    assert_eq!(node.0.live_bytes(), 0);
    // A task that takes it is sent it again, and while it runs the value stays.
    assert_eq!(node.run(1, SlotClass::Python, &[(0, Source::Here)]), [run_python(0, 1, &[(0, Delivery::Sent)])]);
    assert!(node.on(Event::Evict { value: task(0) }).is_empty());
    assert_eq!(node.0.live_bytes(), 100_000);
    node.python_finished(0, 1, 8, true);
    assert_eq!(node.on(Event::Evict { value: task(0) }), [Instruction::FreeIn { executor, value: task(0) }]);
    node.on(Event::Free { value: task(0) });
    assert!(node.0.coldest().iter().all(|cold| cold.value != task(0)));
}

/// The scheduler had a value freed that another worker could not get, while a task that takes it was under way here: the
/// task failed, since its input did not live in its executor any more.
#[test]
fn a_value_that_is_freed_stays_for_the_tasks_that_were_given_and_take_it() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 1 << 20, false);
    node.run(1, SlotClass::Python, &[(0, Source::Here)]);
    assert!(node.on(Event::Free { value: task(0) }).is_empty());
    let free = Instruction::FreeIn { executor: ExecutorId(0), value: task(0) };
    assert_eq!(node.python_finished(0, 1, 28, true), [free, report(1)]);
}

/// It was forgotten, and the task waited for ever.
#[test]
fn a_value_that_is_freed_on_its_way_still_reaches_the_task_that_waits_for_it() {
    let mut node = Node::new(1);
    node.run(1, SlotClass::Native, &[(0, Source::Peer(PEER))]);
    assert!(node.on(Event::Free { value: task(0) }).is_empty());
    let out = node.on(Event::Fetched { value: task(0), size_bytes: 9 });
    let run = Instruction::RunNative { task: task(1), attempt: FIRST };
    assert_eq!(out, [Instruction::ReportCopied { value: task(0) }, run]);
}

/// The task waited for the fetch, which a peer that hangs never answers.
#[test]
fn a_value_that_is_made_here_while_it_is_being_fetched_serves_those_who_wait() {
    let mut node = Node::new(1);
    node.run(1, SlotClass::Python, &[(0, Source::Peer(PEER))]);
    node.run(0, SlotClass::Native, &[]);
    let out = node.on(Event::NativeFinished { task: task(0), attempt: FIRST, size_bytes: 9 });
    assert_eq!(out, [report(0), run_python(0, 1, &[(0, Delivery::Inline)])]);
    assert!(node.on(Event::FetchFailed { value: task(0), unusable: false }).is_empty());
    assert_eq!(node.0.inventory(), [(task(0), 9)]);
}

#[test]
fn a_value_that_is_damaged_on_disk_is_told_to_be_gone_and_its_tasks_are_given_back() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Native, &[]);
    node.on(Event::NativeFinished { task: task(0), attempt: FIRST, size_bytes: 1 << 20 });
    node.run(1, SlotClass::Native, &[(0, Source::Here)]);
    node.run(2, SlotClass::Native, &[(0, Source::Here)]);
    let out = node.on(Event::NativeUnread { task: task(1), attempt: FIRST, input: task(0) });
    let missing = |index| Instruction::ReportMissing { task: task(index), attempt: FIRST, input: task(0), holder: ME };
    let gone = [Instruction::Drop { value: task(0) }, Instruction::ReportDropped { value: task(0) }];
    assert_eq!(out[..2], gone);
    assert_eq!(out[2..], [missing(1), missing(2)]);
    assert_eq!(node.0.load(), (0, 0, 0));
}

#[test]
fn a_value_that_could_not_be_sent_to_an_executor_is_got_anew_or_told_to_be_gone() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Native, &[]);
    node.on(Event::NativeFinished { task: task(0), attempt: FIRST, size_bytes: 1 << 20 });
    assert_eq!(node.run(1, SlotClass::Python, &[(0, Source::Here)]), [run_python(0, 1, &[(0, Delivery::Sent)])]);
    let executor = ExecutorId(0);
    let out = node.on(Event::NotSent { executor, value: task(0) });
    assert_eq!(out, [Instruction::Drop { value: task(0) }, Instruction::ReportDropped { value: task(0) }]);
    let out = node.on(Event::PythonUnread { executor, task: task(1), attempt: FIRST, input: task(0) });
    let missing = Instruction::ReportMissing { task: task(1), attempt: FIRST, input: task(0), holder: ME };
    assert_eq!(out, [missing]);
}

/// An export that was asked for before the value was freed was answered with a refusal after it had been made again.
#[test]
fn an_export_of_a_value_that_is_gone_from_its_executor_fails_no_task() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 1 << 20, false);
    node.run(1, SlotClass::Native, &[(0, Source::Here)]);
    let out = node.on(Event::ExportFailed { executor: ExecutorId(0), value: task(0), gone: true });
    let missing = Instruction::ReportMissing { task: task(1), attempt: FIRST, input: task(0), holder: ME };
    assert_eq!(out, [Instruction::ReportDropped { value: task(0) }, missing]);
}

/// Its executor can't confirm any more that it has not begun.
#[test]
fn a_task_that_was_asked_back_of_an_executor_that_dies_is_given_back() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 28, true);
    node.run(1, SlotClass::Python, &[]);
    node.run(2, SlotClass::Python, &[]);
    node.on(retract(2));
    let executor = ExecutorId(0);
    let death = Instruction::ReportDeath { executor, task: task(1), attempt: FIRST };
    assert_eq!(node.on(Event::ExecutorDied { executor, running: None }), [death, retracted(2)]);
}

/// The value of the first run stayed in the executor for ever.
#[test]
fn what_an_earlier_run_left_goes_when_the_later_one_makes_no_value() {
    let mut node = Node::new(1);
    node.run(0, SlotClass::Python, &[]);
    node.python_finished(0, 0, 28, true);
    node.run(1, SlotClass::Python, &[]);
    node.on(Event::Abandon { task: task(1), attempt: FIRST });
    let second = Attempt(2);
    node.on(Event::Run { task: task(1), attempt: second, class: SlotClass::Python, inputs: vec![] });
    assert!(node.python_finished(0, 1, 1 << 20, false).is_empty(), "the second run may replace it");
    let executor = ExecutorId(0);
    let out = node.on(Event::PythonFailed { executor, task: task(1), attempt: second });
    let free = Instruction::FreeIn { executor, value: task(1) };
    assert_eq!(out, [free, Instruction::Report { task: task(1), attempt: second }]);
}
