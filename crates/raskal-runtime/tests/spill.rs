//! Runs that hold more than the memory budget allows.

use raskal_graph::{Edge, EdgeMap, Layer};
use raskal_runtime::local::PlainThread;
use raskal_runtime::{Call, EncodedFunction, Failure, Function, LocalEngine, Program, ProgramBuilder};
use raskal_store::{Block, Budget, Frames, Opaque, Value, ValueError};
use raskal_types::{ErrorKind, SlotClass};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Elements of one block: 80 kB.
const ELEMENTS: usize = 10_000;
const BLOCK_BYTES: u64 = 8 * ELEMENTS as u64;

struct Of<F>(F);

impl<F: Fn(Call<'_>) -> Result<Value, Failure> + Send + Sync + 'static> Function for Of<F> {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        (self.0)(call)
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Err(Failure::internal("not sent anywhere"))
    }

    fn describe(&self) -> String {
        "a test's function".into()
    }
}

fn block(number: u32) -> Value {
    // No two bytes alike, so that nothing is gained by compressing.
    let mut state = u64::from(number) + 1;
    let element = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64
    };
    Block::from_vec(std::iter::repeat_with(element).take(ELEMENTS).collect(), &[ELEMENTS]).into()
}

fn sum(value: &Value) -> f64 {
    value.as_block().unwrap().as_slice::<f64>().unwrap().iter().sum()
}

/// Two passes over `count` blocks: their sum, and then, which needs it, the sum of what they differ from it. So all blocks
/// are held in between. `before` runs before each task of the second pass. Tells how many blocks were made, too.
fn two_passes(count: u32, before: impl Fn(u32) + Send + Sync + 'static) -> (Program, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let mut builder = ProgramBuilder::new();
    let layer = |name: &str, shape: Vec<u32>| Layer::new(name, shape).class(SlotClass::Native);
    let number = |number: f64| Ok(Block::from_vec(vec![number], &[1]).into());
    let make = Of(move |call: Call<'_>| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(block(call.index))
    });
    let blocks = builder.add(layer("make-0", vec![count]), Arc::new(make)).unwrap();
    let one = layer("one-0", vec![count]).edge(Edge::new(blocks, EdgeMap::OneToOne));
    let ones = builder.add(one, Arc::new(Of(move |call: Call<'_>| number(sum(&call.inputs[0]))))).unwrap();
    let total = Of(move |call: Call<'_>| number(call.inputs.iter().map(sum).sum()));
    let first = builder.add(layer("first-0", vec![]).edge(Edge::new(ones, EdgeMap::All)), Arc::new(total)).unwrap();
    let two =
        layer("two-0", vec![count]).edge(Edge::new(blocks, EdgeMap::OneToOne)).edge(Edge::new(first, EdgeMap::All));
    let twos = Of(move |call: Call<'_>| {
        before(call.index);
        number(sum(&call.inputs[1]) - sum(&call.inputs[0]))
    });
    let twos = builder.add(two, Arc::new(twos)).unwrap();
    let total = Of(move |call: Call<'_>| number(call.inputs.iter().map(sum).sum()));
    let last = builder.add(layer("last-0", vec![]).edge(Edge::new(twos, EdgeMap::All)), Arc::new(total)).unwrap();
    let wanted = vec![builder.graph().task(last, 0)];
    (builder.finish(wanted), made)
}

fn two_passes_expected(count: u32) -> f64 {
    let sums: Vec<f64> = (0..count).map(|number| sum(&block(number))).collect();
    let total: f64 = sums.iter().sum();
    sums.iter().map(|sum| total - sum).sum()
}

fn run(engine: &LocalEngine, program: Program) -> Result<Vec<Value>, Failure> {
    engine.run_here(program, &PlainThread, &mut |_| Ok(()))
}

fn budget(blocks: u64, parent: &Path) -> Arc<Budget> {
    Arc::new(Budget::new(blocks * BLOCK_BYTES, parent))
}

fn files_in(parent: &Path) -> Vec<std::path::PathBuf> {
    let folders = std::fs::read_dir(parent).unwrap().map(|folder| folder.unwrap().path());
    folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path())).collect()
}

#[test]
fn what_does_not_fit_goes_to_disk_and_comes_back() {
    let parent = tempfile::tempdir().unwrap();
    let budget = budget(8, parent.path());
    let engine = LocalEngine::with_budget(1, budget.clone());
    let most = Arc::new(AtomicU64::new(0));
    let (seen, watched) = (most.clone(), budget.clone());
    let (program, made) = two_passes(40, move |_| _ = seen.fetch_max(watched.used_bytes(), Ordering::Relaxed));
    let values = run(&engine, program).unwrap();
    assert_eq!(sum(&values[0]), two_passes_expected(40));
    assert_eq!(made.load(Ordering::Relaxed), 40);
    assert!(most.load(Ordering::Relaxed) <= 9 * BLOCK_BYTES, "{} bytes were held", most.load(Ordering::Relaxed));
    let (count, bytes) = budget.spilled();
    assert!(count >= 31 && bytes == count * BLOCK_BYTES, "{count} values of {bytes} bytes were spilled");
    assert_eq!(budget.used_bytes(), 0);
    assert_eq!(files_in(parent.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_is_used_soon_stays() {
    let parent = tempfile::tempdir().unwrap();
    // One of them is left to the task that runs.
    let engine = LocalEngine::with_budget(1, budget(9, parent.path()));
    let (program, _) = two_passes(9, |_| ());
    run(&engine, program).unwrap();
    let spilled = engine.budget().spilled().0;
    assert!(spilled <= 2, "{spilled} of 9 values left, where one is too much");
}

#[test]
fn results_larger_than_the_budget_are_all_given() {
    let parent = tempfile::tempdir().unwrap();
    let engine = LocalEngine::with_budget(1, budget(3, parent.path()));
    let mut builder = ProgramBuilder::new();
    let layer = Layer::new("make-0", vec![10]).class(SlotClass::Native);
    let blocks = builder.add(layer, Arc::new(Of(|call: Call<'_>| Ok(block(call.index))))).unwrap();
    let wanted = builder.graph().tasks(blocks).collect();
    let values = run(&engine, builder.finish(wanted)).unwrap();
    assert_eq!(values.iter().map(sum).collect::<Vec<_>>(), (0..10).map(|n| sum(&block(n))).collect::<Vec<_>>());
}

#[test]
fn damaged_files_are_found_and_their_values_made_again() {
    let parent = tempfile::tempdir().unwrap();
    let engine = LocalEngine::with_budget(1, budget(8, parent.path()));
    let folder = parent.path().to_owned();
    let damage = move |_| {
        for (number, path) in files_in(&folder).into_iter().enumerate() {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            if number % 3 == 0 { std::fs::remove_file(path) } else { std::fs::write(path, bytes) }.unwrap();
        }
    };
    let damaged = Arc::new(std::sync::Once::new());
    let (program, made) = two_passes(20, move |task| damaged.call_once(|| damage(task)));
    let values = run(&engine, program).unwrap();
    assert_eq!(sum(&values[0]), two_passes_expected(20));
    assert!(made.load(Ordering::Relaxed) > 25, "only {} blocks were made", made.load(Ordering::Relaxed));
}

#[test]
fn a_folder_that_refuses_fails_the_run_and_nothing_else() {
    let parent = tempfile::tempdir().unwrap();
    let not_a_folder = parent.path().join("file");
    std::fs::write(&not_a_folder, "").unwrap();
    let engine = LocalEngine::with_budget(1, budget(8, &not_a_folder));
    let (program, _) = two_passes(20, |_| ());
    let failure = run(&engine, program).err().unwrap();
    assert_eq!(failure.kind, ErrorKind::Io);
    assert!(failure.message.contains("more than the limit of 640000"), "{failure}");
    assert!(failure.message.contains("temporary-directory"), "{failure}");
    let (small, _) = two_passes(4, |_| ());
    assert_eq!(sum(&run(&engine, small).unwrap()[0]), two_passes_expected(4));
    assert_eq!(engine.budget().used_bytes(), 0);
}

/// An object that can't be turned into bytes.
struct Stubborn;

impl Opaque for Stubborn {
    fn size_bytes(&self) -> usize {
        BLOCK_BYTES as usize
    }

    fn type_name(&self) -> String {
        "stubborn".into()
    }

    fn to_frames(&self) -> Result<Frames, ValueError> {
        Err(ValueError::Encode { what: "a test's object".into(), why: "it does not want to".into() })
    }

    fn to_block(&self) -> Option<Block> {
        None
    }

    fn to_batches(&self) -> Option<raskal_store::Batches> {
        None
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[test]
fn what_cannot_be_written_stays_in_memory() {
    let parent = tempfile::tempdir().unwrap();
    let engine = LocalEngine::with_budget(1, budget(3, parent.path()));
    let mut builder = ProgramBuilder::new();
    let layer = Layer::new("make-0", vec![10]).class(SlotClass::Native);
    let objects = builder.add(layer, Arc::new(Of(|_: Call<'_>| Ok(Value::Opaque(Arc::new(Stubborn)))))).unwrap();
    let wanted = builder.graph().tasks(objects).collect();
    assert_eq!(run(&engine, builder.finish(wanted)).unwrap().len(), 10);
    assert_eq!(engine.budget().spilled(), (0, 0));
}

#[test]
fn threads_that_spill_at_the_same_time_give_the_right_answer() {
    let parent = tempfile::tempdir().unwrap();
    let engine = Arc::new(LocalEngine::with_budget(3, budget(4, parent.path())));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let engine = engine.clone();
            std::thread::spawn(move || engine.work(&PlainThread))
        })
        .collect();
    let (program, made) = two_passes(60, |_| ());
    let values = engine.run(program, &mut |_| Ok(())).unwrap();
    assert_eq!(sum(&values[0]), two_passes_expected(60));
    assert_eq!(made.load(Ordering::Relaxed), 60);
    engine.stop();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(engine.budget().used_bytes(), 0);
}

#[test]
fn while_memory_is_short_roots_are_made_one_at_a_time() {
    let parent = tempfile::tempdir().unwrap();
    let engine = Arc::new(LocalEngine::with_budget(2, budget(3, parent.path())));
    let (running, alone, together) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let (budget, noted_alone, noted_together) = (engine.budget().clone(), alone.clone(), together.clone());
    let make = Of(move |_: Call<'_>| {
        running.fetch_add(1, Ordering::SeqCst);
        let short = budget.used_bytes() > budget.limit_bytes();
        // Long enough for another thread to begin a root as well, if it is given one.
        let begun = std::time::Instant::now();
        let mut most = 1;
        while most < 2 && begun.elapsed().as_millis() < 20 {
            most = running.load(Ordering::SeqCst);
            std::thread::yield_now();
        }
        if short {
            let noted = if most > 1 { &noted_together } else { &noted_alone };
            noted.fetch_add(1, Ordering::SeqCst);
        }
        running.fetch_sub(1, Ordering::SeqCst);
        Ok(Value::Opaque(Arc::new(Stubborn)))
    });
    let mut builder = ProgramBuilder::new();
    let objects = builder.add(Layer::new("make-0", vec![12]).class(SlotClass::Native), Arc::new(make)).unwrap();
    let wanted = builder.graph().tasks(objects).collect();
    let threads = [0, 1].map(|_| {
        let engine = engine.clone();
        std::thread::spawn(move || engine.work(&PlainThread))
    });
    assert_eq!(engine.run(builder.finish(wanted), &mut |_| Ok(())).unwrap().len(), 12);
    engine.stop();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(together.load(Ordering::SeqCst), 0);
    assert!(alone.load(Ordering::SeqCst) >= 6, "memory was short for {} roots", alone.load(Ordering::SeqCst));
}
