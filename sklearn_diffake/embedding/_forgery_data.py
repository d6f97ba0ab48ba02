"""From a table of pairs to the distinct genuine crops to train on, and whom to hold out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import genuine_mask, warn_of_missing
from ..images.engine import ComputeOnce
from ..images.missing import MissingFace
from ..images.read import image_digest
from ..images.table import ImageTable, image_table
from ..utils._groups import connected_rows, group_codes, value_codes
from ..utils._progress import progress_bar
from ._pictures import resize


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
        Rows labeled -1 are not even read.
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
    cells = image_table(X, templates=True)
    labels = _group_numbers(groups, len(cells.index))
    learned = genuine_mask(y, len(cells.index)) & _has_faces(cells)
    if not learned.any():
        raise ValueError("No genuine row to learn from: none of them has a face.")
    table, rows, items = _restricted(cells, learned)
    read = ComputeOnce(
        lambda images, digests: np.stack(images),
        dtype=(np.uint8, (size, size, 3)),
        prepare=lambda image: resize(image, (size, size)),
        n_jobs=n_jobs,
    )
    total = len(table.sources)
    with progress_bar(total=total, desc="reading", unit="image", verbose=verbose) as bar:
        images = read(table, bar).values
    first, which = _distinct(images)
    numbers, people = _components(rows, which[items], labels, learned, len(first))
    return GenuineCrops(images if len(first) == len(images) else images[first], people, numbers)


def _has_faces(table: ImageTable) -> NDArray[np.bool_]:
    """Mark the rows without a placeholder; warn of the others."""
    missing = [i for i, item in enumerate(table.sources) if isinstance(item, MissingFace)]
    cells = np.isin(table.index.reshape(len(table.index), -1), missing)
    without = np.asarray(cells.any(axis=1))
    warn_of_missing(without)
    return ~without


def _restricted(
    table: ImageTable, learned: NDArray[np.bool_]
) -> tuple[ImageTable, NDArray[np.intp], NDArray[np.intp]]:
    """Return a table of the sources in some rows only, and which of these rows has which source.

    Rows are still named by their number in the whole table.
    """
    index = table.index.reshape(len(table.index), -1)
    rows, items = [], []
    for row in np.flatnonzero(learned).tolist():
        for template in index[row].tolist():
            members = table.template(template)
            rows.append(np.full(len(members), row))
            items.append(members)
    used, inverse = np.unique(np.concatenate(items), return_inverse=True)
    places = np.full(len(table.sources), -1)
    places[used] = np.arange(len(used))
    sources = [table.sources[i] for i in used]
    if table.offsets is None or table.members is None:
        cells = np.where(learned[:, None], places[index], -1)
        restricted = ImageTable(sources, cells.reshape(table.index.shape))
    else:
        cells = np.where(learned[:, None], index, -1)
        restricted = ImageTable(
            sources, cells.reshape(table.index.shape), table.offsets, places[table.members]
        )
    return restricted, np.concatenate(rows), inverse


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
    rows: NDArray[np.intp],
    images: NDArray[np.intp],
    labels: NDArray[np.intp],
    learned: NDArray[np.bool_],
    n_images: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give rows that share images or groups, directly or not, one number; the images too.

    Row ``rows[i]`` has image ``images[i]``; rows that are not learned from get -1.
    """
    number_of = np.cumsum(learned) - 1
    tied = learned & (labels >= 0)
    items = np.concatenate([images, n_images + labels[tied]])
    linked = np.concatenate([number_of[rows], number_of[tied]])
    of_learned = connected_rows(linked, items, int(learned.sum()))
    of_images = np.empty(n_images, dtype=of_learned.dtype)
    of_images[images] = of_learned[number_of[rows]]  # every image is in some row
    of_rows = np.full(len(learned), -1)
    of_rows[learned] = of_learned
    return of_rows, of_images
