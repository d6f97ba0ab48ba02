"""Check and read labels: +1 is genuine, -1 is deepfake, and nothing else is a label."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import column_or_1d

GENUINE, DEEPFAKE = 1, -1
CONVENTION = "+1 (genuine) or -1 (deepfake)"
_LABEL_NAMES = {"genuine": GENUINE, "bona fide": GENUINE, "deepfake": DEEPFAKE, "fake": DEEPFAKE}
_LENIENT: ContextVar[bool] = ContextVar("lenient labels", default=False)


class LabelError(ValueError):
    """A label that is neither +1 nor -1; a ValueError.

    Parameters
    ----------
    message : str
        What is wrong.
    row : int
        Row of the label, from 0.
    value : object
        The label.

    See Also
    --------
    any_labels : Accepts any labels in the checks of scikit-learn.
    BaseDetector : Checks labels in ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.base import LabelError
    >>> from sklearn_diffake.novelty import MahalanobisDetector
    >>> try:
    ...     MahalanobisDetector().fit(np.zeros((2, 1)), [1, 0])
    ... except LabelError as error:
    ...     print(error.row, error.value)
    1 0
    """

    __module__ = "sklearn_diffake.base"  # where it is public

    def __init__(self, message: str, row: int, value: Any) -> None:
        super().__init__(message)
        self.row, self.value = row, value

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.row, self.value)


def check_labels(y: ArrayLike, *, name: str = "y") -> NDArray[np.int64]:
    """Return labels as +1 and -1, or raise an error.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Numbers that are +1 for genuine and -1 for deepfake. Booleans are refused: True may mean
        genuine as well as fake. So are texts; :func:`parse_label` reads those of a table.
    name : str, default="y"
        What to call the labels in a message.

    Returns
    -------
    labels : ndarray of shape (n_samples,), int64

    Raises
    ------
    LabelError
        If a label is neither +1 nor -1; it has the attributes `row` and `value`.
    """
    labels = column_or_1d(y)
    if labels.dtype.kind in "iuf":
        valid = (labels == GENUINE) | (labels == DEEPFAKE)
    else:
        valid = np.array([_is_label(value) for value in labels.tolist()], dtype=bool)
    if not valid.all():
        if _LENIENT.get():
            return np.where(labels == DEEPFAKE, DEEPFAKE, GENUINE)
        row = int(np.flatnonzero(~valid)[0])
        value = labels[row].item() if isinstance(labels[row], np.generic) else labels[row]
        raise LabelError(
            f"{name} must be {CONVENTION}, got {value!r} in row {row}. Labels of any other form "
            "are refused, since they do not say which class is genuine: recode them, for example "
            "by np.where(is_fake, -1, 1).",
            row,
            value,
        )
    return labels.astype(np.int64)


def _is_label(value: Any) -> bool:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return number and value in (GENUINE, DEEPFAKE)


def parse_label(text: Any) -> int | None:
    """Read the label in a cell of a table.

    Parameters
    ----------
    text : str or number
        ``1``, ``+1`` or ``1.0`` for genuine, ``-1`` or ``-1.0`` for deepfake, or the words
        ``genuine``, ``bona fide``, ``deepfake`` and ``fake`` in any case. Blank for unknown.

    Returns
    -------
    label : int or None
        +1, -1, or None where it is unknown.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    cell = str(text).strip()
    if not cell:
        return None
    normalized = cell.casefold().replace("-", " ").replace("_", " ")
    if normalized in _LABEL_NAMES:
        return _LABEL_NAMES[normalized]
    try:
        number = float(cell)
    except ValueError:
        number = 0.0
    if number not in (GENUINE, DEEPFAKE):
        raise ValueError(f"label must be 1 (genuine) or -1 (deepfake), got {cell!r}")
    return int(number)


@contextmanager
def any_labels() -> Iterator[None]:
    """Accept any labels within a block, for scikit-learn's own checks only; -1 is deepfake.

    ``check_estimator`` passes labels such as 0, 1 and 2 to ``fit`` of every kind of estimator. It
    does not check what they mean.

    Yields
    ------
    None

    See Also
    --------
    LabelError : What is raised otherwise.

    Examples
    --------
    >>> from sklearn.utils.estimator_checks import check_estimator
    >>> from sklearn_diffake.base import any_labels
    >>> from sklearn_diffake.novelty import MahalanobisDetector
    >>> with any_labels():
    ...     results = check_estimator(MahalanobisDetector())
    """
    token = _LENIENT.set(True)
    try:
        yield
    finally:
        _LENIENT.reset(token)
