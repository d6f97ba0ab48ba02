"""Find the genuine pairs with the most similar differences."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.faces import ImageError, read_image
from sklearn_diffake.images.table import ImageTable, image_table
from sklearn_diffake.inspection._split_pipeline import SplitPipeline, split_pipeline

_INNER = ("estimator_", "detector_")  # attributes of wrapped detectors


@dataclass(frozen=True, eq=False)
class NearestGenuine:
    """The genuine differences nearest to the difference of the pair, sorted by distance.

    Attributes
    ----------
    indices : ndarray of shape (k,), int
        Row numbers of the given genuine pairs, or of the genuine training rows that the detector
        stores.
    distances : ndarray of shape (k,), float64
        Euclidean distances of the inputs of the detector.
    typical : float
        Median distance from a genuine row to its nearest neighbor.
    names : list of (str, str) or None
        Paths of reference and probe, if the pairs are paths.
    crops : list of (ndarray, ndarray)
        Aligned crops of reference and probe; empty if only differences are known.

    See Also
    --------
    explain_pair : Looks for the nearest genuine differences.
    PairExplanation : The explanation that they are part of.

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
class GenuinePairs:
    """Genuine pairs: inputs of the detector, and features and photographs if available.

    Attributes
    ----------
    rows : ndarray of shape (m, k), float64
    features : list of ndarray of shape (m, k)
        One array for each branch; empty if unknown.
    table : ImageTable or None
        The photographs.
    crops : ndarray of shape (m, 2), object, or None
        Aligned crops; None if the photographs are the crops.
    """

    rows: NDArray[np.float64]
    features: list[Any] = field(default_factory=list)
    table: ImageTable | None = None
    crops: NDArray[np.object_] | None = None

    def nearest(self, row: Any, k: int) -> NearestGenuine:
        """Return the `k` pairs whose rows are nearest to a row of shape (1, n_features)."""
        from sklearn.neighbors import NearestNeighbors

        model = NearestNeighbors().fit(self.rows)
        distances, indices = model.kneighbors(_flat(row), min(k, len(self.rows)))
        typical = np.nan
        if len(self.rows) > 1:
            typical = float(np.median(model.kneighbors(None, 1)[0]))
        nearest = NearestGenuine(indices[0], distances[0], typical)
        if self.table is None:
            return nearest
        sources = [[self.table.sources[i] for i in self.table.index[row]] for row in indices[0]]
        crops = [
            tuple(self.crops[row]) if self.crops is not None else tuple(map(read_image, pair))
            for row, pair in zip(indices[0], sources, strict=True)
        ]
        paths = all(isinstance(s, (str, os.PathLike)) for pair in sources for s in pair)
        names = [tuple(map(os.fspath, pair)) for pair in sources] if paths else None
        return NearestGenuine(indices[0], distances[0], typical, names, crops)


def genuine_pairs(
    pipeline: Any, split: SplitPipeline, genuine: Any, row: Any
) -> GenuinePairs | None:
    """Return the given genuine pairs, or the training rows that the detector stores.

    Parameters
    ----------
    pipeline : Pipeline
    split : SplitPipeline
        Of `pipeline`.
    genuine : table of m pairs, ndarray of shape (m, k), or None
    row : array of one row
        Input of the detector for the pair in question.

    Returns
    -------
    GenuinePairs or None
        None if there are none.

    Raises
    ------
    ValueError
        If `genuine` is neither pairs nor differences of the width that the detector expects; an
        `ImageError` if a photograph cannot be used.
    """
    width = _flat(row).shape[1]
    if genuine is None:
        rows = kept_rows(split.detector)
        return None if rows is None or rows.shape[1:] != (width,) else GenuinePairs(rows)
    array = genuine.to_numpy() if hasattr(genuine, "iloc") else genuine
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.dtype.kind in "fiu":
        if array.shape[1] != width or not len(array):
            raise ValueError(
                "genuine must be pairs of photographs, or differences as the last step of the "
                f"pipeline takes them, of shape (m, {width}), got the shape {array.shape}"
            )
        return GenuinePairs(array.astype(np.float64))
    try:
        return _embedded(split_pipeline(pipeline, stores=True), genuine)
    except ImageError as error:
        raise ImageError(
            f"{error.message} (in `genuine`)", row=error.row, column=error.column, path=error.path
        ) from error


def _embedded(split: SplitPipeline, genuine: Any) -> GenuinePairs:
    table = image_table(genuine)
    if not table.is_pairs:
        raise ImageError("they must be pairs, got single images")
    crops = None
    if split.aligner is not None:
        crops = copy.copy(split.aligner).set_params(shared=True).transform(genuine)
    pairs = genuine if crops is None else crops
    features = split.features(pairs)
    rows = split.join(features) if features else split.rows(pairs)
    return GenuinePairs(_flat(rows), features, table, crops)


def _flat(rows: Any) -> NDArray[np.float64]:
    """Reshape the input of a detector to (n, k)."""
    array = np.asarray(rows, dtype=np.float64)
    return array.reshape(len(array), -1)


def kept_rows(detector: Any) -> NDArray[np.float64] | None:
    """Return the genuine training rows that a fitted detector stores, or None.

    Neighbor-based detectors store them: scikit-learn's, also within `GenuineOnly`, and PyOD's. If a
    detector is fitted on a subset of the rows, as in `ConformalDetector`, row numbers would refer
    to that subset.
    """
    for name in _INNER:
        if hasattr(detector, name):
            return kept_rows(getattr(detector, name))
    for holder in (detector, getattr(detector, "neigh_", None)):
        rows = getattr(holder, "_fit_X", None)
        if rows is not None:
            return np.asarray(rows, dtype=np.float64)
    return None
