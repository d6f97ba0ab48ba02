"""The metrics as scorers, for ``scoring=`` in searches and cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.utils.validation import column_or_1d

from sklearn_diffake.metrics._checks import check_rows, check_scores
from sklearn_diffake.metrics._curve import bpcer_at_apcer
from sklearn_diffake.metrics._error_rates import apcer, bpcer, equal_error_rate, worst_apcer
from sklearn_diffake.metrics._ranking import average_precision_fake
from sklearn_diffake.metrics._video import Pooling, video_level
from sklearn_diffake.utils._labels import check_labels
from sklearn_diffake.utils._messages import nearest, warn_caller
from sklearn_diffake.utils._sklearn_compat import StrOptions, validate_params

# Methods that give scores, by preference. scikit-learn makes +1 the high class of a classifier.
RESPONSES = ("decision_function", "predict_proba")
_POOLINGS = StrOptions({"mean", "median", "trimmed", "min", "max"})


class _Metric(NamedTuple):
    function: Callable[..., float]
    technique: str = "refused"  # or "optional", "required"
    options: dict[str, float] = {}
    at_zero: bool = False  # depends on the threshold 0, otherwise on the order of scores


def _roc_auc(y_true: ArrayLike, score: ArrayLike) -> float:
    """Compute the area under the ROC curve, or raise an error with the reason."""
    labels, values = check_scores(y_true, score)
    return float(roc_auc_score(labels, values))


_METRICS = {
    "roc_auc": _Metric(_roc_auc),
    "average_precision_fake": _Metric(average_precision_fake),
    "neg_equal_error_rate": _Metric(equal_error_rate),
    "neg_bpcer10": _Metric(bpcer_at_apcer, "optional", {"apcer": 0.1}),
    "neg_bpcer20": _Metric(bpcer_at_apcer, "optional", {"apcer": 0.05}),
    "neg_bpcer100": _Metric(bpcer_at_apcer, "optional", {"apcer": 0.01}),
    "neg_apcer": _Metric(apcer, at_zero=True),
    "neg_bpcer": _Metric(bpcer, at_zero=True),
    "neg_worst_apcer": _Metric(worst_apcer, "required", at_zero=True),
}


def get_scorer_names() -> list[str]:
    """Return the names of all scorers of :func:`~sklearn_diffake.metrics.get_scorer`.

    Returns
    -------
    names : list of str
        Sorted. Scorers that begin with ``neg_`` return negative error rates: higher is better.

    See Also
    --------
    get_scorer : Returns the scorer of a name.
    sklearn.metrics.get_scorer_names : The names of the scorers of scikit-learn.

    Examples
    --------
    >>> from sklearn_diffake.metrics import get_scorer_names
    >>> get_scorer_names()[:3]
    ['average_precision_fake', 'neg_apcer', 'neg_bpcer']
    """
    return sorted(_METRICS)


@validate_params(
    {
        "name": [str],
        "pool": [_POOLINGS, None],
    },
    prefer_skip_nested_validation=True,
)
def get_scorer(name: str, *, pool: Pooling | None = None) -> Any:
    """Return a scorer for ``scoring=`` by its name.

    scikit-learn's metadata routing passes technique and video of each row to the scorer::

        sklearn.set_config(enable_metadata_routing=True)
        scorer = get_scorer("neg_bpcer20", pool="mean")
        scorer.set_score_request(technique=True, video=True)
        GridSearchCV(pipe, grid, scoring=scorer).fit(pairs, y, technique=technique, video=video)

    Parameters
    ----------
    name : str
        One of :func:`get_scorer_names`:

        - ``"roc_auc"``, ``"average_precision_fake"``, ``"neg_equal_error_rate"``;
        - ``"neg_bpcer10"``, ``"neg_bpcer20"``, ``"neg_bpcer100"``: BPCER at an APCER of 10, 5
          and 1 % on the rows of the fold; of the worst technique if `technique` is routed;
        - ``"neg_apcer"``, ``"neg_bpcer"``, ``"neg_worst_apcer"``: at the threshold of the
          detector, ``decision_function(X) >= 0``; the last needs `technique`.
    pool : {"mean", "median", "trimmed", "min", "max"}, default=None
        Pool the rows of a video into one score first, as :func:`video_level` does; needs
        `video`. None scores single rows.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y_true, **metadata) -> float``, higher is better. Works with
        detectors and with classifiers whose labels are +1 and -1. Rows without a score (NaN), from
        pairs without a face, are left out.

    Raises
    ------
    ValueError
        If there is no such scorer; the message has the nearest name. By the scorer,
        when it is called on a fold without a required class, without any score, without required
        metadata, or with metadata that it cannot use.

    Warns
    -----
    UserWarning
        If rows are left out, with the numbers of genuine rows and deepfakes. Candidates of a
        search that leave out different rows cannot be compared.

    See Also
    --------
    get_scorer_names : Lists the names.
    sklearn.metrics.get_scorer : The scorers of scikit-learn.
    sklearn.metrics.make_scorer : Makes a scorer of any metric.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import StratifiedKFold, cross_val_score
    >>> from sklearn_diffake.metrics import get_scorer
    >>> from sklearn_diffake.novelty import MahalanobisDetector
    >>> y = np.repeat([1, -1], 100)
    >>> X = np.random.default_rng(0).normal(size=(200, 4)) + 4.0 * (y == -1)[:, np.newaxis]
    >>> errors = cross_val_score(
    ...     MahalanobisDetector(), X, y, cv=StratifiedKFold(), scoring=get_scorer("neg_bpcer10")
    ... )
    >>> bool(errors.min() > -0.2)
    True
    """
    if not isinstance(name, str) or name not in _METRICS:
        raise ValueError(
            f"The 'name' parameter of get_scorer must be the name of a scorer of this package, got "
            f"{name!r}: {nearest(name, _METRICS)}"
        )
    response = "decision_function" if _METRICS[name].at_zero else RESPONSES
    better = not name.startswith("neg_")
    return make_scorer(
        _evaluate, response_method=response, greater_is_better=better, name=name, pool=pool
    )


@validate_params(
    {"names": ["array-like", None], "pool": [_POOLINGS, None]},
    prefer_skip_nested_validation=True,
)
def get_scorers(
    names: Iterable[str] | None = None, *, pool: Pooling | None = None
) -> dict[str, Any]:
    """Return several scorers, as ``scoring=`` takes them to compute several figures at once.

    Parameters
    ----------
    names : iterable of str, default=None
        Names of :func:`get_scorer_names`; None for all that need no metadata.
    pool : {"mean", "median", "trimmed", "min", "max"}, default=None
        As for :func:`get_scorer`.

    Returns
    -------
    scorers : dict of str to callable
        By name, in the order of `names`. A search needs ``refit=``, the name that it chooses by.

    Raises
    ------
    ValueError
        If there is no such scorer; the message has the nearest name.

    See Also
    --------
    get_scorer : Returns one of them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV, StratifiedKFold
    >>> from sklearn_diffake.metrics import get_scorers
    >>> from sklearn_diffake.novelty import MahalanobisDetector
    >>> y = np.repeat([1, -1], 100)
    >>> X = np.random.default_rng(0).normal(size=(200, 4)) + 4.0 * (y == -1)[:, np.newaxis]
    >>> search = GridSearchCV(
    ...     MahalanobisDetector(),
    ...     {"contamination": [0.01, 0.2]},
    ...     scoring=get_scorers(["roc_auc", "neg_bpcer"]),
    ...     refit="neg_bpcer",
    ...     cv=StratifiedKFold(),
    ... ).fit(X, y)
    >>> search.best_params_
    {'contamination': 0.01}
    """
    if names is None:
        names = [name for name in get_scorer_names() if _METRICS[name].technique != "required"]
    return {name: get_scorer(name, pool=pool) for name in names}


def _evaluate(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    name: str,
    pool: Pooling | None,
    technique: ArrayLike | None = None,
    video: ArrayLike | None = None,
) -> float:
    """Compute the metric `name`, of videos if `pool` is not None."""
    metric = _METRICS[name]
    for metadata, value, required, usable in (
        ("technique", technique, metric.technique == "required", metric.technique != "refused"),
        ("video", video, pool is not None, pool is not None),
    ):
        if value is None and required:
            raise ValueError(
                f"The scorer {name!r} needs {metadata} of every row: enable metadata routing, "
                f"request it by set_score_request({metadata}=True), and pass it."
            )
        if value is not None and not usable:
            advice = " Set how to pool videos: get_scorer(..., pool='mean')."
            raise ValueError(
                f"The scorer {name!r} cannot use {metadata}, which was passed to it."
                + (advice if metadata == "video" else "")
            )
    labels, values, rows = _with_scores(y_true, y_score, technique=technique, video=video)
    if pool is not None:
        pooled = video_level(values, rows.pop("video"), pool, y_true=labels)
        rows = {name: value[pooled.first_row] for name, value in rows.items()}
        assert pooled.y_true is not None  # labels were given
        labels, values = pooled.y_true, pooled.score
    return float(metric.function(labels, values, **metric.options, **rows))


def _with_scores(
    y_true: ArrayLike, y_score: ArrayLike, **metadata: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, NDArray[Any]]]:
    """Return labels, scores and metadata of the rows with a score; warn if there are others."""
    labels = check_labels(y_true, name="y_true")
    values = np.asarray(column_or_1d(y_score), dtype=np.float64)
    rows = {
        name: check_rows(values_of_name, len(labels), name=name)
        for name, values_of_name in metadata.items()
        if values_of_name is not None
    }
    missing = np.isnan(values)
    if missing.all():
        raise ValueError(f"None of the {len(values)} rows has a score: all are NaN.")
    if not missing.any():
        return labels, values, rows
    n_genuine = int((labels[missing] == 1).sum())
    n_missing = int(missing.sum())
    warn_caller(
        f"{n_missing} of {len(values)} rows have no score (NaN) and are left out: {n_genuine} "
        f"genuine and {n_missing - n_genuine} deepfakes. In pairs of pictures, no face was found."
    )
    remaining = {name: values_of_name[~missing] for name, values_of_name in rows.items()}
    return labels[~missing], values[~missing], remaining
