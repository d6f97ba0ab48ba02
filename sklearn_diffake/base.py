"""The base class of one-class detectors, which are fitted on genuine rows only."""

from __future__ import annotations

import math
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, Self
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_diffake.utils._batches import batch_slices, size_within
from sklearn_diffake.utils._doc_links import DocumentedMixin
from sklearn_diffake.utils._labels import GENUINE, LabelError, any_labels, check_labels
from sklearn_diffake.utils._messages import list_first
from sklearn_diffake.utils._sklearn_compat import (
    Interval,
    _fit_context,
    _num_samples,
    _safe_indexing,
)

__all__ = ["BaseDetector", "LabelError", "any_labels"]
#: Code of the warning about a threshold that rests on few genuine rows.
FEW_GENUINE = "few-genuine-pairs"
_BLOCK = 2**21  # bytes
# Arrays and DataFrames of one embedding per row that a transformer returned, by their id; what was
# sliced or computed from one of them is another object.
_SINGLE: WeakValueDictionary[int, Any] = WeakValueDictionary()


def genuine_mask(
    y: ArrayLike | None, n_samples: int, *, allow_none: bool = False
) -> NDArray[np.bool_]:
    """Return a mask of the rows to fit on: all but those labeled -1.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or None
        +1 for genuine (bona fide), -1 for deepfake. None means all genuine.
    n_samples : int
        Number of rows that `y` must have.
    allow_none : bool, default=False
        Whether all rows may be deepfakes, as in one chunk of many.

    Returns
    -------
    mask : ndarray of shape (n_samples,), bool
        False exactly where ``y == -1``.

    Raises
    ------
    ValueError
        If a label is neither +1 nor -1, `y` has another length, or no row is genuine and one must
        be.
    """
    if y is None:
        return np.ones(n_samples, dtype=bool)
    labels = check_labels(y)
    if len(labels) != n_samples:
        raise ValueError(
            f"y must have one label for each of the {n_samples} rows of X, got {len(labels)}."
        )
    mask = labels == GENUINE
    if not (allow_none or mask.any()):
        raise ValueError(
            f"No genuine row to learn from: all {n_samples} rows are labeled -1 (deepfake). "
            "A one-class detector is fitted on rows labeled +1 (genuine)."
        )
    return mask


def take_rows(X: Any, mask: NDArray[np.bool_]) -> Any:
    """Return the rows of `X` where `mask` is True; `X` itself if that is all of them.

    Parameters
    ----------
    X : list, DataFrame or array with rows along its first axis
        Anything that slices: differences, pairs of paths, images.
    mask : ndarray of shape (n_samples,), bool
        True for the rows to keep.

    Returns
    -------
    X_taken : same type as X
        The rows, in their order.
    """
    return X if mask.all() else _safe_indexing(X, mask)


def genuine_rows(X: Any, y: ArrayLike | None) -> Any:
    """Return the rows of `X` that are not labeled -1 (deepfake).

    Parameters
    ----------
    X : list, DataFrame or array with rows along its first axis
        Anything that slices: differences, pairs of paths, images.
    y : array-like of shape (n_samples,) or None
        +1 for genuine, -1 for deepfake. None means all genuine.

    Returns
    -------
    X_genuine : same type as X
        The rows, in their order.

    Raises
    ------
    ValueError
        If a label is neither +1 nor -1, `y` has another length, or no row is genuine.

    Examples
    --------
    >>> from sklearn_diffake.base import genuine_rows
    >>> genuine_rows(["a.png", "b.png", "c.png"], [1, -1, 1])
    ['a.png', 'c.png']
    """
    return take_rows(X, genuine_mask(y, _num_samples(X)))


def row_blocks(X: NDArray[Any]) -> Iterator[slice]:
    """Split the rows of an array into blocks that fit a processor's cache.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        Of any number format.

    Returns
    -------
    iterator of slice
        Rows of about two megabytes; at least one row.
    """
    row_size = X.itemsize * math.prod(X.shape[1:])
    return batch_slices(len(X), size_within(_BLOCK, row_size))


def check_finite(X: NDArray[Any], *, name: str = "X") -> None:
    """Raise an error that names the first row of `X` with NaN or infinity.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...), float
        The array to check.
    name : str, default="X"
        Name of the array in the message.

    Raises
    ------
    ValueError
        If any value is NaN or infinite.
    """
    if all(np.isfinite(X[rows]).all() for rows in row_blocks(X)):
        return
    finite = np.isfinite(X)
    rows = np.flatnonzero(~finite.reshape(len(X), -1).all(axis=1))
    value = "NaN" if np.isnan(X[rows[0]]).any() else "infinity"
    note = f" (and in {len(rows) - 1} later rows)" if len(rows) > 1 else ""
    raise ValueError(
        f"Input {name} contains {value} in row {rows[0]}{note}. "
        "Remove or repair these rows: every value must be finite."
    )


def missing_rows(X: Any) -> NDArray[np.bool_]:
    """Mark the rows of NaN alone: pairs of which a template has no usable face.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Differences or embeddings. Anything but an array or DataFrame of floats has no such rows.

    Returns
    -------
    missing : ndarray of shape (n_samples,), bool
        True where every value of the row is NaN.

    Raises
    ------
    ValueError
        If there is such a row, and another row in which only some values are NaN or infinite.
    """
    array = X.to_numpy() if hasattr(X, "iloc") else X
    if not (isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.ndim > 1):
        return np.zeros(_num_samples(X), dtype=bool)
    missing = np.zeros(len(array), dtype=bool)
    if array.size:
        for rows in row_blocks(array):
            missing[rows] = np.isnan(array[rows].reshape(rows.stop - rows.start, -1)).all(axis=1)
    if missing.any() and array.ndim == 2:
        check_finite(np.where(missing[:, np.newaxis], 0, array))
    return missing


def warn_of_missing(missing: NDArray[np.bool_], *, stacklevel: int = 3) -> None:
    """Warn that rows are ignored by `fit`, because they have no usable face.

    Parameters
    ----------
    missing : ndarray of shape (n_samples,), bool
        True for these rows.
    stacklevel : int, default=3
        As for :func:`warnings.warn`.
    """
    if missing.any():
        warnings.warn(
            f"{int(missing.sum())} of {len(missing)} rows are not learned from, since they have no "
            f"usable face: {_rows_of(missing)}.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def refuse_missing(missing: NDArray[np.bool_]) -> None:
    """Raise an error if rows have no verdict, because they have no usable face.

    Parameters
    ----------
    missing : ndarray of shape (n_samples,), bool
        True for these rows.

    Raises
    ------
    ValueError
        If there is such a row; the message names the rows.
    """
    if missing.any():
        raise ValueError(
            f"{int(missing.sum())} of {len(missing)} rows have no usable face, and so no verdict: "
            f"{_rows_of(missing)}. score_samples and decision_function give NaN for them."
        )


def _rows_of(mask: NDArray[np.bool_]) -> str:
    rows = np.flatnonzero(mask).tolist()
    return f"row{'s' * (len(rows) > 1)} {list_first(rows, n_shown=10)}"


def mark_single_pictures(X: Any) -> Any:
    """Record that the rows of a table are embeddings of single pictures, which are not pairs.

    In shape, such a table is like a table of differences. A pipeline passes it on unchanged,
    so that a detector can refuse it, see :func:`refuse_single_pictures`.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, d)
        One embedding per row.

    Returns
    -------
    X : ndarray or DataFrame of shape (n_samples, d)
        The same object.
    """
    _SINGLE[id(X)] = X
    return X


def refuse_single_pictures(X: Any) -> None:
    """Raise an error if `X` was passed to :func:`mark_single_pictures`.

    Parameters
    ----------
    X : object
        Input of a detector.

    Raises
    ------
    ValueError
        If its rows are embeddings of single pictures.
    """
    marked = _SINGLE.get(id(X))
    if marked is not None and marked is X:
        raise ValueError(
            f"X must hold pairs, got {len(marked)} single pictures, one in each row: "
            "one pair is written [(reference, probe)], and PairDifference makes one row of it."
        )


def threshold_warning(detector: Any) -> str | None:
    """Return the warning that belongs to every verdict of a detector.

    Parameters
    ----------
    detector : estimator
        Fitted.

    Returns
    -------
    message : str or None
        Begins with a code, such as ``few-genuine-pairs``; None if the threshold rests on enough
        genuine rows, or the detector does not say on how many.
    """
    return detector._few_pairs() if isinstance(detector, BaseDetector) else None


class BaseDetector(DocumentedMixin, OutlierMixin, BaseEstimator, metaclass=ABCMeta):
    """Base class of one-class detectors that are fitted on genuine rows only.

    A subclass stores its parameters, merges ``_parameter_constraints``, and writes
    ``_fit(X)`` and ``_score(X)``; both receive the result of ``_validate``. The rest is done here:
    rows labeled -1 are dropped before ``_fit``, ``offset_`` is set from the scores of the genuine
    training rows, and scores become decisions and verdicts.

    Three hooks may be replaced: ``_validate`` (input that is not 2-D, such as images),
    ``_offset`` (another way to set the threshold), and ``fit`` itself, if each row has more
    properties than `y`::

        @_fit_context(prefer_skip_nested_validation=True)
        def fit(self, X, y=None, *, groups=None):
            return self._fit_genuine(X, y, groups=groups)   # -> self._fit(X, groups=groups)

    Attributes
    ----------
    contamination : float in (0, 0.5]
        A parameter of the subclass: fraction of the genuine training rows that the threshold
        rejects, for which ``predict`` returns -1.
    offset_ : float
        The `contamination` quantile of ``score_samples`` over the genuine training rows;
        ``decision_function = score_samples - offset_``.
    n_genuine_ : int
        Number of genuine rows that the detector was fitted on.
    n_features_in_ : int
        Number of features seen during fit.

    See Also
    --------
    sklearn_diffake.novelty.GenuineOnly : Wraps a detector of another library, so that it learns
        from genuine rows only.
    sklearn_diffake.novelty.ConformalDetector : Adds p-values to any detector.
    sklearn.base.OutlierMixin : The convention that ``predict`` follows.

    Examples
    --------
    A detector that scores a row by its distance to the mean of the genuine ones:

    >>> import numpy as np
    >>> from sklearn_diffake.base import BaseDetector
    >>> class DistanceToMean(BaseDetector):
    ...     def __init__(self, contamination=0.05):
    ...         self.contamination = contamination
    ...     def _fit(self, X):
    ...         self.mean_ = X.mean(axis=0)
    ...     def _score(self, X):
    ...         return -np.linalg.norm(X - self.mean_, axis=1)
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> DistanceToMean().fit(X).predict([[0.0, 0.0], [9.0, 9.0]])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {"contamination": [Interval(Real, 0, 0.5, closed="right")]}

    contamination: float
    offset_: float
    n_genuine_: int

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Fit the detector on the genuine rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One row per pair, finite numbers.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake. Rows labeled -1 have no influence on the model or on
            its threshold. None means that all rows are genuine. Rows of NaN alone, which
            stand for pairs without a usable face, are ignored with a warning.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `X` is not 2-D and finite, a label is neither +1 nor -1, `y` has another length, or
            no row is genuine.
        """
        return self._fit_genuine(X, y)

    def _fit_genuine(self, X: Any, y: ArrayLike | None, **per_row: Any) -> Self:
        """Fit on the genuine rows of `X` and of the `per_row` arrays (None allowed).

        If it fails, the state of the earlier fit is restored, so that no mix of two fits scores.
        """
        earlier_state = vars(self).copy()
        try:
            X, genuine = self._validate_genuine(X, y, reset=True)
            if not genuine.any():
                raise ValueError("No genuine row to learn from: none of them has a usable face.")
            aligned = {
                name: rows if rows is None else take_rows(rows, genuine)
                for name, rows in per_row.items()
            }
            self._fit(X, **aligned)
            self.offset_ = self._offset(X)
        except BaseException:  # Ctrl-C in a long training too
            self.__dict__ = earlier_state
            raise
        self.n_genuine_ = int(genuine.sum())
        return self

    def _validate_genuine(
        self, X: Any, y: ArrayLike | None, *, reset: bool, allow_none: bool = False
    ) -> tuple[Any, NDArray[np.bool_]]:
        """Return the rows of `X` to learn from, validated, and mark which of all they are.

        They are genuine and have a usable face.
        """
        refuse_single_pictures(X)
        missing = missing_rows(X)
        present = X
        if missing.any() and not missing.all():
            warn_of_missing(missing, stacklevel=4)
            present = take_rows(X, ~missing)
        present = self._validate(present, reset=reset)
        genuine = genuine_mask(y, len(missing), allow_none=allow_none)
        return take_rows(present, genuine[~missing]), genuine & ~missing

    def fit_predict(self, X: ArrayLike, y: ArrayLike | None = None, **params: Any) -> NDArray:
        """Fit on the genuine rows of `X`, then return a verdict on every row of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One row per pair.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake; rows labeled -1 are ignored by the fit.
        **params : dict
            Further arguments of ``fit``.

        Returns
        -------
        verdict : ndarray of shape (n_samples,), int
            +1 for genuine, -1 for deepfake.
        """
        return self.fit(X, y, **params).predict(X)

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return a score for each row: higher means more genuine.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One row per pair.

        Returns
        -------
        score : ndarray of shape (n_samples,), float64
            Independent of the other rows of `X`. NaN for a row of NaN alone, which stands for a
            pair without a usable face.
        """
        return self._of_present(self._score, X)

    def _of_present(self, compute: Callable[[Any], Any], X: Any) -> NDArray[np.float64]:
        """Apply a function to the validated rows of X that have a face; the other rows give NaN."""
        check_is_fitted(self)
        refuse_single_pictures(X)
        missing = missing_rows(X)
        if not missing.any():
            return np.asarray(compute(self._validate(X, reset=False)), dtype=np.float64)
        numbers = np.full(len(missing), np.nan)
        if not missing.all():
            present = self._validate(take_rows(X, ~missing), reset=False)
            numbers[~missing] = compute(present)
        return numbers

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the score of each row relative to the threshold: ``score_samples(X) - offset_``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One row per pair.

        Returns
        -------
        decision : ndarray of shape (n_samples,), float64
            Zero or more for genuine, negative for deepfake.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int_]:
        """Return a verdict on each row: genuine or deepfake.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One row per pair.

        Returns
        -------
        verdict : ndarray of shape (n_samples,), int
            +1 where ``decision_function(X) >= 0`` (genuine), else -1 (deepfake).

        Raises
        ------
        ValueError
            If a row has no score, because its pair has no usable face.

        Warns
        -----
        UserWarning
            If there were too few genuine training rows for `contamination`. For a
            `ConformalDetector`: if there were fewer than 19 calibration rows or groups, or too few
            for `target_bpcer`. The text begins with a code: ``few-genuine-pairs`` or
            ``few-calibration-pairs``.
        """
        decision = self.decision_function(X)
        refuse_missing(np.isnan(decision))
        self._warn_few()
        return np.where(decision >= 0, 1, -1)

    def _few_pairs(self) -> str | None:
        """Return a warning if there were few genuine training rows, else None."""
        rows, fraction = getattr(self, "n_genuine_", None), getattr(self, "contamination", None)
        if rows is None or fraction is None or rows * fraction >= 1:
            return None
        pairs = f"{rows} genuine pair{'s' * (rows != 1)}"
        return (
            f"{FEW_GENUINE}: the threshold rests on {pairs} only; at least "
            f"{int(np.ceil(1 / fraction))} are needed to reject a fraction of {fraction:g} of "
            "genuine pairs, and a verdict from so few is weak"
        )

    def _warn_few(self) -> None:
        """Warn if there were few genuine training rows."""
        message = self._few_pairs()
        if message is not None:
            warnings.warn(message, UserWarning, stacklevel=3)

    def _validate(self, X: Any, *, reset: bool) -> Any:
        """Return `X` as a finite float64 array of shape (n_samples, n_features)."""
        X = validate_data(
            self, X, reset=reset, dtype=np.float64, order="C", ensure_all_finite=False
        )
        check_finite(X)
        return X

    def _offset(self, X: Any) -> float:
        """Return the threshold on ``score_samples``, given the genuine training rows."""
        return float(np.quantile(self._score(X), self.contamination))

    @abstractmethod
    def _fit(self, X: Any, **per_row: Any) -> None:
        """Learn from `X`: validated, genuine rows only."""

    @abstractmethod
    def _score(self, X: Any) -> NDArray[np.float64]:
        """Return one score per row of the validated `X`; higher means more genuine."""
