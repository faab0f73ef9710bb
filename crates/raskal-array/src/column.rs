//! Runs of elements of one lane: the registers of fused kernels, and the way from them to blocks.

use crate::dtype::Lane;
use crate::scalar::Scalar;
use raskal_runtime::Failure;
use raskal_store::{Block, DType};

macro_rules! columns {
    ($($lane:ident => $type:ty),*) => {
        /// Owned elements of one lane.
        #[allow(missing_docs)]
        pub enum Column { $($lane(Vec<$type>)),* }

        /// Borrowed elements of one lane.
        #[derive(Clone, Copy)]
        #[allow(missing_docs)]
        pub enum ColumnRef<'a> { $($lane(&'a [$type])),* }

        /// Elements of one lane to be written.
        #[allow(missing_docs)]
        pub enum ColumnMut<'a> { $($lane(&'a mut [$type])),* }

        impl Column {
            /// Zeros.
            pub fn zeros(lane: Lane, length: usize) -> Column {
                match lane { $(Lane::$lane => Column::$lane(vec![<$type>::default(); length])),* }
            }

            /// Number of elements.
            pub fn len(&self) -> usize {
                match self { $(Column::$lane(values) => values.len()),* }
            }

            /// Whether there is no element.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The elements `from..to`.
            pub fn slice(&self, from: usize, to: usize) -> ColumnRef<'_> {
                match self { $(Column::$lane(values) => ColumnRef::$lane(&values[from..to])),* }
            }

            /// The elements `from..to`, to be written.
            pub fn slice_mut(&mut self, from: usize, to: usize) -> ColumnMut<'_> {
                match self { $(Column::$lane(values) => ColumnMut::$lane(&mut values[from..to])),* }
            }

            /// The elements as a block of the lane's type.
            pub fn into_block(self, shape: &[usize]) -> Block {
                match self { $(Column::$lane(values) => Block::from_vec(values, shape)),* }
            }
        }

        impl<'a> ColumnRef<'a> {
            /// Number of elements.
            pub fn len(&self) -> usize {
                match self { $(ColumnRef::$lane(values) => values.len()),* }
            }

            /// Whether there is no element.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The elements `from..to`.
            pub fn slice(&self, from: usize, to: usize) -> ColumnRef<'a> {
                match self { $(ColumnRef::$lane(values) => ColumnRef::$lane(&values[from..to])),* }
            }
        }

        impl ColumnMut<'_> {
            /// Copies elements of the same lane.
            pub fn copy_from(&mut self, from: ColumnRef<'_>) {
                match (self, from) {
                    $((ColumnMut::$lane(to), ColumnRef::$lane(from)) => to.copy_from_slice(from),)*
                    _ => unreachable!("elements are copied within one lane"),
                }
            }
        }
    };
}
columns!(Bool => bool, I32 => i32, I64 => i64, F32 => f32, F64 => f64);

impl ColumnMut<'_> {
    /// Writes the same number everywhere.
    pub fn fill(&mut self, value: Scalar) {
        match self {
            ColumnMut::Bool(to) => to.fill(value.as_bool()),
            ColumnMut::I32(to) => to.fill(value.as_i64() as i32),
            ColumnMut::I64(to) => to.fill(value.as_i64()),
            ColumnMut::F32(to) => to.fill(value.as_f64() as f32),
            ColumnMut::F64(to) => to.fill(value.as_f64()),
        }
    }

    /// Converts elements of any lane, as NumPy's `astype` does.
    pub fn cast_from(&mut self, from: ColumnRef<'_>) {
        macro_rules! cast {
            ($to:ident, $type:ty) => {
                match from {
                    ColumnRef::Bool(from) => to_each($to, from, |value| u8::from(value) as $type),
                    ColumnRef::I32(from) => to_each($to, from, |value| value as $type),
                    ColumnRef::I64(from) => to_each($to, from, |value| value as $type),
                    ColumnRef::F32(from) => to_each($to, from, |value| value as $type),
                    ColumnRef::F64(from) => to_each($to, from, |value| value as $type),
                }
            };
        }
        match self {
            ColumnMut::Bool(to) => match from {
                ColumnRef::Bool(from) => to.copy_from_slice(from),
                ColumnRef::I32(from) => to_each(to, from, |value| value != 0),
                ColumnRef::I64(from) => to_each(to, from, |value| value != 0),
                ColumnRef::F32(from) => to_each(to, from, |value| value != 0.0),
                ColumnRef::F64(from) => to_each(to, from, |value| value != 0.0),
            },
            ColumnMut::I32(to) => cast!(to, i32),
            ColumnMut::I64(to) => cast!(to, i64),
            ColumnMut::F32(to) => cast!(to, f32),
            ColumnMut::F64(to) => cast!(to, f64),
        }
    }
}

fn to_each<T: Copy, U>(to: &mut [U], from: &[T], convert: impl Fn(T) -> U) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = convert(from);
    }
}

/// Converts the elements of a lane to a block of any real type.
///
/// # Errors
/// For complex types, which constructors refuse.
pub fn to_block(column: Column, dtype: DType, shape: &[usize]) -> Result<Block, Failure> {
    if let Some(lane) = Lane::of(dtype) {
        let length = column.len();
        let mut to = Column::zeros(lane, length);
        to.slice_mut(0, length).cast_from(column.slice(0, length));
        return Ok(to.into_block(shape));
    }
    macro_rules! narrow {
        ($type:ty) => {
            Ok(Block::from_vec(
                match column {
                    Column::Bool(from) => from.into_iter().map(|value| u8::from(value) as $type).collect::<Vec<_>>(),
                    Column::I32(from) => from.into_iter().map(|value| value as $type).collect(),
                    Column::I64(from) => from.into_iter().map(|value| value as $type).collect(),
                    Column::F32(from) => from.into_iter().map(|value| value as $type).collect(),
                    Column::F64(from) => from.into_iter().map(|value| value as $type).collect(),
                },
                shape,
            ))
        };
    }
    match dtype {
        DType::I8 => narrow!(i8),
        DType::I16 => narrow!(i16),
        DType::U8 => narrow!(u8),
        DType::U16 => narrow!(u16),
        DType::U32 => narrow!(u32),
        DType::U64 => narrow!(u64),
        _ => Err(Failure::internal(format!("a native kernel gave a result of type {}", dtype.name()))),
    }
}

/// A block of type `dtype` from floats.
///
/// # Errors
/// As [`to_block`].
pub fn from_f64(values: Vec<f64>, dtype: DType, shape: &[usize]) -> Result<Block, Failure> {
    if dtype == DType::F64 { Ok(Block::from_vec(values, shape)) } else { to_block(Column::F64(values), dtype, shape) }
}

/// A block of type `dtype` from integers.
///
/// # Errors
/// As [`to_block`].
pub fn from_i64(values: Vec<i64>, dtype: DType, shape: &[usize]) -> Result<Block, Failure> {
    if dtype == DType::I64 { Ok(Block::from_vec(values, shape)) } else { to_block(Column::I64(values), dtype, shape) }
}
