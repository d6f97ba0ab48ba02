"""Group the rows that share a person or a video."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import check_random_state

from sklearn_diffake.utils._groups import connected_rows, name_codes

Columns = dict[Hashable, list[Any]]


def connected_groups(groups: Any) -> NDArray[np.int64]:
    """Return group numbers such that rows that share a person or a video are in one group.

    A pair may show two persons, or a person and a video. Two rows are connected if they share a
    value in any columns, directly or through other rows. The numbers can be passed to all functions
    that take one group per row, such as :func:`~sklearn_diffake.metrics.bootstrap_interval` and
    scikit-learn's splitters.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
        Persons or videos of each row. Values are compared across columns, so that a person is
        the same in both cells of a pair. If a video and a person may have the same name, add a
        prefix. Spellings that look the same are one name: white space, invisible characters and
        the encoding of accents make no difference, a whole number equals its digits, and case
        matters. None, NaN and blank text are no names.

    Returns
    -------
    group : ndarray of shape (n_samples,), int64
        From 0, in order of appearance.

    Raises
    ------
    ValueError
        If `groups` has no rows or more than two dimensions, or a row has no name.

    Warns
    -----
    UserWarning
        If a name is spelled in several ways, or if names differ in case alone.

    See Also
    --------
    IdentityGroupKFold : Folds by these groups.
    check_no_leakage : Checks that a split shares no person and no video.
    sklearn.model_selection.GroupKFold : Takes the numbers as ``groups``.

    Examples
    --------
    >>> from sklearn_diffake.model_selection import connected_groups
    >>> connected_groups([("ann", "bob"), ("cid", "dan"), ("bob", "eve"), ("eve", "")])
    array([0, 1, 0, 0])
    """
    return Membership.from_columns(group_columns(groups)).components()


def group_columns(groups: Any, n_samples: int | None = None) -> Columns:
    """Return groups as columns, with the names of a DataFrame or numbered from 0.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
    n_samples : int, default=None
        Expected number of rows; None accepts any.

    Returns
    -------
    columns : dict of str or int to list

    Raises
    ------
    ValueError
        If `groups` is None, has no rows or columns, has more than two dimensions, or another
        number of rows.
    """
    if groups is None:
        raise ValueError("The 'groups' parameter should not be None.")
    if hasattr(groups, "columns"):
        columns: Columns = {name: list(groups[name]) for name in groups.columns}
    else:
        table = groups if isinstance(groups, np.ndarray) else np.array(list(groups), dtype=object)
        if table.ndim not in (1, 2):
            raise ValueError(f"groups must be 1-D or 2-D, got the shape {table.shape}.")
        table = table[:, np.newaxis] if table.ndim == 1 else table
        columns = {number: column.tolist() for number, column in enumerate(table.T)}
    n_rows = len(next(iter(columns.values()), []))
    if not n_rows:
        raise ValueError("groups must have at least one row, got none.")
    if n_samples is not None and n_rows != n_samples:
        raise ValueError(
            f"groups must have one row for each of the {n_samples} rows of X, got {n_rows}."
        )
    return columns


def select_columns(columns: Columns, names: Sequence[Hashable]) -> Columns:
    """Return some of the columns.

    Parameters
    ----------
    columns : dict of str or int to list
    names : sequence of str or int

    Returns
    -------
    columns : dict of str or int to list

    Raises
    ------
    ValueError
        If there is no such column.
    """
    for name in names:
        if name not in columns:
            raise ValueError(f"groups has no column {name!r}; it has {list(columns)}.")
    return {name: columns[name] for name in names}


def split_columns(
    columns: Columns,
    column: Hashable | None,
    disjoint: Sequence[Hashable] | None,
) -> tuple[Hashable, list[Hashable]]:
    """Return the column to split by, and the columns whose names must not be on both sides.

    Parameters
    ----------
    columns : dict of str or int to list
    column : str, int or None
        None means the first.
    disjoint : sequence of str or int, or None
        None means all others.

    Returns
    -------
    column : str or int
    disjoint : list of str or int

    Raises
    ------
    ValueError
        If there is no such column.
    """
    column = next(iter(columns)) if column is None else column
    default = [name for name in columns if name != column]
    selected = default if disjoint is None else list(disjoint)
    return next(iter(select_columns(columns, [column]))), list(select_columns(columns, selected))


def assign_folds(
    strata: NDArray[np.int64],
    connected: NDArray[np.int64],
    n_folds: int,
    *,
    shuffle: bool,
    random_state: int | RandomState | None,
) -> NDArray[np.int64]:
    """Assign whole groups to folds with about equal fractions of every stratum.

    Parameters
    ----------
    strata : ndarray of shape (n_samples,), int64
        Stratum of each row.
    connected : ndarray of shape (n_samples,), int64
        Group of each row, from 0.
    n_folds : int
        Number of folds, at most the number of groups.
    shuffle : bool
        Whether to assign at random.
    random_state : int, RandomState instance or None
        Seed of the shuffle.

    Returns
    -------
    fold_of_row : ndarray of shape (n_samples,), int64
    """
    if shuffle:  # here, because scikit-learn 1.6 shuffles the counts only, not the groups
        connected = check_random_state(random_state).permutation(connected.max() + 1)[connected]
    fold_of_row = np.empty(len(connected), dtype=np.int64)
    with warnings.catch_warnings():  # of rare strata: the result is checked later
        warnings.filterwarnings("ignore", message="The least populated class")
        folds = StratifiedGroupKFold(n_folds).split(strata, strata, connected)
        for fold, (_, rows) in enumerate(folds):
            fold_of_row[rows] = fold
    return fold_of_row


class Membership(NamedTuple):
    """The names in each row.

    Parameters
    ----------
    names : list
        The distinct names.
    table : csr_matrix of shape (n_samples, n_names)
        1 if a row has a name in any column.
    """

    names: list[Any]
    table: csr_matrix

    @classmethod
    def from_columns(cls, columns: Columns) -> Membership:
        """Read columns; raise an error if a row has no name."""
        values = [value for column in columns.values() for value in column]
        codes, names = name_codes(values, kind="groups")
        n_rows = len(next(iter(columns.values())))
        present = np.flatnonzero(codes >= 0)
        rows, items = present % n_rows, codes[present]
        unnamed = np.setdiff1d(np.arange(n_rows), rows)
        if len(unnamed):
            raise ValueError(
                f"Row {unnamed[0]} of groups has no value in {list(columns)} ({len(unnamed)} such "
                "rows): without a name, its group is unknown."
            )
        values_of_one = np.ones(len(rows), dtype=np.int64)
        return cls(names, csr_matrix((values_of_one, (rows, items)), shape=(n_rows, len(names))))

    def components(self) -> NDArray[np.int64]:
        """Return group numbers: rows that share a name, also through other rows, are one group."""
        rows, items = self.table.nonzero()
        return connected_rows(rows, items, self.table.shape[0])

    def named_in(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Return a mask of the names that occur in some rows."""
        return np.asarray(self.table[rows].sum(axis=0)).ravel() > 0

    def rows_with(self, has_name: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask of the rows in which some names occur."""
        return self.table @ has_name.astype(np.int64) > 0
