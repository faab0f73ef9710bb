//! Joins of two frames by columns, with pandas' rows.
//!
//! Start at [`Frame::join`]. pandas joins missing keys with missing keys, and gives rows in the order of one side. That
//! order comes for free where the engine collects the other side and goes through this one. Where the other side is too
//! large for that, rows remember their places, the engine joins as it likes, and a sort puts them in order; of that sort
//! nothing is left where the order is not seen ([`crate::row_order`]).

use crate::expression::{common_number, is_text, to_type};
use crate::frame::{Column, Frame, IndexLevel, PLACE, column_of, index_name};
use crate::memory::MemorySource;
use crate::parquet::ParquetTable;
use crate::source::SourceTable;
use crate::udf::float_key;
use crate::{FrameError, Result, joins_that_spill, statistics};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Column as ColumnName, JoinType, NullEquality, TableReference};
use datafusion::datasource::source_as_provider;
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit, when};
use std::any::Any;

/// Which rows without partner are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// None.
    Inner,
    /// Those of the left side.
    Left,
    /// Those of the right side.
    Right,
    /// Those of both.
    Outer,
    /// Rows of the left side that have a partner, once each.
    Semi,
    /// Rows of the left side that have none.
    Anti,
}

impl How {
    /// The kind of join that pandas or Dask calls by this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn from_name(name: &str) -> Result<How> {
        Ok(match name {
            "inner" => How::Inner,
            "left" => How::Left,
            "right" => How::Right,
            "outer" => How::Outer,
            "leftsemi" => How::Semi,
            "leftanti" => How::Anti,
            other => return Err(FrameError::Unsupported(format!("a join of kind '{other}' is not native"))),
        })
    }

    /// As the engine calls it, the left side first.
    fn plain(self) -> JoinType {
        match self {
            How::Inner => JoinType::Inner,
            How::Left => JoinType::Left,
            How::Right => JoinType::Right,
            How::Outer => JoinType::Full,
            How::Semi => JoinType::LeftSemi,
            How::Anti => JoinType::LeftAnti,
        }
    }

    /// As the engine calls it when the side that is gone through comes second.
    fn probing(self) -> JoinType {
        match self {
            How::Inner => JoinType::Inner,
            How::Left | How::Right => JoinType::Right,
            How::Outer => JoinType::Full,
            How::Semi => JoinType::RightSemi,
            How::Anti => JoinType::RightAnti,
        }
    }
}

/// Where a column of a join comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The key of this number: of whichever side has it.
    Key(usize),
    /// The left side's column of this name.
    Left(String),
    /// The right side's column of this name.
    Right(String),
    /// `left_only`, `right_only` or `both`.
    Indicator,
}

/// What the rows of one side are joined by.
#[derive(Clone, Debug)]
pub enum Keys {
    /// The only columns of these frames, which come from the side's rows.
    Columns(Vec<Frame>),
    /// Their labels: the only level of the index.
    Labels,
}

/// What labels the rows of a join have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labels {
    /// None: they count the rows of each partition.
    Counted,
    /// Those of the left side.
    Left,
    /// The values of the first key, under this name.
    Key(Option<String>),
}

/// How two sides are joined.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// What the left side is joined by.
    pub left_on: Keys,
    /// What the right side is joined by.
    pub right_on: Keys,
    /// Which rows are kept.
    pub how: How,
    /// The columns of the result, each with where it comes from and its name.
    pub columns: Vec<(Origin, String)>,
    /// The labels of the result. Rows that are only chosen keep theirs.
    pub labels: Labels,
}

/// Of the side that is gone through, the other one may be so many times its size before it is worth to change places.
const LOPSIDED: u64 = 4;

const HERE: &str = "__here__";

impl Frame {
    /// Rows of this frame and of `right` whose keys agree.
    ///
    /// # Errors
    /// [`FrameError::Alignment`] if keys come from other rows; [`FrameError::Unsupported`] if types can't be compared here.
    pub fn join(&self, right: &Frame, options: &JoinOptions) -> Result<Frame> {
        let JoinOptions { how, columns, .. } = options;
        let how = *how;
        let chosen = matches!(how, How::Semi | How::Anti);
        let labels = if chosen { &Labels::Left } else { &options.labels };
        let (left, left_keys) = self.joined_by(&options.left_on)?;
        let (right, right_keys) = right.joined_by(&options.right_on)?;
        let left = if *labels == Labels::Left { left.labelled()? } else { left };
        let right = &right;
        let mut sides = (Side::new(&left, "left", &left_keys)?, Side::new(right, "right", &right_keys)?);
        let mut null_equality = NullEquality::NullEqualsNothing;
        for (place, (one, other)) in left_keys.iter().zip(&right_keys).enumerate() {
            let types = (one.get_type(left.base().schema())?, other.get_type(right.base().schema())?);
            let common = comparable(&types.0, &types.1).ok_or_else(|| {
                FrameError::Unsupported(format!("a join of {} with {} is not native", types.0, types.1))
            })?;
            sides.0.key(place, one.clone(), &common);
            sides.1.key(place, other.clone(), &common);
            let never_null = never_null(left.base(), one) || never_null(right.base(), other);
            if common.is_floating() || !never_null {
                null_equality = NullEquality::NullEqualsNull;
            }
        }
        let value = |origin: &Origin| match origin {
            Origin::Left(name) => Ok(sides.0.refer(name)),
            Origin::Right(name) => Ok(sides.1.refer(name)),
            Origin::Key(place) => {
                let name = value_name(*place);
                Ok(match how {
                    How::Right => sides.1.refer(&name),
                    How::Outer => coalesce(vec![sides.0.refer(&name), sides.1.refer(&name)]),
                    _ => sides.0.refer(&name),
                })
            }
            Origin::Indicator => {
                let only = |side: &Side<'_>, text: &str| (side.refer(HERE).is_null(), lit(text));
                let ((no_right, left_only), (no_left, right_only)) =
                    (only(&sides.1, "left_only"), only(&sides.0, "right_only"));
                when(no_right, left_only).when(no_left, right_only).otherwise(lit("both")).map_err(FrameError::from)
            }
        };
        let results = columns
            .iter()
            .map(|(origin, name)| Ok(Column { name: name.clone(), value: value(origin)? }))
            .collect::<Result<Vec<_>>>()?;
        let level = |(level, one): (usize, &IndexLevel)| IndexLevel {
            name: one.name.clone(),
            value: sides.0.refer(&index_name(level)),
        };
        let levels: Vec<IndexLevel> = match labels {
            Labels::Counted => Vec::new(),
            Labels::Left => left.index().iter().enumerate().map(level).collect(),
            Labels::Key(name) => vec![IndexLevel { name: name.clone(), value: value(&Origin::Key(0))? }],
        };
        let indicated = columns.iter().any(|(origin, _)| *origin == Origin::Indicator);
        if in_order(&left, right, how) {
            let (build, probe) = if how == How::Right { (&sides.0, &sides.1) } else { (&sides.1, &sides.0) };
            let base = joined(build, probe, how.probing(), null_equality, indicated, false)?;
            let joined = probe.frame.over_joined(base, levels, results);
            // Its labels are some of those that the probe's partitions have.
            let kept = match labels {
                Labels::Counted => None,
                Labels::Left => probe.frame.divisions().cloned(),
                Labels::Key(_) if matches!(options.left_on, Keys::Labels) => probe.frame.divisions().cloned(),
                Labels::Key(_) => None,
            };
            return joined.with_divisions(kept);
        }
        let plan = joined(&sides.0, &sides.1, how.plain(), null_equality, indicated, true)?;
        let places = match how {
            How::Semi | How::Anti => vec![sides.0.refer(PLACE)],
            How::Right => vec![sides.1.refer(PLACE), sides.0.refer(PLACE)],
            _ => vec![sides.0.refer(PLACE), sides.1.refer(PLACE)],
        };
        let mut order: Vec<_> = Vec::new();
        if how == How::Outer {
            // pandas puts the rows of an outer join in the order of the keys, missing ones last.
            let key = |place| coalesce(vec![sides.0.refer(&key_name(place)), sides.1.refer(&key_name(place))]);
            order.extend((0..left_keys.len()).map(|place| key(place).sort(true, false)));
        }
        order.extend(places.into_iter().map(|place| place.sort(true, true)));
        let base = LogicalPlanBuilder::from(plan).sort(order)?.build()?;
        Ok(left.over_joined(base, levels, results).into_single())
    }
}

/// Whether the rows of a join are in order if the engine goes through one side, and whether that is wise.
fn in_order(left: &Frame, right: &Frame, how: How) -> bool {
    if how == How::Outer {
        return false;
    }
    let (build, probe) = if how == How::Right { (left, right) } else { (right, left) };
    let Some(build_bytes) = build.estimated_bytes() else { return true };
    let fits = build_bytes <= joins_that_spill::build_bytes_max();
    let lopsided = probe.partitions() == 1
        && build_bytes > (1 << 20)
        && probe.estimated_bytes().is_some_and(|bytes| build_bytes / LOPSIDED > bytes);
    fits && !lopsided
}

impl Frame {
    /// Whether the engine joins with `right` such that partitions, their order and divisions stay: it collects one side,
    /// and goes through the other.
    pub fn joins_in_order(&self, right: &Frame, how: How) -> bool {
        in_order(self, right, how)
    }

    /// This frame, with labels if it is joined by them, and the values of its keys.
    fn joined_by(&self, keys: &Keys) -> Result<(Frame, Vec<Expr>)> {
        match keys {
            Keys::Columns(frames) => Ok((self.clone(), self.values_of(frames)?)),
            Keys::Labels => {
                let frame = self.labelled()?;
                match frame.index() {
                    [level] => Ok((frame.clone(), vec![level.value.clone()])),
                    levels => {
                        let why = format!("a join by an index of {} levels is not native", levels.len());
                        Err(FrameError::Unsupported(why))
                    }
                }
            }
        }
    }

    /// Whether its rows are known to be few enough to be one partition: to be collected, or sorted in one place.
    pub fn fits(&self) -> bool {
        self.estimated_bytes().is_some_and(|bytes| bytes <= joins_that_spill::build_bytes_max())
    }

    fn estimated_bytes(&self) -> Option<u64> {
        let widths = self.columns().iter().map(|column| Ok(statistics::width(&self.dtype(column)?)));
        let width: usize = widths.collect::<Result<Vec<_>>>().ok()?.into_iter().sum();
        Some(statistics::rows(self.base())?.saturating_mul(width as u64))
    }
}

/// One side of a join.
struct Side<'a> {
    frame: &'a Frame,
    name: &'static str,
    columns: Vec<Expr>,
    keys: Vec<ColumnName>,
}

fn key_name(place: usize) -> String {
    format!("__key_{place}__")
}

fn value_name(place: usize) -> String {
    format!("__value_{place}__")
}

impl<'a> Side<'a> {
    fn new(frame: &'a Frame, name: &'static str, keys: &[Expr]) -> Result<Side<'a>> {
        let mut columns: Vec<Expr> =
            frame.columns().iter().map(|column| column.value.clone().alias(&column.name)).collect();
        columns.extend(keys.iter().enumerate().map(|(place, key)| key.clone().alias(value_name(place))));
        let levels = frame.index().iter().enumerate();
        columns.extend(levels.map(|(level, one)| one.value.clone().alias(index_name(level))));
        Ok(Side { frame, name, columns, keys: Vec::new() })
    }

    /// A column of this side in the joined rows.
    fn refer(&self, name: &str) -> Expr {
        Expr::Column(ColumnName::new(Some(TableReference::bare(self.name)), name))
    }

    /// Adds a key, as it is compared.
    fn key(&mut self, place: usize, value: Expr, common: &DataType) {
        let value = to_type(value, common);
        let value = if common.is_floating() { float_key(value) } else { value };
        self.columns.push(value.alias(key_name(place)));
        self.keys.push(ColumnName::new(Some(TableReference::bare(self.name)), key_name(place)));
    }

    fn plan(&self, indicated: bool, placed: bool) -> Result<LogicalPlan> {
        let mut columns = self.columns.clone();
        if indicated {
            columns.push(lit(true).alias(HERE));
        }
        let mut base = self.frame.base().clone();
        if placed {
            base = self.frame.with_place()?;
            columns.push(column_of(&base, PLACE)?);
        }
        Ok(LogicalPlanBuilder::from(base).project(columns)?.alias(self.name)?.build()?)
    }
}

fn joined(
    first: &Side<'_>,
    second: &Side<'_>,
    kind: JoinType,
    null_equality: NullEquality,
    indicated: bool,
    placed: bool,
) -> Result<LogicalPlan> {
    let keys = (first.keys.clone(), second.keys.clone());
    let builder = LogicalPlanBuilder::from(first.plan(indicated, placed)?);
    Ok(builder.join_detailed(second.plan(indicated, placed)?, kind, keys, None, null_equality)?.build()?)
}

/// The type in which keys of these types are compared, if that is possible here.
fn comparable(one: &DataType, other: &DataType) -> Option<DataType> {
    let plain = |dtype: &DataType| {
        dtype.is_numeric() && !matches!(dtype, DataType::Float16)
            || is_text(dtype)
            || matches!(
                dtype,
                DataType::Boolean
                    | DataType::Date32
                    | DataType::Date64
                    | DataType::Timestamp(..)
                    | DataType::Duration(_)
            )
    };
    if !plain(one) || !plain(other) {
        return None;
    }
    match (one, other) {
        _ if one == other => Some(one.clone()),
        _ if is_text(one) && is_text(other) => Some(DataType::Utf8View),
        _ if one.is_integer() && other.is_integer() => Some(common_number(one, other)).filter(DataType::is_integer),
        _ if one.is_floating() && other.is_floating() => Some(DataType::Float64),
        (DataType::Timestamp(a, zone), DataType::Timestamp(b, other)) if zone == other => {
            Some(DataType::Timestamp(finer(*a, *b), zone.clone()))
        }
        _ => None,
    }
}

fn finer(one: TimeUnit, other: TimeUnit) -> TimeUnit {
    let digits = |unit: TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    if digits(one) > digits(other) { one } else { other }
}

/// Whether a value is known to be in every row of a plan. Joins on such keys are faster.
fn never_null(plan: &LogicalPlan, value: &Expr) -> bool {
    let column = match value {
        Expr::Alias(alias) => return never_null(plan, &alias.expr),
        Expr::Column(column) => column,
        _ => return false,
    };
    let of_input = |input: &LogicalPlan| never_null(input, value);
    match plan {
        LogicalPlan::TableScan(scan) => {
            let Ok(provider) = source_as_provider(&scan.source) else { return false };
            let any = provider.as_ref() as &dyn Any;
            if let Some(table) = any.downcast_ref::<ParquetTable>() {
                return table.never_null(&column.name);
            }
            any.downcast_ref::<SourceTable>().is_some_and(|table| {
                (table.0.as_ref() as &dyn Any).is::<MemorySource>() && table.0.never_null(&column.name)
            })
        }
        LogicalPlan::Projection(projection) => {
            let found = plan.schema().index_of_column(column);
            found.is_ok_and(|place| never_null(&projection.input, &projection.expr[place]))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let inner = plan.schema().index_of_column(column).map(|place| alias.input.schema().qualified_field(place));
            inner.is_ok_and(|field| never_null(&alias.input, &Expr::Column(ColumnName::from(field))))
        }
        LogicalPlan::Filter(filter) => of_input(&filter.input),
        LogicalPlan::Sort(sort) => of_input(&sort.input),
        LogicalPlan::Limit(limit) => of_input(&limit.input),
        LogicalPlan::Join(join) => {
            let left = join.left.schema().has_column(column);
            match join.join_type {
                JoinType::Full => false,
                JoinType::Left if !left => false,
                JoinType::Right if left => false,
                _ => of_input(if left { &join.left } else { &join.right }),
            }
        }
        LogicalPlan::Aggregate(aggregate) => {
            let found = plan.schema().index_of_column(column);
            found.is_ok_and(|place| {
                aggregate.group_expr.get(place).is_some_and(|group| never_null(&aggregate.input, group))
            })
        }
        _ => false,
    }
}
