//! N-dimensional arrays of plain numbers.
//!
//! A [`Block`] is always C-contiguous and never written after it was made. Its memory belongs to an owner of any type
//! (a `Vec`, a NumPy array, received bytes), which lives as long as the block does: sharing costs no copy.

use num_complex::Complex;
use std::any::Any;
use std::sync::Arc;

/// The element types that native kernels know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum DType {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    C64,
    C128,
}

const DTYPES: [(DType, &str, usize); 13] = [
    (DType::Bool, "bool", 1),
    (DType::I8, "int8", 1),
    (DType::I16, "int16", 2),
    (DType::I32, "int32", 4),
    (DType::I64, "int64", 8),
    (DType::U8, "uint8", 1),
    (DType::U16, "uint16", 2),
    (DType::U32, "uint32", 4),
    (DType::U64, "uint64", 8),
    (DType::F32, "float32", 4),
    (DType::F64, "float64", 8),
    (DType::C64, "complex64", 8),
    (DType::C128, "complex128", 16),
];

impl DType {
    /// NumPy's name of the type, such as `float64`.
    pub fn name(self) -> &'static str {
        DTYPES[self as usize].1
    }

    /// Size of one element in bytes.
    pub fn size_bytes(self) -> usize {
        DTYPES[self as usize].2
    }

    /// The type that NumPy calls `name`, if native kernels know it.
    pub fn from_name(name: &str) -> Option<DType> {
        DTYPES.iter().find(|entry| entry.1 == name).map(|entry| entry.0)
    }
}

/// A Rust type that is an element of blocks. Booleans are `bool`, which is one byte of value 0 or 1.
pub trait Element: Copy + Send + Sync + 'static {
    /// The element type's tag.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident),*) => {$(impl Element for $rust { const DTYPE: DType = DType::$dtype; })*};
}
elements!(bool => Bool, i8 => I8, i16 => I16, i32 => I32, i64 => I64, u8 => U8, u16 => U16, u32 => U32, u64 => U64,
    f32 => F32, f64 => F64, Complex<f32> => C64, Complex<f64> => C128);

/// A C-contiguous n-dimensional array of plain numbers. Cloning shares the memory.
#[derive(Clone)]
pub struct Block {
    data: *const u8,
    shape: Arc<[usize]>,
    dtype: DType,
    _owner: Arc<dyn Any + Send + Sync>,
}

#[expect(unsafe_code)]
// SAFETY: the memory is never written while a block exists, and its owner is `Send + Sync`.
unsafe impl Send for Block {}
#[expect(unsafe_code)]
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// A block over `values` in row-major order.
    ///
    /// # Panics
    /// If `shape` does not hold as many elements as `values`.
    pub fn from_vec<T: Element>(values: Vec<T>, shape: &[usize]) -> Block {
        assert_eq!(
            shape.iter().product::<usize>(),
            values.len(),
            "shape {shape:?} does not fit {} values",
            values.len()
        );
        let values = Arc::new(values);
        Block { data: values.as_ptr().cast(), shape: shape.into(), dtype: T::DTYPE, _owner: values }
    }

    /// A block over memory that `owner` keeps alive.
    ///
    /// # Safety
    /// `data` points at `shape.product()` elements of `dtype`, C-contiguous and aligned for it, valid for reads and not
    /// written for as long as `owner` lives. Elements of `DType::Bool` are 0 or 1.
    #[expect(unsafe_code)]
    pub unsafe fn from_raw(data: *const u8, shape: &[usize], dtype: DType, owner: Arc<dyn Any + Send + Sync>) -> Block {
        Block { data, shape: shape.into(), dtype, _owner: owner }
    }

    /// A block over received bytes; copies them if they are not aligned for `dtype`.
    ///
    /// Returns `None` if the length does not fit, or a boolean is neither 0 nor 1.
    pub fn from_bytes(bytes: bytes::Bytes, shape: &[usize], dtype: DType) -> Option<Block> {
        let count = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent))?;
        if count.checked_mul(dtype.size_bytes())? != bytes.len() {
            return None;
        }
        if dtype == DType::Bool && bytes.iter().any(|&byte| byte > 1) {
            return None;
        }
        let data = bytes.as_ptr();
        if data.align_offset(dtype.size_bytes().min(8)) != 0 {
            let mut words = vec![0u64; bytes.len().div_ceil(8)];
            #[expect(unsafe_code)]
            // SAFETY: the vector holds at least as many bytes, and any bit pattern is a u64.
            unsafe {
                std::ptr::copy_nonoverlapping(data, words.as_mut_ptr().cast(), bytes.len());
            }
            let words = Arc::new(words);
            return Some(Block { data: words.as_ptr().cast(), shape: shape.into(), dtype, _owner: words });
        }
        Some(Block { data, shape: shape.into(), dtype, _owner: Arc::new(bytes) })
    }

    /// The same elements in row-major order under another shape, sharing the memory; `None` if the numbers of elements differ.
    pub fn reshaped(self, shape: &[usize]) -> Option<Block> {
        let fits = shape.iter().product::<usize>() == self.len();
        fits.then(|| Block { shape: shape.into(), ..self })
    }

    /// Extent along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in row-major order, or `None` if they are of another type.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        if T::DTYPE != self.dtype {
            return None;
        }
        if self.is_empty() {
            return Some(&[]);
        }
        #[expect(unsafe_code)]
        // SAFETY: `data` is valid, aligned and unchanging for `len` elements of this type while the owner lives.
        Some(unsafe { std::slice::from_raw_parts(self.data.cast(), self.len()) })
    }

    /// The elements' bytes in row-major order.
    pub fn as_bytes(&self) -> &[u8] {
        if self.is_empty() {
            return &[];
        }
        #[expect(unsafe_code)]
        // SAFETY: as in `as_slice`; plain numbers have no padding.
        unsafe {
            std::slice::from_raw_parts(self.data, self.len() * self.dtype.size_bytes())
        }
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({}, shape {:?})", self.dtype.name(), self.shape)
    }
}
