//! Group-by and reductions.
//!
//! Start at [`Frame::group_by`] and [`Frame::reduce`]. Each reduction is one aggregate of the engine with pandas' rules
//! around it: missing values are skipped, the sum of nothing is 0, truth values add up as numbers.

use crate::expression::{is_missing, skipping_nan};
use crate::frame::{Column, Frame, PLACE, column_of, index_name};
use crate::order::key_of;
use crate::{FrameError, Result};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn as aggregates;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::NullTreatment;
use datafusion::logical_expr::{Expr, ExprFunctionExt, ExprSchemable, LogicalPlanBuilder, cast, lit};

/// What becomes of many values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum; 0 of none.
    Sum,
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// How many are not missing.
    Count,
    /// How many there are, missing ones included.
    Size,
    /// Variance with n - 1.
    Variance,
    /// Standard deviation with n - 1.
    Deviation,
    /// Variance with n.
    PopulationVariance,
    /// Standard deviation with n.
    PopulationDeviation,
    /// How many different ones.
    Distinct,
    /// The middle one.
    Median,
    /// Whether any is true.
    Any,
    /// Whether all are true.
    All,
    /// The first that is not missing.
    First,
    /// The last that is not missing.
    Last,
    /// Where the first one is, missing ones included: groups can be put in the order of their appearance by it.
    Place,
}

/// Names of reductions in pandas.
const NAMES: [(&str, Reduction); 17] = [
    ("sum", Reduction::Sum),
    ("mean", Reduction::Mean),
    ("min", Reduction::Min),
    ("max", Reduction::Max),
    ("count", Reduction::Count),
    ("size", Reduction::Size),
    ("var", Reduction::Variance),
    ("std", Reduction::Deviation),
    ("var0", Reduction::PopulationVariance),
    ("std0", Reduction::PopulationDeviation),
    ("nunique", Reduction::Distinct),
    ("median", Reduction::Median),
    ("any", Reduction::Any),
    ("all", Reduction::All),
    ("first", Reduction::First),
    ("last", Reduction::Last),
    ("place", Reduction::Place),
];

impl Reduction {
    /// The reduction of this name in pandas; `var0` and `std0` are those with `ddof=0`.
    ///
    /// # Errors
    /// If there is none; the message lists the names.
    pub fn from_name(name: &str) -> Result<Reduction> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, reduction)| *reduction).ok_or_else(|| {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            FrameError::Unsupported(format!(
                "aggregation '{name}' is not supported\nhint: use one of {}",
                names.join(", ")
            ))
        })
    }
}

/// One reduced column.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// The column that is reduced; ignored for [`Reduction::Size`].
    pub column: String,
    /// What becomes of it.
    pub reduction: Reduction,
    /// Name of the result.
    pub name: String,
}

impl Aggregate {
    /// A reduction of one column, named like it.
    pub fn new(column: impl Into<String>, reduction: Reduction) -> Aggregate {
        let column = column.into();
        Aggregate { name: column.clone(), column, reduction }
    }
}

/// How groups are made.
#[derive(Clone, Copy, Debug)]
pub struct GroupOptions {
    /// Whether groups come back in the order of their keys, or else in that of their appearance.
    pub sort: bool,
    /// Whether rows with a missing key are left out.
    pub drop_missing: bool,
}

impl Default for GroupOptions {
    fn default() -> GroupOptions {
        GroupOptions { sort: true, drop_missing: true }
    }
}

/// Rows in groups, waiting for what is wanted of them.
#[derive(Clone, Debug)]
pub struct Grouped {
    frame: Frame,
    keys: Vec<Column>,
    options: GroupOptions,
}

impl Frame {
    /// Groups of rows that agree in these columns.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`] if one is not there.
    pub fn group_by<Name: AsRef<str>>(&self, keys: &[Name], options: GroupOptions) -> Result<Grouped> {
        let keys = keys.iter().map(|name| self.column(name.as_ref()).cloned()).collect::<Result<_>>()?;
        Ok(Grouped { frame: self.clone(), keys, options })
    }

    /// Groups of rows that agree in the only columns of these frames.
    ///
    /// # Errors
    /// [`FrameError::Alignment`] if one comes from other rows.
    pub fn group_by_values(&self, keys: &[&Frame], options: GroupOptions) -> Result<Grouped> {
        let keys = keys.iter().map(|key| self.aligned(key).cloned()).collect::<Result<_>>()?;
        Ok(Grouped { frame: self.clone(), keys, options })
    }

    /// Each of these columns as one value: a frame of one row without index.
    ///
    /// # Errors
    /// If a column is not there or its type does not allow it.
    pub fn reduce(&self, aggregates: &[Aggregate]) -> Result<Frame> {
        if let [Aggregate { column, reduction: Reduction::Distinct, name }] = aggregates {
            return self.count_different(column, name);
        }
        let frame = self.placed_for(aggregates)?;
        let (reduced, finished) = frame.reductions(aggregates)?;
        let none: Vec<Expr> = Vec::new();
        let plan =
            LogicalPlanBuilder::from(frame.base().clone()).aggregate(none, reduced)?.project(finished)?.build()?;
        Ok(Frame::over(plan, &[], 1, None)?.into_single())
    }

    /// How many different values a column has, as groups of rows that are counted: groups spill, one set of values does not.
    fn count_different(&self, column: &str, name: &str) -> Result<Frame> {
        let column = self.column(column)?;
        let dtype = self.dtype(column)?;
        let missing = is_missing(column.value.clone(), &dtype);
        let value = key_of(column.value.clone(), &dtype).alias(index_name(0));
        let none: Vec<Expr> = Vec::new();
        let plan = LogicalPlanBuilder::from(self.base().clone())
            .filter(Expr::Not(Box::new(missing)))?
            .aggregate([value], none.clone())?
            .aggregate(none, [aggregates::count(lit(1i64)).alias(name)])?
            .build()?;
        Ok(Frame::over(plan, &[], 1, None)?.into_single())
    }

    /// The same frame, over rows that know their places if an aggregate asks for them.
    fn placed_for(&self, aggregates: &[Aggregate]) -> Result<Frame> {
        let asks = |one: &Aggregate| matches!(one.reduction, Reduction::First | Reduction::Last | Reduction::Place);
        Ok(if aggregates.iter().any(asks) { self.with_base(self.with_place()?) } else { self.clone() })
    }

    /// The engine's aggregates, and what is done to their results.
    fn reductions(&self, aggregates: &[Aggregate]) -> Result<(Vec<Expr>, Vec<Expr>)> {
        let mut reduced = Vec::new();
        let mut finished = Vec::new();
        for (place, aggregate) in aggregates.iter().enumerate() {
            let inner = format!("__reduced_{place}__");
            let (value, finish) = self.reduction(aggregate)?;
            let result = datafusion::logical_expr::ident(&inner);
            reduced.push(value.alias(&inner));
            finished.push(finish.apply(result).alias(&aggregate.name));
        }
        Ok((reduced, finished))
    }

    fn reduction(&self, aggregate: &Aggregate) -> Result<(Expr, Finish)> {
        match aggregate.reduction {
            Reduction::Size => return Ok((aggregates::count(lit(1i64)), Finish::Same)),
            Reduction::Place => return Ok((aggregates::min(column_of(self.base(), PLACE)?), Finish::Same)),
            _ => {}
        }
        let column = self.column(&aggregate.column)?;
        let dtype = column.value.get_type(self.base().schema())?;
        let value = skipping_nan(column.value.clone(), &dtype);
        let number = dtype.is_numeric() || dtype == DataType::Boolean;
        let refuse = |what: &str| {
            FrameError::Type(format!(
                "cannot take the {what} of column '{}', which is {dtype}\nhint: select numeric columns first",
                column.name
            ))
        };
        let as_number = |value: Expr| if dtype == DataType::Boolean { cast(value, DataType::Int64) } else { value };
        let as_float = |value: Expr| if dtype == DataType::Float64 { value } else { cast(value, DataType::Float64) };
        Ok(match aggregate.reduction {
            Reduction::Sum if number => {
                let zero = ScalarValue::new_zero(&sum_type(&dtype))?;
                (aggregates::sum(as_number(value)), Finish::Else(zero))
            }
            Reduction::Sum => return Err(refuse("sum")),
            Reduction::Mean if number => (aggregates::avg(as_float(value)), Finish::Same),
            Reduction::Mean if matches!(dtype, DataType::Timestamp(..) | DataType::Duration(_)) => {
                let mean = aggregates::avg(cast(cast(value, DataType::Int64), DataType::Float64));
                (mean, Finish::Cast(dtype.clone()))
            }
            Reduction::Mean => return Err(refuse("mean")),
            Reduction::Min => (aggregates::min(value), Finish::Same),
            Reduction::Max => (aggregates::max(value), Finish::Same),
            Reduction::Count => (aggregates::count(value), Finish::Same),
            Reduction::First | Reduction::Last => {
                let place = column_of(self.base(), PLACE)?.sort(aggregate.reduction == Reduction::First, false);
                let chosen = first_value_udaf().call(vec![value]).order_by(vec![place]);
                (chosen.null_treatment(NullTreatment::IgnoreNulls).build()?, Finish::Same)
            }
            Reduction::Variance if number => (aggregates::var_sample(as_float(value)), Finish::Same),
            Reduction::Deviation if number => (aggregates::stddev(as_float(value)), Finish::Same),
            Reduction::PopulationVariance if number => (aggregates::var_pop(as_float(value)), Finish::Same),
            Reduction::PopulationDeviation if number => (aggregates::stddev_pop(as_float(value)), Finish::Same),
            Reduction::Median if number => (aggregates::median(as_float(value)), Finish::Same),
            Reduction::Distinct => (aggregates::count_distinct(value), Finish::Same),
            Reduction::Any | Reduction::All if number => {
                let truth = if dtype == DataType::Boolean { value } else { value.not_eq(lit(0i64)) };
                if aggregate.reduction == Reduction::Any {
                    (aggregates::max(truth), Finish::Else(ScalarValue::from(false)))
                } else {
                    (aggregates::min(truth), Finish::Else(ScalarValue::from(true)))
                }
            }
            other => return Err(refuse(&format!("{other:?}").to_lowercase())),
        })
    }
}

/// What is done to an aggregate's result.
enum Finish {
    Same,
    Cast(DataType),
    /// The value of no values.
    Else(ScalarValue),
}

impl Finish {
    fn apply(self, result: Expr) -> Expr {
        match self {
            Finish::Same => result,
            Finish::Cast(dtype) => cast(cast(result, DataType::Int64), dtype),
            Finish::Else(value) => datafusion::functions::expr_fn::coalesce(vec![result, lit(value)]),
        }
    }
}

fn sum_type(dtype: &DataType) -> DataType {
    if dtype.is_unsigned_integer() {
        DataType::UInt64
    } else if dtype.is_floating() {
        DataType::Float64
    } else {
        DataType::Int64
    }
}

impl Grouped {
    /// Names of the keys.
    pub fn keys(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.name.clone()).collect()
    }

    /// Each of these columns as one value per group. The keys are the index.
    ///
    /// # Errors
    /// If a column is not there or its type does not allow it.
    pub fn aggregate(&self, aggregates: &[Aggregate]) -> Result<Frame> {
        let mut aggregates = aggregates.to_vec();
        if !self.options.sort {
            aggregates.push(Aggregate { column: String::new(), reduction: Reduction::Place, name: PLACE.to_owned() });
        }
        let frame = &self.frame.placed_for(&aggregates)?;
        let (reduced, finished) = frame.reductions(&aggregates)?;
        let mut groups = Vec::new();
        let mut levels = Vec::new();
        let mut plan = LogicalPlanBuilder::from(frame.base().clone());
        for (level, key) in self.keys.iter().enumerate() {
            let dtype = frame.dtype(key)?;
            if self.options.drop_missing {
                plan = plan.filter(Expr::Not(Box::new(is_missing(key.value.clone(), &dtype))))?;
            }
            groups.push(key_of(key.value.clone(), &dtype).alias(index_name(level)));
            levels.push(datafusion::logical_expr::ident(index_name(level)));
        }
        let results = levels.iter().cloned().chain(finished);
        let mut plan = plan.aggregate(groups, reduced)?.project(results)?;
        if self.options.sort {
            // pandas puts a missing key last.
            plan = plan.sort(levels.iter().map(|level| level.clone().sort(true, false)))?;
        } else {
            plan = plan.sort([datafusion::logical_expr::ident(PLACE).sort(true, false)])?;
        }
        let plan = plan.build()?;
        for level in 0..levels.len() {
            column_of(&plan, &index_name(level))?;
        }
        let names: Vec<_> = self.keys.iter().map(|key| Some(key.name.clone())).collect();
        Ok(Frame::over(plan, &names, 1, None)?.into_single())
    }
}
