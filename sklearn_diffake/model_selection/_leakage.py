"""Detect splits with a person or a video in both training and test."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator, check_cv

from sklearn_diffake.model_selection._groups import (
    Columns,
    Membership,
    group_columns,
    select_columns,
    split_columns,
)
from sklearn_diffake.utils._groups import name_codes
from sklearn_diffake.utils._messages import list_first
from sklearn_diffake.utils._sklearn_compat import GroupsConsumerMixin, _num_samples

Split = tuple[NDArray[np.int64], NDArray[np.int64]]


class LeakageError(ValueError):
    """A split has a person or a video on both sides.

    See Also
    --------
    check_no_leakage : Raises the error if a split shares people or videos.
    LeakageGuard : Checks every split of a splitter.

    Examples
    --------
    >>> from sklearn_diffake.model_selection import LeakageError, check_no_leakage
    >>> try:
    ...     check_no_leakage([([0], [1])], groups=["ann", "ann"])
    ... except LeakageError as error:
    ...     print(error)
    Split 0 has 'ann' on both sides (column 0): 'ann' is in row 0 of training and in row 1 of test.
    """


def check_no_leakage(splits: Iterable[tuple[ArrayLike, ArrayLike]], groups: Any) -> None:
    """Raise an error if a person or a video is both in training and in test.

    If a detector was fitted on a face, or on other frames of a video, its test result on it is too
    good.

    Parameters
    ----------
    splits : iterable of (train, test)
        Row numbers or boolean masks, such as from ``cv.split(X, y, groups)``.
    groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
        Persons or videos of each row: columns that must not be shared. Values are compared
        across columns, spellings as :func:`connected_groups` does; None, NaN and "" are no names.

    Raises
    ------
    LeakageError
        A ``ValueError`` that names the split and the shared names.
    ValueError
        If a row has no name.

    See Also
    --------
    LeakageGuard : Checks all splits of a splitter.

    Examples
    --------
    >>> from sklearn_diffake.model_selection import check_no_leakage
    >>> check_no_leakage([([0, 1], [2])], ["ann", "ann", "bob"])
    >>> check_no_leakage([([0], [1, 2])], ["ann", "ann", "bob"])
    Traceback (most recent call last):
        ...
    sklearn_diffake.model_selection._leakage.LeakageError: Split 0 has 'ann' on both sides...
    """
    columns = group_columns(groups)
    membership = Membership.from_columns(columns)
    for number, (train, test) in enumerate(splits):
        _refuse_leak(number, np.asarray(train), np.asarray(test), columns, membership)


def _refuse_leak(
    number: int,
    train: NDArray[Any],
    test: NDArray[Any],
    columns: Columns,
    membership: Membership,
) -> None:
    shared = np.flatnonzero(membership.named_in(train) & membership.named_in(test))
    if not shared.size:
        return
    names = [membership.names[code] for code in shared]
    example = membership.table[:, [shared[0]]].nonzero()[0]
    rows = np.arange(len(next(iter(columns.values()))))
    in_train, in_test = (np.intersect1d(rows[side], example)[0] for side in (train, test))
    hint = f" (column {', '.join(map(repr, columns))})" if len(columns) == 1 else ""
    raise LeakageError(
        f"Split {number} has {list_first(names)} on both sides{hint}: {names[0]!r} is in row "
        f"{in_train} of training and in row {in_test} of test."
    )


class LeakageGuard(GroupsConsumerMixin, BaseCrossValidator):
    """Wrapper of a splitter that raises an error if a person or a video is on both sides.

    Parameters
    ----------
    cv : int, splitter, or list of (train, test), default=5
        The splitter, as scikit-learn's ``cv``. It gets groups if it needs them.
    by : str or int, default=None
        Column of `groups` that `cv` gets: a name for a DataFrame, a number for an array. None
        passes all of `groups`.
    disjoint : sequence of str or int, default=None
        Columns of `groups` that must not be on both sides. None means all.

    See Also
    --------
    check_no_leakage : Checks existing splits.
    IdentityGroupKFold : Splits without leakage.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import LeaveOneGroupOut
    >>> from sklearn_diffake.model_selection import LeakageGuard
    >>> X, y = np.zeros((4, 1)), [1, -1, 1, -1]
    >>> groups = np.array([["ff", "ann"], ["ff", "ann"], ["dfdc", "bob"], ["dfdc", "cid"]])
    >>> cv = LeakageGuard(LeaveOneGroupOut(), by=0, disjoint=[1])
    >>> [test.tolist() for train, test in cv.split(X, y, groups)]
    [[2, 3], [0, 1]]
    >>> groups[3, 1] = "ann"
    >>> next(cv.split(X, y, groups))
    Traceback (most recent call last):
        ...
    sklearn_diffake.model_selection._leakage.LeakageError: Split 0 has 'ann' on both sides...
    """

    def __init__(
        self,
        cv: Any = 5,
        *,
        by: Hashable | None = None,
        disjoint: Sequence[Hashable] | None = None,
    ):
        self.cv = cv
        self.by = by
        self.disjoint = disjoint

    def split(self, X: Any, y: ArrayLike | None = None, groups: Any = None) -> Iterator[Split]:
        """Yield the splits after checking each.

        Parameters
        ----------
        X : rows of any kind
            The rows to split.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
            Persons or videos of each row, and the groups of `cv`.

        Yields
        ------
        train : ndarray of int
            Row numbers.
        test : ndarray of int
            Row numbers.

        Raises
        ------
        LeakageError
            A ``ValueError`` that names the split and the shared names.
        """
        columns = group_columns(groups, _num_samples(X))
        kept_apart = (
            columns if self.disjoint is None else select_columns(columns, list(self.disjoint))
        )
        membership = Membership.from_columns(kept_apart)
        cv = self._inner(y)
        for number, (train, test) in enumerate(cv.split(X, y, self._inner_groups(cv, groups))):
            _refuse_leak(number, train, test, kept_apart, membership)
            yield train, test

    def get_n_splits(self, X: Any = None, y: ArrayLike | None = None, groups: Any = None) -> int:
        """Count the splits.

        Parameters
        ----------
        X : rows of any kind, default=None
            The rows to split.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame, default=None
            As for :meth:`split`; required if `cv` needs them.

        Returns
        -------
        n_splits : int
            Number of splits of `cv`.

        Raises
        ------
        ValueError
            If `cv` needs groups and there are none.
        """
        cv = self._inner(y)
        inner_groups = None if groups is None else self._inner_groups(cv, groups)
        return int(cv.get_n_splits(X, y, inner_groups))

    def _inner(self, y: ArrayLike | None) -> Any:
        return check_cv(self.cv, y)

    def _inner_groups(self, cv: Any, groups: Any) -> Any:
        """Return the groups for the inner splitter, None if it does not use groups."""
        if not isinstance(cv, GroupsConsumerMixin):
            return None
        columns = group_columns(groups)
        if self.by is None and len(columns) > 1:
            return groups
        column, _ = split_columns(columns, self.by, [])
        values = columns[column]
        kind = None if self.disjoint is None else f"groups, column {column!r}"  # warned before
        return np.asarray(name_codes(values, kind=kind).values(values))
