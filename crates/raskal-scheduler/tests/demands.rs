//! Tasks that ask for workers by name or for what they have.

mod machine;

use machine::{Machine, run, task};
use raskal_graph::{Annotations, Graph, Layer, SingledOut};
use raskal_scheduler::{Slots, Traits};

fn named(name: &str) -> Traits {
    Traits { labels: vec![name.to_owned()], ..Traits::default() }
}

fn with(amount: f64) -> Traits {
    Traits { resources: vec![("GPU".to_owned(), amount)], ..Traits::default() }
}

fn on(workers: &[&str], loose: bool) -> Annotations {
    let workers = workers.iter().map(|&name| name.to_owned()).collect();
    Annotations { workers, allow_other_workers: loose, ..Annotations::default() }
}

fn taking(amount: f64) -> Annotations {
    Annotations { resources: vec![("GPU".to_owned(), amount)], ..Annotations::default() }
}

fn wide(count: u32, annotations: Annotations) -> Graph {
    let mut graph = Graph::new();
    graph.add(Layer { annotations, ..Layer::new("wide", vec![count]) }).unwrap();
    graph
}

const TWO: Slots = Slots::Separate { python: 2, native: 2 };

#[test]
fn a_task_waits_for_the_worker_that_it_names() {
    let mut machine = Machine::default();
    machine.join_as(0, TWO, named("bob"));
    assert_eq!(machine.submit(0, wide(1, on(&["alice"], false)), vec![], vec![0]), []);
    assert_eq!(machine.join_as(1, TWO, named("alice")), [run(1, task(0, 0), 1)]);
}

#[test]
fn others_will_do_only_while_none_of_those_named_is_there() {
    let mut machine = Machine::default();
    machine.join_as(0, TWO, named("bob"));
    assert_eq!(machine.submit(0, wide(1, on(&["alice"], true)), vec![], vec![0]), [run(0, task(0, 0), 1)]);
    machine.join_as(1, Slots::Separate { python: 1, native: 1 }, named("alice"));
    assert_eq!(machine.submit(1, wide(2, on(&["alice"], true)), vec![], vec![0, 1]), [run(1, task(1, 0), 1)]);
    let mut out = machine.lose(1);
    out.sort_by_key(|instruction| format!("{instruction:?}"));
    assert_eq!(out, [run(0, task(1, 0), 2)], "bob has one slot left");
}

#[test]
fn no_more_of_a_resource_is_taken_than_there_is() {
    let mut machine = Machine::default();
    machine.join_as(0, Slots::Separate { python: 8, native: 0 }, with(2.0));
    let out = machine.submit(0, wide(4, taking(1.0)), vec![], vec![0, 1, 2, 3]);
    assert_eq!(out, [run(0, task(0, 0), 1), run(0, task(0, 1), 1)]);
    assert!(machine.finish(0, task(0, 0), 1).contains(&run(0, task(0, 2), 1)));
    // One that failed gives back what it took, and takes it again for its next run.
    assert!(machine.fail(0, task(0, 1), 1).contains(&run(0, task(0, 3), 1)));
}

#[test]
fn a_task_that_asks_for_too_much_does_not_hold_up_the_others() {
    let mut machine = Machine::default();
    machine.join_as(0, TWO, with(1.0));
    let mut graph = Graph::new();
    let kinds = vec![taking(5.0)];
    let singled_out = Some(SingledOut { kinds, kind_of: vec![1, 0, 0] });
    graph.add(Layer { singled_out, ..Layer::new("mixed", vec![3]) }).unwrap();
    assert_eq!(machine.submit(0, graph, vec![], vec![0, 1, 2]), [run(0, task(0, 1), 1), run(0, task(0, 2), 1)]);
    // When it is given up, nothing is left of it.
    machine.release(task(0, 0));
    machine.finish(0, task(0, 1), 1);
    machine.finish(0, task(0, 2), 1);
    machine.release(task(0, 1));
    machine.release(task(0, 2));
    assert_eq!(machine.0.graphs().count(), 0);
}

#[test]
fn priorities_hold_between_tasks_that_ask_and_tasks_that_do_not() {
    let mut machine = Machine::default();
    machine.join_as(0, Slots::Separate { python: 1, native: 0 }, named("alice"));
    machine.submit(0, wide(1, Annotations::default()), vec![], vec![0]);
    machine.submit(1, wide(1, on(&["alice"], false)), vec![], vec![0]);
    machine.submit(2, wide(1, Annotations { priority: 5, ..Annotations::default() }), vec![], vec![0]);
    machine.submit(3, wide(1, Annotations::default()), vec![], vec![0]);
    assert!(machine.finish(0, task(0, 0), 1).contains(&run(0, task(2, 0), 1)), "the most urgent first");
    assert!(machine.finish(0, task(2, 0), 1).contains(&run(0, task(1, 0), 1)), "then the one that few can run");
    assert!(machine.finish(0, task(1, 0), 1).contains(&run(0, task(3, 0), 1)));
}
