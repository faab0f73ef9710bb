"""Arrays from nothing, from NumPy, from random numbers, and from functions of blocks."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same

import raskal
import raskal.array as da


@pytest.mark.parametrize("args", [(10,), (2, 10), (2, 10, 3), (0.5, 3.0, 0.3), (5, 0, -1), (0,)])
def test_arange_is_numpys(args):
    same(da.arange(*args, chunks=3), np.arange(*args))


@pytest.mark.parametrize("endpoint", [True, False])
def test_linspace_is_numpys(endpoint):
    same(da.linspace(-1, 2, 11, endpoint=endpoint, chunks=4), np.linspace(-1, 2, 11, endpoint=endpoint))


@pytest.mark.parametrize("dtype", [float, "int8", "uint8", "float32", bool, "complex64"])
def test_constants_have_their_type(dtype):
    same(da.ones((3, 4), dtype=dtype, chunks=2), np.ones((3, 4), dtype))
    same(da.zeros(3, dtype=dtype, chunks=2), np.zeros(3, dtype))
    same(da.full((2, 2), 1, dtype=dtype, chunks=1), np.full((2, 2), 1, dtype))
    same(da.eye(4, chunks=3, k=1, dtype=dtype), np.eye(4, k=1, dtype=dtype))
    same(da.ones_like(da.zeros((2, 3), dtype=dtype, chunks=2)), np.ones((2, 3), dtype))


def test_negative_lengths_are_refused():
    for make in (lambda: da.ones((-1, 2)), lambda: da.eye(-1), lambda: da.linspace(0, 1, -5)):
        with pytest.raises(ValueError, match="negative dimensions"):
            make()


def test_constants_are_not_stored():
    assert "from_array" not in da.ones((4, 4), chunks=2).explain()
    assert (da.ones((4, 4), chunks=2) + 1).sum().explain().count("tasks of") == 2


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_layout_are_read(order):
    a = np.asarray(np.arange(24.0).reshape(4, 6), order=order)
    same(da.from_array(a, chunks=(2, 3)) * 2, a * 2)
    same(da.from_array(a[::-1, ::2], chunks=2) + 1, a[::-1, ::2] + 1)


def test_equal_contents_have_equal_names():
    a = np.arange(6.0)
    assert da.from_array(a, chunks=2).name == da.from_array(a.copy(), chunks=2).name
    assert da.from_array(a, chunks=2).name != da.from_array(a, chunks=3).name


@pytest.mark.parametrize("chunks", [2, (3, 2)])
def test_data_is_not_read_to_be_named_until_somebody_asks(chunks, monkeypatch, tmp_path):
    from raskal.array import creation

    asked = []
    token = creation._content_token
    monkeypatch.setattr(creation, "_content_token", lambda *args: asked.append(args) or token(*args))
    a = np.arange(12.0).reshape(4, 3)
    np.save(tmp_path / "a.npy", a)
    for source in (a, np.load(tmp_path / "a.npy", mmap_mode="r")):
        x = da.from_array(source, chunks=chunks)
        same((x + 1).sum(axis=0), (a + 1).sum(axis=0))
        assert asked == []
        y = x * 2
        names = y.name, (da.from_array(source.copy(), chunks=chunks) * 2).name
        assert len(set(names)) == 1
        same((y + 1).persist(), a * 2 + 1)
        assert da.from_array(a + 1, chunks=chunks).name != x.name
        assert len(asked) == 3, "each array is read once"
        same(y, a * 2)
        asked.clear()


def test_what_changes_in_memory_is_another_array():
    a = np.arange(6.0)
    first = da.from_array(a, chunks=2).name
    a[0] = 7
    assert da.from_array(a, chunks=2).name != first
    same(da.from_array(a, chunks=2) + da.from_array(a[::-1], chunks=2), a + a[::-1])


def test_random_numbers_are_the_same_on_any_scheduler():
    draw = lambda: da.random.default_rng(7).normal(10, 2, size=(20, 30), chunks=(7, 10))  # noqa: E731
    first = draw().compute(scheduler="threads")
    np.testing.assert_array_equal(first, draw().compute(scheduler="synchronous"))
    assert abs(first.mean() - 10) < 0.5
    assert len(np.unique(first)) == 600
    state = da.random.RandomState(3)
    assert not np.array_equal(state.random(5).compute(), state.random(5).compute())


def test_distributions_have_numpys_types():
    rng = da.random.default_rng(1)
    assert rng.integers(0, 5, size=4).dtype == np.dtype("int64")
    assert rng.random((2, 2), dtype="float32").dtype == np.dtype("float32")
    values = rng.integers(0, 5, size=1000, chunks=100).compute()
    assert values.min() == 0
    assert values.max() == 4
    assert da.random.uniform(2, 3, size=(5, 5), chunks=2).compute().min() >= 2


def test_a_function_runs_on_each_block():
    a = np.arange(12.0).reshape(4, 3)
    x = da.from_array(a, chunks=(2, 3))
    same(x.map_blocks(lambda block: block - block.mean()), np.concatenate([a[:2] - a[:2].mean(), a[2:] - a[2:].mean()]))
    same(x.map_blocks(np.sum, axis=1, drop_axis=1, dtype=float), a.sum(axis=1))
    same(x.map_blocks(lambda block: block[None], new_axis=0, dtype=float), a[None])
    same(da.map_blocks(np.add, x, 10), a + 10)
    same(x.map_blocks(lambda block: block[:1], chunks=(1, 3)), a[::2])
    same(
        x.map_blocks(lambda block, block_id: block * 0 + block_id[0], dtype=float),
        np.repeat([0.0, 1.0], 6).reshape(4, 3),
    )


def test_a_function_that_breaks_its_promise_is_found_out():
    x = da.ones(4, chunks=2)
    with pytest.raises(ValueError, match="pass chunks= to map_blocks"):
        (x.map_blocks(lambda block: block[:1]) + 1).compute()


def test_a_function_whose_type_is_unknown_asks_for_it():
    with pytest.raises(ValueError, match="hint: pass dtype="):
        da.ones(4, chunks=2).map_blocks(lambda block: block[3])


def test_an_exception_of_a_block_comes_back_as_itself():
    def broken(block):
        raise ZeroDivisionError("in my function")

    x = da.ones(4, chunks=2).map_blocks(broken, dtype=float)
    with pytest.raises(ZeroDivisionError, match="in my function"):
        x.compute()
    assert float(da.ones(4, chunks=2).sum().compute()) == 4.0


def test_kept_blocks_are_used_again():
    x = (da.arange(10, chunks=3) + 1).persist()
    assert x.chunks == ((3, 3, 3, 1),)
    same(x * 2, (np.arange(10) + 1) * 2)
    assert "blocks that exist" in x.sum().explain()


def test_every_public_name_is_what_it_says():
    modules = {"fft", "image", "lib", "linalg", "ma", "overlap", "random", "stats"}
    assert len(da.__all__) > 200
    for name in da.__all__:
        assert (type(getattr(da, name)).__name__ == "module") == (name in modules), name


def test_several_arrays_are_computed_together():
    x = da.random.random((6, 6), chunks=3)
    total, mean = raskal.compute(x.sum(), x.mean())
    assert total == pytest.approx(mean * 36)


def test_the_picture_shows_shape_and_blocks():
    html = da.ones((4, 6), chunks=2)._repr_html_()
    assert "(4, 6)" in html
    assert html.count("<line") == 3
    assert repr(da.ones(3, chunks=2)) == "raskal.array<full, shape=(3,), dtype=float64, chunksize=(2,)>"


def test_numbers_come_out_of_single_elements():
    x = da.ones(4, chunks=2).sum()
    assert float(x) == 4.0
    assert int(x) == 4
    assert bool(x == 4)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(da.ones(4, chunks=2))
    assert isinstance(da.ones(3, chunks=1).sum().compute(), np.float64)
    result = da.ones(3, chunks=3).compute()
    result[0] = 7
    assert result[0] == 7
