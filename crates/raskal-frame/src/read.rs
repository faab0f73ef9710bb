//! From files to frames, and from frames to rows.

use crate::csv::{CsvOptions, CsvSource};
use crate::{Frame, Result, run};
use raskal_store::Batches;
use std::sync::Arc;

impl Frame {
    /// CSV files or patterns as a frame. The index is each row's position in its partition.
    ///
    /// # Errors
    /// If there is no such file, its beginning can't be read, or an option names a column that is not there.
    pub fn read_csv(patterns: &[String], options: CsvOptions) -> Result<Frame> {
        let source = CsvSource::discover(patterns, options)?;
        let token = source.token()?;
        Frame::from_source(Arc::new(source), token, &[None])
    }

    /// Runs the plan on all cores and gives its rows in order: index levels first, then the columns.
    ///
    /// # Errors
    /// Whatever a step fails with.
    pub fn collect(&self) -> Result<Batches> {
        run::execute(&self.plan()?, &run::Queries::default())
    }
}
