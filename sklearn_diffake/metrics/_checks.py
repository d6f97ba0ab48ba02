"""Check labels, scores and techniques, for all metrics."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_diffake.base import check_finite
from sklearn_diffake.utils._groups import name_codes
from sklearn_diffake.utils._labels import check_labels
from sklearn_diffake.utils._names import is_missing

_NAMES = {1: "genuine (+1)", -1: "deepfake (-1)"}


def check_scores(
    y_true: ArrayLike, score: ArrayLike, *, needs: Literal["both", 1, -1] = "both"
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Check labels and scores, and return them as arrays.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake.
    score : array-like of shape (n_samples,)
        Finite numbers.
    needs : {"both", 1, -1}, default="both"
        Which of the classes must occur.

    Returns
    -------
    y_true : ndarray of shape (n_samples,), int64
    score : ndarray of shape (n_samples,), float64

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or a required class
        is absent.
    """
    labels = check_labels(y_true, name="y_true")
    values = np.asarray(column_or_1d(score), dtype=np.float64)
    check_consistent_length(labels, values)
    check_finite(values, name="score")
    if needs == "both":
        if len(np.unique(labels)) < 2:
            only = _NAMES[int(labels[0])] if len(labels) else _NAMES[-1]
            raise ValueError(f"y_true must hold both classes; all {len(labels)} rows are {only}.")
    elif not (labels == needs).any():
        raise ValueError(
            f"y_true must hold {_NAMES[needs]} rows; none of its {len(labels)} rows is."
        )
    return labels, values


def check_rows(values: ArrayLike, n_samples: int, *, name: str) -> NDArray[Any]:
    """Check that there is one value per row, and return them as a 1-D array.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Names of videos, techniques or identities: any that compare equal.
    n_samples : int
        Number of rows that are expected.
    name : str
        Name of the values in messages.

    Returns
    -------
    values : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If `values` is not 1-D or has another length.
    """
    array = column_or_1d(values)
    if len(array) != n_samples:
        raise ValueError(
            f"{name} must have one value for each of the {n_samples} rows, got {len(array)}."
        )
    return array


def technique_rows(technique: ArrayLike, labels: NDArray[np.int64]) -> dict[Any, NDArray[np.int64]]:
    """Return the rows of the deepfakes of every technique.

    Parameters
    ----------
    technique : array-like of shape (n_samples,)
        Technique of each deepfake; values of genuine rows are ignored.
    labels : ndarray of shape (n_samples,), int64
        +1 for genuine, -1 for deepfake.

    Returns
    -------
    rows : dict of technique to ndarray of int64
        Row numbers, sorted by the name of the technique.

    Raises
    ------
    ValueError
        If the length differs, or a deepfake has no technique.
    """
    names = check_rows(technique, len(labels), name="technique").tolist()
    fakes = np.flatnonzero(labels == -1)
    for row in fakes.tolist():
        if is_missing(names[row]):
            raise ValueError(f"Row {row} is a deepfake and has no technique ({names[row]!r}).")
    coded = name_codes([names[row] for row in fakes.tolist()], kind="technique")
    rows = {name: fakes[coded.codes == code] for code, name in enumerate(coded.names)}
    return dict(sorted(rows.items(), key=lambda item: str(item[0])))
