//! Graphs of Rust closures.
//!
//! Start at [`Tasks`]. Results are shared by reference: a task takes `&T` of what its inputs gave.

use crate::Engine;
use raskal_graph::{Csr, Layer};
use raskal_runtime::{Call, EncodedFunction, Failure, Function, ProgramBuilder};
use raskal_store::{Batches, Block, Frames, Opaque, Value, ValueError};
use raskal_types::{ErrorKind, SlotClass};
use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

/// The result of a task that was not run yet.
#[derive(Debug)]
pub struct Task<T> {
    place: u32,
    result: PhantomData<fn() -> T>,
}

impl<T> Clone for Task<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Task<T> {}

type Body = Box<dyn Fn(&[Value]) -> Result<Value, Failure> + Send + Sync>;

/// A graph of closures, under construction.
#[derive(Default)]
pub struct Tasks {
    names: Vec<String>,
    bodies: Vec<Body>,
    inputs: Csr,
}

/// A Rust value on its way between tasks.
struct Native<T>(Arc<T>);

impl<T: Send + Sync + 'static> Opaque for Native<T> {
    fn size_bytes(&self) -> usize {
        size_of::<T>()
    }

    fn type_name(&self) -> String {
        std::any::type_name::<T>().into()
    }

    fn to_frames(&self) -> Result<Frames, ValueError> {
        let why = "closures and their values stay in the process that made them".into();
        Err(ValueError::Encode { what: self.type_name(), why })
    }

    fn to_block(&self) -> Option<Block> {
        None
    }

    fn to_batches(&self) -> Option<Batches> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn value<T: Send + Sync + 'static>(result: T) -> Value {
    Value::Opaque(Arc::new(Native(Arc::new(result))))
}

fn take<T: Send + Sync + 'static>(value: &Value) -> Result<&Arc<T>, Failure> {
    let native = match value {
        Value::Opaque(object) => object.as_any().downcast_ref::<Native<T>>(),
        _ => None,
    };
    native.map(|native| &native.0).ok_or_else(|| {
        Failure::internal(format!("a task got {} instead of {}", value.type_name(), std::any::type_name::<T>()))
    })
}

impl Tasks {
    /// A graph without tasks.
    pub fn new() -> Tasks {
        Tasks::default()
    }

    fn push<T>(&mut self, name: &str, inputs: &[u32], body: Body) -> Task<T> {
        let place = self.bodies.len() as u32;
        self.names.push(name.into());
        self.bodies.push(body);
        self.inputs.push(inputs);
        Task { place, result: PhantomData }
    }

    /// A task without inputs.
    pub fn add<T: Send + Sync + 'static>(
        &mut self,
        name: &str,
        body: impl Fn() -> T + Send + Sync + 'static,
    ) -> Task<T> {
        self.push(name, &[], Box::new(move |_| Ok(value(body()))))
    }

    /// A task of one input.
    pub fn map<A, T>(&mut self, name: &str, input: Task<A>, body: impl Fn(&A) -> T + Send + Sync + 'static) -> Task<T>
    where
        A: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        self.push(name, &[input.place], Box::new(move |inputs| Ok(value(body(take(&inputs[0])?)))))
    }

    /// A task of two inputs.
    pub fn zip<A, B, T>(
        &mut self,
        name: &str,
        inputs: (Task<A>, Task<B>),
        body: impl Fn(&A, &B) -> T + Send + Sync + 'static,
    ) -> Task<T>
    where
        A: Send + Sync + 'static,
        B: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let places = [inputs.0.place, inputs.1.place];
        self.push(name, &places, Box::new(move |inputs| Ok(value(body(take(&inputs[0])?, take(&inputs[1])?)))))
    }

    /// A task of any number of inputs of one type.
    pub fn reduce<A, T>(
        &mut self,
        name: &str,
        inputs: &[Task<A>],
        body: impl Fn(&[&A]) -> T + Send + Sync + 'static,
    ) -> Task<T>
    where
        A: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let places: Vec<u32> = inputs.iter().map(|input| input.place).collect();
        let body = move |inputs: &[Value]| {
            let inputs = inputs.iter().map(|input| take(input).map(Arc::as_ref)).collect::<Result<Vec<&A>, _>>()?;
            Ok(value(body(&inputs)))
        };
        self.push(name, &places, Box::new(body))
    }

    /// Runs what `wanted` needs and returns its result.
    ///
    /// # Errors
    /// If a closure panicked; the message names the task.
    pub fn compute<T: Send + Sync + 'static>(self, engine: &Engine, wanted: Task<T>) -> Result<Arc<T>, Failure> {
        let mut builder = ProgramBuilder::new();
        let layer = Layer::new("tasks", vec![self.bodies.len() as u32]).class(SlotClass::Native);
        let function = Arc::new(Closures { names: self.names, bodies: self.bodies });
        let layer = builder.add_explicit(layer, self.inputs, function)?;
        let wanted = builder.graph().task(layer, wanted.place);
        let values = engine.run(builder.finish(vec![wanted]), &mut |_| Ok(()))?;
        take(&values[0]).cloned()
    }
}

/// The closures of a graph, as the function of its one layer.
struct Closures {
    names: Vec<String>,
    bodies: Vec<Body>,
}

impl Function for Closures {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        (self.bodies[call.index as usize])(&call.inputs)
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        let message = "closures can't be sent to a cluster\nhint: run them on an engine of this process";
        Err(Failure::new(ErrorKind::Unsupported, message))
    }

    fn describe(&self) -> String {
        "closures".into()
    }

    fn key(&self, index: u32) -> Option<String> {
        Some(format!("{}-{index}", self.names[index as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_fails_its_task_by_name_and_leaves_the_engine_alive() {
        let engine = Engine::with_threads(2).unwrap();
        let mut tasks = Tasks::new();
        let broken = tasks.add("broken", || -> u32 { panic!("on purpose") });
        let next = tasks.map("next", broken, |n| n + 1);
        let failure = tasks.compute(&engine, next).unwrap_err();
        assert_eq!(failure.key.as_deref(), Some("broken-0"));

        let mut tasks = Tasks::new();
        let (two, three) = (tasks.add("two", || 2), tasks.add("three", || 3));
        let six = tasks.zip("six", (two, three), |a, b| a * b);
        assert_eq!(*tasks.compute(&engine, six).unwrap(), 6);
    }

    #[test]
    fn a_hundred_thousand_tasks_run_on_two_threads() {
        let engine = Engine::with_threads(2).unwrap();
        let mut tasks = Tasks::new();
        let ones: Vec<Task<u32>> = (0..100_000).map(|_| tasks.add("one", || 1)).collect();
        let total = tasks.reduce("sum", &ones, |ones| ones.iter().copied().sum::<u32>());
        assert_eq!(*tasks.compute(&engine, total).unwrap(), 100_000);
    }
}
