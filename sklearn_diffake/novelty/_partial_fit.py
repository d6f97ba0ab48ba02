"""Base of detectors that learn chunk by chunk."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if

from sklearn_diffake.base import BaseDetector, missing_rows, warn_of_missing
from sklearn_diffake.novelty._row_sample import RowSample
from sklearn_diffake.utils._moments import RunningMoments, forget_fit
from sklearn_diffake.utils._sklearn_compat import _fit_context

#: Rows from which the threshold is found; a detector may need more of them to begin with.
SAMPLE_ROWS = 8192
Detector = TypeVar("Detector", bound="PartialFitDetector")


class TooFewRows(ValueError):
    """The genuine rows so far do not suffice; more of them may."""


def rows_without_spread(n_rows: int) -> TooFewRows:
    """Return the error of a detector whose genuine rows are all the same."""
    return TooFewRows(
        f"All {n_rows} genuine rows are the same (no feature varies), so there is no spread to "
        "model. Are the pairs made of one image twice?"
    )


class RowStream(BaseEstimator):
    """Statistics and sample of the genuine rows, kept between two chunks.

    Parameters
    ----------
    max_rows : int, default=SAMPLE_ROWS
        Most rows in the sample.

    Attributes
    ----------
    moments_ : RunningMoments
        Of all rows.
    sample_ : RowSample
        Of the rows.
    """

    moments_: RunningMoments
    sample_: RowSample

    def __init__(self, max_rows: int = SAMPLE_ROWS):
        self.max_rows = max_rows

    def partial_fit(self, X: NDArray[np.float64]) -> RowStream:
        """Learn from more rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), float64

        Returns
        -------
        self : RowStream
        """
        if not self.n_rows:
            self.moments_, self.sample_ = RunningMoments(), RowSample(self.max_rows)
        self.moments_.partial_fit(X)
        self.sample_.partial_fit(X)
        return self

    @property
    def n_rows(self) -> int:
        """Number of rows so far."""
        return self.sample_.n_seen_ if hasattr(self, "sample_") else 0


def _learns_in_chunks(detector: Any) -> bool:
    detector._check_chunks()
    return True


class PartialFitDetector(BaseDetector):
    """A detector that learns chunk by chunk too.

    A subclass writes ``_fit``, which sets ``stream_`` to None, and ``_learn_chunk(X)``, which
    updates ``stream_`` and raises `TooFewRows` as long as the rows do not suffice for scores.
    """

    stream_: Any  # a RowStream; None after fit

    @available_if(_learns_in_chunks)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self: Detector, X: ArrayLike, y: ArrayLike | None = None) -> Detector:
        """Learn from a chunk of rows, in addition to the chunks before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One row per pair, finite numbers; thousands of rows at a time are quickest.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake, as for `fit`. A chunk may be without a genuine row: it
            changes nothing. Rows of NaN alone are left out with a warning.

        Returns
        -------
        self : object
            The fitted estimator; it scores as soon as there are enough genuine rows.

        Raises
        ------
        ValueError
            If `X` is not 2-D and finite, its width is not that of the chunks before, a label is
            neither +1 nor -1, or `y` has another length.

        Warns
        -----
        UserWarning
            If the genuine rows so far are too few to score by, in which case they are kept; or if
            the detector was fitted by ``fit``, which keeps nothing to go on from: it is forgotten.
        """
        missing = missing_rows(X)
        if missing.any() and missing.all():
            warn_of_missing(missing)
            return self
        begun = hasattr(self, "n_features_in_")
        rows, _ = self._validate_genuine(X, y, reset=not begun, allow_none=True)
        if not len(rows):
            return self
        if getattr(self, "stream_", None) is None:
            forget_fit(self, "stream_", "offset_")
            self.stream_ = self._new_stream(rows.shape[1])
        try:
            self._learn_chunk(rows)
        except TooFewRows as error:
            if hasattr(self, "offset_"):
                raise
            warnings.warn(
                f"The detector cannot score yet, and goes on to learn: {error}",
                UserWarning,
                stacklevel=3,
            )
            return self
        sample = self.stream_.sample_
        self.offset_, self.n_genuine_ = self._offset(sample.rows_), sample.n_seen_
        return self

    def _check_chunks(self) -> None:
        """Raise an AttributeError if the parameters do not allow to learn in chunks."""

    def _new_stream(self, n_features: int) -> RowStream:
        """Return an empty state to keep between chunks."""
        return RowStream()

    def _learn_chunk(self, X: NDArray[np.float64]) -> None:
        """Learn from the genuine rows of one more chunk, validated; at least one."""
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "offset_")
