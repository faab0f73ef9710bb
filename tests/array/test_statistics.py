"""Statistical tests and random numbers, against SciPy and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from helpers import same

import raskal
import raskal.array as da

RNG = np.random.default_rng(8)
A, B = RNG.random((30, 3)), RNG.random((30, 3)) + 0.1


@pytest.mark.parametrize(
    ("name", "args", "options"),
    [
        ("ttest_ind", (A, B), {}), ("ttest_ind", (A, B), {"equal_var": False}), ("ttest_rel", (A, B), {}),
        ("ttest_1samp", (A, 0.5), {}), ("chisquare", (A,), {}),
        ("power_divergence", (A,), {"lambda_": "log-likelihood"}),
        ("power_divergence", (A,), {"lambda_": "cressie-read"}), ("skewtest", (A,), {}), ("kurtosistest", (A,), {}),
        ("normaltest", (A,), {}), ("f_oneway", (A[:, 0], B[:, 0], A[:, 1]), {}),
    ],
)  # fmt: skip
def test_statistics_are_scipys(name, args, options):
    lazy = [da.from_array(arg, chunks=7) if isinstance(arg, np.ndarray) else arg for arg in args]
    with np.errstate(all="ignore"):
        expected = getattr(scipy.stats, name)(*args, **options)
    found = getattr(da.stats, name)(*lazy, **options)
    statistic, pvalue = raskal.compute(*found)
    np.testing.assert_allclose(statistic, expected.statistic, rtol=1e-9)
    np.testing.assert_allclose(pvalue, expected.pvalue, rtol=1e-9)
    assert found.compute()._fields == ("statistic", "pvalue")


def test_shapes_of_distributions():
    x = da.from_array(A, chunks=(7, 2))
    for bias in (True, False):
        same(da.stats.skew(x, bias=bias), scipy.stats.skew(A, bias=bias))
        same(da.stats.kurtosis(x, bias=bias), scipy.stats.kurtosis(A, bias=bias))
    same(da.stats.moment(x, 3), scipy.stats.moment(A, 3))


def test_parameters_of_distributions_may_be_arrays():
    means = np.array([0.0, 100.0, 1000.0])
    rng = da.random.default_rng(1)
    for loc in (means, da.from_array(means, chunks=2)):
        x = rng.normal(loc, 0.1, size=(50, 3), chunks=(20, 2))
        np.testing.assert_allclose(x.mean(axis=0).compute(), means, atol=0.2)
    assert rng.poisson(means).shape == (3,)
    with pytest.raises(ValueError, match="do not fit size"):
        rng.normal(means, size=(3, 2))


@pytest.mark.parametrize("kind", [da.random.default_rng, da.random.RandomState])
def test_every_distribution_draws_numbers_of_numpys_type(kind):
    parameters = {
        "hypergeometric": (5, 6, 3), "noncentral_f": (2, 3, 1), "triangular": (0, 1, 2), "integers": (0, 5),
        "randint": (0, 5),
        "zipf": (2.0,), "logseries": (0.5,), "geometric": (0.5,), "binomial": (5, 0.5), "negative_binomial": (5, 0.5),
    }  # fmt: skip
    source = kind(3)
    count = 0
    for name in dir(source):
        numpy_source = np.random.default_rng(0) if kind is da.random.default_rng else np.random.RandomState(0)
        if name.startswith("_") or name in (
            "seed",
            "choice",
            "permutation",
            "multinomial",
            "multivariate_hypergeometric",
            "random_integers",
        ):
            continue
        before = {"beta": 2, "f": 2, "noncentral_chisquare": 2, "vonmises": 2, "wald": 2}.get(name)
        args = parameters.get(name, (1.0,) * (before or 1))
        if name in (
            "random",
            "random_sample",
            "standard_normal",
            "standard_exponential",
            "standard_cauchy",
            "tomaxint",
        ):
            args = ()
        x = getattr(source, name)(*args, size=(6, 4), chunks=3)
        assert x.dtype == np.asarray(getattr(numpy_source, name)(*args, size=2)).dtype, name
        assert x.compute().shape == (6, 4)
        np.testing.assert_array_equal(x.compute(), x.compute())
        count += 1
    assert count >= 34


def test_elements_are_chosen_and_shuffled():
    rng = da.random.default_rng(5)
    chosen = rng.choice([2, 4, 8], size=200, p=[0.5, 0.5, 0], chunks=50).compute()
    assert set(chosen.tolist()) == {2, 4}
    assert sorted(rng.choice(10, size=10, replace=False, chunks=-1).compute()) == list(range(10))
    assert sorted(rng.permutation(da.arange(9, chunks=4)).compute()) == list(range(9))
    counts = rng.multinomial(10, [0.2, 0.8], size=(4, 2), chunks=2)
    assert counts.shape == (4, 2, 2)
    assert (counts.sum(axis=-1).compute() == 10).all()
    colors = rng.multivariate_hypergeometric([5, 6], 4, size=3, chunks=2)
    assert (colors.sum(axis=-1).compute() == 4).all()
    with pytest.raises(NotImplementedError, match="chunks=-1"):
        rng.choice(10, size=10, replace=False, chunks=5)
    with pytest.raises(ValueError, match="do not sum to 1"):
        rng.choice(3, size=5, p=[0.5, 0.5, 0.5])


def test_generators_are_made_from_seeds_of_every_kind():
    for seed in (7, [1, 2], np.random.SeedSequence(3), np.random.PCG64(4)):
        assert da.random.default_rng(seed).random(5).compute().shape == (5,)
    same_seed = [da.random.default_rng(np.random.PCG64(4)).random(5).compute() for _ in range(2)]
    np.testing.assert_array_equal(*same_seed)
