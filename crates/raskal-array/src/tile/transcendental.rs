//! `exp`, `log`, `sin` and their kin, written without a branch, a table or a call, so that a loop over them becomes vector
//! instructions.
//!
//! Each is within 1.5 units in the last place of the exact value. Products are added in one rounding where the processor has
//! an instruction for that. What the formulas do not reach (sines of large angles) is patched by [`Angles`].
//! Polynomials are minimax fits of this project, over the intervals that their comments name.

/// Adding it rounds a small float to a whole number, which then stands in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
const ROUND_F32: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has 32 bits, so that its product with an exponent is exact.
const LN2: [f64; 2] = [0.6931471803691238, 1.9082149292705877e-10];
const LN2_F32: [f32; 2] = [0.693_115_23, 3.194_618_5e-5];
/// What the nearest float to ln 2 lacks.
const LN2_REST: f64 = 2.3190468138462996e-17;
/// 1 / ln 2, 1 / ln 10, log10 2 and pi / 2 in parts whose products with whole numbers are exact but for the last.
const INVERSE_LN2: [f64; 2] = [1.4426950407214463, 1.6751713164886512e-10];
const INVERSE_LN10: [f64; 2] = [0.4342944818781689, 2.5082946711645275e-11];
const LOG10_2: [f64; 2] = [0.3010299955494702, 1.1451100898021838e-10];
const HALF_PI: [f64; 3] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];

/// (e^x - 1 - x) / x^2 for |x| <= ln 2 / 2.
const EXP: [f64; 10] = [
    0.5000000000000012,
    0.166666666666667,
    0.041666666666515445,
    0.008333333333307092,
    0.001388888894701036,
    0.00019841269917606098,
    2.4801489947375367e-05,
    2.755721612283961e-06,
    2.763127868190036e-07,
    2.5117911083483725e-08,
];
const EXP_F32: [f32; 5] = [0.5, 0.166_665_2, 0.041_666_206, 0.008_368_89, 0.001_395_053_8];
/// (ln((1 + s) / (1 - s)) - 2 s) / s^3 of z = s^2, for (1 + s) / (1 - s) between sqrt(1/2) and sqrt(2).
const LOG: [f64; 7] = [
    0.6666666666666734,
    0.3999999999941393,
    0.28571428742566374,
    0.22222198553461675,
    0.18183565422844689,
    0.1531402069479918,
    0.14796265920602356,
];
const LOG_F32: [f32; 3] = [0.666_667_76, 0.399_775_35, 0.298_719_55];
/// (sin x - x) / x^3 of z = x^2 for |x| <= pi / 4, its first coefficient apart.
const SIN_CUBE: f64 = -0.16666666666666632;
const SIN_REST: [f64; 5] = [
    0.008333333333322415,
    -0.0001984126982980798,
    2.7557313691937977e-06,
    -2.505075811541566e-08,
    1.5896795581605696e-10,
];
/// (cos x - 1 + x^2 / 2) / x^4 of z = x^2 for |x| <= pi / 4.
const COS: [f64; 6] = [
    0.0416666666666666,
    -0.0013888888888874125,
    2.4801587289482035e-05,
    -2.7557314352277083e-07,
    2.0875723264407054e-09,
    -1.1359647299908763e-11,
];

/// `a * b + c`, rounded once where the processor does that in one instruction.
#[inline(always)]
fn fused<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn fused_f32<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut value = coefficients[N - 1];
    let mut at = N - 1;
    while at > 0 {
        at -= 1;
        value = fused_f32::<FMA>(value, x, coefficients[at]);
    }
    value
}

/// As [`polynomial`], even and odd terms in two chains: half the latency.
#[inline(always)]
fn split_polynomial<const FMA: bool, const N: usize>(x: f64, coefficients: [f64; N]) -> f64 {
    let square = x * x;
    let mut chains = [0.0, 0.0];
    let mut at = N;
    while at > 0 {
        at -= 1;
        chains[at % 2] = fused::<FMA>(chains[at % 2], square, coefficients[at]);
    }
    fused::<FMA>(x, chains[1], chains[0])
}

/// The sum and exactly what rounding lost of it.
#[inline(always)]
fn exact_sum(left: f64, right: f64) -> (f64, f64) {
    crate::reduce::kernels::two_sum(left, right)
}

/// 2 to the power of a whole number between -1022 and 1023.
#[inline(always)]
fn power_of_two(exponent: f64) -> f64 {
    f64::from_bits((exponent + (ROUND + 1023.0)).to_bits() << 52)
}

/// `value` times 2 to the power of a whole number, in two steps: neither overflows before the result does.
#[inline(always)]
fn scale(value: f64, exponent: f64) -> f64 {
    let half = (exponent * 0.5 + ROUND) - ROUND;
    value * power_of_two(half) * power_of_two(exponent - half)
}

/// Within bounds; a missing value stays.
#[inline(always)]
fn clamp(x: f64, low: f64, high: f64) -> f64 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// e to the power of `rest + lost` less 1, as a sum of two parts, for |rest| <= ln 2 / 2.
#[inline(always)]
fn small_expm1<const FMA: bool>(rest: f64, lost: f64) -> (f64, f64) {
    (rest, fused::<FMA>(rest * rest, split_polynomial::<FMA, _>(rest, EXP), lost))
}

/// The multiple of ln 2 next to `x`, and what is left, as a sum of two parts.
#[inline(always)]
fn reduced<const FMA: bool>(x: f64) -> (f64, f64, f64) {
    let exponent = fused::<FMA>(x, std::f64::consts::LOG2_E, ROUND) - ROUND;
    let high = fused::<FMA>(-exponent, LN2[0], x);
    let low = exponent * LN2[1];
    let rest = high - low;
    (exponent, rest, (high - rest) - low)
}

/// The power of two next to e to the power of `x`, with [`ROUND`] added, and the factor beside it.
#[inline(always)]
fn exp_parts<const FMA: bool>(x: f64) -> (f64, f64) {
    let rounded = fused::<FMA>(x, std::f64::consts::LOG2_E, ROUND);
    let exponent = rounded - ROUND;
    let high = fused::<FMA>(-exponent, LN2[0], x);
    let rest = fused::<FMA>(-exponent, LN2[1], high);
    (rounded, 1.0 + fused::<FMA>(rest * rest, split_polynomial::<FMA, _>(rest, EXP), rest))
}

#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f64) -> f64 {
    let (rounded, factor) = exp_parts::<FMA>(clamp(x, -746.0, 710.0));
    scale(factor, rounded - ROUND)
}

/// As [`exp`] where neither `x` nor the result is out of the ordinary: see [`Transcendental::is_ordinary`].
#[inline(always)]
fn exp_ordinary<const FMA: bool>(x: f64) -> f64 {
    let (rounded, factor) = exp_parts::<FMA>(x);
    f64::from_bits(factor.to_bits().wrapping_add(rounded.to_bits() << 52))
}

#[inline(always)]
pub(super) fn exp2<const FMA: bool>(x: f64) -> f64 {
    let x = clamp(x, -1076.0, 1025.0);
    let exponent = (x + ROUND) - ROUND;
    let rest = x - exponent;
    let (high, low) = small_expm1::<FMA>(rest * std::f64::consts::LN_2, rest * LN2_REST);
    scale(1.0 + (high + low), exponent)
}

#[inline(always)]
pub(super) fn expm1<const FMA: bool>(x: f64) -> f64 {
    let (exponent, rest, lost) = reduced::<FMA>(clamp(x, -60.0, 710.0));
    let (high, low) = small_expm1::<FMA>(rest, lost);
    // Halved, since 2 to the power of 1024 is no float.
    let half = power_of_two(exponent - 1.0);
    let (sum, error) = exact_sum(half - 0.5, half * high);
    let value = (sum + (error + half * low)) * 2.0;
    // Signed zeros, and values whose squares vanish, are their own result.
    if x.abs() < 1e-160 { x } else { value }
}

#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f64) -> f64 {
    let twice = expm1::<FMA>(2.0 * clamp(x.abs(), 0.0, 20.0));
    let value = twice / (twice + 2.0);
    value.copysign(x)
}

/// A positive float as a power of two and a factor between sqrt(1/2) and sqrt(2).
#[inline(always)]
fn decomposed(x: f64) -> (f64, f64) {
    const LEAST_FACTOR: u64 = 0x3fe6_a09e_667f_3bcd;
    let tiny = x < f64::MIN_POSITIVE;
    let x = if tiny { x * 18_014_398_509_481_984.0 } else { x };
    let bits = x.to_bits().wrapping_add(0x3ff0_0000_0000_0000 - LEAST_FACTOR);
    // The biased exponent as a float: put into the low bits of 2 to the power of 52.
    let exponent = f64::from_bits((bits >> 52) | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 1023.0);
    let factor = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) + LEAST_FACTOR);
    (if tiny { exponent - 54.0 } else { exponent }, factor)
}

/// What the logarithm of a float that is not positive and finite is instead.
#[inline(always)]
fn log_domain(x: f64, value: f64) -> f64 {
    let value = if x == f64::INFINITY { x } else { value };
    let value = if x == 0.0 { f64::NEG_INFINITY } else { value };
    if x >= 0.0 { value } else { f64::NAN }
}

/// The logarithm of 1 + `f`, less `f`, as a sum of two parts, for 1 + `f` between sqrt(1/2) and sqrt(2).
#[inline(always)]
fn log_rest<const FMA: bool>(f: f64) -> (f64, f64) {
    let s = f / (2.0 + f);
    let z = s * s;
    let half_square = 0.5 * f * f;
    (-half_square, s * (half_square + z * split_polynomial::<FMA, _>(z, LOG)))
}

#[inline(always)]
pub(super) fn log<const FMA: bool>(x: f64) -> f64 {
    let (exponent, factor) = decomposed(x);
    let f = factor - 1.0;
    let (high, low) = log_rest::<FMA>(f);
    log_domain(x, exponent * LN2[0] + (f + (high + (low + exponent * LN2[1]))))
}

#[inline(always)]
pub(super) fn log1p<const FMA: bool>(x: f64) -> f64 {
    let (sum, lost) = exact_sum(1.0, x);
    let value = log::<FMA>(sum) + lost / sum;
    // Infinity loses nothing, and small values are their own logarithm.
    let value = if x == f64::INFINITY { x } else { value };
    let value = if x == -1.0 { f64::NEG_INFINITY } else { value };
    if x.abs() < 1e-17 { x } else { value }
}

/// The logarithm to a base, of which `inverse` is 1 / ln(base) and `two` the logarithm of 2, each in two parts.
#[inline(always)]
fn log_of_base<const FMA: bool>(x: f64, inverse: [f64; 2], two: [f64; 2]) -> f64 {
    let (exponent, factor) = decomposed(x);
    let f = factor - 1.0;
    let (square, rest) = log_rest::<FMA>(f);
    // The upper half of the logarithm's bits, so that its product with the upper part is exact.
    let high = f64::from_bits((f + square).to_bits() & 0xffff_ffff_0000_0000);
    let low = (f - high) + square + rest;
    let (sum, lost) = exact_sum(exponent * two[0], high * inverse[0]);
    let small = low * inverse[0] + ((low + high) * inverse[1] + exponent * two[1]);
    log_domain(x, sum + (lost + small))
}

#[inline(always)]
pub(super) fn log2<const FMA: bool>(x: f64) -> f64 {
    log_of_base::<FMA>(x, INVERSE_LN2, [1.0, 0.0])
}

#[inline(always)]
pub(super) fn log10<const FMA: bool>(x: f64) -> f64 {
    log_of_base::<FMA>(x, INVERSE_LN10, LOG10_2)
}

/// Sines and cosines of angles up to [`Angles::LARGEST`]; greater ones must be patched.
pub(super) struct Angles;

impl Angles {
    /// Beyond it three parts of pi / 2 are too few.
    pub(super) const LARGEST: f64 = 8192.0;

    /// The number of quarter turns as bits, and the angle that is left as a sum of two parts.
    #[inline(always)]
    fn reduced(x: f64) -> (u64, f64, f64) {
        let turns = x * std::f64::consts::FRAC_2_PI + ROUND;
        let count = turns - ROUND;
        let (high, lost) = exact_sum(x - count * HALF_PI[0], -(count * HALF_PI[1]));
        let low = lost - count * HALF_PI[2];
        let rest = high + low;
        (turns.to_bits(), rest, (high - rest) + low)
    }

    #[inline(always)]
    fn sin_of_rest<const FMA: bool>(x: f64, low: f64) -> f64 {
        let z = x * x;
        let cube = z * x;
        let rest = split_polynomial::<FMA, _>(z, SIN_REST);
        x - ((z * (0.5 * low - cube * rest) - low) - cube * SIN_CUBE)
    }

    #[inline(always)]
    fn cos_of_rest<const FMA: bool>(x: f64, low: f64) -> f64 {
        let z = x * x;
        let half = 0.5 * z;
        let most = 1.0 - half;
        most + (((1.0 - most) - half) + (z * z * split_polynomial::<FMA, _>(z, COS) - x * low))
    }

    /// The sine of an angle `quarters` quarter turns further.
    #[inline(always)]
    fn turned<const FMA: bool>(x: f64, quarters: u64) -> f64 {
        let (turns, rest, low) = Angles::reduced(x);
        let turns = turns.wrapping_add(quarters);
        let (sin, cos) = (Angles::sin_of_rest::<FMA>(rest, low), Angles::cos_of_rest::<FMA>(rest, low));
        let value = if turns & 1 == 0 { sin } else { cos };
        f64::from_bits(value.to_bits() ^ ((turns & 2) << 62))
    }

    #[inline(always)]
    pub(super) fn sin<const FMA: bool>(x: f64) -> f64 {
        // The sign of zero is lost by the additions.
        let value = Angles::turned::<FMA>(x, 0);
        if x == 0.0 { x } else { value }
    }

    #[inline(always)]
    pub(super) fn cos<const FMA: bool>(x: f64) -> f64 {
        Angles::turned::<FMA>(x, 1)
    }
}

#[inline(always)]
fn exp_parts_f32<const FMA: bool>(x: f32) -> (f32, f32) {
    let rounded = fused_f32::<FMA>(x, std::f32::consts::LOG2_E, ROUND_F32);
    let exponent = rounded - ROUND_F32;
    let high = fused_f32::<FMA>(-exponent, LN2_F32[0], x);
    let rest = fused_f32::<FMA>(-exponent, LN2_F32[1], high);
    (rounded, 1.0 + fused_f32::<FMA>(rest * rest, polynomial::<FMA, _>(rest, EXP_F32), rest))
}

#[inline(always)]
fn exp_ordinary_f32<const FMA: bool>(x: f32) -> f32 {
    let (rounded, factor) = exp_parts_f32::<FMA>(x);
    f32::from_bits(factor.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[inline(always)]
pub(super) fn exp_f32<const FMA: bool>(x: f32) -> f32 {
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let (rounded, value) = exp_parts_f32::<FMA>(x);
    let exponent = rounded - ROUND_F32;
    let half = (exponent * 0.5 + ROUND_F32) - ROUND_F32;
    let power = |exponent: f32| f32::from_bits((exponent + (ROUND_F32 + 127.0)).to_bits() << 23);
    value * power(half) * power(exponent - half)
}

#[inline(always)]
pub(super) fn log_f32<const FMA: bool>(x: f32) -> f32 {
    const LEAST_FACTOR: u32 = 0x3f35_04f3;
    let tiny = x < f32::MIN_POSITIVE;
    let normal = if tiny { x * 33_554_432.0 } else { x };
    let bits = normal.to_bits().wrapping_add(0x3f80_0000 - LEAST_FACTOR);
    let exponent = (bits >> 23) as i32 as f32 - if tiny { 152.0 } else { 127.0 };
    let f = f32::from_bits((bits & 0x007f_ffff) + LEAST_FACTOR) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let half_square = 0.5 * f * f;
    let small = s * (half_square + z * polynomial::<FMA, _>(z, LOG_F32)) + exponent * LN2_F32[1];
    let value = exponent * LN2_F32[0] + (f - (half_square - small));
    let value = if x == f32::INFINITY { x } else { value };
    let value = if x == 0.0 { f32::NEG_INFINITY } else { value };
    if x >= 0.0 { value } else { f32::NAN }
}

/// The functions for each float type; 32-bit ones but `exp` and `log` are computed in 64 bits.
pub(super) trait Transcendental: Copy {
    /// Angles beyond it (and what is no angle) are left to the standard library.
    fn is_large(self) -> bool;
    /// Whether its exponential is neither missing nor infinite, nor nearly zero: most need no more than bits moved.
    fn is_ordinary(self) -> bool;
    fn exp_ordinary<const FMA: bool>(self) -> Self;
    fn exp<const FMA: bool>(self) -> Self;
    fn exp2<const FMA: bool>(self) -> Self;
    fn expm1<const FMA: bool>(self) -> Self;
    fn log<const FMA: bool>(self) -> Self;
    fn log2<const FMA: bool>(self) -> Self;
    fn log10<const FMA: bool>(self) -> Self;
    fn log1p<const FMA: bool>(self) -> Self;
    fn tanh<const FMA: bool>(self) -> Self;
    fn sin<const FMA: bool>(self) -> Self;
    fn cos<const FMA: bool>(self) -> Self;
}

/// Each function by its name; the short ones of 32-bit floats are computed as those of 64.
macro_rules! transcendental {
    ($type:ident, $wide:ident, $ordinary:literal: $($name:ident = $($function:ident)::+),*; $($own:ident = $short:ident),*) => {
        impl Transcendental for $type {
            #[inline(always)]
            fn is_large(self) -> bool {
                self.abs() > Angles::LARGEST as $type || self.is_nan()
            }
            #[inline(always)]
            fn is_ordinary(self) -> bool {
                self.abs() <= $ordinary
            }
            $(#[inline(always)]
            fn $name<const FMA: bool>(self) -> $type {
                $($function)::+::<FMA>($wide::from(self)) as $type
            })*
            $(#[inline(always)]
            fn $own<const FMA: bool>(self) -> $type {
                $short::<FMA>(self)
            })*
        }
    };
}
transcendental!(f64, f64, 708.0: exp2 = exp2, expm1 = expm1, log2 = log2, log10 = log10, log1p = log1p, tanh = tanh,
    sin = Angles::sin, cos = Angles::cos; exp = exp, exp_ordinary = exp_ordinary, log = log);
transcendental!(f32, f64, 87.0: exp2 = exp2, expm1 = expm1, log2 = log2, log10 = log10, log1p = log1p, tanh = tanh,
    sin = Angles::sin, cos = Angles::cos; exp = exp_f32, exp_ordinary = exp_ordinary_f32, log = log_f32);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Units in the last place of `exact` between the two.
    fn units(value: f64, exact: f64) -> f64 {
        if value.to_bits() == exact.to_bits() || (value.is_nan() && exact.is_nan()) {
            return 0.0;
        }
        let unit = f64::from_bits(exact.abs().to_bits() + 1) - exact.abs();
        ((value - exact) / unit).abs()
    }

    type Pair = (fn(f64) -> f64, fn(f64) -> f64);

    /// How far from the standard library, whose own `log10` and `tanh` are up to two units off.
    fn allowed(function: usize) -> f64 {
        if function == 5 || function == 7 { 3.0 } else { 2.0 }
    }

    const fn pairs<const FMA: bool>() -> [Pair; 10] {
        [
            (exp::<FMA>, f64::exp),
            (exp2::<FMA>, f64::exp2),
            (expm1::<FMA>, f64::exp_m1),
            (log::<FMA>, f64::ln),
            (log2::<FMA>, f64::log2),
            (log10::<FMA>, f64::log10),
            (log1p::<FMA>, f64::ln_1p),
            (tanh::<FMA>, f64::tanh),
            (Angles::sin::<FMA>, f64::sin),
            (Angles::cos::<FMA>, f64::cos),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn values_are_within_two_units_of_the_standard_library(
            small in -3.0..3.0f64, large in -745.0..710.0f64, any in any::<f64>(),
        ) {
            for (number, (ours, theirs)) in pairs::<false>().iter().chain(&pairs::<true>()).enumerate() {
                for x in [small, large, 1.0 + small * 1e-3, any] {
                    let number = number % 10;
                    let angle = number >= 8;
                    if angle && x.is_large() {
                        continue;
                    }
                    let (value, exact) = (ours(x), theirs(x));
                    prop_assert!(units(value, exact) <= allowed(number), "function {} of {:e}: {:e}, not {:e}", number, x, value, exact);
                }
            }
        }

        #[test]
        fn ordinary_exponentials_are_those_of_all(x in -708.0..=708.0f64, y in -87.0..=87.0f32) {
            prop_assert!(x.is_ordinary() && y.is_ordinary());
            prop_assert_eq!(exp_ordinary::<true>(x).to_bits(), exp::<true>(x).to_bits());
            prop_assert_eq!(exp_ordinary_f32::<false>(y).to_bits(), exp_f32::<false>(y).to_bits());
        }

        #[test]
        fn floats_of_32_bits_are_within_two_units(x in -104.0..88.7f32) {
            let near = |value: f32, exact: f64| {
                let unit = f64::from(f32::from_bits((exact.abs() as f32).to_bits() + 1)) - f64::from(exact.abs() as f32);
                (f64::from(value) - exact).abs() <= 2.0 * unit
            };
            prop_assert!(near(exp_f32::<true>(x), f64::from(x).exp()), "exp of {:e}: {:e}", x, exp_f32::<true>(x));
            let x = exp_f32::<true>(x);
            prop_assert!(near(log_f32::<true>(x), f64::from(x).ln()), "log of {:e}: {:e}", x, log_f32::<true>(x));
        }
    }

    #[test]
    fn special_values_are_those_of_the_standard_library() {
        let special =
            [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 5e-324, -5e-324, f64::MAX, f64::MIN];
        for (number, (ours, theirs)) in
            pairs::<false>().iter().chain(&pairs::<true>()).enumerate().filter(|(number, _)| number % 10 < 8)
        {
            for x in special {
                let (value, exact) = (ours(x), theirs(x));
                assert!(units(value, exact) <= 2.0, "function {number} of {x:e}: {value:e}, not {exact:e}");
            }
        }
        assert_eq!(Angles::sin::<true>(-0.0).to_bits(), (-0.0f64).to_bits());
        assert_eq!((log2::<true>(8.0), log10::<true>(1000.0), exp2::<true>(10.0)), (3.0, 3.0, 1024.0));
        assert_eq!(
            (exp_f32::<true>(f32::NEG_INFINITY), exp_f32::<true>(f32::INFINITY), log_f32::<true>(0.0)),
            (0.0, f32::INFINITY, f32::NEG_INFINITY)
        );
        assert!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 709.0, -709.0].into_iter().all(|x| !x.is_ordinary()));
        assert!(
            exp_f32::<true>(f32::NAN).is_nan()
                && log_f32::<true>(-1.0).is_nan()
                && Angles::sin::<true>(f64::NAN).is_nan()
        );
    }
}
