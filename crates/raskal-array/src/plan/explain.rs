//! An expression and its plan as text for readers; the same text is snapshot-tested.
//!
//! Start at [`explain`].

use super::peak::peak_bytes;
use super::{Plan, Work};
use crate::error::tuple;
use crate::expr::{Expr, Op, ViewAxis};
use crate::host::HostLayout;
use raskal_graph::Token;
use raskal_runtime::Failure;
use raskal_types::SlotClass;
use std::collections::HashMap;
use std::fmt::Write;

/// The expression as it was written, and the layers that compute it.
///
/// # Errors
/// As [`Plan::of`].
pub fn explain(expr: &Expr, host: &dyn HostLayout) -> Result<String, Failure> {
    let plan = Plan::of(expr, host)?;
    let mut text = String::from("expression\n");
    write_tree(expr, 1, &mut HashMap::new(), &mut text);
    let total: u64 = plan.steps.iter().map(|step| tasks(&step.grid)).sum();
    let _ = write!(text, "plan: {} layers, {total} tasks", plan.steps.len());
    match peak_bytes(&plan)? {
        Some(peak) => {
            let _ = writeln!(text, ", {} of results held at once by a thread alone", bytes(u128::from(peak)));
        }
        None => text.push('\n'),
    }
    for (number, step) in plan.steps.iter().enumerate() {
        let name = step.prefix.rsplit_once('-').map_or(step.prefix.as_str(), |(name, _)| name);
        let work = match (&step.work, &step.host_reason) {
            (Work::Source(_), _) => "blocks that exist".to_owned(),
            (Work::Function(function), None) => function.describe(),
            (Work::Function(_), Some(reason)) => format!("numpy: {reason}"),
        };
        let kind = if step.class == SlotClass::Native { "" } else { " [python]" };
        let _ = writeln!(
            text,
            "  {number}: {name} {} = {} tasks of {}{kind}: {work}",
            tuple(&step.grid),
            tasks(&step.grid),
            bytes(step.block_bytes as u128)
        );
        for (position, (source, map)) in step.inputs.iter().enumerate() {
            let letter = char::from_u32('a' as u32 + position as u32).filter(|_| position < 26).unwrap_or('?');
            let _ = writeln!(text, "       {letter} = {source}, {}", map.describe("block"));
        }
    }
    Ok(text)
}

fn tasks(grid: &[u32]) -> u64 {
    grid.iter().map(|&extent| u64::from(extent)).product()
}

/// A size in the largest unit that leaves a number of at least one.
pub fn bytes(size: u128) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = size as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{size} B") } else { format!("{value:.1} {}", units[unit]) }
}

fn write_tree(expr: &Expr, depth: usize, seen: &mut HashMap<Token, usize>, text: &mut String) {
    let indent = "  ".repeat(depth);
    if let Some(number) = seen.get(&expr.token()) {
        let _ = writeln!(text, "{indent}{} (see #{number})", expr.op_name());
        return;
    }
    let number = seen.len() + 1;
    seen.insert(expr.token(), number);
    let detail = match &expr.node().op {
        Op::Full(value) => format!(" {value}"),
        Op::Index(axis) => format!(" of axis {axis}"),
        Op::Reduce { axes, .. } => format!(" over axes {}", tuple(axes)),
        Op::Take { axes, .. } => {
            let chosen = axes.iter().enumerate().filter(|(_, runs)| runs.is_some());
            let chosen = chosen.map(|(axis, _)| format!("{} elements of axis {axis}", expr.shape()[axis]));
            format!(" of {}", chosen.collect::<Vec<_>>().join(", "))
        }
        Op::Concatenate { axis, .. } => format!(" along axis {axis}"),
        Op::View { axes, .. } => format!(" [{}]", axes.iter().map(view_axis).collect::<Vec<_>>().join(", ")),
        _ => String::new(),
    };
    let _ = writeln!(
        text,
        "{indent}#{number} {}{detail}: {} {} in chunks {}",
        expr.op_name(),
        expr.dtype().name(),
        tuple(expr.shape()),
        expr.chunks()
    );
    if depth > 40 {
        let _ = writeln!(text, "{indent}  ...");
        return;
    }
    for arg in expr.node().op.args() {
        write_tree(arg, depth + 1, seen, text);
    }
}

fn view_axis(axis: &ViewAxis) -> String {
    match *axis {
        ViewAxis::At(element) => element.to_string(),
        ViewAxis::Along { axis, start: 0, step: 1 } => format!("axis {axis}"),
        ViewAxis::Along { axis, start, step } => format!("axis {axis} from {start} by {step}"),
    }
}
