//! Tables whose partitions are values of tasks: persisted on a cluster, or made by functions of the host language.
//!
//! Start at [`TaskSource`]. A plan over one is always cut into stages, whose leaves read the tasks' values where these
//! are; whoever lowers the plan asks [`Frame::task_sources`] what there is and says which tasks hold it.

use crate::frame::Frame;
use crate::source::{BatchIterator, Source, SourceTable};
use crate::{FrameError, Result};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::logical_expr::LogicalPlan;
use raskal_graph::Token;
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The tasks that hold the partitions of each [`TaskSource`] of a plan, in order.
pub type TaskInputs = HashMap<Token, Vec<u32>>;

/// What knows how to add the tasks of a table to a program; this crate only keeps it.
pub type Owner = Arc<dyn Any + Send + Sync>;

/// A table whose partitions are values of tasks.
pub struct TaskSource {
    schema: SchemaRef,
    partitions: usize,
    token: Token,
    owner: Owner,
}

impl TaskSource {
    /// A table of this schema; `token` is a content hash of the tasks.
    pub fn new(schema: SchemaRef, partitions: usize, token: Token, owner: Owner) -> TaskSource {
        TaskSource { schema, partitions, token, owner }
    }

    /// Content hash of the tasks.
    pub fn token(&self) -> Token {
        self.token
    }
}

impl fmt::Debug for TaskSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskSource({})", self.token)
    }
}

impl Source for TaskSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn partitions(&self) -> usize {
        self.partitions
    }

    fn open(&self, _partition: usize, _projection: &[usize]) -> EngineResult<BatchIterator> {
        Err(DataFusionError::Internal("values of tasks are read by stages, not by a query".into()))
    }

    fn describe(&self) -> String {
        format!("tasks, {} partitions", self.partitions)
    }

    fn encode(&self) -> EngineResult<(&'static str, Vec<u8>)> {
        Err(DataFusionError::Internal("values of tasks are read by stages, they don't travel in a plan".into()))
    }
}

impl Frame {
    /// A table whose partitions are values of tasks. The columns [`crate::frame::index_name`] are the index.
    ///
    /// # Errors
    /// If the source has no such columns.
    pub fn from_tasks(source: TaskSource, index: &[Option<String>]) -> Result<Frame> {
        let token = source.token;
        Frame::from_source(Arc::new(source), token, index)
    }

    /// The tables of tasks that the plan reads, and what knows how to add them to a program.
    ///
    /// # Errors
    /// If the plan can't be made.
    pub fn task_sources(&self) -> Result<Vec<(Token, Owner)>> {
        let mut found: Vec<(Token, Owner)> = Vec::new();
        self.plan()?
            .apply_with_subqueries(|node| {
                if let LogicalPlan::TableScan(scan) = node {
                    let provider = source_as_provider(&scan.source)?;
                    let table = provider.as_ref() as &dyn Any;
                    let source = table.downcast_ref::<SourceTable>().map(|table| table.0.as_ref() as &dyn Any);
                    if let Some(source) = source.and_then(|source| source.downcast_ref::<TaskSource>())
                        && found.iter().all(|(token, _)| *token != source.token)
                    {
                        found.push((source.token, source.owner.clone()));
                    }
                }
                Ok::<_, DataFusionError>(TreeNodeRecursion::Continue)
            })
            .map_err(FrameError::from)?;
        Ok(found)
    }
}
