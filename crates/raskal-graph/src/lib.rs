//! Graphs of tasks as a list of layers, with dependencies computed by arithmetic.
//!
//! A [`Layer`] is a grid of like tasks; its [`Edge`]s say in one formula which tasks of earlier layers each task needs.
//! Only graphs that users draw by hand ([`EdgeMap::Explicit`]) store their dependencies.
//!
//! ```
//! use raskal_graph::{Edge, EdgeMap, Graph, Layer, order};
//! let mut graph = Graph::new();
//! let blocks = graph.add(Layer::new("load", vec![8]))?;
//! let total = graph.add(Layer::new("sum", vec![1]).edge(Edge::new(blocks, EdgeMap::Tree { group: vec![8] })))?;
//! let mut inputs = Vec::new();
//! graph.predecessors(graph.task(total, 0), &mut inputs);
//! assert_eq!(inputs, [0, 1, 2, 3, 4, 5, 6, 7]);
//! assert_eq!(order(&graph, &[8]).len(), 9);
//! # Ok::<(), raskal_graph::GraphError>(())
//! ```
//!
//! - [`layer`]: layers and annotations; [`edge`]: the formulas, forwards and backwards.
//! - [`graph`]: the list of layers, and questions about single tasks.
//! - [`mod@order`]: which tasks a result needs and in which order to run them (culling is part of it).
//! - [`token`]: deterministic content hashes for key prefixes.
//!
//! This crate is pure: it knows no value, no thread, no clock and no function.

pub mod edge;
pub mod graph;
pub mod layer;
pub mod order;
pub mod token;

pub use edge::{Axis, Csr, Edge, EdgeMap, Stretch};
pub use graph::{Graph, GraphError};
pub use layer::{Annotations, Layer, LayerId, SingledOut};
pub use order::order;
pub use token::Token;
