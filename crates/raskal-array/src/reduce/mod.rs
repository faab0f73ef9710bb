//! Reductions: which there are, and how their partial results are kept, merged and finished.
//!
//! Start at [`Reduction`]; [`Accumulator`] does the work inside a task, [`combine`] merges partial results of blocks. A
//! partial result is a block whose first axis holds the accumulator's components (one for a sum; count, mean and squared
//! deviations for a variance).

mod accumulator;
pub mod combine;
pub(crate) mod kernels;

pub use accumulator::Accumulator;

use bitcode::{Decode, Encode};

/// The reductions that have a native kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[allow(missing_docs)]
pub enum Reduction {
    Sum,
    Prod,
    Mean,
    /// The mean of what is kept as count, mean and squared deviations, because a variance is wanted, too.
    MeanOfMoments,
    /// Variance; the divisor is the count less `ddof`.
    Var {
        ddof: i32,
    },
    /// Square root of the variance.
    Std {
        ddof: i32,
    },
    Min,
    Max,
    Any,
    All,
    /// As the sum, without missing values.
    NanSum,
    NanProd,
    NanMin,
    NanMax,
    ArgMin,
    ArgMax,
}

impl Reduction {
    /// NumPy's name of the reduction.
    pub fn name(self) -> &'static str {
        match self {
            Reduction::Sum => "sum",
            Reduction::Prod => "prod",
            Reduction::Mean | Reduction::MeanOfMoments => "mean",
            Reduction::Var { .. } => "var",
            Reduction::Std { .. } => "std",
            Reduction::Min => "min",
            Reduction::Max => "max",
            Reduction::Any => "any",
            Reduction::All => "all",
            Reduction::NanSum => "nansum",
            Reduction::NanProd => "nanprod",
            Reduction::NanMin => "nanmin",
            Reduction::NanMax => "nanmax",
            Reduction::ArgMin => "argmin",
            Reduction::ArgMax => "argmax",
        }
    }

    /// The reduction that NumPy calls `name`.
    pub fn from_name(name: &str, ddof: i32) -> Option<Reduction> {
        use Reduction::*;
        let all = [
            Sum,
            Prod,
            Mean,
            Var { ddof },
            Std { ddof },
            Min,
            Max,
            Any,
            All,
            NanSum,
            NanProd,
            NanMin,
            NanMax,
            ArgMin,
            ArgMax,
        ];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether nothing can't be reduced: there is no identity to give.
    pub fn needs_elements(self) -> bool {
        use Reduction::*;
        matches!(self, Min | Max | NanMin | NanMax | ArgMin | ArgMax)
    }

    /// Whether the kernel adds up elements and keeps nothing else.
    pub fn is_sum(self) -> bool {
        matches!(self, Reduction::Sum | Reduction::NanSum | Reduction::Mean)
    }

    /// What missing values are replaced by before the kernel sees them.
    pub fn fills_nan(self) -> Option<f64> {
        match self {
            Reduction::NanSum => Some(0.0),
            Reduction::NanProd => Some(1.0),
            _ => None,
        }
    }

    /// Whether the kernel reads each element's place beside its value.
    pub fn needs_places(self) -> bool {
        matches!(self, Reduction::ArgMin | Reduction::ArgMax)
    }
}
