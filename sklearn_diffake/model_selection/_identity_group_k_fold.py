"""K-fold cross-validation without a shared person or video."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_diffake.model_selection._checks import check_split, read_labels
from sklearn_diffake.model_selection._groups import (
    assign_folds,
    connected_groups,
    group_columns,
)
from sklearn_diffake.utils._sklearn_compat import _num_samples


class IdentityGroupKFold(StratifiedGroupKFold):
    """K folds that share no person and no video, each with both classes.

    Rows that share a value, also through other rows, are in one fold
    (:func:`connected_groups`). Folds have about equal fractions of genuine rows and deepfakes, as
    :class:`~sklearn.model_selection.StratifiedGroupKFold` does for one group per row.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether to assign the groups at random.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffle. Pass an int for the same folds on every call.

    See Also
    --------
    LeaveOneDatasetOut, LeaveOneTechniqueOut : Can separate persons and videos, too.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.model_selection import IdentityGroupKFold
    >>> X, y = np.zeros((6, 1)), [1, -1, 1, -1, 1, -1]
    >>> persons = [("ann", ""), ("ann", "bob"), ("bob", ""), ("cid", ""), ("cid", ""), ("cid", "")]
    >>> cv = IdentityGroupKFold(2)
    >>> sorted(test.tolist() for train, test in cv.split(X, y, persons))
    [[0, 1, 2], [3, 4, 5]]
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = False,
        random_state: int | RandomState | None = None,
    ):
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the splits.

        Parameters
        ----------
        X : rows of any kind
            The rows to split.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake; None means all genuine.
        groups : array-like of shape (n_samples,) or (n_samples, k), or DataFrame
            Persons and videos of each row, in one or several columns. Values are compared across
            columns, spellings as :func:`connected_groups` does; None, NaN and "" are no names.

        Yields
        ------
        train : ndarray of int
            Row numbers.
        test : ndarray of int
            Row numbers.

        Raises
        ------
        ValueError
            If a row has no name, there are fewer groups than folds, or a fold would have no
            genuine row to train on or only one class to test on.
        """
        n_samples = _num_samples(X)
        group_columns(groups, n_samples)
        labels, connected = read_labels(y, n_samples), connected_groups(groups)
        n_groups = int(connected.max()) + 1
        advice = (
            f"The rows form {n_groups} groups that share no value in any column, the largest of "
            f"{np.bincount(connected).max()} rows. Use fewer folds, or make sure that different "
            "columns do not use the same names for different things."
        )
        if n_groups < self.n_splits:
            raise ValueError(f"There are too few groups for {self.n_splits} folds. {advice}")
        fold_of_row = assign_folds(
            labels,
            connected,
            self.n_splits,
            shuffle=self.shuffle,
            random_state=self.random_state,
        )
        for fold in range(self.n_splits):
            train, test = np.flatnonzero(fold_of_row != fold), np.flatnonzero(fold_of_row == fold)
            check_split(train, test, labels, name=f"Fold {fold}", advice=advice)
            yield train, test
