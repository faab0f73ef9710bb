"""xarray over raskal's arrays, through its chunk manager."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import raskal.array as da

xr = pytest.importorskip("xarray")
parallelcompat = pytest.importorskip("xarray.namedarray.parallelcompat")

A = np.arange(24.0).reshape(4, 6)


@pytest.fixture(autouse=True)
def manager(monkeypatch):
    """Registers the manager as the entry point of an installed package does."""
    from raskal.array.xarray_manager import RaskalManager

    managers = {"raskal": RaskalManager()}
    monkeypatch.setattr(parallelcompat, "list_chunkmanagers", lambda: managers)


@pytest.fixture
def lazy():
    values = xr.DataArray(A, dims=("x", "y"), coords={"y": np.arange(6) * 10})
    return values.chunk({"x": 2, "y": 4}, chunked_array_type="raskal")


def check(lazy, function):
    """Assert that a function of a lazy variable is lazy, and gives what it gives for NumPy's."""
    found, expected = function(lazy), function(lazy.copy(data=A))
    assert isinstance(found.data, da.Array)
    xr.testing.assert_allclose(found.compute(), expected)


def test_variables_are_cut_into_blocks(lazy):
    assert isinstance(lazy.data, da.Array)
    assert lazy.chunks == ((2, 2), (4, 2))
    assert lazy.chunk({"x": 1}).chunks == ((1,) * 4, (4, 2))
    xr.testing.assert_identical(lazy.compute(), xr.DataArray(A, dims=("x", "y"), coords={"y": np.arange(6) * 10}))


@pytest.mark.parametrize(
    "function",
    [
        lambda v: v + 1, lambda v: v.mean("x"), lambda v: v.std(), lambda v: v.sel(y=[50, 10]),
        lambda v: v.isel(x=slice(None, None, -1)), lambda v: v.where(v > 3), lambda v: v.transpose(),
        lambda v: v.stack(z=("x", "y")), lambda v: v.rolling(y=3).mean(), lambda v: v.cumsum("y"),
        lambda v: v.fillna(0).clip(2, 9), lambda v: xr.concat([v, v], "x"), lambda v: v.pad(x=1), lambda v: v.diff("y"),
        lambda v: v.quantile(0.5, "x") if v.chunks is None else v.chunk({"x": -1}).quantile(0.5, "x"),
        lambda v: v.isel(x=[1, 0], y=[0, 2, 1]), lambda v: v.isel(x=[1, 0], y=[0, 2]), lambda v: v[[0, 3], [5, 1, 1]],
        lambda v: v.isel(x=xr.DataArray([0, 3], dims="p"), y=xr.DataArray([5, 1], dims="p")),
        lambda v: v.assign_coords(x=range(4)).reindex(x=[0, 3, 9], y=[0, 20]), lambda v: xr.where(v > 5, v, 0),
        lambda v: v.weighted(xr.DataArray(np.arange(4.0), dims="x")).mean(), lambda v: xr.corr(v, v**2, dim="x"),
        lambda v: pickle.loads(pickle.dumps(v)), lambda v: v.copy(deep=True), lambda v: v.persist(),
        lambda v: v.dot(v, dim="y"), lambda v: v.shift(x=1), lambda v: v.argmax("y"), lambda v: v.coarsen(y=2).max(),
    ],
)  # fmt: skip
def test_xarrays_functions_stay_lazy(lazy, function):
    check(lazy, function)


def test_functions_are_applied_to_blocks(lazy):
    check(lazy, lambda v: xr.apply_ufunc(np.sqrt, v, dask="parallelized" if v.chunks else "forbidden"))
    grouped = lazy.groupby(xr.DataArray([0, 1, 0, 1], dims="x", name="g")).mean()
    np.testing.assert_allclose(grouped.compute().values, [A[::2].mean(axis=0), A[1::2].mean(axis=0)])


def test_datasets_are_opened_in_blocks(tmp_path):
    pytest.importorskip("h5netcdf")
    path = tmp_path / "a.nc"
    xr.Dataset({"v": (("x", "y"), A)}).to_netcdf(path, engine="h5netcdf")
    with xr.open_dataset(path, chunks={"x": 2}, chunked_array_type="raskal", engine="h5netcdf") as ds:
        assert isinstance(ds.v.data, da.Array)
        np.testing.assert_array_equal((ds.v * 2).compute().values, A * 2)


def test_datasets_of_zarr_are_opened_and_written_in_blocks(tmp_path):
    pytest.importorskip("zarr")
    lazy = xr.Dataset({"v": (("x", "y"), A)}).chunk({"x": 2}, chunked_array_type="raskal")
    lazy.to_zarr(tmp_path / "a.zarr", consolidated=False)
    with xr.open_zarr(tmp_path / "a.zarr", chunks={"x": 2}, chunked_array_type="raskal", consolidated=False) as ds:
        assert isinstance(ds.v.data, da.Array)
        np.testing.assert_array_equal(ds.v.compute().values, A)
