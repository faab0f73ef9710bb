//! Functions of the engine by name, row for row.
//!
//! Start at [`Frame::call`]. The host language decides which of its functions has an exact counterpart; this module finds
//! it and puts it together. Beside the engine's own functions there are a few forms that are none: see [`call`].

use crate::expression::is_missing;
use crate::frame::Frame;
use crate::session::{self, Scan};
use crate::{FrameError, Result};
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF, cast, when};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// An argument of a function.
#[derive(Clone, Debug)]
pub enum Argument {
    /// The only column of a frame of the same rows.
    Column(Frame),
    /// The same value in every row.
    Value(Expr),
}

static FUNCTIONS: LazyLock<HashMap<String, Arc<ScalarUDF>>> =
    LazyLock::new(|| session::context(Scan::Free, true).state().scalar_functions().clone());

impl Frame {
    /// One column called `name`: a function of others of these rows, as `dtype` if one is given.
    ///
    /// # Errors
    /// [`FrameError::Alignment`] if a column comes from other rows; [`FrameError::Unsupported`] if there is no such
    /// function; [`FrameError::Type`] if types do not allow it.
    pub fn call(&self, function: &str, arguments: &[Argument], dtype: Option<DataType>, name: &str) -> Result<Frame> {
        let value = |argument: &Argument| match argument {
            Argument::Column(frame) => Ok(self.aligned(frame)?.value.clone()),
            Argument::Value(value) => Ok(value.clone()),
        };
        let arguments = arguments.iter().map(value).collect::<Result<Vec<_>>>()?;
        let schema = self.base().schema();
        let mut found = call(function, arguments, schema)?;
        let own = found.get_type(schema).map_err(|why| FrameError::Type(why.to_string()))?;
        if let Some(dtype) = dtype.filter(|dtype| *dtype != own) {
            found = cast(found, dtype);
        }
        self.assign_value(name, found).select(&[name])
    }
}

/// A function by name, or one of the forms
///
/// - `case(condition, yes, no)`: `no` where the condition is false or unknown;
/// - `in(value, one, two, ...)`: whether it is one of these, false if it is missing;
/// - `missing(value)`: whether it is null or NaN;
/// - `is_true(value)`: false where it is unknown;
/// - `itself(value)`: for its type alone.
fn call(function: &str, mut arguments: Vec<Expr>, schema: &DFSchema) -> Result<Expr> {
    let count = arguments.len();
    Ok(match (function, arguments.as_mut_slice()) {
        ("case", [condition, yes, no]) => {
            let condition = Expr::IsTrue(Box::new(std::mem::take(condition)));
            when(condition, std::mem::take(yes)).otherwise(std::mem::take(no))?
        }
        ("in", [value, values @ ..]) => {
            let value = std::mem::take(value);
            Expr::IsTrue(Box::new(value.in_list(values.to_vec(), false)))
        }
        ("missing", [value]) => {
            let dtype = value.get_type(schema)?;
            is_missing(std::mem::take(value), &dtype)
        }
        ("is_true", [value]) => Expr::IsTrue(Box::new(std::mem::take(value))),
        ("itself", [value]) => std::mem::take(value),
        _ => {
            let found = FUNCTIONS.get(function).ok_or_else(|| {
                FrameError::Unsupported(format!("the engine has no function '{function}' of {count} arguments"))
            })?;
            found.call(arguments)
        }
    })
}
