//! A dataframe: a plan of the engine with what pandas needs beside it.
//!
//! Start at [`Frame`]. A frame is a base plan and, for each column and index level, an expression over the base's rows.
//! Columns taken from one frame share its base, so that `df[df.x > 0]` is an expression and a filter, not a join.
//!
//! Invariant: every operation here keeps the order of rows and their index labels, or says that it does not.

use crate::expression;
use crate::memory;
use crate::nodes::map::{MapNode, Mapper};
use crate::nodes::number::{PARTITION_ROWS, row_position};
use crate::nodes::select::SelectNode;
use crate::source::{Source, SourceTable};
use crate::{FrameError, Result};
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Column as ColumnName, DFSchema};
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, bitwise_and, lit};
use raskal_graph::Token;
use std::collections::HashSet;
use std::sync::Arc;

/// Name that an index level has in plans; its name for users is beside the plan.
pub fn index_name(level: usize) -> String {
    format!("__index_{level}__")
}

/// Name of the column that holds the place of rows where an order is made again; never one of a frame.
pub(crate) const PLACE: &str = "__place__";

/// A column: its name and what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name, unique in its frame.
    pub name: String,
    /// Its value, over the rows of the frame's base plan.
    pub value: Expr,
}

/// One level of the index.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexLevel {
    /// Name for users, if it has one.
    pub name: Option<String>,
    /// Its value, over the rows of the frame's base plan.
    pub value: Expr,
}

/// A lazy dataframe. Cloning one is cheap.
#[derive(Clone, Debug)]
pub struct Frame {
    base: Arc<LogicalPlan>,
    index: Vec<IndexLevel>,
    columns: Vec<Column>,
    partitions: usize,
    /// Whether the base gives its rows as one partition, whatever its steps do inside.
    single: bool,
    divisions: Option<ArrayRef>,
}

impl Frame {
    /// The table of a provider. `index` names the columns that are index levels, and what users call them; `token` is a
    /// content hash of the table.
    pub(crate) fn from_table(
        table: Arc<dyn TableProvider>,
        token: Token,
        index: &[(String, Option<String>)],
        partitions: usize,
    ) -> Result<Frame> {
        let base = LogicalPlanBuilder::scan(format!("t{token}"), provider_as_source(table), None)?.build()?;
        let mut levels = Vec::new();
        for (column, name) in index {
            levels.push(IndexLevel { name: name.clone(), value: column_of(&base, column)? });
        }
        let names: Vec<String> = base.schema().fields().iter().map(|field| field.name().clone()).collect();
        let columns = names
            .into_iter()
            .filter(|name| index.iter().all(|(column, _)| column != name))
            .map(|name| Ok(Column { value: column_of(&base, &name)?, name }))
            .collect::<Result<_>>()?;
        Ok(Frame { base: Arc::new(base), index: levels, columns, partitions, single: false, divisions: None })
    }

    /// The table of a source whose index levels are the columns [`index_name`], with these names for users.
    ///
    /// # Errors
    /// If the source has no such columns.
    pub fn from_source(source: Arc<dyn Source>, token: Token, index: &[Option<String>]) -> Result<Frame> {
        let levels: Vec<_> = index.iter().enumerate().map(|(level, name)| (index_name(level), name.clone())).collect();
        let partitions = source.partitions();
        Frame::from_table(Arc::new(SourceTable(source)), token, &levels, partitions)
    }

    /// Batches in memory as partitions. The columns [`index_name`] are the index.
    ///
    /// # Errors
    /// If the batches are not of this schema.
    pub fn from_partitions(
        schema: SchemaRef,
        partitions: Vec<Vec<RecordBatch>>,
        index: &[Option<String>],
        token: Token,
    ) -> Result<Frame> {
        for batch in partitions.iter().flatten() {
            if batch.schema().fields() != schema.fields() {
                let (got, wanted) = (batch.schema(), &schema);
                return Err(FrameError::Type(format!("a partition has the columns {got}, the table {wanted}")));
            }
        }
        Frame::from_source(memory::shared(schema, partitions), token, index)
    }

    /// Its columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Names of its columns.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Its index.
    pub fn index(&self) -> &[IndexLevel] {
        &self.index
    }

    /// Number of partitions.
    pub fn partitions(&self) -> usize {
        if self.single { 1 } else { self.partitions }
    }

    /// Index labels between which each partition lies, if known: one more than there are partitions.
    pub fn divisions(&self) -> Option<&ArrayRef> {
        self.divisions.as_ref()
    }

    /// The same frame with known divisions.
    ///
    /// # Errors
    /// If there is not one more than there are partitions.
    pub fn with_divisions(mut self, divisions: Option<ArrayRef>) -> Result<Frame> {
        if let Some(divisions) = &divisions
            && divisions.len() != self.partitions() + 1
        {
            let (got, wanted) = (divisions.len(), self.partitions() + 1);
            return Err(FrameError::Value(format!("{got} divisions for {} partitions, expected {wanted}", wanted - 1)));
        }
        self.divisions = divisions;
        Ok(self)
    }

    /// The plan that its columns are made from.
    pub(crate) fn base(&self) -> &LogicalPlan {
        &self.base
    }

    /// Whether its rows and another frame's are the same ones.
    pub fn same_rows(&self, other: &Frame) -> bool {
        Arc::ptr_eq(&self.base, &other.base) || self.base == other.base
    }

    /// The type of a column.
    pub fn dtype(&self, column: &Column) -> Result<DataType> {
        Ok(column.value.get_type(self.base.schema())?)
    }

    /// The whole plan: index levels first, then the columns.
    ///
    /// # Errors
    /// If two columns have the same name.
    pub fn plan(&self) -> Result<LogicalPlan> {
        let levels = self.index.iter().enumerate().map(|(level, one)| one.value.clone().alias(index_name(level)));
        let columns = self.columns.iter().map(|column| column.value.clone().alias(&column.name));
        Ok(LogicalPlanBuilder::from(self.base.as_ref().clone()).project(levels.chain(columns))?.build()?)
    }

    /// Names and types of the rows that running the plan gives.
    ///
    /// # Errors
    /// As [`Frame::plan`].
    pub fn schema(&self) -> Result<SchemaRef> {
        Ok(self.plan()?.schema().inner().clone())
    }

    /// Content hash of the plan.
    ///
    /// # Errors
    /// As [`Frame::plan`].
    pub fn token(&self) -> Result<Token> {
        let names: Vec<String> =
            self.index.iter().map(|level| level.name.clone().unwrap_or_default()).chain(self.names()).collect();
        Ok(Token::of([self.plan()?.display_indent_schema().to_string(), names.join("\0")]))
    }

    /// Content hash of the table whose rows, or some of them, these are, partition by partition.
    pub fn root(&self) -> Token {
        let mut plan = self.base.as_ref();
        loop {
            plan = match plan {
                LogicalPlan::Filter(filter) => filter.input.as_ref(),
                LogicalPlan::Projection(projection) => projection.input.as_ref(),
                other => break Token::of([other.display_indent().to_string(), self.partitions().to_string()]),
            };
        }
    }

    /// The column of this name.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`] if there is none.
    pub fn column(&self, name: &str) -> Result<&Column> {
        let found = self.columns.iter().find(|column| column.name == name);
        found.ok_or_else(|| FrameError::NoColumn { name: name.to_owned(), columns: self.names() })
    }

    /// Only these columns, in this order.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`] if one is not there.
    pub fn select<Name: AsRef<str>>(&self, names: &[Name]) -> Result<Frame> {
        let columns = names.iter().map(|name| self.column(name.as_ref()).cloned()).collect::<Result<_>>()?;
        Ok(self.with_columns(columns))
    }

    pub(crate) fn with_columns(&self, columns: Vec<Column>) -> Frame {
        Frame { columns, ..self.clone() }
    }

    /// The same columns under other names.
    ///
    /// # Errors
    /// If the number of names differs.
    pub fn rename(&self, names: &[String]) -> Result<Frame> {
        if names.len() != self.columns.len() {
            let (got, wanted) = (names.len(), self.columns.len());
            return Err(FrameError::Value(format!("{got} names for {wanted} columns")));
        }
        let columns = self.columns.iter().zip(names);
        Ok(self.with_columns(columns.map(|(column, name)| Column { name: name.clone(), ..column.clone() }).collect()))
    }

    /// With the only column of `value` added under `name`, or in place of the column of that name.
    ///
    /// # Errors
    /// [`FrameError::Alignment`] if `value` comes from other rows.
    pub fn assign(&self, name: &str, value: &Frame) -> Result<Frame> {
        let value = self.aligned(value)?;
        Ok(self.assign_value(name, value.value.clone()))
    }

    /// With the same value in every row of a new or replaced column.
    pub fn assign_value(&self, name: &str, value: Expr) -> Frame {
        let new = Column { name: name.to_owned(), value };
        let mut columns = self.columns.clone();
        match columns.iter_mut().find(|column| column.name == name) {
            Some(column) => *column = new,
            None => columns.push(new),
        }
        self.with_columns(columns).flattened()
    }

    /// The only column of `other`, which must come from the same rows.
    pub(crate) fn aligned<'a>(&self, other: &'a Frame) -> Result<&'a Column> {
        match (self.same_rows(other), other.columns.as_slice()) {
            (true, [column]) => Ok(column),
            (false, _) => Err(FrameError::Alignment { left: self.title(), right: other.title() }),
            (true, columns) => Err(FrameError::Type(format!("expected one column, got {}", columns.len()))),
        }
    }

    /// `operation` of every column with the only column of `other`.
    ///
    /// # Errors
    /// [`FrameError::Alignment`] if `other` comes from other rows; if types do not allow it.
    pub fn binary(&self, operation: expression::Binary, other: &Frame) -> Result<Frame> {
        let other = self.aligned(other)?.value.clone();
        self.map_values(|value, rows| expression::binary(operation, value, other.clone(), rows))
    }

    /// `operation` of every column with the only value of a frame of one row; `reflected`: that value comes first.
    ///
    /// # Errors
    /// If `value` has not one column, or types do not allow it.
    pub fn binary_reduced(&self, operation: expression::Binary, value: &Frame, reflected: bool) -> Result<Frame> {
        if value.columns.len() != 1 {
            return Err(FrameError::Type(format!("expected one value, got {}", value.columns.len())));
        }
        let subquery = datafusion::logical_expr::expr_fn::scalar_subquery(Arc::new(value.plan()?));
        self.map_values(|column, rows| {
            let (left, right) = if reflected { (subquery.clone(), column) } else { (column, subquery.clone()) };
            expression::binary(operation, left, right, rows)
        })
    }

    /// Every column through a function of its value and the schema of the rows it is over.
    ///
    /// # Errors
    /// Whatever the function fails with.
    pub fn map_values(&self, function: impl Fn(Expr, &DFSchema) -> Result<Expr>) -> Result<Frame> {
        let mapped = |column: &Column| {
            let value = function(column.value.clone(), self.base.schema())?;
            Ok(Column { name: column.name.clone(), value })
        };
        Ok(self.with_columns(self.columns.iter().map(mapped).collect::<Result<_>>()?).flattened())
    }

    /// The values of frames of one column each, all from these rows.
    ///
    /// # Errors
    /// [`FrameError::Alignment`] if one comes from other rows.
    pub fn values_of(&self, frames: &[Frame]) -> Result<Vec<Expr>> {
        frames.iter().map(|frame| Ok(self.aligned(frame)?.value.clone())).collect()
    }

    fn title(&self) -> String {
        match self.columns.as_slice() {
            [one] => format!("column '{}'", one.name),
            many => format!("a dataframe of {} columns", many.len()),
        }
    }

    /// The rows where the only column of `condition` is true.
    ///
    /// # Errors
    /// [`FrameError::Alignment`] if `condition` comes from other rows.
    pub fn filter(&self, condition: &Frame) -> Result<Frame> {
        let condition = self.aligned(condition)?;
        if self.dtype_of(&condition.value)? != DataType::Boolean {
            let dtype = self.dtype_of(&condition.value)?;
            return Err(FrameError::Type(format!("column '{}' is {dtype}, a filter is boolean", condition.name)));
        }
        let predicate = expression::as_predicate(condition.value.clone());
        let frame = self.labelled()?;
        let base = LogicalPlanBuilder::from(frame.base.as_ref().clone()).filter(predicate)?.build()?;
        Ok(frame.with_base(base))
    }

    fn dtype_of(&self, value: &Expr) -> Result<DataType> {
        Ok(value.get_type(self.base.schema())?)
    }

    /// The partitions of these numbers, in this order.
    ///
    /// # Errors
    /// If one is not there.
    pub fn select_partitions(&self, partitions: &[usize]) -> Result<Frame> {
        let count = self.partitions();
        if let Some(wrong) = partitions.iter().find(|&&one| one >= count) {
            return Err(FrameError::Value(format!("partition {wrong} of a dataframe with {count} partitions")));
        }
        if self.single && partitions.len() == 1 {
            return Ok(self.clone());
        }
        let flat = self.materialized()?;
        let node = SelectNode::new(flat.base.as_ref().clone(), partitions.to_vec(), self.single);
        let divisions = match (&self.divisions, partitions) {
            (Some(all), [first, .., last]) if partitions.windows(2).all(|pair| pair[0] + 1 == pair[1]) => {
                Some(all.slice(*first, last - first + 2))
            }
            (Some(all), [one]) => Some(all.slice(*one, 2)),
            _ => None,
        };
        let base = Arc::new(LogicalPlan::Extension(Extension { node: Arc::new(node) }));
        Ok(Frame { base, partitions: partitions.len(), single: false, divisions, ..flat })
    }

    /// The first `rows` rows of the first partition: a limit over several would take them as they come.
    ///
    /// # Errors
    /// If there is no partition.
    pub fn head(&self, rows: usize) -> Result<Frame> {
        let chosen = self.select_partitions(&[0])?;
        let base = LogicalPlanBuilder::from(chosen.base.as_ref().clone()).limit(0, Some(rows))?.build()?;
        Ok(Frame { base: Arc::new(base), single: true, divisions: None, ..chosen })
    }

    /// Every partition through a function of the host language, which gives rows of `schema`. The columns
    /// [`index_name`] of the schema are the index, with the names `index`.
    ///
    /// # Errors
    /// If the schema has two columns of one name.
    pub fn map_partitions(
        &self,
        mapper: Arc<dyn Mapper>,
        schema: SchemaRef,
        index: &[Option<String>],
        keep_divisions: bool,
    ) -> Result<Frame> {
        let node = MapNode::new(self.plan()?, mapper, schema.clone(), self.single)?;
        let base = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        let divisions = if keep_divisions { self.divisions.clone() } else { None };
        Frame::over(base, index, self.partitions(), divisions)
    }

    /// A frame of all columns of `base`, those named [`index_name`] being its index.
    pub(crate) fn over(
        base: LogicalPlan,
        index: &[Option<String>],
        partitions: usize,
        divisions: Option<ArrayRef>,
    ) -> Result<Frame> {
        let level = |(level, name): (usize, &Option<String>)| {
            Ok(IndexLevel { name: name.clone(), value: column_of(&base, &index_name(level))? })
        };
        let levels = index.iter().enumerate().map(level).collect::<Result<Vec<_>>>()?;
        let hidden: HashSet<String> = (0..index.len()).map(index_name).chain([PLACE.to_owned()]).collect();
        let columns = base
            .schema()
            .fields()
            .iter()
            .filter(|field| !hidden.contains(field.name()))
            .map(|field| Ok(Column { name: field.name().clone(), value: column_of(&base, field.name())? }))
            .collect::<Result<Vec<_>>>()?;
        Ok(Frame { base: Arc::new(base), index: levels, columns, partitions, single: false, divisions })
    }

    /// A frame over joined rows, which lie in partitions as the rows of this frame do.
    pub(crate) fn over_joined(&self, base: LogicalPlan, index: Vec<IndexLevel>, columns: Vec<Column>) -> Frame {
        Frame { base: Arc::new(base), index, columns, divisions: None, ..self.clone() }
    }

    /// The base with one more column, [`PLACE`]: where each row is. Columns made before can be computed from it, too.
    pub(crate) fn with_place(&self) -> Result<LogicalPlan> {
        self.with_position(PLACE)
    }

    fn with_position(&self, name: &str) -> Result<LogicalPlan> {
        let others = self.base.schema().iter().filter(|(_, field)| field.name() != name);
        let columns = others.map(|field| Expr::Column(ColumnName::from(field))).chain([row_position().alias(name)]);
        Ok(LogicalPlanBuilder::from(self.base.as_ref().clone()).project(columns)?.build()?)
    }

    /// The same rows with labels: those without an index count their partition's rows, and must go on to do so when
    /// rows are left out or change places.
    pub(crate) fn labelled(&self) -> Result<Frame> {
        if !self.index.is_empty() {
            return Ok(self.clone());
        }
        let taken = |name: &String| self.base.schema().fields().iter().any(|field| field.name() == name);
        let name = (0..).map(|count| format!("__row_{count}__")).find(|name| !taken(name)).unwrap_or_default();
        let base = self.with_position(&name)?;
        let value = bitwise_and(column_of(&base, &name)?, lit(PARTITION_ROWS - 1));
        Ok(Frame { index: vec![IndexLevel { name: None, value }], ..self.with_base(base) })
    }

    /// Names of the index levels for users.
    pub(crate) fn level_names(&self) -> Vec<Option<String>> {
        self.index.iter().map(|level| level.name.clone()).collect()
    }

    /// With the values of `groups` as levels of the index in front of the others, and these columns.
    pub(crate) fn with_levels(&self, groups: &[&Column], names: Vec<Option<String>>, columns: Vec<Column>) -> Frame {
        let levels = groups.iter().zip(names).map(|(group, name)| IndexLevel { name, value: group.value.clone() });
        Frame { index: levels.chain(self.index.iter().cloned()).collect(), columns, ..self.clone() }
    }

    /// The same frame over another base, from which its columns can be computed, too.
    pub(crate) fn with_base(&self, base: LogicalPlan) -> Frame {
        Frame { base: Arc::new(base), ..self.clone() }
    }

    /// The rows of these frames, which have the same columns, one frame after the other.
    ///
    /// # Errors
    /// If there is no frame, or their columns differ in number or can't be of one type.
    pub fn concat(frames: &[Frame]) -> Result<Frame> {
        let frames = frames.iter().map(Frame::labelled).collect::<Result<Vec<_>>>()?;
        let (first, others) =
            frames.split_first().ok_or_else(|| FrameError::Value("no objects to concatenate".into()))?;
        let mut plan = LogicalPlanBuilder::from(first.plan()?);
        for other in others {
            plan = plan.union(other.plan()?)?;
        }
        let name = |level: usize| {
            let one = first.index[level].name.clone();
            one.filter(|name| {
                others.iter().all(|other| other.index.get(level).and_then(|own| own.name.as_ref()) == Some(name))
            })
        };
        let names: Vec<_> = (0..first.index.len()).map(name).collect();
        let single = frames.iter().any(|frame| frame.single);
        let frame = Frame::over(plan.build()?, &names, frames.iter().map(Frame::partitions).sum(), None)?;
        Ok(if single { frame.into_single() } else { frame })
    }

    /// The same frame, whose base counts as one partition.
    pub(crate) fn into_single(mut self) -> Frame {
        self.single = true;
        self.partitions = 1;
        self
    }

    /// The same rows with every column computed in the base. Columns made before no longer share its base.
    pub(crate) fn materialized(&self) -> Result<Frame> {
        let frame = Frame::over(self.plan()?, &self.level_names(), self.partitions, self.divisions.clone())?;
        Ok(Frame { single: self.single, ..frame })
    }

    /// Where expressions have grown large (`x = x + x` in a loop doubles them), computes them in the base.
    fn flattened(self) -> Frame {
        if self.columns.iter().all(|column| expression::size(&column.value) < expression::SIZE_MAX) {
            return self;
        }
        self.materialized().unwrap_or(self)
    }

    /// The index levels as ordinary columns in front, and no index.
    ///
    /// # Errors
    /// If a level's name is that of a column.
    pub fn reset_index(&self, drop: bool) -> Result<Frame> {
        let mut columns = Vec::new();
        if !drop {
            for (place, level) in self.index.iter().enumerate() {
                let fallback = if self.index.len() == 1 { "index".to_owned() } else { format!("level_{place}") };
                let name = level.name.clone().unwrap_or(fallback);
                if self.columns.iter().any(|column| column.name == name) {
                    return Err(FrameError::Value(format!("cannot insert {name}, a column of that name exists")));
                }
                columns.push(Column { name, value: level.value.clone() });
            }
        }
        columns.extend(self.columns.iter().cloned());
        Ok(Frame { index: Vec::new(), columns, divisions: None, ..self.clone() })
    }

    /// These columns as the index, in place of the one that there is; `drop`: they are columns no more.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`] if one is not there.
    pub fn set_index(&self, names: &[String], drop: bool) -> Result<Frame> {
        let level =
            |name: &String| Ok(IndexLevel { name: Some(name.clone()), value: self.column(name)?.value.clone() });
        let index = names.iter().map(level).collect::<Result<_>>()?;
        let kept = self.columns.iter().filter(|column| !drop || !names.contains(&column.name));
        Ok(Frame { index, columns: kept.cloned().collect(), divisions: None, ..self.clone() })
    }

    /// The index's only level as a column.
    ///
    /// # Errors
    /// If the index has another number of levels.
    pub fn index_column(&self) -> Result<Frame> {
        match self.index.as_slice() {
            [level] => {
                let name = level.name.clone().unwrap_or_else(|| "__label__".into());
                Ok(self.with_columns(vec![Column { name, value: level.value.clone() }]))
            }
            levels => Err(FrameError::Unsupported(format!("an index of {} levels as one column", levels.len()))),
        }
    }
}

/// A reference to the column of `plan` with this name.
pub(crate) fn column_of(plan: &LogicalPlan, name: &str) -> Result<Expr> {
    let found = plan.schema().iter().find(|(_, field)| field.name() == name);
    let (qualifier, field) = found.ok_or_else(|| FrameError::NoColumn {
        name: name.to_owned(),
        columns: plan.schema().fields().iter().map(|field| field.name().clone()).collect(),
    })?;
    Ok(Expr::Column(ColumnName::from((qualifier, field))))
}
