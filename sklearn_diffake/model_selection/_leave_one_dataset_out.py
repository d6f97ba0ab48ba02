"""Cross-validation that tests on each dataset after training on the others."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator

from sklearn_diffake.model_selection._checks import (
    check_parameters,
    check_split,
    read_labels,
    read_names,
)
from sklearn_diffake.model_selection._groups import (
    Membership,
    group_columns,
    select_columns,
    split_columns,
)
from sklearn_diffake.utils._sklearn_compat import GroupsConsumerMixin, StrOptions, _num_samples


class LeaveOneDatasetOut(GroupsConsumerMixin, BaseCrossValidator):
    """Train on all datasets but one, and test on that one, for each in turn.

    Unlike :class:`~sklearn.model_selection.LeaveOneGroupOut`, it checks that training has genuine
    rows and that test has both classes. It also prevents that a person of several datasets is on
    both sides: rows of other datasets that share a person with the test are not used.

    Parameters
    ----------
    dataset : str or int, default=None
        Column of `groups` with the dataset of each row: a name for a DataFrame, a number for an
        array. None means the first.
    disjoint : sequence of str or int, default=None
        Columns of `groups` with persons or videos that must not be on both sides. None means all
        but `dataset`. Values are compared across these columns.
    one_class : {"raise", "skip", "keep"}, default="raise"
        What to do with a dataset of one class only, such as one of genuine photographs: raise an
        error; use it for training only; or also test on it.

    See Also
    --------
    LeaveOneTechniqueOut : Cross-validation over techniques.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.model_selection import LeaveOneDatasetOut
    >>> X, y = np.zeros((5, 1)), [1, -1, 1, -1, 1]
    >>> dataset = ["ff", "ff", "dfdc", "dfdc", "lfw"]
    >>> cv = LeaveOneDatasetOut(one_class="skip")
    >>> cv.held_out(X, y, dataset)
    ['dfdc', 'ff']
    >>> for train, test in cv.split(X, y, dataset):
    ...     print(train, test)
    [0 1 4] [2 3]
    [2 3 4] [0 1]
    """

    _parameter_constraints: dict = {
        "dataset": [str, int, None],
        "disjoint": [list, tuple, None],
        "one_class": [StrOptions({"raise", "skip", "keep"})],
    }

    def __init__(
        self,
        dataset: str | int | None = None,
        *,
        disjoint: Sequence[Hashable] | None = None,
        one_class: Literal["raise", "skip", "keep"] = "raise",
    ):
        self.dataset = dataset
        self.disjoint = disjoint
        self.one_class = one_class

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the splits in the order of :meth:`held_out`.

        Parameters
        ----------
        X : rows of any kind
            The rows to split.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake; None means all genuine.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
            The dataset of each row, and persons or videos that must not be on both sides.

        Yields
        ------
        train : ndarray of int
            Row numbers.
        test : ndarray of int
            Row numbers.

        Raises
        ------
        ValueError
            If there is only one dataset, a row has none, a dataset has one class only with
            ``one_class="raise"``, or a split would have no genuine row to train on.
        """
        names, dataset = self._names(X, y, groups)
        labels = read_labels(y, _num_samples(X))
        columns = group_columns(groups, len(labels))
        _, disjoint = split_columns(columns, self.dataset, self.disjoint)
        membership = (
            Membership.from_columns(select_columns(columns, disjoint)) if disjoint else None
        )
        for name in names:
            held_out = np.array([value == name for value in dataset])
            is_train = ~held_out
            if membership is not None:
                is_train &= ~membership.rows_with(membership.named_in(np.flatnonzero(held_out)))
            train, test = np.flatnonzero(is_train), np.flatnonzero(held_out)
            check_split(
                train,
                test,
                labels,
                name=f"Leaving out dataset {name!r}",
                advice=f"The rows of the other datasets number {np.sum(~held_out)}, of which "
                f"{np.sum(~held_out & ~is_train)} share a value of {disjoint} with it; the labels "
                "of the others are all -1.",
                both_classes=False,
            )
            yield train, test

    def held_out(self, X: Any, y: ArrayLike | None = None, groups: Any = None) -> list[Any]:
        """Return the test dataset of each split.

        Parameters
        ----------
        X : rows of any kind or None
            The rows to split.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake; None means all genuine.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
            As for :meth:`split`.

        Returns
        -------
        names : list
            One per split, sorted.
        """
        return self._names(X, y, groups)[0]

    def _names(self, X: Any, y: ArrayLike | None, groups: Any) -> tuple[list[Any], list[Any]]:
        """Return the sorted test datasets, and the dataset of every row."""
        check_parameters(self)
        columns = group_columns(groups, None if X is None else _num_samples(X))
        column, _ = split_columns(columns, self.dataset, self.disjoint)
        labels = read_labels(y, len(columns[column]))
        names, dataset = read_names(columns[column], np.arange(len(labels)), column=column)
        if len(names) < 2:
            raise ValueError(f"There must be at least two datasets, got only {names[0]!r}.")
        if self.one_class == "keep" or len(np.unique(labels)) < 2:
            return names, dataset
        classes: dict[Any, set[int]] = {name: set() for name in names}
        for name, label in zip(dataset, labels.tolist(), strict=True):
            classes[name].add(label)
        usable = [name for name in names if len(classes[name]) == 2]
        if len(usable) == len(names) or (usable and self.one_class == "skip"):
            return usable, dataset
        name = next(name for name in names if len(classes[name]) < 2)
        only = "genuine (+1)" if 1 in classes[name] else "deepfake (-1)"
        raise ValueError(
            f"All rows of dataset {name!r} are {only}, so it cannot be tested on. With "
            "one_class='skip' such datasets are only trained on (there must be others), with "
            "'keep' they are tested on."
        )

    def get_n_splits(self, X: Any = None, y: ArrayLike | None = None, groups: Any = None) -> int:
        """Return the number of splits, which is that of test datasets.

        Parameters
        ----------
        X : rows of any kind, default=None
            The rows to split.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake; None means all genuine.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
            As for :meth:`split`.

        Returns
        -------
        n_splits : int
            Number of datasets of :meth:`held_out`.
        """
        return len(self.held_out(X, y, groups))
