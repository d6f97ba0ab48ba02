"""Which rows belong together: those that share a person or a video."""

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
    """Give a number to every set of rows that share anything, be it through other rows.

    A pair may show two persons, or a person and a video. Two rows belong together if a value of
    one, in any column, is a value of the other, in any column; so do all rows in such a chain.
    The numbers do for whatever takes one group per row, such as
    :func:`~sklearn_diffake.metrics.bootstrap_interval` and scikit-learn's splitters.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
        Persons or videos of each row. Values are compared across columns, so that a person is
        the same one on either side of a pair; where a video and a person may have the same name,
        tell them apart by a prefix. Spellings that look the same are one name: white space,
        invisible characters and the encoding of accents make no difference, a whole number is
        the same as its digits, and case differs. None, NaN and blank text name nobody.

    Returns
    -------
    group : ndarray of shape (n_samples,), int64
        From 0, in order of appearance.

    Raises
    ------
    ValueError
        If `groups` has no rows or more than two dimensions, or a row names nobody.

    Warns
    -----
    UserWarning
        If a name is spelled in several ways, or if names differ in case alone.

    Examples
    --------
    >>> from sklearn_diffake.model_selection import connected_groups
    >>> connected_groups([("ann", "bob"), ("cid", "dan"), ("bob", "eve"), ("eve", "")])
    array([0, 1, 0, 0])
    """
    return Membership.of(read_columns(groups)).components()


def read_columns(groups: Any, n_samples: int | None = None) -> Columns:
    """Return what groups say as columns, of the names of a DataFrame or numbered from 0.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
    n_samples : int, default=None
        Number of rows there should be; None accepts any.

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
            raise ValueError(f"groups must be 1-D or 2-D; its shape is {table.shape}.")
        table = table.reshape(len(table), -1) if table.size else table.reshape(0, 1)
        columns = {number: column.tolist() for number, column in enumerate(table.T)}
    n_rows = len(next(iter(columns.values()), []))
    if not n_rows:
        raise ValueError("groups has no rows.")
    if n_samples is not None and n_rows != n_samples:
        raise ValueError(f"groups has {n_rows} rows for the {n_samples} rows of X.")
    return columns


def pick(columns: Columns, wanted: Sequence[Hashable]) -> Columns:
    """Return some of the columns.

    Parameters
    ----------
    columns : dict of str or int to list
    wanted : sequence of str or int

    Returns
    -------
    columns : dict of str or int to list

    Raises
    ------
    ValueError
        If there is no such column.
    """
    for name in wanted:
        if name not in columns:
            raise ValueError(f"groups has no column {name!r}; it has {list(columns)}.")
    return {name: columns[name] for name in wanted}


def by_and_disjoint(
    columns: Columns,
    by: Hashable | None,
    disjoint: Sequence[Hashable] | None,
) -> tuple[Hashable, list[Hashable]]:
    """Find which column to split by, and which to keep on one side.

    Parameters
    ----------
    columns : dict of str or int to list
    by : str, int or None
        None means the first.
    disjoint : sequence of str or int, or None
        None means all others.

    Returns
    -------
    by : str or int
    disjoint : list of str or int

    Raises
    ------
    ValueError
        If there is no such column.
    """
    by = next(iter(columns)) if by is None else by
    others = [name for name in columns if name != by]
    wanted = others if disjoint is None else list(disjoint)
    return next(iter(pick(columns, [by]))), list(pick(columns, wanted))


def deal_groups(
    strata: NDArray[np.int64],
    connected: NDArray[np.int64],
    n_folds: int,
    *,
    shuffle: bool,
    random_state: int | RandomState | None,
) -> NDArray[np.int64]:
    """Deal whole groups into parts with about the same shares of every stratum.

    Parameters
    ----------
    strata : ndarray of shape (n_samples,), int64
        What is to be shared out evenly.
    connected : ndarray of shape (n_samples,), int64
        Group of each row, from 0.
    n_folds : int
        Number of parts, at most the number of groups.
    shuffle : bool
        Whether to deal at random.
    random_state : int, RandomState instance or None
        Seeds the shuffle.

    Returns
    -------
    part : ndarray of shape (n_samples,), int64
    """
    if shuffle:  # here, as scikit-learn 1.6 shuffles the counts only, not the groups
        connected = check_random_state(random_state).permutation(connected.max() + 1)[connected]
    part = np.empty(len(connected), dtype=np.int64)
    with warnings.catch_warnings():  # of rare strata: what comes of it is checked later
        warnings.filterwarnings("ignore", message="The least populated class")
        folds = StratifiedGroupKFold(n_folds).split(strata, strata, connected)
        for fold, (_, chosen) in enumerate(folds):
            part[chosen] = fold
    return part


class Membership(NamedTuple):
    """Who is in which row.

    Parameters
    ----------
    names : list
        The different names.
    table : csr_matrix of shape (n_samples, n_names)
        1 where a row has a name, in whichever column.
    """

    names: list[Any]
    table: csr_matrix

    @classmethod
    def of(cls, columns: Columns) -> Membership:
        """Read columns, and refuse a row that names nobody."""
        values = [value for column in columns.values() for value in column]
        codes, names = name_codes(values, kind="groups")
        n_rows = len(next(iter(columns.values())))
        present = np.flatnonzero(codes >= 0)
        rows, items = present % n_rows, codes[present]
        nobody = np.setdiff1d(np.arange(n_rows), rows)
        if len(nobody):
            raise ValueError(
                f"Row {nobody[0]} of groups has no value in {list(columns)} ({len(nobody)} such "
                "rows): without one, nothing says which rows it must stay with."
            )
        ones = np.ones(len(rows), dtype=np.int64)
        return cls(names, csr_matrix((ones, (rows, items)), shape=(n_rows, len(names))))

    def components(self) -> NDArray[np.int64]:
        """Give a number to every set of rows that share a name, be it through other rows."""
        rows, items = self.table.nonzero()
        return connected_rows(rows, items, self.table.shape[0])

    def named_in(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Mark the names that some of the rows have."""
        return np.asarray(self.table[rows].sum(axis=0)).ravel() > 0

    def rows_with(self, named: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mark the rows that have some of the names."""
        return self.table @ named.astype(np.int64) > 0
