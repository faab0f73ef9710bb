//! Scalar functions that the engine lacks.
//!
//! - [`nan_to_null`]: NaN is missing, as pandas sees it; the engine only skips null.
//! - [`float_key`]: likewise, and zero has no sign: what rows are joined and told apart by.
//! - [`map_columns`]: a function of the host language on whole columns, row for row (`df.name.str.upper()`).

use crate::nodes::map::Mapper;
use crate::nodes::number;
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use raskal_store::Batches;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

/// Name of [`nan_to_null`]'s function in plans.
pub const NAN_TO_NULL: &str = "nan_to_null";

/// Name of [`float_key`]'s function in plans.
pub const FLOAT_KEY: &str = "float_key";

static NAN_TO_NULL_FUNCTION: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(OnFloats::new(NAN_TO_NULL))));
static FLOAT_KEY_FUNCTION: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(OnFloats::new(FLOAT_KEY))));

/// The built-in functions of this crate.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    vec![NAN_TO_NULL_FUNCTION.clone(), FLOAT_KEY_FUNCTION.clone(), number::function()]
}

/// `value` with null in place of NaN.
pub fn nan_to_null(value: Expr) -> Expr {
    NAN_TO_NULL_FUNCTION.call(vec![value])
}

/// `value` with null in place of NaN and 0 in place of -0: equal for pandas, equal for the engine.
pub fn float_key(value: Expr) -> Expr {
    FLOAT_KEY_FUNCTION.call(vec![value])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OnFloats {
    name: &'static str,
    signature: Signature,
}

impl OnFloats {
    fn new(name: &'static str) -> OnFloats {
        let signature = Signature::uniform(1, vec![DataType::Float64, DataType::Float32], Volatility::Immutable);
        OnFloats { name, signature }
    }
}

impl ScalarUDFImpl for OnFloats {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let array = arguments.args[0].to_array(arguments.number_rows)?;
        let key = self.name == FLOAT_KEY;
        Ok(ColumnarValue::Array(match array.data_type() {
            DataType::Float32 => {
                let array =
                    if key { unsigned_zeros::<Float32Type>(array, |value| value.to_bits() == 1 << 31) } else { array };
                replace::<Float32Type>(array, |value| value.is_nan())
            }
            _ => {
                let array =
                    if key { unsigned_zeros::<Float64Type>(array, |value| value.to_bits() == 1 << 63) } else { array };
                replace::<Float64Type>(array, |value| value.is_nan())
            }
        }))
    }
}

fn unsigned_zeros<T: ArrowPrimitiveType>(array: ArrayRef, is_negative_zero: fn(T::Native) -> bool) -> ArrayRef {
    let typed = array.as_primitive::<T>();
    if !typed.values().iter().any(|&value| is_negative_zero(value)) {
        return array;
    }
    let plain = |value| if is_negative_zero(value) { T::default_value() } else { value };
    Arc::new(typed.unary::<_, T>(plain))
}

fn replace<T: ArrowPrimitiveType>(array: ArrayRef, is_nan: fn(T::Native) -> bool) -> ArrayRef {
    let values = array.as_primitive::<T>().values();
    // Counting first: a column without NaN, the usual one, is given back as it is.
    if !values.iter().any(|&value| is_nan(value)) {
        return array;
    }
    let present = NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |row| !is_nan(values[row])));
    let nulls = NullBuffer::union(array.nulls(), Some(&present));
    Arc::new(PrimitiveArray::<T>::new(values.clone(), nulls))
}

/// A function of the host language on whole columns, which gives one value per row.
pub fn map_columns(mapper: Arc<dyn Mapper>, result: DataType, arguments: Vec<Expr>) -> Expr {
    map_columns_function(mapper, result).call(arguments)
}

/// The function of [`map_columns`].
pub fn map_columns_function(mapper: Arc<dyn Mapper>, result: DataType) -> ScalarUDF {
    let name = format!("pandas[{}]", mapper.describe());
    ScalarUDF::from(MapColumns { name, mapper, result, signature: Signature::variadic_any(Volatility::Volatile) })
}

/// A [`Mapper`] as a scalar function. Volatile: it may keep state or draw random numbers, so it runs as often as the
/// plan says and is not moved.
#[derive(Debug)]
pub struct MapColumns {
    name: String,
    mapper: Arc<dyn Mapper>,
    result: DataType,
    signature: Signature,
}

impl MapColumns {
    /// The function.
    pub fn mapper(&self) -> &Arc<dyn Mapper> {
        &self.mapper
    }

    /// Type of the result.
    pub fn result(&self) -> &DataType {
        &self.result
    }
}

impl PartialEq for MapColumns {
    fn eq(&self, other: &MapColumns) -> bool {
        self.mapper.token() == other.mapper.token() && self.result == other.result
    }
}

impl Eq for MapColumns {}

impl Hash for MapColumns {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.mapper.token().hash(state);
    }
}

impl ScalarUDFImpl for MapColumns {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let columns = arguments.args.iter().map(|value| value.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let fields: Vec<_> = columns
            .iter()
            .enumerate()
            .map(|(number, column)| Field::new(number.to_string(), column.data_type().clone(), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        let mapper = self.mapper.clone();
        let call = move || mapper.map(0, Batches { schema, batches: vec![batch] });
        // The function may wait for a lock of its language; the engine's other streams go on meanwhile.
        let on_engine = tokio::runtime::Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread);
        let mapped = if on_engine { tokio::task::block_in_place(call) } else { call() };
        let mapped = mapped.map_err(crate::FrameError::Function)?;
        let column = match mapped.as_slice() {
            [one] if one.num_columns() == 1 && one.num_rows() == rows => one.column(0).clone(),
            other => {
                let got: usize = other.iter().map(RecordBatch::num_rows).sum();
                return Err(DataFusionError::from(crate::FrameError::Value(format!(
                    "{} gave {got} rows for {rows}\nhint: use map_partitions for functions that change the number of rows",
                    self.mapper.describe()
                ))));
            }
        };
        Ok(ColumnarValue::Array(arrow::compute::cast(&column, &self.result)?))
    }
}
