"""Arrays written as graphs, and the names under which Dask keeps the heart of its arrays."""

from __future__ import annotations

import asyncio
import copy
import pickle

import numpy as np
import pytest
from helpers import same

import raskal
import raskal.array as da
from raskal.array import core


def test_blocks_are_the_keys_of_a_graph():
    dsk = {("x", 0): (np.arange, 3), ("x", 1): (np.add, ("x", 0), 3), ("x", 2): np.arange(6, 8)}
    x = da.Array(dsk, "x", chunks=((3, 3, 2),), dtype=int)
    same(x, np.arange(8))
    same((x + 1)[1:6], np.arange(8)[1:6] + 1)
    same(x.rechunk(5), np.arange(8))


def test_blocks_of_a_graph_may_have_unknown_lengths():
    x = da.Array({("x", 0): np.arange(5), ("x", 1): np.arange(5, 11)}, "x", ((np.nan, np.nan),), np.dtype(int))
    assert int((x + 1).sum().compute()) == 66
    assert x.compute_chunk_sizes().chunks == ((5, 6),)


def test_what_is_missing_in_a_graph_is_named():
    with pytest.raises(TypeError, match="made of a graph"):
        da.Array(np.ones(3), "x", chunks=3, shape=(3,), dtype=float)
    with pytest.raises(ValueError, match="type of the blocks"):
        da.Array({}, "x", chunks=3, shape=(3,))
    with pytest.raises(KeyError, match="not in the graph"):
        da.Array({("x", 0): 1}, "x", chunks=2, shape=(4,), dtype=float).compute()


def test_the_names_of_the_core_are_those_of_the_module():
    assert core.normalize_chunks is da.normalize_chunks
    assert all(getattr(da, name, None) in (None, getattr(core, name)) for name in core.__all__)


def test_what_needs_nothing_done_is_the_array_itself():
    x = da.ones((4, 4), chunks=2)
    assert x[:] is x
    assert x[...] is x
    assert x[0:4, :9] is x
    assert x.vindex[:] is x
    assert x.A is x
    assert da.block([[x]]) is x
    assert x.to_backend("numpy") is x
    with pytest.raises(ValueError, match="backend"):
        x.to_backend("jax")
    with pytest.raises(TypeError, match="rechunk"):
        x.chunks = 3


def test_an_array_is_drawn_awaited_and_shown_as_dasks_graph():
    x = da.arange(6, chunks=3)

    async def kept():
        return await (x + 1)

    same(asyncio.run(kept()), np.arange(6) + 1)
    assert x.to_svg(80).startswith("<svg")
    assert len(x.dask) >= 2


def test_rows_become_a_dataframe():
    frame = da.from_array(np.arange(6.0).reshape(3, 2), chunks=(2, 2)).to_dask_dataframe(columns=["a", "b"])
    assert frame.compute()["b"].tolist() == [1.0, 3.0, 5.0]


def test_points_are_looked_up_at_lazy_integers_in_a_vector_of_one_block():
    vector, index = np.array([0.2, 0.4, 0.6]), np.array([[0, 2], [1, 1], [2, 0]])
    same(da.from_array(vector, chunks=-1).vindex[da.from_array(index, chunks=(2, 2))], vector[index])
    with pytest.raises(IndexError, match="lazy"):
        da.from_array(vector, chunks=1).vindex[da.from_array(index, chunks=2)]
    with pytest.raises(IndexError, match="truth values"):
        da.from_array(vector, chunks=1).vindex[[True, False, True]]


def test_names_that_only_dask_has_say_what_to_use_instead():
    with pytest.raises(AttributeError, match="hint: use blockwise"):
        da.atop  # noqa: B018
    with pytest.raises(AttributeError, match="did you mean 'concatenate'"):
        da.concatenat  # noqa: B018
    with pytest.raises(AttributeError, match="pad"):
        da.overlap.periodic  # noqa: B018
    assert not hasattr(da, "nothing_like_it")


PICKLED = {
    "memory": lambda x: x,
    "chain": lambda x: (x + 1).sum(axis=0),
    "function": lambda x: x.map_blocks(lambda block: block * 2),
    "unknown lengths": lambda x: x[x > 3],
    "dates": lambda x: x.astype("M8[s]"),
    "drawn": lambda x: da.random.default_rng(0).random((3, 3), chunks=2),
    "kept": lambda x: (x + 1).persist(),
    "a number": lambda x: x.sum(),
}


@pytest.mark.parametrize("name", PICKLED)
def test_arrays_are_pickled_as_what_computes_them(name):
    x = PICKLED[name](da.from_array(np.arange(12.0).reshape(4, 3), chunks=2))
    back = pickle.loads(pickle.dumps(x))
    assert (back.name, back.dtype, str(back.chunks)) == (x.name, x.dtype, str(x.chunks))
    np.testing.assert_array_equal(back.compute(), x.compute())
    np.testing.assert_array_equal(*raskal.compute(back, x))
    assert copy.deepcopy(x).name == copy.copy(x).name == x.name
