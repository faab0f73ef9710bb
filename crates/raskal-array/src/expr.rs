//! The expression: a tree of array operations whose shape, chunks and element type are known before anything runs.
//!
//! Start at [`Expr`]; constructors are in [`crate::build`], the way to tasks in [`crate::plan`]. Invariant: an [`Expr`]
//! that exists is consistent; whatever does not fit was refused by the constructor.

use crate::chunks::Chunks;
use crate::dtype::ElementType;
use crate::host::{HostKernel, LateName, Source};
use crate::ops::{Binary, Unary};
use crate::reduce::Reduction;
use crate::runs::Run;
use crate::scalar::Scalar;
use raskal_graph::{Axis, Csr, Token};
use raskal_store::DType;
use std::sync::{Arc, OnceLock};

/// A lazy n-dimensional array. Cloning shares it.
#[derive(Clone)]
pub struct Expr(Arc<Node>);

/// One operation with its operands and what is known of its result.
pub struct Node {
    /// What is done.
    pub op: Op,
    /// Length along each axis.
    pub shape: Vec<usize>,
    /// How it is cut into blocks.
    pub chunks: Chunks,
    /// Element type.
    pub dtype: ElementType,
    /// Tells it from other expressions of this process: equal tokens, equal elements.
    pub token: Token,
    /// What is left to do for [`Expr::content`], if a source below has a late name.
    pub(crate) late: Option<Box<LateContent>>,
    /// Whether it is made on the fly from numbers alone, so that it takes any chunks for free.
    pub generated: bool,
}

/// The content hash of an expression over sources that are named by their content only when somebody asks.
pub(crate) struct LateContent {
    /// What tells the operation from others on the same operands.
    parameters: String,
    known: OnceLock<Token>,
}

impl LateContent {
    /// Of an operation with these parameters.
    pub(crate) fn of(parameters: &str) -> Box<LateContent> {
        Box::new(LateContent { parameters: parameters.to_owned(), known: OnceLock::new() })
    }
}

/// Where an axis of an operand is found in the result of a [`Op::View`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewAxis {
    /// Element `start + step * i` of the operand for element `i` along the result's axis `axis`.
    Along {
        /// Axis of the result.
        axis: usize,
        /// First element.
        start: usize,
        /// Distance between elements, negative to go backwards, never 0.
        step: i64,
    },
    /// Always this element; also an axis of length 1 that is stretched or dropped.
    At(usize),
}

/// An operand of a [`Op::Host`] operation.
#[derive(Clone)]
pub struct HostInput {
    /// The operand.
    pub expr: Expr,
    /// Which of its blocks a task takes.
    pub blocks: HostBlocks,
}

/// Which blocks of an operand a task of a host operation takes.
#[derive(Clone, Debug, PartialEq)]
pub enum HostBlocks {
    /// For each axis of the operand, where the block's coordinate comes from.
    Map(Vec<Axis>),
    /// Groups of neighbouring blocks along each axis.
    Tree(Vec<u32>),
    /// A list of the operand's blocks for each block of the result.
    Rows(Arc<Csr>),
}

/// The operations of the tree.
pub enum Op {
    /// Blocks that come from outside: values that exist, or a function that makes them.
    Source(Arc<dyn Source>),
    /// The same number everywhere.
    Full(Scalar),
    /// The element's own coordinate along an axis.
    Index(usize),
    /// An elementwise operation on one array.
    Unary(Unary, Expr),
    /// An elementwise operation on two arrays, broadcast.
    Binary(Binary, [Expr; 2]),
    /// Elements of the second where the first is true, of the third elsewhere, broadcast.
    Select([Expr; 3]),
    /// The elements as another type.
    Cast(DType, Expr),
    /// Axes permuted, sliced with steps, dropped, inserted or stretched.
    View {
        /// The operation's name for readers: `transpose`, `getitem`, `broadcast_to`.
        name: &'static str,
        /// The operand.
        arg: Expr,
        /// One entry per axis of the operand.
        axes: Vec<ViewAxis>,
    },
    /// A reduction along axes.
    Reduce {
        /// Which.
        kind: Reduction,
        /// The operand.
        arg: Expr,
        /// Sorted axes.
        axes: Vec<usize>,
        /// Whether the axes stay with length 1.
        keepdims: bool,
        /// How many blocks one task combines along each reduced axis.
        split_every: u32,
    },
    /// The same elements in other blocks.
    Rechunk(Expr),
    /// Chosen elements along some axes.
    Take {
        /// The operand.
        arg: Expr,
        /// For each axis the elements, in order; `None` keeps the axis as it is.
        axes: Vec<Option<Arc<[Run]>>>,
    },
    /// Arrays one after the other along an axis.
    Concatenate {
        /// The axis.
        axis: usize,
        /// The operands.
        args: Vec<Expr>,
    },
    /// The same elements in row-major order under another shape; blocks correspond one to one.
    Reshape(Expr),
    /// A function of the host language on blocks.
    Host {
        /// Its name for readers.
        name: String,
        /// Makes the function.
        kernel: Arc<dyn HostKernel>,
        /// The operands.
        inputs: Vec<HostInput>,
    },
}

impl Expr {
    /// Wraps a node; for constructors, which have checked it.
    pub(crate) fn new(node: Node) -> Expr {
        Expr(Arc::new(node))
    }

    /// The operation and what is known of its result.
    pub fn node(&self) -> &Node {
        &self.0
    }

    /// Length along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.0.shape.len()
    }

    /// How the array is cut into blocks.
    pub fn chunks(&self) -> &Chunks {
        &self.0.chunks
    }

    /// Element type.
    pub fn dtype(&self) -> &ElementType {
        &self.0.dtype
    }

    /// Tells it from other expressions of this process. Where all sources have names, it is the content hash.
    pub fn token(&self) -> Token {
        self.0.token
    }

    /// Content hash: the same in every process and run. May have to read the data of the sources.
    pub fn content(&self) -> Token {
        let Some(late) = &self.0.late else { return self.0.token };
        if let Some(&known) = late.known.get() {
            return known;
        }
        let content = crate::deep(|| {
            let own = self.0.op.late_parameters();
            let parameters = own.as_deref().unwrap_or(&late.parameters);
            crate::build::describe(&self.0.op, &self.0.chunks, &self.0.dtype, parameters, Expr::content)
        });
        // Not `get_or_init`: sources may wait for a lock that somebody holds who waits for this one.
        *late.known.get_or_init(|| content)
    }

    /// The operation's name for keys and readers.
    pub fn op_name(&self) -> &str {
        self.0.op.name()
    }

    /// The name of the array, as its keys start: operation and content hash.
    pub fn name(&self) -> String {
        match &self.0.op {
            Op::Source(source) => source.late_prefix().map_or_else(|| source.prefix().to_owned(), LateName::get),
            op => format!("{}-{}", op.name(), self.content()),
        }
    }

    /// As [`Expr::name`], with the token in place of the content hash: costs nothing, means nothing elsewhere.
    pub fn brief_name(&self) -> String {
        match &self.0.op {
            Op::Source(source) => source.prefix().to_owned(),
            op => format!("{}-{}", op.name(), self.0.token),
        }
    }

    /// Bytes of the whole array.
    pub fn size_bytes(&self) -> u128 {
        self.shape().iter().map(|&length| length as u128).product::<u128>() * self.dtype().size_bytes() as u128
    }
}

impl Drop for Node {
    /// Expressions of many steps are dropped step by step, not one within the other: that would overflow the stack.
    fn drop(&mut self) {
        let mut ops = vec![std::mem::replace(&mut self.op, Op::Index(0))];
        while let Some(op) = ops.pop() {
            for arg in op.into_args() {
                if let Some(mut node) = Arc::into_inner(arg.0) {
                    ops.push(std::mem::replace(&mut node.op, Op::Index(0)));
                }
            }
        }
    }
}

impl Op {
    fn into_args(self) -> Vec<Expr> {
        match self {
            Op::Source(_) | Op::Full(_) | Op::Index(_) => vec![],
            Op::Unary(_, arg) | Op::Cast(_, arg) | Op::Rechunk(arg) | Op::Reshape(arg) => vec![arg],
            Op::View { arg, .. } | Op::Reduce { arg, .. } | Op::Take { arg, .. } => vec![arg],
            Op::Binary(_, args) => args.into(),
            Op::Select(args) => args.into(),
            Op::Concatenate { args, .. } => args,
            Op::Host { inputs, .. } => inputs.into_iter().map(|input| input.expr).collect(),
        }
    }

    /// What tells it from others on the same operands by content, if that is not known yet.
    fn late_parameters(&self) -> Option<String> {
        match self {
            Op::Source(source) => source.late_prefix().map(LateName::get),
            Op::Host { kernel, inputs, .. } => {
                kernel.late_token().map(|token| crate::build::host_parameters(&token.get(), inputs))
            }
            _ => None,
        }
    }

    /// Whether it has a late name of its own.
    pub(crate) fn is_late(&self) -> bool {
        match self {
            Op::Source(source) => source.late_prefix().is_some(),
            Op::Host { kernel, .. } => kernel.late_token().is_some(),
            _ => false,
        }
    }

    /// The operation's name for keys and readers.
    pub fn name(&self) -> &str {
        match self {
            Op::Source(source) => source.name(),
            Op::Full(_) => "full",
            Op::Index(_) => "index",
            Op::Unary(op, _) => op.name(),
            Op::Binary(op, _) => op.name(),
            Op::Select(_) => "where",
            Op::Cast(..) => "astype",
            Op::View { name, .. } => name,
            Op::Reduce { kind, .. } => kind.name(),
            Op::Rechunk(_) => "rechunk",
            Op::Take { .. } => "take",
            Op::Concatenate { .. } => "concatenate",
            Op::Reshape(_) => "reshape",
            Op::Host { name, .. } => name,
        }
    }

    /// The operands.
    pub fn args(&self) -> Vec<&Expr> {
        match self {
            Op::Source(_) | Op::Full(_) | Op::Index(_) => vec![],
            Op::Unary(_, arg) | Op::Cast(_, arg) | Op::Rechunk(arg) | Op::Reshape(arg) => vec![arg],
            Op::View { arg, .. } | Op::Reduce { arg, .. } | Op::Take { arg, .. } => vec![arg],
            Op::Binary(_, args) => args.iter().collect(),
            Op::Select(args) => args.iter().collect(),
            Op::Concatenate { args, .. } => args.iter().collect(),
            Op::Host { inputs, .. } => inputs.iter().map(|input| &input.expr).collect(),
        }
    }
}
