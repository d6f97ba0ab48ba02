"""How sure a figure is, when rows that belong together are drawn together."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_diffake.metrics._checks import check_rows, check_scores
from sklearn_diffake.utils._groups import group_codes
from sklearn_diffake.utils._progress import progress_bar


class BootstrapInterval(NamedTuple):
    """A figure and its confidence interval, which unpacks as three numbers.

    Parameters
    ----------
    estimate : float
        The figure on the sample as it is.
    low : float
        Lower end of the interval.
    high : float
        Upper end of the interval.
    """

    estimate: float
    low: float
    high: float


@validate_params(
    {
        "metric": [callable],
        "y_true": ["array-like"],
        "score": ["array-like"],
        "groups": ["array-like", None],
        "metadata": [dict, None],
        "n_resamples": [Interval(Integral, 1, None, closed="left")],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def bootstrap_interval(
    metric: Callable[..., float],
    y_true: ArrayLike,
    score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    metadata: dict[str, ArrayLike] | None = None,
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
    verbose: int = 0,
) -> BootstrapInterval:
    """Confidence interval of a metric by the percentile bootstrap, over whole groups.

    Pairs of one identity, or of one video, are not independent: as rows they would make the
    interval too narrow. So groups are drawn with replacement, as many as there are, each with all
    its rows, and the metric is computed anew. Draws that hold one class only are repeated.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, score) -> float``, such as :func:`sklearn.metrics.roc_auc_score` or
        :func:`equal_error_rate`.
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; both must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    groups : array-like of shape (n_samples,), default=None
        Identity or video of each row; at least two. None makes each row a group of its own.
    metadata : dict of str to array-like of shape (n_samples,), default=None
        What `metric` takes besides, by keyword, one value per row, such as
        ``{"technique": technique}``; drawn with the rows.
    n_resamples : int, default=1000
        Number of draws that count.
    confidence_level : float in (0, 1), default=0.95
        Share of the draws that the interval holds.
    random_state : int, RandomState instance or None, default=None
        Seeds the draws. Pass an int for the same interval on every call.
    verbose : int, default=0
        Show a progress bar.

    Returns
    -------
    interval : BootstrapInterval
        ``(estimate, low, high)``.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, one of the two
        classes is absent, or there is only one group.

    Warns
    -----
    UserWarning
        If draws held one class only; says how many. Many of them mean too few groups.

    References
    ----------
    .. [1] B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993,
       section 13.3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.metrics import roc_auc_score
    >>> from sklearn_diffake.metrics import bootstrap_interval
    >>> y, score = np.repeat([1, -1], 50), np.random.RandomState(0).normal(size=100)
    >>> estimate, low, high = bootstrap_interval(
    ...     roc_auc_score, y, score, n_resamples=200, random_state=0)
    >>> low < estimate < high
    True
    """
    labels, values = check_scores(y_true, score)
    extras = {
        name: check_rows(rows, len(labels), name=name) for name, rows in (metadata or {}).items()
    }
    members = _members(groups, len(labels))
    rng = check_random_state(random_state)
    estimate = float(metric(labels, values, **extras))
    figures: list[float] = []
    n_repeated = 0
    with progress_bar(total=n_resamples, desc="bootstrap", unit="draw", verbose=verbose) as bar:
        while len(figures) < n_resamples:
            drawn = rng.randint(len(members), size=len(members))
            rows = np.concatenate([members[group] for group in drawn])
            if abs(labels[rows].sum()) == len(rows):  # one class only
                n_repeated += 1
            else:
                drawn_extras = {name: extra[rows] for name, extra in extras.items()}
                figures.append(float(metric(labels[rows], values[rows], **drawn_extras)))
                bar.update()
    if n_repeated:
        warnings.warn(
            f"{n_repeated} draws besides the {n_resamples} that count held one class only and "
            f"were repeated: the {len(members)} groups are few, or a class is in few of them.",
            UserWarning,
            stacklevel=3,
        )
    tail = (1.0 - confidence_level) / 2.0
    low, high = np.quantile(figures, [tail, 1.0 - tail])
    return BootstrapInterval(estimate, float(low), float(high))


def _members(groups: ArrayLike | None, n_samples: int) -> list[NDArray[np.int64]]:
    """Return the row numbers of each group."""
    labels = np.arange(n_samples) if groups is None else column_or_1d(groups)
    check_consistent_length(labels, np.empty(n_samples))
    codes = group_codes(labels.tolist())
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        raise ValueError(
            f"groups must hold at least two different values to draw from; all {n_samples} rows "
            f"belong to {labels[0]!r}."
        )
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1])
