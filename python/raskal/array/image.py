"""Images read from files.

Start at `imread`.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.host import on_blocks
from raskal.tokenize import tokenize


class Read:
    """Reads the image of one block."""

    def __init__(self, files: list[str], imread: Callable[..., Any], preprocess: Callable[..., Any] | None) -> None:
        self.files, self.imread, self.preprocess = files, imread, preprocess

    def __call__(self, coordinates: tuple[int, ...]) -> Any:
        image = np.asarray(self.imread(self.files[coordinates[0]]))
        return add_leading_dimension(image if self.preprocess is None else self.preprocess(image))


def add_leading_dimension(x: Any) -> Any:
    """The array with a new first axis.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    array
    """
    return x[None, ...]


def imread(
    filename: str, imread: Callable[..., Any] | None = None, preprocess: Callable[..., Any] | None = None
) -> Array:
    """A stack of images, one block each.

    Parameters
    ----------
    filename : str
        With ``*`` for several files, which are sorted by name. The first one tells shape and type of all.
    imread : callable, optional
        Reads a file; ``skimage.io.imread`` by default.
    preprocess : callable, optional
        Applied to each image.

    Returns
    -------
    Array, shape (n, ...)

    Raises
    ------
    ValueError
        If there are no such files.
    """
    if imread is None:
        try:
            from skimage.io import imread as reader
        except ImportError:
            raise ImportError(
                "reading images needs scikit-image\nhint: pip install scikit-image, or pass imread="
            ) from None
        imread = reader
    files = sorted(glob.glob(filename))
    if not files:
        raise ValueError(f"No files found under name {filename}")
    first = np.asarray(imread(files[0]))
    if preprocess is not None:
        first = preprocess(first)
    chunks = [(1,) * len(files), *((length,) for length in first.shape)]
    stamps = [os.stat(file).st_mtime_ns for file in files]
    call = Read(files, imread, preprocess)
    token = tokenize(files, stamps, imread, preprocess)
    return on_blocks("imread", call, [], chunks, first.dtype, "image files", token=token)


__all__ = ["imread"]
