//! A frame's plans as text: as written, as optimised, as it runs.
//!
//! Start at [`Frame::explain`]. Every step says whether it is native or runs pandas.

use crate::{Frame, FrameError, Result, run};
use datafusion::physical_plan::displayable;

impl Frame {
    /// The plan as it was written, as the optimiser left it, and the steps that run.
    ///
    /// # Errors
    /// If the engine refuses the plan.
    pub fn explain(&self) -> Result<String> {
        let plan = self.plan()?;
        let (physical, context) = run::physical(&plan)?;
        let optimised = context.state().optimize(&plan).map_err(FrameError::from)?;
        let written = marked(&plan.display_indent().to_string());
        let optimised = marked(&optimised.display_indent().to_string());
        let steps = marked(&displayable(physical.as_ref()).indent(false).to_string());
        Ok(format!("written\n{written}\noptimised\n{optimised}\nsteps\n{steps}"))
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
