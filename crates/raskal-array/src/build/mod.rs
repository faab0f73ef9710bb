//! Constructors of expressions. Each checks what it is given and knows the shape, chunks and type of what it makes.
//!
//! One file per family; all are methods of [`Expr`].

mod create;
mod elementwise;
mod index;
mod join;
mod reduce;
mod reshape;
mod take;
mod view;

pub(crate) use create::host_parameters;
pub use elementwise::Operand;
pub use index::Index;
pub(crate) use view::compose;

use crate::chunks::Chunks;
use crate::dtype::ElementType;
use crate::expr::{Expr, LateContent, Node, Op};
use raskal_graph::Token;

/// Makes the node of `op`; `parameters` is whatever tells it from another `op` on the same operands.
pub(crate) fn make(op: Op, chunks: Chunks, dtype: ElementType, parameters: &str) -> Expr {
    let token = describe(&op, &chunks, &dtype, parameters, Expr::token);
    let late = op.is_late() || op.args().iter().any(|arg| arg.node().late.is_some());
    let late = late.then(|| LateContent::of(parameters));
    let generated = match &op {
        Op::Full(_) | Op::Index(_) => true,
        Op::Source(_) | Op::Host { .. } => false,
        Op::Unary(..) | Op::Binary(..) | Op::Select(_) | Op::Cast(..) | Op::View { .. } | Op::Rechunk(_) => {
            op.args().iter().all(|arg| arg.is_generated())
        }
        Op::Reduce { .. } | Op::Take { .. } | Op::Concatenate { .. } | Op::Reshape(_) => false,
    };
    Expr::new(Node { shape: chunks.shape(), token, late, op, chunks, dtype, generated })
}

/// The token of an operation, its parameters and its operands, which `token_of` names.
pub(crate) fn describe(
    op: &Op,
    chunks: &Chunks,
    dtype: &ElementType,
    parameters: &str,
    token_of: impl Fn(&Expr) -> Token,
) -> Token {
    let mut parts: Vec<String> = vec![op.name().to_owned(), dtype.name().to_owned(), parameters.to_owned()];
    if op.args().is_empty()
        || matches!(op, Op::Rechunk(_) | Op::Take { .. } | Op::View { .. } | Op::Reshape(_) | Op::Host { .. })
    {
        parts.push(format!("{:?}", chunks.to_vec()));
    }
    parts.extend(op.args().into_iter().map(|arg| token_of(arg).to_string()));
    Token::of(&parts)
}
