"""Train without the deepfakes of one technique, and test on them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator, KFold
from sklearn.model_selection._split import GroupsConsumerMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _num_samples

from sklearn_diffake.model_selection._checks import (
    check_parameters,
    check_split,
    read_labels,
    read_names,
)
from sklearn_diffake.model_selection._groups import (
    Columns,
    Membership,
    by_and_disjoint,
    deal_groups,
    pick,
    read_columns,
)


class LeaveOneTechniqueOut(GroupsConsumerMixin, BaseCrossValidator):
    """Train without the deepfakes of one technique, and test on them, for each in turn.

    Genuine rows belong to no technique, so they are dealt into `n_folds` parts: one is tested on
    together with the technique's deepfakes, the others are trained on together with the deepfakes
    of all other techniques. With persons or videos to keep on one side, deepfakes are dealt with
    the genuine rows of the same persons: tested on are the technique's deepfakes in the part held
    out, trained on are those of other techniques in the other parts, and the rest has no place in
    that split.

    Parameters
    ----------
    technique : str or int, default=None
        Column of `groups` that says how a deepfake was made: a name for a DataFrame, a number for
        an array. None means the first. It is not looked at in genuine rows.
    n_folds : int, default=3
        Number of parts, at least 2; one of them is held out.
    rotate : bool, default=False
        False holds out the first part: one split per technique, all of them with the same genuine
        rows. True holds out each part in turn: `n_folds` splits per technique.
    disjoint : sequence of str or int, default=None
        Columns of `groups` with persons or videos to keep on one side. None means all but
        `technique`. Values are compared across these columns.
    shuffle : bool, default=False
        Whether to deal at random.
    random_state : int, RandomState instance or None, default=None
        Seeds the shuffle. Pass an int for the same splits on every call.

    See Also
    --------
    LeaveOneDatasetOut : Leaves out datasets.

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
        """Give the splits one by one, in the order of :meth:`held_out`.

        Parameters
        ----------
        X : rows of any kind
            What is split.
        y : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake; both must occur.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
            The technique of each row, and persons or videos to keep on one side.

        Yields
        ------
        train : ndarray of int
            Row numbers.
        test : ndarray of int
            Row numbers.

        Raises
        ------
        ValueError
            If there are no deepfakes, one has no technique, there are too few genuine rows or
            groups for `n_folds`, or a split would have no genuine row to train on or only one
            class to test on.
        """
        names, technique = self._names(X, y, groups)
        labels = read_labels(y, _num_samples(X))
        columns = read_columns(groups, len(labels))
        _, disjoint = by_and_disjoint(columns, self.technique, self.disjoint)
        made_with = _codes(technique, labels, names)
        part = self._deal(columns, disjoint, made_with)
        for code, name in enumerate(names):
            for fold in range(self.n_folds if self.rotate else 1):
                here = part == fold
                free = part < 0  # bound to no part: deepfakes, if nothing is kept on one side
                test = np.flatnonzero((made_with == code) & (here | free) | (made_with < 0) & here)
                train = np.flatnonzero((made_with != code) & ~here)
                which = f"Part {fold} with technique {name!r}"
                advice = "Use a smaller n_folds, or keep fewer columns on one side."
                check_split(train, test, labels, name=which, advice=advice)
                yield train, test

    def _deal(
        self, columns: Columns, disjoint: list[Hashable], made_with: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the part of each row; -1 for deepfakes if nothing is kept on one side."""
        genuine = np.flatnonzero(made_with < 0)
        random_state = self.random_state if self.shuffle else None
        part = np.full(len(made_with), -1)
        if not disjoint:
            if len(genuine) < self.n_folds:
                raise ValueError(
                    f"There are {len(genuine)} genuine rows (+1), too few for n_folds="
                    f"{self.n_folds} parts."
                )
            deal = KFold(self.n_folds, shuffle=self.shuffle, random_state=random_state)
            for fold, (_, chosen) in enumerate(deal.split(genuine)):
                part[genuine[chosen]] = fold
            return part
        connected = Membership.of(pick(columns, disjoint)).components()
        if connected.max() + 1 < self.n_folds:
            raise ValueError(
                f"The rows form {connected.max() + 1} groups that share no value of {disjoint}, "
                f"too few for n_folds={self.n_folds} parts. See that different columns do not use "
                "the same names for different things."
            )
        return deal_groups(
            made_with, connected, self.n_folds, shuffle=self.shuffle, random_state=random_state
        )

    def held_out(self, X: Any, y: ArrayLike | None = None, groups: Any = None) -> list[Any]:
        """Name the technique that each split is tested on.

        Parameters
        ----------
        X : rows of any kind or None
            What is split.
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
        """Return the techniques, sorted, and that of every row."""
        check_parameters(self)
        columns = read_columns(groups, None if X is None else _num_samples(X))
        by, _ = by_and_disjoint(columns, self.technique, self.disjoint)
        labels = read_labels(y, len(columns[by]))
        fakes = np.flatnonzero(labels == -1)
        if y is None or not fakes.size:
            raise ValueError(
                "y must hold deepfakes (-1): it is their techniques that are left out."
            )
        return read_names(columns[by], fakes, column=by)

    def get_n_splits(self, X: Any = None, y: ArrayLike | None = None, groups: Any = None) -> int:
        """Count the splits: the techniques, times `n_folds` if `rotate`.

        Parameters
        ----------
        X : rows of any kind, default=None
            What is split.
        y : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
            As for :meth:`split`.

        Returns
        -------
        n_splits : int
            Number of techniques that :meth:`held_out` names.
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
