"""Score every row by a detector that was fitted without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils.parallel import Parallel, delayed

from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.model_selection._checks import read_labels
from sklearn_diffake.model_selection._identity_group_k_fold import IdentityGroupKFold
from sklearn_diffake.utils._sklearn_compat import (
    HasMethods,
    StrOptions,
    _num_samples,
    _safe_indexing,
    validate_params,
)

_Method = Literal["decision_function", "score_samples"]
_Rows = NDArray[np.int64]


@overload
def cross_val_scores(
    estimator: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    groups: Any = None,
    cv: Any = None,
    method: _Method = "decision_function",
    fit_on: Literal["genuine", "all"] = "genuine",
    params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    return_folds: Literal[False] = False,
) -> NDArray[np.float64]: ...


@overload
def cross_val_scores(
    estimator: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    groups: Any = None,
    cv: Any = None,
    method: _Method = "decision_function",
    fit_on: Literal["genuine", "all"] = "genuine",
    params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    return_folds: Literal[True],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]: ...


@validate_params(
    {
        "estimator": [HasMethods(["fit"])],
        "method": [StrOptions({"decision_function", "score_samples"})],
        "fit_on": [StrOptions({"genuine", "all"})],
        "params": [Mapping, None],
        "n_jobs": [Integral, None],
        "return_folds": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def cross_val_scores(
    estimator: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    groups: Any = None,
    cv: Any = None,
    method: _Method = "decision_function",
    fit_on: Literal["genuine", "all"] = "genuine",
    params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    return_folds: bool = False,
) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Score each row by a detector that was fitted on genuine rows of the other folds.

    It does for detectors what :func:`~sklearn.model_selection.cross_val_predict` does for
    classifiers. Labels stay +1 and -1, and deepfakes are scored but not learned from.

    Parameters
    ----------
    estimator : estimator
        A detector, or a pipeline that ends in one. It is cloned for every split.
    X : table of n rows
        Pairs, embeddings or differences: whatever `estimator` takes.
    y : array-like of shape (n,), default=None
        +1 for genuine, -1 for deepfake; None means that all rows are genuine.
    groups : array-like of shape (n,) or (n, k), or DataFrame, default=None
        Persons and videos of each row, passed to the splitter.
    cv : int, splitter or iterable of (train, test), default=None
        How to split. An int is a number of folds: with `groups`, of an
        :class:`IdentityGroupKFold`, otherwise of a
        :class:`~sklearn.model_selection.StratifiedKFold`. None is 5.
    method : {"decision_function", "score_samples"}, default="decision_function"
        Method of the estimator. Values of ``"decision_function"`` are relative to the threshold of
        their own fit. Each fold has a scale of its own: judge rows fold by fold, or compare the
        p-values of a :class:`~sklearn_diffake.novelty.ConformalDetector`.
    fit_on : {"genuine", "all"}, default="genuine"
        Which rows of the other folds the estimator is fitted on. Steps of scikit-learn, such as
        PCA or a one-class SVM, learn from every row that they get. ``"all"`` is for what needs
        deepfakes, too: a search over parameters, or a classifier.
    params : dict, default=None
        Arguments of ``fit``. Values with one entry per row are split like `X`.
    n_jobs : int, default=None
        Number of processes that fit splits, as joblib counts them: None is 1, -1 is one per core.
        The result does not depend on it.
    return_folds : bool, default=False
        Whether to return the number of the split, too, that tested each row.

    Returns
    -------
    scores : ndarray of shape (n,), float64
        In the order of `X`, higher means more genuine. NaN for a row that no split tests, or whose
        pair has no usable face.
    folds : ndarray of shape (n,), int64
        The split that tests the row, -1 if none does. Only if `return_folds` is True.

    Raises
    ------
    ValueError
        If there is no split, a row is tested twice or trained on by its own split, a split has no
        genuine row to fit on, a label is neither +1 nor -1, or `estimator` needs ``fit_on="all"``.
    ImageError
        If a picture cannot be used. Its `row` is that of `X`.

    See Also
    --------
    IdentityGroupKFold : Keeps persons and videos apart.
    sklearn_diffake.metrics.get_scorer : Judges each fold by one figure.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.model_selection import cross_val_scores
    >>> from sklearn_diffake.novelty import MahalanobisDetector
    >>> y = np.tile([1, 1, 1, -1], 30)
    >>> people = np.repeat(np.arange(12), 10)
    >>> X = np.random.default_rng(0).normal(size=(120, 3)) + 6.0 * (y == -1)[:, np.newaxis]
    >>> scores = cross_val_scores(MahalanobisDetector(), X, y, groups=people, cv=4)
    >>> bool(scores[y == 1].min() > scores[y == -1].max())
    True
    """
    n_rows = _num_samples(X)
    labels = read_labels(y, n_rows)
    if fit_on == "genuine":
        _refuse_supervised(estimator)
    splits = _checked_splits(_splitter(cv, y, groups), X, y, groups, n_rows)
    may_learn = labels == 1 if fit_on == "genuine" else np.ones(n_rows, dtype=bool)
    jobs = [
        delayed(_score_split)(
            clone(estimator), X, y, _rows_to_fit(split, train, may_learn), test, method, params
        )
        for split, (train, test) in enumerate(splits)
    ]
    scores, folds = np.full(n_rows, np.nan), np.full(n_rows, -1, dtype=np.int64)
    for split, values in enumerate(Parallel(n_jobs=n_jobs)(jobs)):
        rows = splits[split][1]
        scores[rows], folds[rows] = values, split
    return (scores, folds) if return_folds else scores


def _refuse_supervised(estimator: Any) -> None:
    """Raise an error if an estimator cannot be fitted on genuine rows alone."""
    kind = type(estimator).__name__
    if is_classifier(estimator):
        raise ValueError(f'{kind} is a classifier, which needs both classes: give fit_on="all".')
    if {"cv", "scoring"} <= set(estimator.get_params()):  # a search
        raise ValueError(f'{kind} chooses parameters by deepfakes, too: give fit_on="all".')


def _splitter(cv: Any, y: ArrayLike | None, groups: Any) -> Any:
    n_folds = 5 if cv is None else cv
    if isinstance(n_folds, Integral) and groups is not None:
        return IdentityGroupKFold(int(n_folds))
    return check_cv(n_folds, y, classifier=True)  # stratified, so that no fold has one class


def _checked_splits(
    splitter: Any, X: Any, y: ArrayLike | None, groups: Any, n_rows: int
) -> list[tuple[_Rows, _Rows]]:
    """Return the splits as row numbers; raise an error if two of them test the same row."""
    numbers, fold_of_row = np.arange(n_rows), np.full(n_rows, -1)
    splits = []
    for split, (train, test) in enumerate(splitter.split(X, y, groups)):
        rows = numbers[np.asarray(test)]  # a mask, too, becomes numbers
        learned = np.intersect1d(rows, numbers[np.asarray(train)])
        if len(learned):
            raise ValueError(f"Split {split} trains on row {learned[0]}, which it tests.")
        if len(np.unique(rows)) < len(rows):
            raise ValueError(f"Split {split} tests a row more than once.")
        repeated = rows[fold_of_row[rows] != -1]
        if len(repeated):
            raise ValueError(
                f"Row {repeated[0]} is tested by the splits {fold_of_row[repeated[0]]} and "
                f"{split}: a row can have only one score. Take a splitter that tests each row at "
                "most once, such as IdentityGroupKFold."
            )
        fold_of_row[rows] = split
        splits.append((numbers[np.asarray(train)], rows))
    if not splits:
        raise ValueError(
            "cv must give one split at least, got none. A generator of splits can be used only "
            "once: give a list, or a splitter."
        )
    return splits


def _rows_to_fit(split: int, train: _Rows, may_learn: NDArray[np.bool_]) -> _Rows:
    rows = train[may_learn[train]]
    if not len(rows):
        raise ValueError(f"Split {split} has no genuine row (+1) to fit on.")
    return rows


def _score_split(
    estimator: Any,
    X: Any,
    y: ArrayLike | None,
    train: _Rows,
    test: _Rows,
    method: _Method,
    params: Mapping[str, Any] | None,
) -> NDArray[np.float64]:
    """Fit on the rows `train`, and score the rows `test`."""
    labels = () if y is None else (_safe_indexing(y, train),)
    n_rows = _num_samples(X)
    selected = {
        name: _safe_indexing(value, train) if _is_per_row(value, n_rows) else value
        for name, value in (params or {}).items()
    }
    with _rows_of_table(train):
        estimator.fit(_safe_indexing(X, train), *labels, **selected)
    with _rows_of_table(test):
        return np.asarray(getattr(estimator, method)(_safe_indexing(X, test)), dtype=np.float64)


def _is_per_row(value: Any, n_rows: int) -> bool:
    if value is None or isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__len__"):
        return False
    return _num_samples(value) == n_rows


@contextmanager
def _rows_of_table(rows: _Rows) -> Iterator[None]:
    """Name the row of the whole table in an error about a picture in some of its rows."""
    try:
        yield
    except ImageError as error:
        if error.row is None:
            raise
        raise error.at(row=int(rows[error.row])) from error
