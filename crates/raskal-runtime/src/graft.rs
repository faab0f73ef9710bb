//! Layers of one program put into another, under other names and behind tasks that they take nothing from.
//!
//! Start at [`ProgramBuilder::graft`]. Order without data is an input that the function never sees ([`After`]), so that
//! the scheduler knows of one kind of dependency only.

use crate::function::{Call, EncodedFunction};
use crate::program::PassOn;
use crate::{Failure, Function, ProgramBuilder};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use raskal_graph::{Csr, Edge, EdgeMap, Layer, LayerId, Token};
use raskal_store::Value;
use raskal_types::SlotClass;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The codec of [`After`]; [`crate::FunctionRegistry::decode`] knows it, since it needs all others.
pub(crate) const AFTER_CODEC: &str = "after";

/// What of a program goes into another, and how.
pub struct Graft<'a> {
    /// The program.
    pub source: ProgramBuilder,
    /// The tasks of it that are asked for.
    pub wanted: &'a [u32],
    /// What tells its names from those of other copies.
    pub token: &'a str,
    /// A task, of the program that it goes into, that the first of the copies wait for.
    pub after: Option<u32>,
    /// Layers that are not copied: the ones of the same name serve.
    pub kept: &'a HashSet<String>,
}

impl ProgramBuilder {
    /// Adds the layers that the wanted tasks of another program need; returns what the wanted tasks are here.
    ///
    /// # Errors
    /// If a layer does not fit, which would be a defect.
    pub fn graft(&mut self, graft: Graft<'_>) -> Result<Vec<u32>, Failure> {
        let Graft { mut source, wanted, token, after, kept } = graft;
        let needed = needed(&source, wanted, kept);
        let mut places: HashMap<LayerId, LayerId> = HashMap::new();
        // Layers that serve as they are: what takes only from these is where the copies begin.
        let mut shared: HashSet<LayerId> = HashSet::new();
        for number in 0..source.graph().layers().len() {
            let id = LayerId(number as u32);
            if !needed.contains(&id) {
                continue;
            }
            let mut layer = source.graph().layer(id).clone();
            if kept.contains(&layer.prefix)
                && let Some(known) = self.known(&layer.prefix)
            {
                places.insert(id, known);
                shared.insert(id);
                continue;
            }
            let existing = source.imports.remove(&id);
            let function = source.function(id).clone();
            let is_source = existing.is_some() || function.is_value();
            if !is_source {
                layer.prefix = renamed(&layer.prefix, token);
            }
            let place = match (self.known(&layer.prefix), existing) {
                (Some(known), _) => known,
                (None, Some(tasks)) => self.add_imports(&layer.prefix, layer.shape, tasks)?,
                (None, None) if is_source => self.add(layer, function)?,
                (None, None) => {
                    // Where a formula may give a task no input at all, too.
                    let may_begin = |edge: &Edge| {
                        edge.source == id
                            || shared.contains(&edge.source)
                            || matches!(edge.map, EdgeMap::Explicit(_) | EdgeMap::Stretches { .. })
                    };
                    let begins = layer.edges.iter().all(may_begin);
                    self.copy(layer, id, &places, function, after.filter(|_| begins))?
                }
            };
            let place = match after {
                // What is there already can't wait; who takes it can.
                Some(after) if is_source => {
                    let tasks: Vec<u32> = self.graph().tasks(place).collect();
                    let name = renamed(&self.graph().layer(place).prefix, token);
                    self.add_after(&name, &tasks, after)?
                }
                _ => place,
            };
            places.insert(id, place);
        }
        let place = |&task: &u32| {
            let (layer, index) = source.graph().locate(task);
            self.graph().task(places[&layer], index)
        };
        Ok(wanted.iter().map(place).collect())
    }

    /// One layer, its edges leading to the copies of those that it needs.
    fn copy(
        &mut self,
        mut layer: Layer,
        id: LayerId,
        places: &HashMap<LayerId, LayerId>,
        function: Arc<dyn Function>,
        after: Option<u32>,
    ) -> Result<LayerId, Failure> {
        let inner = layer.edges.iter().position(|edge| edge.source == id).map(|own| layer.edges.remove(own).map);
        layer.edges.iter_mut().for_each(|edge| edge.source = places[&edge.source]);
        let function = match after {
            Some(after) => {
                layer.edges.insert(0, self.wait(after, layer.len() as usize));
                Arc::new(After(function)) as Arc<dyn Function>
            }
            None => function,
        };
        match inner {
            None => self.add(layer, function),
            Some(inner) => self.add_inner(layer, inner, function),
        }
    }

    /// Adds a layer whose tasks have the values of others, none before another task is done.
    ///
    /// # Errors
    /// If a number is out of range.
    pub fn add_after(&mut self, prefix: &str, tasks: &[u32], after: u32) -> Result<LayerId, Failure> {
        if let Some(known) = self.known(prefix) {
            return Ok(known);
        }
        let selected = self.layer_of(&format!("select-{}", Token::of([prefix])), tasks)?;
        let mut layer = Layer::new(prefix, vec![tasks.len() as u32]).class(SlotClass::Native);
        layer.edges.push(self.wait(after, tasks.len()));
        layer.edges.push(Edge::new(selected, EdgeMap::OneToOne));
        self.add(layer, Arc::new(After(Arc::new(PassOn))))
    }

    /// The dependency of `count` tasks on one.
    fn wait(&self, after: u32, count: usize) -> Edge {
        let (layer, index) = self.graph().locate(after);
        let row = [index];
        Edge::new(layer, EdgeMap::Explicit(Csr::from_rows(std::iter::repeat_n(&row[..], count))))
    }
}

/// The layers that tasks need, down to those that are kept.
fn needed(source: &ProgramBuilder, wanted: &[u32], kept: &HashSet<String>) -> HashSet<LayerId> {
    let graph = source.graph();
    let mut found = HashSet::new();
    let mut stack: Vec<LayerId> = wanted.iter().map(|&task| graph.locate(task).0).collect();
    while let Some(id) = stack.pop() {
        if found.insert(id) && !kept.contains(&graph.layer(id).prefix) {
            stack.extend(graph.layer(id).edges.iter().map(|edge| edge.source));
        }
    }
    found
}

/// A layer's name with another content hash.
fn renamed(prefix: &str, token: &str) -> String {
    let name = prefix.rsplit_once('-').map_or(prefix, |(name, _)| name);
    format!("{name}-{}", Token::of([prefix, token]))
}

/// A function whose tasks have one more input, the first, which it does not see.
pub(crate) struct After(pub(crate) Arc<dyn Function>);

impl Function for After {
    fn run(&self, mut call: Call<'_>) -> Result<Value, Failure> {
        if call.inputs.is_empty() {
            return Err(Failure::internal("a task that waits for another has no input"));
        }
        call.inputs.remove(0);
        self.0.run(call)
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        let inner = self.0.encode()?;
        let mut shared = BytesMut::new();
        shared.put_u32_le(inner.codec.len() as u32);
        shared.put_slice(inner.codec.as_bytes());
        shared.put_slice(&inner.shared);
        Ok(EncodedFunction { codec: AFTER_CODEC, shared: shared.freeze(), tasks: inner.tasks })
    }

    fn interrupt(&self) {
        self.0.interrupt();
    }

    fn describe(&self) -> String {
        self.0.describe()
    }

    fn describe_task(&self, index: u32) -> String {
        self.0.describe_task(index)
    }

    fn key(&self, index: u32) -> Option<String> {
        self.0.key(index)
    }

    fn origin(&self, index: u32) -> Option<String> {
        self.0.origin(index)
    }
}

/// The codec and the bytes of the function in an encoded [`After`]; none if they are cut short.
pub(crate) fn within(shared: &Bytes) -> Option<(String, Bytes)> {
    let mut rest = shared.clone();
    let length = rest.try_get_u32_le().ok()? as usize;
    if rest.len() < length {
        return None;
    }
    let codec = String::from_utf8(rest.split_to(length).to_vec()).ok()?;
    Some((codec, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocalEngine;
    use crate::local::PlainThread;
    use parking_lot::Mutex;
    use raskal_store::Block;

    /// Notes its name when it runs, and gives the sum of its inputs and one.
    struct Noted(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Function for Noted {
        fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
            self.1.lock().push(self.0);
            let number = |value: &Value| value.as_block().unwrap().as_slice::<f64>().unwrap()[0];
            Ok(Block::from_vec(vec![1.0 + call.inputs.iter().map(number).sum::<f64>()], &[1]).into())
        }

        fn encode(&self) -> Result<EncodedFunction, Failure> {
            Err(Failure::internal("not sent"))
        }

        fn describe(&self) -> String {
            self.0.into()
        }
    }

    #[test]
    fn copies_run_behind_what_they_wait_for_and_keep_what_is_kept() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let noted = |name| Arc::new(Noted(name, log.clone()));
        let build = |builder: &mut ProgramBuilder| {
            let shared = builder.add(Layer::new("shared-1", vec![2]), noted("shared")).unwrap();
            let own = builder.add(Layer::new("own-1", vec![2]), noted("own")).unwrap();
            let both = Layer::new("both-1", vec![2])
                .edge(Edge::new(shared, EdgeMap::OneToOne))
                .edge(Edge::new(own, EdgeMap::OneToOne));
            let both = builder.add(both, noted("both")).unwrap();
            builder.graph().tasks(both).collect::<Vec<_>>()
        };
        let (mut source, mut builder) = (ProgramBuilder::new(), ProgramBuilder::new());
        let wanted = build(&mut source);
        let first = builder.add(Layer::new("first-1", vec![]), noted("first")).unwrap();
        let first = builder.graph().task(first, 0);
        builder.add(Layer::new("shared-1", vec![2]), noted("shared")).unwrap();
        let kept = HashSet::from(["shared-1".to_owned()]);
        let copies =
            builder.graft(Graft { source, wanted: &wanted, token: "again", after: Some(first), kept: &kept }).unwrap();
        let program = builder.finish(copies);
        let values = LocalEngine::new(1).run_here(program, &PlainThread, &mut |_| Ok(())).unwrap();
        let numbers: Vec<f64> =
            values.iter().map(|value| value.as_block().unwrap().as_slice::<f64>().unwrap()[0]).collect();
        assert_eq!(numbers, [3.0, 3.0]);
        let log = log.lock();
        let place = |name| log.iter().position(|&noted| noted == name).unwrap();
        assert!(place("first") < place("own"));
        assert_eq!(log.iter().filter(|&&name| name == "shared").count(), 2);
    }
}
