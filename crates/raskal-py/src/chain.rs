//! Python callables of layers that follow one another task by task, as the function of one layer.
//!
//! Start at [`Chain`]. What a step returns goes to the next one as it is, so that a chain of iterators over a partition
//! runs as one stream; only the last result becomes a list if it is an iterator, since others may read it twice.

use crate::error::from_exception;
use crate::value::{from_python, pickle, to_python, unpickle};
use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyTuple};
use raskal_runtime::{Call, EncodedFunction, Failure, Function, FunctionRegistry};
use raskal_store::Frames;
use raskal_types::ErrorKind;
use std::any::Any;
use std::sync::Arc;

/// The codec of chains.
const CODEC: &str = "python.chain";

/// Where an argument of a step comes from. Travels as a number: -1, -2, or the step's.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Take {
    /// The next input of the task.
    Input,
    /// All inputs that the other arguments leave; at most once in a chain.
    Rest,
    /// The result of an earlier step.
    Step(u32),
}

impl Take {
    fn number(self) -> i64 {
        match self {
            Take::Input => -1,
            Take::Rest => -2,
            Take::Step(step) => step.into(),
        }
    }

    fn of(number: i64) -> Take {
        match number {
            -1 => Take::Input,
            -2 => Take::Rest,
            step => Take::Step(step as u32),
        }
    }
}

/// One call: `callable(coordinates, *arguments)`.
#[derive(Clone)]
struct Step {
    callable: Arc<Py<PyAny>>,
    takes: Vec<Take>,
    description: String,
}

/// Steps over the tasks of a layer, each after those whose results it takes.
pub(crate) struct Chain {
    steps: Vec<Step>,
    /// Whether an iterator at the end becomes a list.
    settle: bool,
    origin: Option<String>,
}

impl Chain {
    /// One step. `single` tells for each edge of the layer whether it always gives one input; at most one may not.
    pub(crate) fn new(
        callable: Py<PyAny>,
        description: String,
        origin: Option<String>,
        settle: bool,
        single: impl IntoIterator<Item = bool>,
    ) -> Chain {
        let takes = single.into_iter().map(|single| if single { Take::Input } else { Take::Rest }).collect();
        Chain { steps: vec![Step { callable: Arc::new(callable), takes, description }], settle, origin }
    }

    fn takes(&self) -> impl Iterator<Item = Take> + '_ {
        self.steps.iter().flat_map(|step| step.takes.iter().copied())
    }

    fn call<'py>(&self, py: Python<'py>, call: &Call<'_>) -> PyResult<Bound<'py, PyAny>> {
        let coordinates = PyTuple::new(py, call.coordinates())?.into_any();
        let single = self.takes().filter(|&take| take == Take::Input).count();
        let rest = call.inputs.len().saturating_sub(single);
        let mut inputs = call.inputs.iter().map(|input| to_python(py, input));
        let mut results: Vec<Option<Bound<'py, PyAny>>> = Vec::with_capacity(self.steps.len());
        let missing = || pyo3::exceptions::PyRuntimeError::new_err("a step of a chain has too few inputs");
        for step in &self.steps {
            let mut arguments = vec![coordinates.clone()];
            for &take in &step.takes {
                match take {
                    Take::Input => arguments.push(inputs.next().ok_or_else(missing)??),
                    Take::Rest => {
                        for input in inputs.by_ref().take(rest) {
                            arguments.push(input?);
                        }
                    }
                    Take::Step(step) => {
                        arguments.push(results.get_mut(step as usize).and_then(Option::take).ok_or_else(missing)?);
                    }
                }
            }
            results.push(Some(step.callable.bind(py).call1(PyTuple::new(py, arguments)?)?));
        }
        let last = results.pop().flatten().ok_or_else(missing)?;
        if !(self.settle && last.cast::<PyIterator>().is_ok()) {
            return Ok(last);
        }
        let list = PyList::empty(py);
        list.call_method1("extend", (last,))?;
        Ok(list.into_any())
    }
}

impl Function for Chain {
    fn run(&self, call: Call<'_>) -> Result<raskal_store::Value, Failure> {
        Python::attach(|py| self.call(py, &call).map(from_python).map_err(|error| from_exception(py, error)))
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Python::attach(|py| {
            let pack = || {
                let steps = PyList::empty(py);
                for step in &self.steps {
                    let takes: Vec<i64> = step.takes.iter().map(|take| take.number()).collect();
                    steps.append((step.callable.bind(py), takes, &step.description))?;
                }
                pickle((steps, self.settle).into_pyobject(py)?.as_any())
            };
            let frames = pack().map_err(|error| {
                Failure::new(ErrorKind::Type, format!("cannot serialise {}: {error}", self.describe()))
            })?;
            let mut shared = Vec::new();
            frames.write_to(&mut shared);
            Ok(EncodedFunction { codec: CODEC, shared: shared.into(), tasks: None })
        })
    }

    fn describe(&self) -> String {
        self.steps.iter().map(|step| step.description.as_str()).collect::<Vec<_>>().join(" > ")
    }

    fn origin(&self, _index: u32) -> Option<String> {
        self.origin.clone()
    }

    fn joinable(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn absorb(&self, edge: usize, source: &dyn Function) -> Option<Arc<dyn Function>> {
        let source = source.joinable()?.downcast_ref::<Chain>()?;
        let rests = |chain: &Chain| chain.takes().filter(|&take| take == Take::Rest).count();
        if rests(self) + rests(source) > 1 {
            return None;
        }
        let shift = source.steps.len() as u32;
        let mut steps = source.steps.clone();
        let mut edges = 0..;
        for step in &self.steps {
            let mut step = step.clone();
            for take in &mut step.takes {
                *take = match *take {
                    Take::Step(step) => Take::Step(step + shift),
                    taken if edges.next() == Some(edge) => match taken {
                        Take::Input => Take::Step(shift - 1),
                        _ => return None,
                    },
                    taken => taken,
                };
            }
            steps.push(step);
        }
        Some(Arc::new(Chain { steps, settle: self.settle, origin: self.origin.clone() }))
    }
}

/// Steps as they were pickled: callable, numbers of its takes, description.
type Packed = (Vec<(Py<PyAny>, Vec<i64>, String)>, bool);

fn decode(shared: &Bytes) -> Result<Arc<dyn Function>, Failure> {
    let frames = Frames::read_from(shared).ok_or_else(|| Failure::internal("an encoded chain is cut short"))?;
    Python::attach(|py| {
        let (steps, settle): Packed =
            unpickle(py, &frames).and_then(|object| object.extract()).map_err(|error| from_exception(py, error))?;
        let steps = steps.into_iter().map(|(callable, takes, description)| Step {
            callable: Arc::new(callable),
            takes: takes.into_iter().map(Take::of).collect(),
            description,
        });
        Ok(Arc::new(Chain { steps: steps.collect(), settle, origin: None }) as Arc<dyn Function>)
    })
}

/// Adds the decoder of chains.
pub(crate) fn register_decoder(registry: &mut FunctionRegistry) {
    registry.register(CODEC, decode);
}
