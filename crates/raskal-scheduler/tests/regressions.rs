//! Defects that the simulator found, each told by the shortest story that shows it.

mod machine;

use machine::{Machine, drawn, run, task};
use raskal_graph::{Csr, Edge, EdgeMap, Graph, Layer, LayerId};
use raskal_scheduler::{Cause, Event, Instruction, Slots};
use raskal_types::{Attempt, ClientId, GraphId, SlotClass, TaskId, WorkerId};

/// One imported task, and one that takes it.
fn importing() -> Graph {
    let mut graph = Graph::new();
    let imported = graph.add(Layer::new("imported", vec![1])).unwrap();
    graph.add(Layer::new("use", vec![1]).edge(Edge::new(imported, EdgeMap::OneToOne))).unwrap();
    graph
}

fn free(worker: u32, task: TaskId) -> Instruction {
    Instruction::Free { worker: WorkerId(worker), task }
}

/// The queue of shared slots holds both classes. A worker with Python slots only took a native task from it, which was
/// then counted in the wrong lane.
#[test]
fn a_worker_of_python_slots_takes_no_native_task_from_shared_ones() {
    let mut machine = Machine::default();
    machine.join(0, Slots::Shared(1));
    let mut graph = Graph::new();
    let root = graph.add(Layer::new("root", vec![1]).class(SlotClass::Native)).unwrap();
    graph.add(Layer::new("all", vec![4]).class(SlotClass::Native).edge(Edge::new(root, EdgeMap::All))).unwrap();
    machine.submit(0, graph, vec![], vec![1, 2, 3, 4]);
    assert_eq!(machine.finish(0, task(0, 0), 1), [run(0, task(0, 1), 1)]);
    assert_eq!(machine.join(1, Slots::Separate { python: 2, native: 0 }), []);
    assert_eq!(machine.join(2, Slots::Separate { python: 0, native: 1 }), []);
    assert_eq!(machine.join(3, Slots::Shared(1)), [run(3, task(0, 4), 1)]);
}

/// Two results of one graph were imported, of which the first has no value any more. Its failure gave up the second
/// before that was connected, and took a use from its source that was never counted.
#[test]
fn an_import_that_is_given_up_before_it_is_connected_takes_no_use_from_its_source() {
    let mut machine = Machine::default();
    machine.submit(0, drawn(&[&[]]), vec![], vec![0]);
    let mut graph = Graph::new();
    let imported = graph.add(Layer::new("imported", vec![2])).unwrap();
    graph.add(Layer::new("use", vec![1]).edge(Edge::new(imported, EdgeMap::All))).unwrap();
    let gone = task(7, 0);
    let out = machine.submit(1, graph, vec![(0, gone), (1, task(0, 0))], vec![2]);
    assert_eq!(out, [Instruction::Failed { client: ClientId(0), task: task(1, 2), cause: Cause::Lost(gone) }]);
    assert_eq!(machine.join(0, Slots::Shared(1)), [run(0, task(0, 0), 1)]);
}

/// A third graph imports what the second one imported from the first. When the second was forgotten, nobody knew any
/// more whose value the third had.
#[test]
fn an_import_of_an_import_outlives_the_graph_in_between() {
    let mut machine = Machine::default();
    machine.join(0, Slots::Shared(1));
    machine.submit(0, drawn(&[&[]]), vec![], vec![0]);
    machine.finish(0, task(0, 0), 1);
    machine.submit(1, importing(), vec![(0, task(0, 0))], vec![0]);
    assert_eq!(machine.submit(2, importing(), vec![(0, task(1, 0))], vec![1]), [run(0, task(2, 1), 1)]);
    assert_eq!(machine.release(task(0, 0)), []);
    assert_eq!(machine.release(task(1, 0)), [Instruction::Forget { graph: GraphId(1) }]);
    assert_eq!(machine.0.inputs(task(2, 1))[0].task, task(0, 0));
    machine.finish(0, task(2, 1), 1);
    machine.release(task(2, 1));
    assert_eq!(machine.0.graphs().count(), 0);
}

/// A graph names imports that nothing wanted needs. When it was forgotten, these were counted as imports that ended, and
/// the lineage of their source went while another graph still needed it.
#[test]
fn an_unneeded_import_does_not_end_the_lineage_that_others_need() {
    let mut machine = Machine::default();
    machine.join(0, Slots::Shared(1));
    machine.submit(0, drawn(&[&[]]), vec![], vec![0]);
    machine.finish(0, task(0, 0), 1);
    machine.submit(1, importing(), vec![(0, task(0, 0))], vec![1]);
    let mut unused = Graph::new();
    unused.add(Layer::new("imported", vec![1])).unwrap();
    assert_eq!(machine.submit(2, unused, vec![(0, task(0, 0))], vec![]), [Instruction::Forget { graph: GraphId(2) }]);
    machine.finish(0, task(1, 1), 1);
    machine.release(task(0, 0));
    assert_eq!(machine.0.graphs().count(), 2, "the first graph is what the second is made again from");
    machine.lose(0);
    assert_eq!(machine.join(1, Slots::Shared(1)), [run(1, task(0, 0), 2)]);
}

/// Two values were lost with their worker. One could not be made again, since what it takes had failed meanwhile; that
/// gave up the other, which nothing else needed, before it was settled what the other waits for.
#[test]
fn a_failure_met_while_making_again_gives_up_only_what_was_counted() {
    let mut machine = Machine::default();
    let mut layers = drawn(&[&[], &[], &[1], &[0]]);
    let takes = Csr::from_rows([&[2, 3][..], &[0]]);
    let native = Layer::new("native", vec![2]).class(SlotClass::Native);
    layers.add(native.edge(Edge::new(LayerId(0), EdgeMap::Explicit(takes)))).unwrap();
    machine.submit(0, layers, vec![], vec![4, 5]);
    // No native slots: 4 and 5 wait for a worker, and 0, 2 and 3 stay in memory for them.
    let mut out = machine.join(0, Slots::Separate { python: 1, native: 0 });
    while let [.., Instruction::Run { task, attempt, .. }] = out[..] {
        out = machine.finish(0, task, attempt.0);
    }
    assert_eq!(machine.0.load(WorkerId(0)).1, 3);
    let dropped = Event::Dropped { worker: WorkerId(0), task: task(0, 0) };
    assert_eq!(machine.step(dropped), [run(0, task(0, 0), 2)]);
    let failed =
        |index| Instruction::Failed { client: ClientId(0), task: task(0, index), cause: Cause::Raised(task(0, 0)) };
    assert!(machine.fail(0, task(0, 0), 2).contains(&failed(5)));
    assert_eq!(machine.lose(0), [failed(4)]);
    assert_eq!(machine.join(1, Slots::Shared(2)), []);
    machine.release(task(0, 4));
    assert_eq!(machine.release(task(0, 5)), [Instruction::Forget { graph: GraphId(0) }]);
}

/// A result was cancelled, and its task given to the same worker again before the answer of the first run arrived. The
/// worker was told to forget the value, and may by then have made the new one.
#[test]
fn a_late_answer_frees_nothing_that_the_worker_is_making_again() {
    let mut machine = Machine::default();
    machine.join(0, Slots::Shared(1));
    machine.submit(0, drawn(&[&[], &[0]]), vec![], vec![0, 1]);
    machine.finish(0, task(0, 0), 1);
    machine.submit(1, importing(), vec![(0, task(0, 1))], vec![1]);
    machine.step(Event::Dropped { worker: WorkerId(0), task: task(0, 0) });
    // The worker has the input already, as far as the scheduler can know; it says that it has not.
    let missing = Event::InputMissing {
        worker: WorkerId(0),
        task: task(0, 1),
        attempt: Attempt(1),
        input: task(0, 0),
        holder: WorkerId(0),
    };
    assert_eq!(machine.step(missing), [run(0, task(0, 0), 2)]);
    // A copy from elsewhere comes to light: it is let be, since the value is being made here.
    assert_eq!(machine.step(Event::Copied { worker: WorkerId(0), task: task(0, 0) }), []);
    // The run makes no value: only now the copy goes.
    let out = machine.fail(0, task(0, 0), 2);
    assert!(out.contains(&free(0, task(0, 0))), "nobody knows of the copy, and it stays: {out:?}");
}

/// A holder was reported not to have a value, when in truth it could not be reached. It kept the value for ever.
#[test]
fn a_holder_that_is_said_to_lack_a_value_forgets_it() {
    let mut machine = Machine::default();
    machine.join(0, Slots::Shared(1));
    machine.submit(0, drawn(&[&[], &[0]]), vec![], vec![1]);
    assert_eq!(machine.finish(0, task(0, 0), 1), [run(0, task(0, 1), 1)]);
    let (worker, holder) = (WorkerId(0), WorkerId(0));
    let out =
        machine.step(Event::InputMissing { worker, task: task(0, 1), attempt: Attempt(1), input: task(0, 0), holder });
    assert_eq!(out, [free(0, task(0, 0)), run(0, task(0, 0), 2)]);
}

/// What was made again counted twice, so that a layer was further than it is long.
#[test]
fn values_made_again_count_once() {
    let mut machine = Machine::default();
    machine.join(0, Slots::Shared(1));
    machine.submit(0, drawn(&[&[], &[0]]), vec![], vec![1]);
    machine.finish(0, task(0, 0), 1);
    machine.finish(0, task(0, 1), 1);
    machine.lose(0);
    machine.join(1, Slots::Shared(1));
    machine.finish(1, task(0, 0), 2);
    machine.finish(1, task(0, 1), 2);
    let counts = machine.0.counts(GraphId(0))[0];
    assert_eq!((counts.needed, counts.done), (2, 2));
}

/// A task was chosen for the worker that holds its input, which had nothing to do. Another idle worker came first in the
/// round and took it.
#[test]
fn an_idle_worker_takes_nothing_from_another_that_has_room() {
    let mut machine = Machine::default();
    machine.join(0, Slots::Shared(1));
    machine.join(1, Slots::Shared(1));
    assert_eq!(
        machine.submit(0, drawn(&[&[], &[], &[1]]), vec![], vec![0, 2]),
        [run(0, task(0, 0), 1), run(1, task(0, 1), 1)]
    );
    machine.finish(0, task(0, 0), 1);
    assert_eq!(machine.finish(1, task(0, 1), 1), [run(1, task(0, 2), 1)]);
}

/// Whether a worker has more than it runs was not looked at again when its slots changed. (Found by simulation.)
#[test]
fn a_worker_with_fewer_slots_is_known_to_have_more_than_it_runs() {
    let mut machine = Machine::default();
    machine.join(0, Slots::Separate { python: 2, native: 0 });
    machine.submit(0, drawn(&[&[], &[]]), vec![], vec![0, 1]);
    // The machine looks at its invariants after each step.
    machine.step(Event::WorkerSlots { worker: WorkerId(0), python: 1 });
}

/// A copy that came while its receiver was to make that very value stayed there for ever, when another worker turned out
/// to have the value. (Found by simulation.)
#[test]
fn a_copy_at_a_worker_that_was_to_make_the_value_goes_when_it_does_not() {
    let mut machine = Machine::default();
    machine.join(0, Slots::Shared(1));
    machine.submit(0, drawn(&[&[]]), vec![], vec![0]);
    machine.finish(0, task(0, 0), 1);
    machine.lose(0);
    assert_eq!(machine.join(1, Slots::Shared(1)), [run(1, task(0, 0), 2)]);
    assert!(machine.step(Event::Copied { worker: WorkerId(1), task: task(0, 0) }).is_empty());
    machine.join(2, Slots::Shared(1));
    let out = machine.step(Event::Adopted { worker: WorkerId(2), task: task(0, 0), size_bytes: 1 });
    assert!(out.contains(&free(1, task(0, 0))), "{out:?}");
}
