"""Confidence intervals of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

from sklearn_diffake.metrics._bootstrap import (
    ConfidenceInterval,
    bootstrap_interval,
    check_extras,
    warn_too_few,
)
from sklearn_diffake.metrics._checks import check_scores, technique_rows
from sklearn_diffake.metrics._closed_intervals import (
    Ends,
    Sample,
    apcer_ends,
    auc_ends,
    bpcer_at_apcer_ends,
    bpcer_ends,
    eer_ends,
)
from sklearn_diffake.metrics._curve import bpcer_at_apcer
from sklearn_diffake.metrics._error_rates import apcer, bpcer, equal_error_rate, worst_apcer
from sklearn_diffake.utils._messages import warn_caller
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, validate_params

MIN_INTERVAL_GROUPS = 2


def _auc(sample: Sample, estimate: float) -> Ends:
    return auc_ends(sample)


def _apcer(sample: Sample, estimate: float, *, threshold: float = 0.0) -> Ends:
    return apcer_ends(sample, threshold)


def _bpcer(sample: Sample, estimate: float, *, threshold: float = 0.0) -> Ends:
    return bpcer_ends(sample, threshold)


def _eer(sample: Sample, estimate: float) -> Ends:
    threshold = equal_error_rate(sample.labels, sample.score, return_threshold=True)[1]
    return eer_ends(sample, estimate, threshold)


def _bpcer_at_apcer(sample: Sample, estimate: float, *, apcer: float = 0.05) -> Ends:
    technique = np.zeros(len(sample.labels), dtype=np.int64)
    for number, rows in enumerate(sample.technique_rows):
        technique[rows] = number
    threshold = bpcer_at_apcer(
        sample.labels, sample.score, apcer=apcer, technique=technique, return_threshold=True
    )[1]
    low, high = bpcer_at_apcer_ends(sample, estimate, apcer, threshold)
    n_required = int(np.ceil(np.log(sample.tail) / np.log1p(-apcer))) if 0 < apcer < 1 else 0
    n_fakes = min(len(np.unique(sample.codes[rows])) for rows in sample.technique_rows)
    if high == 1.0 and n_fakes < n_required:
        warn_caller(
            f"BPCER at an APCER of {apcer:g} has no upper bound below 1: that requires about "
            f"{n_required} independent deepfakes of each technique, got {n_fakes}. Allow a "
            "higher APCER, or test more deepfakes."
        )
    return low, high


class _Closed(NamedTuple):
    """A metric whose interval needs no draws, with its options."""

    ends: Callable[..., Ends]
    options: frozenset[str] = frozenset()
    classes: tuple[int, ...] = (1, -1)
    technique: str = "refused"  # or "optional", "required"


_CLOSED: dict[Any, _Closed] = {
    roc_auc_score: _Closed(_auc),
    equal_error_rate: _Closed(_eer),
    apcer: _Closed(_apcer, frozenset({"threshold"}), (-1,)),
    bpcer: _Closed(_bpcer, frozenset({"threshold"}), (1,)),
    worst_apcer: _Closed(_apcer, frozenset({"threshold"}), (-1,), "required"),
    bpcer_at_apcer: _Closed(_bpcer_at_apcer, frozenset({"apcer"}), technique="optional"),
}


@validate_params(
    {
        "metric": [callable],
        "y_true": ["array-like"],
        "score": ["array-like"],
        "groups": ["array-like", None],
        "metadata": [dict, None],
        "method": [StrOptions({"auto", "bootstrap"})],
        "n_resamples": [Interval(Integral, 1, None, closed="left")],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def confidence_interval(
    metric: Callable[..., float],
    y_true: ArrayLike,
    score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    metadata: Mapping[str, ArrayLike] | None = None,
    method: Literal["auto", "bootstrap"] = "auto",
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
    verbose: int = 0,
) -> ConfidenceInterval:
    """Confidence interval of a metric over whole groups.

    The method depends on the metric. The usual metrics have intervals that are also valid near 0
    and 1 and need no random draws. Set options of the metric by ``functools.partial``:

    =========================================  ==================================================
    Metric                                     Interval
    =========================================  ==================================================
    :func:`apcer`, :func:`bpcer`               Clopper and Pearson's, with a design effect [1]_
    :func:`worst_apcer`                        the same for each technique, Bonferroni-corrected
    :func:`sklearn.metrics.roc_auc_score`      Newcombe's score interval [2]_, with a design
                                               effect [3]_
    :func:`equal_error_rate`                   from exact bounds of both error rates at every
                                               threshold
    :func:`bpcer_at_apcer`                     the same; its upper end is 1 where the deepfakes are
                                               too few to bound the threshold
    any other callable                         :func:`bootstrap_interval`
    =========================================  ==================================================

    Pairs of one identity, or of one video, are not independent; counting them as rows would make
    the interval too narrow. The design effect is the factor by which `groups` increase the
    variance. If it cannot be measured, because no row is an error, the rows of a group count as
    one.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, score) -> float``, such as :func:`sklearn.metrics.roc_auc_score` or
        ``partial(bpcer_at_apcer, apcer=0.01)``.
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake. Both must occur, but for :func:`apcer`,
        :func:`worst_apcer` and :func:`bpcer`, which need only one of them.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    groups : array-like of shape (n_samples,), default=None
        Identity or video of each row. None makes each row a group of its own.
    metadata : dict of str to array-like of shape (n_samples,), default=None
        Further arguments of `metric`, by keyword, with one value per row, such as
        ``{"technique": technique}``.
    method : {"auto", "bootstrap"}, default="auto"
        ``"bootstrap"`` calls :func:`bootstrap_interval` whatever the metric.
    n_resamples : int, default=1000
        Number of draws. Only for the bootstrap, as are `random_state` and `verbose`.
    confidence_level : float in (0, 1), default=0.95
        Probability that the interval covers the true value.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. Pass an int for the same interval on every call.
    verbose : int, default=0
        Show a progress bar.

    Returns
    -------
    interval : ConfidenceInterval
        ``(estimate, low, high)``.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or a required class
        is absent.

    Warns
    -----
    UserWarning
        If a class is in too few groups: fewer than two, or than five for the bootstrap. Both ends
        are NaN then. Also if the upper end of :func:`bpcer_at_apcer` is 1 because the deepfakes
        are too few; it takes about ``3.7 / apcer`` independent ones for 95 %.

    See Also
    --------
    bootstrap_interval : The interval of any other metric.

    References
    ----------
    .. [1] E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected
       number of positive counts estimated from survey data", Survey Methodology 24, 1998.
    .. [2] R. G. Newcombe, "Confidence intervals for an effect size measure based on the
       Mann-Whitney statistic. Part 2", Statistics in Medicine 25, 2006, 559-573.
    .. [3] N. A. Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53,
       1997, 567-578.

    Examples
    --------
    None of twenty deepfakes is accepted; the true rate may still be above one in seven:

    >>> import numpy as np
    >>> from sklearn_diffake.metrics import apcer, confidence_interval
    >>> interval = confidence_interval(apcer, np.repeat([1, -1], 20), np.repeat([1.0, -1.0], 20))
    >>> print(f"{interval.estimate:.3f}, from {interval.low:.3f} to {interval.high:.3f}")
    0.000, from 0.000 to 0.168
    """
    plan = _closed(metric, metadata) if method == "auto" else None
    if plan is None:
        return bootstrap_interval(
            metric,
            y_true,
            score,
            groups=groups,
            metadata=metadata,
            n_resamples=n_resamples,
            confidence_level=confidence_level,
            random_state=random_state,
            verbose=verbose,
        )
    closed, options = plan
    return _without_draws(
        closed, options, metric, y_true, score, groups, metadata, confidence_level
    )


def _without_draws(
    closed: _Closed,
    options: dict[str, Any],
    metric: Callable[..., float],
    y_true: ArrayLike,
    score: ArrayLike,
    groups: ArrayLike | None,
    metadata: Mapping[str, ArrayLike] | None,
    confidence_level: float,
) -> ConfidenceInterval:
    """Check the rows, and compute estimate and interval of a usual metric."""
    needs: Any = "both" if len(closed.classes) == 2 else closed.classes[0]
    labels, values = check_scores(y_true, score, needs=needs)
    extras, codes = check_extras(len(labels), groups, metadata)
    estimate = float(metric(labels, values, **extras))
    fakes = [np.flatnonzero(labels == -1)]
    if "technique" in extras:
        fakes = list(technique_rows(extras["technique"], labels).values())
    rows_by_label = {1: [np.flatnonzero(labels == 1)], -1: fakes}
    n_groups = min(
        len(np.unique(codes[rows])) for label in closed.classes for rows in rows_by_label[label]
    )
    if n_groups < MIN_INTERVAL_GROUPS:
        warn_too_few(labels, codes, MIN_INTERVAL_GROUPS, classes=closed.classes)
        return ConfidenceInterval(estimate, np.nan, np.nan)
    sample = Sample(labels, values, codes, fakes, confidence_level)
    return ConfidenceInterval(estimate, *closed.ends(sample, estimate, **options))


def _closed(
    metric: Callable[..., float], metadata: Mapping[str, ArrayLike] | None
) -> tuple[_Closed, dict[str, Any]] | None:
    """Return the method of a metric's interval, and the metric's options.

    None if the metric, or the way it is called, has no interval without draws.
    """
    options: dict[str, Any] = {}
    function: Any = metric
    if isinstance(function, partial):
        if function.args:
            return None
        options = function.keywords
        function = function.func
    try:
        closed = _CLOSED.get(function)
    except TypeError:  # a callable without a hash
        return None
    if closed is None or not set(options) <= closed.options:
        return None
    names = set(metadata or {})
    usable = names == {"technique"} if closed.technique == "required" else not names
    if closed.technique == "optional":
        usable = names <= {"technique"}
    return (closed, options) if usable else None
