"""Genuine pairs whose differences are most like that of the pair in question."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from ..faces import ImageError, read_image
from ..images.table import ImageTable, image_table
from ._parts import Parts, take_apart

_INNER = ("estimator_", "detector_")  # where detectors keep the one they wrap


@dataclass(frozen=True, eq=False)
class NearestGenuine:
    """The genuine differences nearest to that of the pair, the nearest first.

    Attributes
    ----------
    indices : ndarray of shape (k,), int
        Rows of the genuine pairs that were given; or, where none were, of the genuine rows that
        the detector kept from its fit.
    distances : ndarray of shape (k,), float64
        Euclidean, between the differences that the detector sees.
    typical : float
        Median distance from a genuine row to the nearest other one.
    names : list of (str, str) or None
        Reference and probe of each, if they were given as paths.
    crops : list of (ndarray, ndarray)
        Reference and probe of each as the pipeline saw them; empty if only differences are known.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.inspection import NearestGenuine
    >>> nearest = NearestGenuine(np.array([7, 2]), np.array([1.5, 1.8]), typical=0.5)
    >>> bool(nearest.distances[0] > 2 * nearest.typical)          # nothing genuine is near
    True
    """

    indices: NDArray[np.intp]
    distances: NDArray[np.float64]
    typical: float
    names: list[tuple[str, ...]] | None = None
    crops: list[tuple[NDArray, ...]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class KnownGenuine:
    """Genuine pairs: as the detector is given them, and whatever else is known of them.

    Attributes
    ----------
    rows : ndarray of shape (m, k), float64
    features : list of ndarray of shape (m, k)
        One for each branch; empty if they are not known.
    table : ImageTable or None
        The photographs.
    crops : ndarray of shape (m, 2), object, or None
        Aligned crops; None where the photographs are the crops.
    """

    rows: NDArray[np.float64]
    features: list[Any] = field(default_factory=list)
    table: ImageTable | None = None
    crops: NDArray[np.object_] | None = None

    def nearest(self, row: Any, k: int) -> NearestGenuine:
        """Find the `k` pairs whose rows are nearest to one row of shape (1, n_features)."""
        model = NearestNeighbors().fit(self.rows)
        distances, indices = model.kneighbors(_flat(row), min(k, len(self.rows)))
        typical = np.nan
        if len(self.rows) > 1:
            typical = float(np.median(model.kneighbors(None, 1)[0]))
        found = NearestGenuine(indices[0], distances[0], typical)
        if self.table is None:
            return found
        sources = [[self.table.sources[i] for i in self.table.index[row]] for row in indices[0]]
        crops = [
            tuple(self.crops[row]) if self.crops is not None else tuple(map(read_image, pair))
            for row, pair in zip(indices[0], sources, strict=True)
        ]
        paths = all(isinstance(s, (str, os.PathLike)) for pair in sources for s in pair)
        names = [tuple(map(os.fspath, pair)) for pair in sources] if paths else None
        return NearestGenuine(indices[0], distances[0], typical, names, crops)


def known_genuine(pipeline: Any, parts: Parts, genuine: Any, row: Any) -> KnownGenuine | None:
    """Gather genuine pairs: those given, else the rows that the detector kept.

    Parameters
    ----------
    pipeline : Pipeline
    parts : Parts
        Of `pipeline`.
    genuine : table of m pairs, ndarray of shape (m, k), or None
    row : array of one row
        What the detector is given of the pair in question.

    Returns
    -------
    KnownGenuine or None
        None if nothing is known.

    Raises
    ------
    ValueError
        If `genuine` is neither pairs nor differences of the width that the detector expects; an
        `ImageError` if a photograph cannot be used.
    """
    width = _flat(row).shape[1]
    if genuine is None:
        rows = kept_rows(parts.detector)
        return None if rows is None or rows.shape[1:] != (width,) else KnownGenuine(rows)
    array = genuine.to_numpy() if hasattr(genuine, "iloc") else genuine
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.dtype.kind in "fiu":
        if array.shape[1] != width or not len(array):
            raise ValueError(
                f"genuine has shape {array.shape}, expected pairs of photographs, or (m, {width}): "
                "differences as the last step of the pipeline takes them"
            )
        return KnownGenuine(array.astype(np.float64))
    try:
        return _embedded(take_apart(pipeline, stores=True), genuine)
    except ImageError as error:
        raise ImageError(
            f"{error.message} (in `genuine`)", row=error.row, column=error.column, path=error.path
        ) from error


def _embedded(parts: Parts, genuine: Any) -> KnownGenuine:
    table = image_table(genuine)
    if not table.is_pairs:
        raise ImageError("these are single images, expected pairs")
    crops = None
    if parts.aligner is not None:
        crops = copy.copy(parts.aligner).set_params(shared=True).transform(genuine)
    given = genuine if crops is None else crops
    features = parts.features(given)
    rows = parts.join(features) if features else parts.rows(given)
    return KnownGenuine(_flat(rows), features, table, crops)


def _flat(rows: Any) -> NDArray[np.float64]:
    """Bring what a detector is given to the form (n, k)."""
    array = np.asarray(rows, dtype=np.float64)
    return array.reshape(len(array), -1)


def kept_rows(detector: Any) -> NDArray[np.float64] | None:
    """Return the genuine rows that a fitted detector kept, or None.

    Neighbour-based detectors do: scikit-learn's, also within `GenuineOnly`, and PyOD's. Where a
    detector is fitted on a part of the rows, as in `ConformalDetector`, its row numbers would mean
    nothing.
    """
    for name in _INNER:
        if hasattr(detector, name):
            return kept_rows(getattr(detector, name))
    for holder in (detector, getattr(detector, "neigh_", None)):
        rows = getattr(holder, "_fit_X", None)
        if rows is not None:
            return np.asarray(rows, dtype=np.float64)
    return None
