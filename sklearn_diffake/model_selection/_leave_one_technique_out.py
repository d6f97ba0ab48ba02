"""Cross-validation that tests on each technique after training without it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator, KFold

from sklearn_diffake.model_selection._checks import (
    check_parameters,
    check_split,
    read_labels,
    read_names,
)
from sklearn_diffake.model_selection._groups import (
    Columns,
    Membership,
    assign_folds,
    group_columns,
    select_columns,
    split_columns,
)
from sklearn_diffake.utils._sklearn_compat import GroupsConsumerMixin, Interval, _num_samples


class LeaveOneTechniqueOut(GroupsConsumerMixin, BaseCrossValidator):
    """Train without the deepfakes of one technique, and test on them, for each in turn.

    Genuine rows have no technique, so they are split into `n_folds` folds. One fold is in the test
    set, together with the deepfakes of the technique. The other folds are in the training set,
    together with the deepfakes of all other techniques. With persons or videos that must not be on
    both sides, deepfakes are in the fold of the genuine rows of the same persons: the test set has
    the technique's deepfakes of the held-out fold, the training set has the deepfakes of other
    techniques in the other folds, and other deepfakes are not used in that split.

    Parameters
    ----------
    technique : str or int, default=None
        Column of `groups` with the technique of each deepfake: a name for a DataFrame, a number
        for an array. None means the first. Its values in genuine rows are ignored.
    n_folds : int, default=3
        Number of folds, at least 2; one of them is held out.
    rotate : bool, default=False
        False holds out the first fold: one split per technique, all with the same genuine rows.
        True holds out each fold in turn: `n_folds` splits per technique.
    disjoint : sequence of str or int, default=None
        Columns of `groups` with persons or videos that must not be on both sides. None means all
        but `technique`. Values are compared across these columns.
    shuffle : bool, default=False
        Whether to assign folds at random.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffle. Pass an int for the same splits on every call.

    See Also
    --------
    LeaveOneDatasetOut : Cross-validation over datasets.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.model_selection import LeaveOneTechniqueOut
    >>> X, y = np.zeros((6, 1)), [1, 1, 1, -1, -1, -1]
    >>> technique = ["", "", "", "swap", "swap", "warp"]
    >>> cv = LeaveOneTechniqueOut()
    >>> cv.held_out(X, y, technique)
    ['swap', 'warp']
    >>> for train, test in cv.split(X, y, technique):
    ...     print(train, test)
    [1 2 5] [0 3 4]
    [1 2 3 4] [0 5]
    """

    _parameter_constraints: dict = {
        "technique": [str, int, None],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "rotate": ["boolean"],
        "disjoint": [list, tuple, None],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        technique: str | int | None = None,
        *,
        n_folds: int = 3,
        rotate: bool = False,
        disjoint: Sequence[Hashable] | None = None,
        shuffle: bool = False,
        random_state: int | RandomState | None = None,
    ):
        self.technique = technique
        self.n_folds = n_folds
        self.rotate = rotate
        self.disjoint = disjoint
        self.shuffle = shuffle
        self.random_state = random_state

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the splits in the order of :meth:`held_out`.

        Parameters
        ----------
        X : rows of any kind
            The rows to split.
        y : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake; both must occur.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
            The technique of each row, and persons or videos that must not be on both sides.

        Yields
        ------
        train : ndarray of int
            Row numbers.
        test : ndarray of int
            Row numbers.

        Raises
        ------
        ValueError
            If there are no deepfakes, a deepfake has no technique, `n_folds` exceeds the number of
            genuine rows or groups, or a split would have no genuine row to train on or only one
            class to test on.
        """
        names, technique = self._names(X, y, groups)
        labels = read_labels(y, _num_samples(X))
        columns = group_columns(groups, len(labels))
        _, disjoint = split_columns(columns, self.technique, self.disjoint)
        made_with = _codes(technique, labels, names)
        fold_of_row = self._assign_folds(columns, disjoint, made_with)
        for code, name in enumerate(names):
            for fold in range(self.n_folds if self.rotate else 1):
                in_fold = fold_of_row == fold
                in_no_fold = fold_of_row == -1  # deepfakes without `disjoint` columns
                test = np.flatnonzero(
                    (made_with == code) & (in_fold | in_no_fold) | (made_with == -1) & in_fold
                )
                train = np.flatnonzero((made_with != code) & ~in_fold)
                name_of_split = f"Fold {fold} with technique {name!r}"
                advice = "Use a smaller n_folds, or fewer disjoint columns."
                check_split(train, test, labels, name=name_of_split, advice=advice)
                yield train, test

    def _assign_folds(
        self, columns: Columns, disjoint: list[Hashable], made_with: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the fold of each row; -1 for deepfakes without `disjoint` columns."""
        genuine = np.flatnonzero(made_with == -1)
        random_state = self.random_state if self.shuffle else None
        fold_of_row = np.full(len(made_with), -1)
        if not disjoint:
            if len(genuine) < self.n_folds:
                raise ValueError(
                    f"n_folds must be at most the number of genuine rows (+1), {len(genuine)}, "
                    f"got {self.n_folds}."
                )
            k_fold = KFold(self.n_folds, shuffle=self.shuffle, random_state=random_state)
            for fold, (_, rows) in enumerate(k_fold.split(genuine)):
                fold_of_row[genuine[rows]] = fold
            return fold_of_row
        connected = Membership.from_columns(select_columns(columns, disjoint)).components()
        if connected.max() + 1 < self.n_folds:
            raise ValueError(
                "n_folds must be at most the number of groups that share no value of "
                f"{disjoint}, {connected.max() + 1}, got {self.n_folds}. Make sure that different "
                "columns do not use the same names for different things."
            )
        return assign_folds(
            made_with, connected, self.n_folds, shuffle=self.shuffle, random_state=random_state
        )

    def held_out(self, X: Any, y: ArrayLike | None = None, groups: Any = None) -> list[Any]:
        """Return the test technique of each split.

        Parameters
        ----------
        X : rows of any kind or None
            The rows to split.
        y : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
            As for :meth:`split`.

        Returns
        -------
        names : list
            One per split, sorted.
        """
        repeats = self.n_folds if self.rotate else 1
        names, _ = self._names(X, y, groups)
        return [name for name in names for _ in range(repeats)]

    def _names(self, X: Any, y: ArrayLike | None, groups: Any) -> tuple[list[Any], list[Any]]:
        """Return the sorted techniques, and the technique of every row."""
        check_parameters(self)
        columns = group_columns(groups, None if X is None else _num_samples(X))
        column, _ = split_columns(columns, self.technique, self.disjoint)
        labels = read_labels(y, len(columns[column]))
        fakes = np.flatnonzero(labels == -1)
        if y is None or not fakes.size:
            raise ValueError(
                "y must hold deepfakes (-1), got none: the splits are over their techniques."
            )
        return read_names(columns[column], fakes, column=column)

    def get_n_splits(self, X: Any = None, y: ArrayLike | None = None, groups: Any = None) -> int:
        """Return the number of splits: that of techniques, times `n_folds` if `rotate`.

        Parameters
        ----------
        X : rows of any kind, default=None
            The rows to split.
        y : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
            As for :meth:`split`.

        Returns
        -------
        n_splits : int
            Number of entries of :meth:`held_out`.
        """
        return len(self.held_out(X, y, groups))


def _codes(values: list[Any], labels: NDArray[np.int64], names: list[Any]) -> NDArray[np.int64]:
    """Return the number of each deepfake's technique in `names`; -1 for genuine rows."""
    code = {name: number for number, name in enumerate(names)}
    return np.array(
        [
            -1 if label == 1 else code[value]
            for value, label in zip(values, labels.tolist(), strict=True)
        ]
    )
