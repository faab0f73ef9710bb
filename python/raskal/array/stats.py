"""Statistical tests, as `scipy.stats` has them, on lazy arrays.

Start at `ttest_ind`. The statistics are reductions; what follows from them is SciPy's function on the small results.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.elementwise import where
from raskal.array.host import elementwise
from raskal.array.reductions import mean as _mean
from raskal.array.reductions import moment as _moment
from raskal.array.reductions import sum as _sum
from raskal.array.reductions import var as _var
from raskal.delayed import delayed

#: A statistic and the probability of one as extreme.
Outcome = namedtuple("Outcome", ["statistic", "pvalue"])


def _outcome(statistic: Array, pvalue: Array) -> Any:
    """Both as one delayed object, which unpacks."""
    return delayed(Outcome, nout=2)(statistic, pvalue)


def _small(name: str, function: Callable[..., Any], *operands: Any) -> Array:
    """A function of SciPy's on small arrays."""
    return elementwise(name, function, list(operands), np.float64, {}, "SciPy's distributions")


def _t_probability(t: Any, df: Any) -> Any:
    from scipy import stats

    return stats.t.sf(np.abs(t), df) * 2


def _chi2_probability(x: Any, df: Any) -> Any:
    from scipy import stats

    return stats.chi2.sf(x, df)


def _f_probability(f: Any, between: Any, within: Any) -> Any:
    from scipy import special

    return special.fdtrc(between, within, f)


def _normal_probability(z: Any) -> Any:
    from scipy import stats

    return 2 * stats.norm.sf(np.abs(z))


def _check_nan(policy: str, allowed: tuple[str, ...] = ("propagate",)) -> None:
    if policy not in allowed:
        raise NotImplementedError(
            f"nan_policy={policy!r} is not supported\nhint: 'propagate', or fill missing values first"
        )


def ttest_ind(a: Any, b: Any, axis: int = 0, equal_var: bool = True) -> Any:
    """Whether the means of two independent samples differ; as `scipy.stats.ttest_ind`.

    Parameters
    ----------
    a, b : array_like
    axis : int
    equal_var : bool
        Whether both have the same variance.

    Returns
    -------
    Delayed
        Of a tuple ``(statistic, pvalue)``.
    """
    a, b = asarray(a), asarray(b)
    v1, v2 = _var(a, axis, ddof=1), _var(b, axis, ddof=1)
    n1, n2 = a.shape[axis], b.shape[axis]
    if equal_var:
        df: Any = n1 + n2 - 2.0
        denominator = np.sqrt((((n1 - 1) * v1 + (n2 - 1) * v2) / df) * (1.0 / n1 + 1.0 / n2))
    else:
        s1, s2 = v1 / n1, v2 / n2
        df = (s1 + s2) ** 2 / (s1**2 / (n1 - 1) + s2**2 / (n2 - 1))
        df = where(np.isnan(df), 1.0, df)
        denominator = np.sqrt(s1 + s2)
    t = (_mean(a, axis) - _mean(b, axis)) / denominator
    return _outcome(t, _small("ttest", _t_probability, t, df))


def ttest_1samp(a: Any, popmean: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Whether the mean of a sample is ``popmean``; as `scipy.stats.ttest_1samp`.

    Parameters
    ----------
    a : array_like
    popmean : float or array_like
    axis : int
    nan_policy : {"propagate"}

    Returns
    -------
    Delayed
    """
    _check_nan(nan_policy)
    a = asarray(a)
    n = a.shape[axis]
    t = (_mean(a, axis) - popmean) / np.sqrt(_var(a, axis, ddof=1) / float(n))
    return _outcome(t, _small("ttest", _t_probability, t, n - 1))


def ttest_rel(a: Any, b: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Whether the means of two related samples differ; as `scipy.stats.ttest_rel`.

    Parameters
    ----------
    a, b : array_like
    axis : int
    nan_policy : {"propagate"}

    Returns
    -------
    Delayed
    """
    _check_nan(nan_policy)
    return ttest_1samp((asarray(a) - asarray(b)).astype(np.float64), 0, axis)


#: Values of ``lambda_`` that have a name.
_POWERS = {
    "pearson": 1, "log-likelihood": 0, "freeman-tukey": -0.5, "mod-log-likelihood": -1, "neyman": -2,
    "cressie-read": 2 / 3,
}  # fmt: skip


def power_divergence(f_obs: Any, f_exp: Any = None, ddof: int = 0, axis: Any = 0, lambda_: Any = None) -> Any:
    """Whether observed frequencies fit expected ones; as `scipy.stats.power_divergence`.

    Parameters
    ----------
    f_obs, f_exp : array_like
        Equal frequencies are expected by default.
    ddof : int
    axis : int or None
    lambda_ : float or str, optional

    Returns
    -------
    Delayed
    """
    if isinstance(lambda_, str):
        if lambda_ not in _POWERS:
            raise ValueError(f"invalid string for lambda_: {lambda_!r}. Valid strings are {sorted(_POWERS)}")
        lambda_ = _POWERS[lambda_]
    lambda_ = 1 if lambda_ is None else lambda_
    f_obs = asarray(f_obs)
    expected = _mean(f_obs, axis, keepdims=True) if f_exp is None else asarray(f_exp)
    if lambda_ == 1:
        terms = (f_obs - expected) ** 2 / expected
    elif lambda_ == 0:
        terms = 2.0 * _small("xlogy", _xlogy, f_obs, f_obs / expected)
    elif lambda_ == -1:
        terms = 2.0 * _small("xlogy", _xlogy, expected, expected / f_obs)
    else:
        terms = f_obs * ((f_obs / expected) ** lambda_ - 1) / (0.5 * lambda_ * (lambda_ + 1))
    stat = _sum(terms, axis)
    count = f_obs.size if axis is None else f_obs.shape[axis]
    return _outcome(stat, _small("chi2", _chi2_probability, stat, count - 1 - ddof))


def _xlogy(x: Any, y: Any) -> Any:
    from scipy import special

    return special.xlogy(x, y)


def chisquare(f_obs: Any, f_exp: Any = None, ddof: int = 0, axis: Any = 0) -> Any:
    """Pearson's test whether observed frequencies fit expected ones; as `scipy.stats.chisquare`."""
    return power_divergence(f_obs, f_exp, ddof, axis, "pearson")


def skew(a: Any, axis: int = 0, bias: bool = True, nan_policy: str = "propagate") -> Array:
    """The skewness; as `scipy.stats.skew`.

    Parameters
    ----------
    a : array_like
    axis : int
    bias : bool
    nan_policy : {"propagate"}

    Returns
    -------
    Array
    """
    _check_nan(nan_policy)
    a = asarray(a)
    n = a.shape[axis]
    m2, m3 = _moment(a, 2, axis), _moment(a, 3, axis)
    zero = m2 == 0
    result = where(~zero, m3 / m2**1.5, np.nan)
    if not bias and n > 2:
        result = where(~zero, math.sqrt((n - 1.0) * n) / (n - 2.0) * m3 / m2**1.5, result)
    return result


def kurtosis(a: Any, axis: int = 0, fisher: bool = True, bias: bool = True, nan_policy: str = "propagate") -> Array:
    """The kurtosis; as `scipy.stats.kurtosis`.

    Parameters
    ----------
    a : array_like
    axis : int
    fisher : bool
        Whether 3 is taken off, so that the normal distribution has 0.
    bias : bool
    nan_policy : {"propagate"}

    Returns
    -------
    Array
    """
    _check_nan(nan_policy)
    a = asarray(a)
    n = a.shape[axis]
    m2, m4 = _moment(a, 2, axis), _moment(a, 4, axis)
    zero = m2 == 0
    result = where(zero, np.nan, m4 / m2**2.0)
    if not bias and n > 3:
        corrected = 1.0 / (n - 2) / (n - 3) * ((n**2 - 1.0) * m4 / m2**2.0 - 3 * (n - 1) ** 2.0) + 3.0
        result = where(~zero, corrected, result)
    return result - 3 if fisher else result


def _skew_z(a: Any, axis: int) -> Array:
    a = asarray(a)
    n = float(a.shape[axis])
    if n < 8:
        raise ValueError(f"skewtest is not valid with less than 8 samples; {int(n)} samples were given.")
    y = skew(a, axis) * math.sqrt(((n + 1) * (n + 3)) / (6.0 * (n - 2)))
    beta = 3.0 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2.0) * (n + 5) * (n + 7) * (n + 9))
    w2 = -1 + math.sqrt(2 * (beta - 1))
    delta, alpha = 1 / math.sqrt(0.5 * math.log(w2)), math.sqrt(2.0 / (w2 - 1))
    y = where(y == 0, 1.0, y)
    z = delta * np.log(y / alpha + np.sqrt((y / alpha) ** 2 + 1))
    return z


def skewtest(a: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Whether the skewness is that of a normal distribution; as `scipy.stats.skewtest`."""
    _check_nan(nan_policy)
    z = _skew_z(a, axis)
    return _outcome(z, _small("norm", _normal_probability, z))


def _kurtosis_z(a: Any, axis: int) -> Array:
    a = asarray(a)
    n = float(a.shape[axis])
    b2 = kurtosis(a, axis, fisher=False)
    expected = 3.0 * (n - 1) / (n + 1)
    variance = 24.0 * n * (n - 2) * (n - 3) / ((n + 1) * (n + 1.0) * (n + 3) * (n + 5))
    x = (b2 - expected) / math.sqrt(variance)
    root = (
        6.0 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt((6.0 * (n + 3) * (n + 5)) / (n * (n - 2) * (n - 3)))
    )
    a_ = 6.0 + 8.0 / root * (2.0 / root + math.sqrt(1 + 4.0 / (root**2)))
    first = 1 - 2 / (9.0 * a_)
    denominator = 1 + x * math.sqrt(2 / (a_ - 4.0))
    second = np.sign(denominator) * where(
        denominator == 0.0, np.nan, ((1 - 2.0 / a_) / np.absolute(denominator)) ** (1 / 3.0)
    )
    return (first - second) / math.sqrt(2 / (9.0 * a_))


def kurtosistest(a: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Whether the kurtosis is that of a normal distribution; as `scipy.stats.kurtosistest`."""
    _check_nan(nan_policy)
    z = _kurtosis_z(a, axis)
    return _outcome(z, _small("norm", _normal_probability, z))


def normaltest(a: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Whether a sample is normally distributed; as `scipy.stats.normaltest`."""
    _check_nan(nan_policy)
    s, k = _skew_z(a, axis), _kurtosis_z(a, axis)
    total = s * s + k * k
    return _outcome(total, _small("chi2", _chi2_probability, total, 2))


def f_oneway(*args: Any) -> Any:
    """Whether several samples have the same mean; as `scipy.stats.f_oneway`.

    Parameters
    ----------
    *args : array_like, one axis each

    Returns
    -------
    Delayed
    """
    from raskal.array.join import concatenate

    groups = [asarray(arg) for arg in args]
    everything = concatenate(groups)
    count, total = len(groups), everything.shape[0]
    offset = _mean(everything)
    everything = everything - offset
    squares = _sum(everything) ** 2 / float(total)
    whole = _sum(everything**2) - squares
    between: Any = 0
    for group in groups:
        between = between + _sum(group - offset) ** 2 / float(group.shape[0])
    between = between - squares
    within = whole - between
    f = (between / (count - 1)) / (within / (total - count))
    return _outcome(f, _small("f", _f_probability, f, count - 1, total - count))


def moment(a: Any, moment: int = 1, axis: int = 0, nan_policy: str = "propagate") -> Array:
    """The central moment of an order; as `scipy.stats.moment`."""
    _check_nan(nan_policy)
    return _moment(a, moment, axis=axis)
