"""From a table of pairs to the distinct genuine crops to train on, and whom to hold out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import genuine_mask
from ..faces._map import ImageMap
from ..images.read import image_digest
from ..images.table import ImageTable, image_table
from ..utils._groups import connected_rows, group_codes, value_codes
from ..utils._progress import progress_bar
from ._face_embedder import resize


@dataclass(frozen=True)
class GenuineCrops:
    """Every image of the genuine rows of a table, once.

    Attributes
    ----------
    images : ndarray of shape (m, size, size, 3), uint8
        The distinct images.
    people : ndarray of shape (m,), intp
        Images that share a row or a group, directly or through others, have the same number.
    rows : ndarray of shape (n,), intp
        The number of each row's people, -1 for rows that are not learned from.
    """

    images: NDArray[np.uint8]
    people: NDArray[np.intp]
    rows: NDArray[np.intp]


def genuine_crops(
    X: Any, y: Any, groups: Any, size: int, *, n_jobs: int | None, verbose: int
) -> GenuineCrops:
    """Read the images of the genuine rows, and tell which ones belong together.

    Parameters
    ----------
    X : table of n pairs or of n single images
    y : array-like of shape (n,) or None
        Rows labelled -1 are not even read.
    groups : array-like of shape (n,) or None
        Who is seen in each row.
    size : int
        Images are resized to this height and width.
    n_jobs : int or None
        Threads that read them.
    verbose : int
        Show a progress bar.

    Returns
    -------
    GenuineCrops
    """
    table = image_table(X)
    genuine = np.flatnonzero(genuine_mask(y, len(table.index)))
    labels = _group_numbers(groups, len(table.index))[genuine]
    index = table.index.reshape(len(table.index), -1)
    used, inverse = np.unique(index[genuine], return_inverse=True)
    places = np.full(index.shape, -1)  # rows are still named by their number in X
    places[genuine] = inverse.reshape(len(genuine), -1)
    sources = ImageTable([table.sources[i] for i in used], places.reshape(table.index.shape))
    read = ImageMap(
        np.stack,
        dtype=(np.uint8, (size, size, 3)),
        namespace="crops to train on",
        prepare=lambda image: resize(image, (size, size)),
        n_jobs=n_jobs,
    )
    with progress_bar(total=len(used), desc="reading", unit="image", verbose=verbose) as bar:
        images = read(sources, bar)
    first, which = _distinct(images)
    cells = which[places[genuine]]
    people_of_rows, people = _components(cells, labels, len(first))
    rows = np.full(len(index), -1)
    rows[genuine] = people_of_rows
    return GenuineCrops(images if len(first) == len(images) else images[first], people, rows)


def hold_out(
    crops: GenuineCrops, fraction: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split the images so that nobody is on both sides.

    Parameters
    ----------
    crops : GenuineCrops
    fraction : float in [0, 1)
        Share of the images to hold out, at least; whole people are taken, in random order, and
        of four or more, two at least are on either side.
    rng : numpy.random.Generator

    Returns
    -------
    train, valid : ndarray of intp
        Positions in ``crops.images``.

    Raises
    ------
    ValueError
        If nobody can be held out, or there are too few images.
    """
    n, counts = len(crops.images), np.bincount(crops.people)
    if n < 2:
        raise ValueError(
            "the genuine rows hold 1 distinct image; at least 2 are needed to train on, and "
            "hundreds of people for a useful detector."
        )
    if not fraction:
        return np.arange(n), np.arange(0)
    if len(counts) < 2:
        raise ValueError(
            f"all {n} distinct images of the genuine rows belong together (one identity in groups, "
            f"or rows chained by shared images), so that validation_fraction={fraction:g} of the "
            "people cannot be held out. Give rows of several people, or set "
            "validation_fraction=0 to train without validation."
        )
    order = rng.permutation(len(counts))[:-1]  # somebody is left to train on
    n_before = np.cumsum(counts[order]) - counts[order]
    n_people = int(np.count_nonzero(n_before < math.ceil(fraction * n)))
    if len(counts) >= 4:
        n_people = min(max(n_people, 2), len(order) - 1)  # blends take two people, on either side
    held_out = np.isin(crops.people, order[:n_people])
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _group_numbers(groups: Any, n_rows: int) -> NDArray[np.intp]:
    if groups is None:
        return np.full(n_rows, -1)
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise ValueError(
            f"groups has shape {values.shape}, expected one label for each row, ({n_rows},)"
        )
    return group_codes(values.tolist())


def _distinct(images: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where each distinct image is first, and which of these each image equals."""
    which = value_codes(image_digest(image) for image in images)
    return np.unique(which, return_index=True)[1], which


def _components(
    cells: NDArray[np.intp], labels: NDArray[np.intp], n_images: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give rows that share images or groups, directly or not, one number; the images too."""
    n_rows, width = cells.shape
    row = np.arange(n_rows)
    tied = labels >= 0
    items = np.concatenate([cells.ravel(), n_images + labels[tied]])
    of_rows = connected_rows(np.concatenate([row.repeat(width), row[tied]]), items, n_rows)
    of_images = np.empty(n_images, dtype=of_rows.dtype)
    of_images[cells.ravel()] = of_rows.repeat(width)  # every image is in some row
    return of_rows, of_images
