//! A frame's plans as text: as written, as optimised, as it runs.
//!
//! Start at [`Frame::explain`]. Every step says whether it is native or runs pandas.

use crate::{Frame, Result, run};
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{collect_partitioned, displayable};
use std::time::Instant;

impl Frame {
    /// The plan as it was written, as the optimiser left it, and the steps that run.
    ///
    /// # Errors
    /// If the engine refuses the plan.
    pub fn explain(&self) -> Result<String> {
        let plan = self.plan()?;
        let planned = run::physical(&plan, self.partitions() == 1)?;
        let written = marked(&plan.display_indent().to_string());
        let optimised = marked(&planned.optimised.display_indent().to_string());
        let steps = marked(&displayable(planned.steps.as_ref()).indent(false).to_string());
        Ok(format!("written\n{written}\noptimised\n{optimised}\nsteps\n{steps}"))
    }

    /// The steps with what each of them did: the plan is run, and its rows are dropped.
    ///
    /// # Errors
    /// Whatever a step fails with.
    pub fn analyze(&self) -> Result<String> {
        let start = Instant::now();
        let planned = run::physical(&self.plan()?, self.partitions() == 1)?;
        let planning = start.elapsed();
        let (steps, tasks) = (planned.steps.clone(), planned.context.task_ctx());
        let rows = run::block_on(&run::Queries::default(), async move {
            let parts = collect_partitioned(steps, tasks).await?;
            Ok(parts.iter().flatten().map(RecordBatch::num_rows).sum::<usize>())
        })?;
        let steps = DisplayableExecutionPlan::with_metrics(planned.steps.as_ref()).indent(false).to_string();
        let (total, planning) = (start.elapsed().as_secs_f64() * 1e3, planning.as_secs_f64() * 1e3);
        Ok(format!("{rows} rows in {total:.1} ms, of which planning {planning:.1} ms\n{}", marked(&steps)))
    }
}

/// Each line with its mark: a step, or an expression in it, that calls pandas is `pandas`, any other is `native`.
fn marked(text: &str) -> String {
    let mark = |line: &str| {
        let pandas = line.trim_start().starts_with("PyMap") || line.contains("pandas[");
        format!("  {} {}\n", if pandas { "pandas" } else { "native" }, tables_named(line))
    };
    text.lines().map(mark).collect()
}

/// Table names are content hashes, 33 characters long: eight are enough to tell them apart.
fn tables_named(line: &str) -> String {
    let mut result = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('t') {
        let (before, from) = rest.split_at(at);
        result.push_str(before);
        let token = from.get(1..33).filter(|token| token.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match token {
            Some(token) => {
                result.push('t');
                result.push_str(&token[..7]);
                rest = &from[33..];
            }
            None => {
                result.push('t');
                rest = &from[1..];
            }
        }
    }
    result.push_str(rest);
    result
}
