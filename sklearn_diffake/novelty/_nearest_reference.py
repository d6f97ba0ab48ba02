"""Score a probe by its distance to the nearest of several references, as FACTOR does."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags, check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import validate_data

from sklearn_diffake.base import BaseDetector, check_finite
from sklearn_diffake.utils._arrays import cosine_distance, row_lengths
from sklearn_diffake.utils._groups import group_codes
from sklearn_diffake.utils._sklearn_compat import StrOptions


class NearestReferenceDetector(BaseDetector):
    """Score a probe by its distance to the nearest of its references.

    FACTOR's test of claimed identity [1]_: the face should be similar to at least one trusted
    picture of the claimed person. Only the threshold is fitted, and the input is embeddings, not
    differences::

        make_pipeline(FaceAligner(), FaceEmbedder(), NearestReferenceDetector())

    Parameters
    ----------
    metric : {"cosine", "euclidean"}, default="cosine"
        Distance of two embeddings: one minus their cosine similarity, in [0, 2] (1 if either is
        the zero vector), or the norm of their difference. Not used for 2-D input.
    contamination : float in (0, 0.5], default=0.05
        Fraction of the genuine training rows that the threshold rejects, for which ``predict``
        returns -1.

    Attributes
    ----------
    offset_ : float
        The `contamination` quantile of ``score_samples`` over the genuine training rows;
        ``decision_function = score_samples - offset_``.
    n_genuine_ : int
        Number of genuine rows in fit.
    input_ndim_ : int
        3 if fitted on embeddings, 2 if fitted on distances. Scoring needs the same.
    n_features_in_ : int
        Width of the input seen in fit: `d` for embeddings, `k` for distances.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen in fit, if all of them are strings.

    See Also
    --------
    stack_references : Collect the references of each probe in one row.
    MahalanobisDetector : Fits the distribution of genuine differences.

    Notes
    -----
    `X` is one of

    - embeddings of shape ``(n, 1 + k, d)``: `k` references, then the probe in the last column. The
      ``(n, 2, d)`` that :class:`~sklearn_diffake.embedding.FaceEmbedder` returns for pairs is the
      case of one reference. Absent references are NaN; `k` may differ between fit and scoring;
    - distances of shape ``(n, k)``, one column per reference; NaN where absent. Any numbers are
      possible for which smaller means nearer.

    Every row needs at least one reference. ``score_samples`` is minus the smallest distance.

    References
    ----------
    .. [1] T. Reiss, B. Cavia, Y. Hoshen, "Detecting Deepfakes Without Seeing Any",
       2023, arXiv:2311.01458.

    Examples
    --------
    >>> from sklearn_diffake.novelty import NearestReferenceDetector
    >>> # the first probe is similar to its second reference
    >>> X = [[[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]],
    ...      [[1.0, 0.0], [0.8, 0.6], [0.0, 2.0]]]
    >>> NearestReferenceDetector().fit(X).score_samples(X).round(3) + 0.0
    array([ 0. , -0.4])
    """

    input_ndim_: int

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "metric": [StrOptions({"cosine", "euclidean"})],
    }

    n_features_in_: int

    def __init__(
        self,
        metric: Literal["cosine", "euclidean"] = "cosine",
        *,
        contamination: float = 0.05,
    ):
        self.metric = metric
        self.contamination = contamination

    def _fit(self, X: NDArray, **per_row: Any) -> None:
        """Do nothing: the base class sets the threshold."""

    def _score(self, X: NDArray) -> NDArray[np.float64]:
        if X.ndim == 2:
            return -np.fmin.reduce(X, axis=1)
        distance = cosine_distance if self.metric == "cosine" else _euclidean
        probe, nearest = X[:, -1], np.full(len(X), np.nan)
        for j in range(X.shape[1] - 1):
            np.fmin(nearest, distance(X[:, j], probe), out=nearest)  # ignores NaN
        return -nearest

    def _validate(self, X: Any, *, reset: bool) -> NDArray:
        """Return `X` as checked distances (n, k) or embeddings (n, 1 + k, d)."""
        X = X if hasattr(X, "ndim") else np.asarray(X)
        stacked = X.ndim > 2
        if not reset and X.ndim > 1 and stacked != (self.input_ndim_ == 3):
            self._raise_other_form(X)
        X = validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_2d=not stacked,
            allow_nd=stacked,
            ensure_all_finite=False,
        )
        (_check_embeddings if stacked else _check_distances)(X)
        if reset:
            self.input_ndim_, self.n_features_in_ = X.ndim, X.shape[-1]
        elif X.shape[-1] != self.n_features_in_:
            self._raise_other_form(X)
        return X

    def _raise_other_form(self, X: Any) -> None:
        forms = {2: "distances (n, k) with k", 3: "embeddings (n, 1 + k, d) with d"}
        raise ValueError(
            f"X must be {forms[self.input_ndim_]} = {self.n_features_in_}, as in fit, got "
            f"{X.shape}."
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags


def stack_references(pairs: ArrayLike, probe: ArrayLike) -> tuple[NDArray, NDArray[np.intp]]:
    """Collect the references of each probe from several pairs in one row.

    Parameters
    ----------
    pairs : array-like of shape (n_pairs, 2, d)
        Embeddings of a reference (column 0) and a probe (column 1).
    probe : array-like of shape (n_pairs,)
        Identifier of the probe of each pair, such as ``pairs.index[:, 1]`` of
        :func:`~sklearn_diffake.pairs.make_reference_pairs`.

    Returns
    -------
    X : ndarray of shape (n_probes, 1 + k, d)
        One row per probe, by first appearance: its references, then the probe. `k` is the largest
        number of references of a probe; missing references are NaN.
    first : ndarray of shape (n_probes,), int
        The first pair of every probe: ``y[first]`` and ``groups[first]`` belong to the rows of `X`.

    Raises
    ------
    ValueError
        If shapes do not fit, or pairs of one probe hold different embeddings of it.

    See Also
    --------
    NearestReferenceDetector : Takes the result.
    sklearn_diffake.pairs.make_reference_pairs : Pairs every probe with several references.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.novelty import stack_references
    >>> pairs = np.array([[[1.0], [5.0]], [[2.0], [6.0]], [[3.0], [5.0]]])
    >>> X, first = stack_references(pairs, ["b", "a", "b"])
    >>> X[:, :, 0]
    array([[ 1.,  3.,  5.],
           [ 2., nan,  6.]])
    >>> first
    array([0, 1])
    """
    vectors: NDArray = check_array(
        pairs, dtype=[np.float64, np.float32], allow_nd=True, ensure_all_finite="allow-nan"
    )
    if vectors.ndim != 3 or vectors.shape[1] != 2:
        raise ValueError(
            f"pairs must have the shape (n, 2, d), reference and probe, got {vectors.shape}"
        )
    ids = column_or_1d(probe)
    check_consistent_length(vectors, ids)
    codes = group_codes(ids.tolist(), kind="probe")
    first = np.unique(codes, return_index=True)[1]
    differs = ~(vectors[:, 1] == vectors[first[codes], 1]).all(axis=1)
    if differs.any():
        row = int(np.argmax(differs))
        raise ValueError(
            f"pairs[{row}] and pairs[{first[codes[row]]}] are both about probe {ids[row]!r}, but "
            "hold different embeddings of it in column 1, or NaN. Give every probe its own id."
        )
    counts = np.bincount(codes)
    by_probe = np.argsort(codes, kind="stable")
    position = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    X = np.full((len(first), counts.max() + 1, vectors.shape[2]), np.nan, dtype=vectors.dtype)
    X[codes[by_probe], position] = vectors[by_probe, 0]
    X[:, -1] = vectors[first, 1]
    return X, first


def _euclidean(reference: NDArray, probe: NDArray) -> NDArray[np.float64]:
    difference = np.subtract(reference, probe, dtype=np.float64)
    return row_lengths(difference)


def _check_distances(X: NDArray) -> None:
    """Raise an error unless every row of `X` has a distance, and all are finite."""
    absent = np.isnan(X)
    check_finite(np.where(absent, 0.0, X))
    _check_present(absent)


def _check_embeddings(X: NDArray) -> None:
    """Raise an error unless every row of `X` has a finite probe and a finite reference."""
    if X.ndim != 3 or X.shape[1] < 2 or X.shape[2] == 0:
        raise ValueError(
            "X must have the shape (n, 1 + k, d): one or more references, then the probe; or be "
            f"distances of shape (n, k); got the shape {X.shape}."
        )
    check_finite(X[:, -1], name="X (probe)")
    nan = np.isnan(X[:, :-1])
    absent = nan.all(axis=2)
    check_finite(np.where(absent[:, :, np.newaxis], 0.0, X[:, :-1]), name="X (reference)")
    _check_present(absent)


def _check_present(absent: NDArray[np.bool_]) -> None:
    """Raise an error if a row has no reference, given a mask of absent references, (n, k)."""
    empty = np.flatnonzero(absent.all(axis=1))
    if empty.size:
        raise ValueError(
            f"Row {empty[0]} of X has no reference: all {absent.shape[1]} are NaN (as in "
            f"{empty.size} rows in all). Every row needs at least one."
        )
