"""Filters of SciPy and scikit-image on blocks with their neighbours' elements: the same as on the whole array."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import skimage.color
import skimage.exposure
import skimage.filters
import skimage.morphology
from helpers import same

import raskal.array as da

PICTURE = np.random.default_rng(0).random((40, 50))
VOLUME = np.random.default_rng(1).random((20, 24, 18))

#: SciPy's filters: how far they look, and their options.
SCIPY = {
    "gaussian_filter": (4, {"sigma": 1}),
    "gaussian_laplace": (4, {"sigma": 1}),
    "uniform_filter": (1, {"size": 3}),
    "median_filter": (2, {"size": 5}),
    "percentile_filter": (1, {"percentile": 20, "size": 3}),
    "maximum_filter": (2, {"size": 5}),
    "grey_erosion": (1, {"size": 3}),
    "sobel": (1, {"axis": 0}),
    "prewitt": (1, {}),
    "laplace": (1, {}),
}


@pytest.mark.parametrize("name", SCIPY)
def test_filters_of_scipy(name):
    depth, options = SCIPY[name]
    function = getattr(scipy.ndimage, name)
    for a, chunks in ((PICTURE, (13, 20)), (VOLUME, (7, 12, 9))):
        x = da.from_array(a, chunks=chunks)
        # What SciPy calls "reflect" repeats the edge, as ours does.
        same(
            x.map_overlap(function, depth=depth, boundary="reflect", **options), function(a, mode="reflect", **options)
        )


#: scikit-image's filters of pictures: how far they look, and what they take for beyond the edge.
SKIMAGE = {
    "gaussian": (skimage.filters.gaussian, 4, "nearest"),
    "sobel": (skimage.filters.sobel, 1, "reflect"),
    "farid": (skimage.filters.farid, 2, "reflect"),
    "laplace": (skimage.filters.laplace, 1, "reflect"),
    "median": (skimage.filters.median, 1, "nearest"),
    "erosion": (skimage.morphology.erosion, 1, "reflect"),
    "dilation": (skimage.morphology.dilation, 1, "reflect"),
}


@pytest.mark.parametrize("name", SKIMAGE)
def test_filters_of_scikit_image(name):
    function, depth, boundary = SKIMAGE[name]
    x = da.from_array(PICTURE, chunks=(13, 20))
    same(x.map_overlap(function, depth=depth, boundary=boundary), function(PICTURE))


def test_functions_of_single_points_need_no_neighbours():
    x = da.from_array(PICTURE, chunks=(13, 20))
    same(x.map_blocks(skimage.exposure.adjust_gamma, 2), skimage.exposure.adjust_gamma(PICTURE, 2))
    colours = np.random.default_rng(2).random((20, 30, 3))
    lazy = da.from_array(colours, chunks=(7, 10, 3))
    same(lazy.map_blocks(skimage.color.rgb2gray, drop_axis=2, dtype=float), skimage.color.rgb2gray(colours))


def test_a_function_that_gives_blocks_of_another_size_says_so():
    x = da.from_array(PICTURE, chunks=(10, 25))
    halves = x.map_blocks(lambda block: block[::2, ::2], chunks=((5,) * 4, (13, 13)))
    assert halves.compute().shape == (20, 26)
    enlarged = x.map_blocks(scipy.ndimage.zoom, 2, order=0, chunks=((20,) * 4, (50, 50)), dtype=float)
    same(enlarged, scipy.ndimage.zoom(PICTURE, 2, order=0))
