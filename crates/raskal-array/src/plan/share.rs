//! Which elementwise results are worth keeping although they could be fused.
//!
//! Start at [`kept`]. An elementwise result that several kernels read is computed again in each of them: that costs less
//! than writing and reading it back, unless computing it is expensive.

use crate::expr::{Expr, Op};
use raskal_graph::Token;
use std::collections::{HashMap, HashSet};

/// Plain operations (an addition, a comparison) that cost about as much as a round trip through memory.
const CHEAP_OPERATIONS: usize = 8;

/// Whether a kernel that reads the expression computes it in place.
pub(super) fn is_fused(expr: &Expr) -> bool {
    use crate::dtype::Lane;
    let laned = || expr.dtype().native().is_ok_and(|dtype| Lane::of(dtype).is_some());
    match &expr.node().op {
        Op::View { arg, .. } => arg.is_generated() && is_fused(arg) || !arg.is_generated(),
        Op::Full(_) | Op::Index(_) | Op::Unary(..) | Op::Binary(..) | Op::Select(_) | Op::Cast(..) => laned(),
        Op::Rechunk(arg) => arg.is_generated() && laned(),
        _ => false,
    }
}

/// The fused expressions below `root` that are read by several kernels and expensive to compute again.
pub(super) fn kept(root: &Expr) -> HashSet<Token> {
    let mut groups: HashMap<Token, HashSet<Token>> = HashMap::new();
    let mut parents: HashMap<Token, Vec<Token>> = HashMap::new();
    let mut fused: Vec<Expr> = Vec::new();
    let mut heads = vec![root.clone()];
    let mut seen_heads = HashSet::new();
    while let Some(head) = heads.pop() {
        if !seen_heads.insert(head.token()) {
            continue;
        }
        // What one kernel reads: down to the first expressions that are not fused.
        let mut stack: Vec<Expr> = head.node().op.args().into_iter().cloned().collect();
        let opens_group = is_fused(&head) || matches!(head.node().op, Op::Reduce { .. });
        if !opens_group {
            heads.extend(stack);
            continue;
        }
        for arg in &stack {
            parents.entry(arg.token()).or_default().push(head.token());
        }
        let mut seen = HashSet::new();
        while let Some(expr) = stack.pop() {
            if !seen.insert(expr.token()) {
                continue;
            }
            if !is_fused(&expr) {
                heads.push(expr);
                continue;
            }
            if groups.entry(expr.token()).or_default().insert(head.token()) && groups[&expr.token()].len() == 1 {
                fused.push(expr.clone());
            }
            for arg in expr.node().op.args() {
                parents.entry(arg.token()).or_default().push(expr.token());
                stack.push(arg.clone());
            }
        }
        // The head of a group is computed by its own kernel as well.
        if is_fused(&head) {
            groups.entry(head.token()).or_default().insert(head.token());
        }
    }
    let mut costs = HashMap::new();
    fused
        .iter()
        .filter(|expr| {
            let own = &groups[&expr.token()];
            own.len() > 1
                && cost(expr, &mut costs) > CHEAP_OPERATIONS
                && parents[&expr.token()].iter().any(|parent| groups.get(parent).is_none_or(|of| of != own))
        })
        .map(Expr::token)
        .collect()
}

/// Operations below the expression, expensive ones counted many times; capped.
fn cost(expr: &Expr, known: &mut HashMap<Token, usize>) -> usize {
    if !is_fused(expr) {
        return 0;
    }
    if let Some(&cost) = known.get(&expr.token()) {
        return cost;
    }
    let own = match &expr.node().op {
        Op::Unary(op, _) if op.is_heavy() => 2 * CHEAP_OPERATIONS,
        Op::Binary(op, _) if op.is_heavy() => 2 * CHEAP_OPERATIONS,
        Op::Unary(..) | Op::Binary(..) | Op::Select(_) | Op::Cast(..) => 1,
        _ => 0,
    };
    let below: usize = expr.node().op.args().into_iter().map(|arg| crate::deep(|| cost(arg, known))).sum();
    let total = (own + below).min(1 << 20);
    known.insert(expr.token(), total);
    total
}
