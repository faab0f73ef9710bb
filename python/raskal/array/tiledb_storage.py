"""Dense TileDB arrays, read and written block by block; needs tiledb.

Start at `from_tiledb` and `to_tiledb`. Every process opens the array for itself: an open one can't travel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray, from_array
from raskal.array.storage import store


class TileDBArray:
    """One attribute of a dense array, opened where blocks are read or written."""

    def __init__(self, uri: str, attribute: str | None, config: dict[str, Any], key: Any, mode: str) -> None:
        self.uri, self.attribute, self.config, self.key, self.mode = uri, attribute, config, key, mode
        self._opened: Any = None
        array = self._array
        if array.schema.sparse:
            raise ValueError(f"the TileDB array {uri!r} is sparse\nhint: only dense ones have blocks")
        if attribute is None and array.nattr > 1:
            names = [array.attr(number).name for number in range(array.nattr)]
            raise TypeError(f"the TileDB array {uri!r} has several attributes\nhint: attribute= one of {names}")
        self.shape = tuple(int(length) for length in array.shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(array.attr(attribute if attribute is not None else 0).dtype)
        self.tiles = tuple(int(array.dim(axis).tile) for axis in range(self.ndim))

    @property
    def _array(self) -> Any:
        if self._opened is None:
            import tiledb

            options = {} if self.key is None else {"key": self.key}
            config = tiledb.Config(self.config) if self.config else None
            self._opened = tiledb.open(self.uri, self.mode, attr=self.attribute, config=config, **options)
        return self._opened

    def __getitem__(self, key: Any) -> Any:
        return np.asarray(self._array[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._array[key] = np.ascontiguousarray(value)

    def close(self) -> None:
        """Close this process's handle."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __raskal_tokenize__(self) -> Any:
        import tiledb

        written = tiledb.array_fragments(self.uri).timestamp_range if self.mode == "r" else self.mode
        return self.uri, self.attribute, str(written), self.shape, self.dtype


def _config(storage_options: Any, key: Any) -> tuple[dict[str, Any], Any]:
    config = {str(name): str(value) for name, value in (storage_options or {}).items() if name != "key"}
    return config, (storage_options or {}).get("key", key)


def from_tiledb(
    uri: Any, attribute: str | None = None, chunks: Any = None, storage_options: Any = None, **kwargs: Any
) -> Array:
    """A dense TileDB array; needs tiledb.

    Parameters
    ----------
    uri : str or tiledb.Array
    attribute : str, optional
        Which, if there are several.
    chunks : int, tuple or str, optional
        As of `raskal.array.normalize_chunks`; the array's tiles by default.
    storage_options : dict, optional
        TileDB's configuration, and ``key``.
    **kwargs
        As of `raskal.array.from_array`.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If the array is sparse.
    TypeError
        If it has several attributes and none is named.
    """
    config, key = _config(storage_options, None)
    source = TileDBArray(uri if isinstance(uri, str) else uri.uri, attribute, config, key, "r")
    return from_array(source, source.tiles if chunks is None else chunks, asarray=True, **kwargs)


def to_tiledb(
    darray: Any, uri: Any, compute: bool = True, return_stored: bool = False, storage_options: Any = None,
    key: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Write an array to a dense TileDB array, which is made if ``uri`` is a text; needs tiledb.

    Parameters
    ----------
    darray : Array
        In regular blocks, which become the tiles of an array that is made.
    uri : str or tiledb.Array
    compute : bool
        Whether to write now; else an empty lazy array is returned, which writes when it is computed.
    return_stored : bool
        Whether to return the array as it was stored.
    storage_options : dict, optional
        TileDB's configuration, and ``key``.
    key : str, optional
        To encrypt with.
    **kwargs
        As of ``tiledb.empty_like``.

    Returns
    -------
    Array or None

    Raises
    ------
    ValueError
        If blocks are not regular.
    """
    import tiledb

    darray = asarray(darray)
    darray._require_known("to_tiledb")
    config, key = _config(storage_options, key)
    if isinstance(uri, str):
        tiles = tuple(own[0] for own in darray.chunks)
        if any(set(own[:-1]) - {own[0]} or own[-1] > own[0] for own in darray.chunks):
            raise ValueError(
                f"to_tiledb needs regular blocks, the chunks are {darray.chunks}\nhint: rechunk to {tiles}"
            )
        options = {} if key is None else {"key": key}
        made = tiledb.empty_like(
            uri, darray, tile=tiles, config=tiledb.Config(config) if config else None, **options, **kwargs
        )
        made.close()
    target = TileDBArray(uri if isinstance(uri, str) else uri.uri, None, config, key, "w")
    stored = store(darray, target, lock=False, compute=compute, return_stored=return_stored)
    if compute:
        target.close()
        return from_tiledb(target.uri, storage_options=storage_options) if return_stored else None
    return stored
