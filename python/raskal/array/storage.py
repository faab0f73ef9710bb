"""Arrays written to what can be assigned to, and to files.

Start at `store`. Each block is one task that writes; a lock keeps blocks apart where the target needs it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.delayed import lift
from raskal.array.host import bounds, every_block, on_blocks
from raskal.array.rearrange import split_lengths
from raskal.tokenize import tokenize


class _Write:
    """Writes one block to its place in a target."""

    def __init__(self, target: Any, region: Any, limits: list[list[int]], lock: Any, back: bool, load: bool) -> None:
        self.target, self.region, self.limits = target, region, limits
        self.lock, self.back, self.load = lock, back, load

    def __call__(self, coordinates: tuple[int, ...], block: Any, target: Any = None) -> Any:
        target = self.target if target is None else target
        place = tuple(slice(own[at], own[at + 1]) for own, at in zip(self.limits, coordinates, strict=True))
        if self.region is not None:
            place = within(self.region, place, np.shape(target))
        if self.lock:
            self.lock.acquire()
        try:
            if 0 not in np.shape(block):
                target[place] = np.asarray(block)
            if self.back and self.load:
                return np.asarray(target[place])
        finally:
            if self.lock:
                self.lock.release()
        return block if self.back else np.empty((0,) * np.ndim(block), bool)


def within(region: Any, place: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The place in a target of a place in one of its regions."""
    entries = list(region) if isinstance(region, tuple) else [region]
    entries += [slice(None)] * (len(shape) - len(entries))
    rest = iter(place)
    result: list[Any] = []
    for entry, length in zip(entries, shape, strict=True):
        if not isinstance(entry, slice):
            result.append(entry)
            continue
        own = next(rest)
        chosen = range(*entry.indices(length))[own.start : own.stop]
        stop = chosen.stop if chosen.stop >= 0 else None
        result.append(slice(chosen.start, stop, chosen.step))
    return tuple(result)


def store(
    sources: Any,
    targets: Any,
    lock: Any = True,
    regions: Any = None,
    compute: bool = True,
    return_stored: bool = False,
    load_stored: Any = None,
    **kwargs: Any,
) -> Any:
    """Write arrays to objects that take assignments to slices.

    Parameters
    ----------
    sources : Array or sequence of Array
    targets : array_like or Delayed, or sequence of them
        Such as a dataset of a file, or a NumPy array.
    lock : bool or Lock
        Whether one block is written at a time (in each process).
    regions : tuple of slice, or sequence of them, optional
        Where in the targets.
    compute : bool
        Whether to write now; else empty lazy arrays are returned, which write when they are computed.
    return_stored : bool
        Whether to return the arrays, as they were stored.
    load_stored : bool, optional
        Whether returned arrays are read back from the targets.
    **kwargs
        As of `raskal.compute`.

    Returns
    -------
    None, or Array or tuple of Array

    Raises
    ------
    ValueError
        If the numbers of sources, targets and regions differ.
    """
    from raskal._lock import SerializableLock
    from raskal.base import compute as compute_all
    from raskal.base import persist

    arrays = [sources] if isinstance(sources, Array) else list(sources)
    places = [targets] if isinstance(sources, Array) and not isinstance(targets, (list, tuple)) else list(targets)
    if any(not isinstance(array, Array) for array in arrays):
        raise ValueError(f"store takes lazy arrays, got {[type(array).__name__ for array in arrays]}")
    if len(arrays) != len(places):
        raise ValueError(f"{len(arrays)} sources for {len(places)} targets\nhint: one target for each source")
    spots = list(regions) if isinstance(regions, list) else [regions] * len(arrays)
    if len(spots) != len(arrays):
        raise ValueError(f"{len(arrays)} sources for {len(spots)} regions\nhint: one region for each source")
    guard = SerializableLock() if lock is True else lock or None
    load = return_stored if load_stored is None else bool(load_stored)
    writes = []
    for array, target, region in zip(arrays, places, spots, strict=True):
        array._require_known("store")
        lazy = lift(target)
        limits = [bounds(own) for own in array.chunks]
        call = _Write(None if lazy is not None else target, region, limits, guard, return_stored, load)
        inputs: list[tuple[Array, Any]] = [(array, every_block(array))]
        if lazy is not None:
            inputs.append((lazy, []))
        chunks = array.chunks if return_stored else tuple((0,) * count for count in array.numblocks)
        stored = np.dtype(getattr(target, "dtype", array.dtype)) if load and lazy is None else array.dtype
        dtype = stored if return_stored else np.dtype(bool)
        token = tokenize(object(), array.name, str(region))
        writes.append(on_blocks("store", call, inputs, chunks, dtype, "writes to a target", token=token))
    if return_stored:
        kept = persist(*writes, **kwargs) if compute else tuple(writes)
        return kept[0] if isinstance(sources, Array) else tuple(kept)
    if compute:
        compute_all(*writes, **kwargs)
        return None
    return writes[0] if isinstance(sources, Array) else tuple(writes)


def to_hdf5(filename: Any, *args: Any, chunks: Any = True, **kwargs: Any) -> None:
    """Write arrays as datasets of an HDF5 file; needs h5py.

    Parameters
    ----------
    filename : str
    *args : str, Array, or a dict of them
        A dataset's path and its array.
    chunks : tuple, True or None
        Of the dataset: the array's blocks if they are regular (True), or those given.
    **kwargs
        As of ``h5py.File.create_dataset``.

    Examples
    --------
    >>> da.to_hdf5("myfile.h5", "/x", x)  # doctest: +SKIP
    """
    if isinstance(filename, Array):
        filename, args = args[0], (args[1], filename, *args[2:])
    if len(args) == 1 and isinstance(args[0], dict):
        data = args[0]
    elif len(args) == 2 and isinstance(args[0], str) and isinstance(args[1], Array):
        data = {args[0]: args[1]}
    else:
        raise ValueError("to_hdf5 takes a path and an array, or a dictionary of them\nhint: to_hdf5('f.h5', '/x', x)")
    import h5py

    for array in data.values():
        array._require_known("to_hdf5")
    with h5py.File(filename, mode="a") as file:
        sets = []
        for path, array in data.items():
            own = tuple(axis[0] for axis in array.chunks) if chunks is True else chunks
            own = None if own is not None and 0 in np.atleast_1d(own) else own
            options = {"shape": array.shape, "dtype": array.dtype, "chunks": own or None, **kwargs}
            sets.append(file.require_dataset(path, **options))
        # The file is open here alone: threads of this process write to it.
        store(list(data.values()), sets, scheduler="threads")


class _Save:
    """Saves a block as a file of its own."""

    def __init__(self, folder: str, axis: int) -> None:
        self.folder, self.axis = folder, axis

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        np.save(os.path.join(self.folder, f"{coordinates[self.axis]}.npy"), block)
        return np.zeros((1,) * block.ndim, bool)


class _Load:
    """Maps the file of a block into memory."""

    def __init__(self, folder: str, axis: int, mode: str | None) -> None:
        self.folder, self.axis, self.mode = folder, axis, mode

    def __call__(self, coordinates: tuple[int, ...]) -> Any:
        return np.asarray(np.load(os.path.join(self.folder, f"{coordinates[self.axis]}.npy"), mmap_mode=self.mode))  # type: ignore[arg-type]


def to_npy_stack(dirname: str, x: Any, axis: int = 0) -> None:
    """Write an array as a folder of ``.npy`` files, one for each block along an axis.

    Parameters
    ----------
    dirname : str
    x : Array
    axis : int
        The other axes become one block each.
    """
    if isinstance(dirname, Array):
        dirname, x = x, dirname
    x = asarray(x)
    x = x.rechunk({place: -1 for place in range(x.ndim) if place != axis})
    os.makedirs(dirname, exist_ok=True)
    dtype = x.dtype.str if x.dtype.names is None else x.dtype.descr
    meta = {"chunks": x.chunks, "dtype": dtype, "axis": axis}
    chunks = tuple((1,) * count for count in x.numblocks)
    token = tokenize(object(), x.name)
    reason = "files of blocks"
    on_blocks("save", _Save(str(dirname), axis), [(x, every_block(x))], chunks, bool, reason, token=token).compute()
    with open(os.path.join(dirname, "info.json"), "w") as file:
        json.dump(meta, file)


def from_npy_stack(dirname: str, mmap_mode: str | None = "r") -> Array:
    """The array that `to_npy_stack` wrote.

    Parameters
    ----------
    dirname : str
    mmap_mode : str or None
        As of `numpy.load`: whether files are mapped into memory or read.

    Returns
    -------
    Array

    Notes
    -----
    Differs from Dask: the description beside the files is JSON (``info.json``), not a pickle.
    """
    path = os.path.join(dirname, "info.json")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} does not exist\nhint: the folder must have been written by to_npy_stack")
    with open(path) as file:
        meta = json.load(file)
    dtype = np.dtype(meta["dtype"] if isinstance(meta["dtype"], str) else [tuple(field) for field in meta["dtype"]])
    call = _Load(str(dirname), int(meta["axis"]), mmap_mode)
    stamps = [os.stat(os.path.join(dirname, f"{n}.npy")).st_mtime_ns for n in range(len(meta["chunks"][meta["axis"]]))]
    return on_blocks(
        "npy-stack", call, [], meta["chunks"], dtype, "files of blocks", token=tokenize(str(dirname), mmap_mode, stamps)
    )


def _zarr() -> Any:
    try:
        import zarr
    except ImportError:
        raise ImportError("zarr files need the package zarr\nhint: pip install zarr") from None
    return zarr


def from_zarr(
    url: Any, component: str | None = None, storage_options: Any = None, chunks: Any = None, name: Any = None,
    inline_array: bool = False, **kwargs: Any,
) -> Array:  # fmt: skip
    """The array of a Zarr store; needs zarr.

    Parameters
    ----------
    url : zarr.Array, store or str
    component : str, optional
        Path of the array in the store.
    storage_options : dict, optional
        For remote stores.
    chunks : optional
        By default the store's.
    name : str, optional
    inline_array : bool
        Accepted for Dask's sake.
    **kwargs
        As of ``zarr.open_array``.

    Returns
    -------
    Array
    """
    from raskal.array.creation import from_array

    zarr = _zarr()
    if isinstance(url, zarr.Array):
        array = url
    else:
        path = os.fspath(url) if isinstance(url, os.PathLike) else url
        options = {"storage_options": storage_options} if storage_options else {}
        array = zarr.open_array(store=path, path=component, mode="r", **options, **kwargs)
    chunks = array.chunks if chunks is None else chunks
    where = tokenize(str(array.store), array.path, str(array.metadata) if hasattr(array, "metadata") else array.shape)
    return from_array(array, chunks, name=name or f"zarr-{where}", asarray=True)


def to_zarr(
    arr: Any, url: Any, component: str | None = None, storage_options: Any = None, region: Any = None,
    compute: bool = True, return_stored: bool = False, mode: str = "a", **zarr_array_kwargs: Any,
) -> Any:  # fmt: skip
    """Write an array to a Zarr store; needs zarr.

    Parameters
    ----------
    arr : Array
    url : zarr.Array, store or str
    component : str, optional
        Path of the array in the store.
    storage_options : dict, optional
        For remote stores.
    region : tuple of slice, optional
        Where in an array that exists.
    compute : bool
        Whether to write now; else an empty lazy array is returned, which writes when it is computed.
    return_stored : bool
        Whether to return the array as it was stored.
    mode : str
        As of ``zarr.create``.
    **zarr_array_kwargs
        As of ``zarr.create_array``.

    Returns
    -------
    None or Array
    """
    from raskal.array.rechunk import balanced

    zarr = _zarr()
    arr = asarray(arr)
    arr._require_known("to_zarr")
    if isinstance(url, zarr.Array):
        target = url
        if region is None and target.shape != arr.shape:
            raise ValueError(f"the store's array has shape {target.shape}, this one {arr.shape}\nhint: pass region=")
    else:
        if region is not None:
            raise ValueError("region= needs an array that exists\nhint: pass a zarr.Array instead of a path")
        regular = tuple(own[0] if _regular(own) else balanced(own)[0] for own in arr.chunks)
        if any(not _regular(own) for own in arr.chunks):
            raise ValueError(
                f"a zarr array is cut regularly, these chunks are not: {arr.chunks}\nhint: rechunk to {regular}"
            )
        overwrite = bool(zarr_array_kwargs.pop("overwrite", False)) or mode == "w"
        path = os.fspath(url) if isinstance(url, os.PathLike) else url
        options = {"storage_options": storage_options} if storage_options else {}
        dimensions = tuple(max(length, 1) for length in regular)
        made = {"chunks": dimensions, **zarr_array_kwargs}
        target = zarr.create_array(
            store=path, name=component, shape=arr.shape, dtype=arr.dtype, overwrite=overwrite, **options, **made
        )
    # Two tasks must not write to one chunk of the store.
    arr = _aligned(arr, target.chunks, target.shape, region)
    return store(arr, target, lock=False, regions=region, compute=compute, return_stored=return_stored)


def _aligned(arr: Array, chunks: Sequence[int], shape: Sequence[int], region: Any) -> Array:
    """The array in blocks whose boundaries are boundaries of the store's chunks."""
    entries = [slice(None)] * len(shape) if region is None else list(region) if isinstance(region, tuple) else [region]
    entries += [slice(None)] * (len(shape) - len(entries))
    kept = [(entry, stored, length) for entry, stored, length in zip(entries, chunks, shape, strict=True)
            if isinstance(entry, slice)]  # fmt: skip
    wanted: dict[int, Any] = {}
    for axis, (entry, stored, length) in enumerate(kept):
        start, _, step = entry.indices(length)
        own = arr.chunks[axis]
        if step != 1 and len(own) > 1:
            wanted[axis] = -1
        elif any((start + place) % stored for place in bounds(own)[1:-1]):
            block = max(round(max(own) / stored), 1) * stored
            first = min(block - start % stored, arr.shape[axis])
            wanted[axis] = (first, *split_lengths(arr.shape[axis] - first, block)) if first < arr.shape[axis] else -1
    return arr.rechunk(wanted) if wanted else arr


def _regular(lengths: Sequence[int]) -> bool:
    return len(set(lengths[:-1])) <= 1 and lengths[-1] <= lengths[0]
