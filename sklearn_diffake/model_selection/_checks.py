"""Check the labels, names and splits of all splitters."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_diffake.utils._groups import name_codes
from sklearn_diffake.utils._labels import check_labels
from sklearn_diffake.utils._names import is_missing
from sklearn_diffake.utils._sklearn_compat import validate_parameter_constraints


def read_labels(y: ArrayLike | None, n_samples: int) -> NDArray[np.int64]:
    """Check the labels of the rows to split.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or None
        +1 for genuine, -1 for deepfake; None means all genuine.
    n_samples : int

    Returns
    -------
    labels : ndarray of shape (n_samples,), int64

    Raises
    ------
    ValueError
        If the length differs or a label is neither +1 nor -1.
    """
    if y is None:
        return np.ones(n_samples, dtype=np.int64)
    labels = check_labels(y)
    if len(labels) != n_samples:
        raise ValueError(
            f"y must have one label for each of the {n_samples} rows of X, got {len(labels)}."
        )
    return labels


def read_names(
    values: list[Any], rows: NDArray[np.int64], *, column: Hashable
) -> tuple[list[Any], list[Any]]:
    """Return the sorted distinct names of some rows in a column, and the name of every row.

    Parameters
    ----------
    values : list
        One per row.
    rows : ndarray of int64
        Numbers of the rows to read.
    column : str or int
        Name of the column in messages.

    Returns
    -------
    names : list
    name_of_row : list
        Names in one spelling; values of other rows are unchanged.

    Raises
    ------
    ValueError
        If one of the rows has no name.

    Warns
    -----
    UserWarning
        If a name is spelled in several ways, or if names differ in case alone.
    """
    for row in rows.tolist():
        if is_missing(values[row]):
            raise ValueError(f"Row {row} has no value in column {column!r} of groups.")
    selected = [values[row] for row in rows.tolist()]
    coded = name_codes(selected, kind=f"groups, column {column!r}")
    name_of_row = list(values)
    for row, name in zip(rows.tolist(), coded.values(selected), strict=True):
        name_of_row[row] = name
    return sorted(coded.names, key=str), name_of_row


def check_split(
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    labels: NDArray[np.int64],
    *,
    name: str,
    advice: str,
    both_classes: bool = True,
) -> None:
    """Raise an error if training has no genuine rows, or test has one class only.

    Parameters
    ----------
    train, test : ndarray of int64
        Row numbers.
    labels : ndarray of shape (n_samples,), int64
        +1 for genuine, -1 for deepfake. If all are equal, test may have one class.
    name : str
        Name of the split in messages.
    advice : str
        Remedy, for messages.
    both_classes : bool, default=True
        Whether test needs both classes.

    Raises
    ------
    ValueError
        If the split is not valid.
    """
    if not (labels[train] == 1).any():
        raise ValueError(f"{name} leaves no genuine row (+1) to train on. {advice}")
    if not both_classes or len(np.unique(labels)) < 2:
        return
    for label, description in ((1, "genuine row (+1)"), (-1, "deepfake (-1)")):
        if not (labels[test] == label).any():
            raise ValueError(f"{name} has no {description} to test on. {advice}")


def check_parameters(splitter: Any) -> None:
    """Check a splitter's parameters against its ``_parameter_constraints``.

    Parameters
    ----------
    splitter : object

    Raises
    ------
    ValueError
        If the value of a parameter is not valid.
    """
    constraints = splitter._parameter_constraints
    values = {name: getattr(splitter, name) for name in constraints}
    validate_parameter_constraints(constraints, values, type(splitter).__name__)
