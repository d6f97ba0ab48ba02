"""Confidence intervals of any metric by the bootstrap over groups of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.utils import check_random_state

from sklearn_diffake.metrics._checks import check_rows, check_scores
from sklearn_diffake.utils._groups import group_codes
from sklearn_diffake.utils._messages import warn_caller
from sklearn_diffake.utils._progress import progress_bar
from sklearn_diffake.utils._sklearn_compat import Interval, validate_params

#: Fewest groups of each class: resampling fewer groups underestimates their variance.
MIN_RESAMPLED_GROUPS = 5

Metric = Callable[..., float]
Integers = NDArray[np.int64]


class ConfidenceInterval(NamedTuple):
    """An estimate and its confidence interval, which unpacks as three numbers.

    Parameters
    ----------
    estimate : float
        The metric on the sample.
    low : float
        Lower end of the interval; NaN if the data are too few for an interval.
    high : float
        Upper end of the interval; NaN if the data are too few for an interval.
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
    metric: Metric,
    y_true: ArrayLike,
    score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    metadata: Mapping[str, ArrayLike] | None = None,
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    random_state: int | RandomState | None = None,
    verbose: int = 0,
) -> ConfidenceInterval:
    """Confidence interval of any metric by the bootstrap over whole groups.

    Prefer :func:`confidence_interval`, which needs no draws for the usual metrics and calls this
    function for all others.

    Pairs of one identity, or of one video, are not independent. Resampling rows would make the
    interval too narrow. So groups are drawn with replacement, each with all its rows, and the
    metric is computed on every draw. Three corrections make the interval valid in cases in which
    the percentile bootstrap fails:

    - groups are stratified by the classes that they hold (one or both), so that each draw has as
      many groups of each kind as the data;
    - percentiles are more extreme if there are few groups [1]_;
    - the same number of further draws is *contaminated*: in some groups of a class, all rows get
      the score of a row of the other class. The fraction of such groups follows the distribution
      of an error rate without an error in n groups, Beta(1, n). So perfect data do not give an
      interval of width 0. Metadata of floats count as scores and are exchanged, too.

    The interval covers the percentiles of both kinds of draws.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, score) -> float``.
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; both must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    groups : array-like of shape (n_samples,), default=None
        Identity or video of each row. None makes each row a group of its own.
    metadata : dict of str to array-like of shape (n_samples,), default=None
        Further arguments of `metric`, by keyword, with one value per row, such as
        ``{"technique": technique}``, or the scores of another detector; drawn with the rows.
    n_resamples : int, default=1000
        Number of draws of each kind.
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
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or one of the two
        classes is absent.

    Warns
    -----
    UserWarning
        If a class is in fewer than five groups; both ends are NaN then.

    See Also
    --------
    confidence_interval : The interval of the metrics of this package, by the method that suits
        each.
    sklearn_diffake.model_selection.connected_groups : Groups to resample.

    References
    ----------
    .. [1] T. C. Hesterberg, "What Teachers Should Know About the Bootstrap", The American
       Statistician 69, 2015, 371-386, section 5.3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.metrics import average_precision_fake, bootstrap_interval
    >>> y, score = np.repeat([1, -1], 50), np.random.RandomState(0).normal(size=100)
    >>> estimate, low, high = bootstrap_interval(
    ...     average_precision_fake, y, score, n_resamples=200, random_state=0)
    >>> low < estimate < high
    True
    """

    def figures(*args: Any, **kwargs: Any) -> list[float]:
        return [metric(*args, **kwargs)]

    (interval,) = bootstrap_intervals(
        figures,
        y_true,
        score,
        groups=groups,
        metadata=metadata,
        n_resamples=n_resamples,
        confidence_level=confidence_level,
        random_state=random_state,
        verbose=verbose,
    )
    return interval


def bootstrap_intervals(
    metric: Callable[..., Sequence[float]],
    y_true: ArrayLike,
    score: ArrayLike,
    *,
    groups: ArrayLike | None,
    metadata: Mapping[str, ArrayLike] | None,
    n_resamples: int,
    confidence_level: float,
    random_state: int | RandomState | None,
    verbose: int = 0,
) -> list[ConfidenceInterval]:
    """Compute intervals of several figures from the same draws; see `bootstrap_interval`.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, score) -> sequence of k floats``.
    y_true, score, groups, metadata, n_resamples, confidence_level, random_state, verbose
        As in `bootstrap_interval`.

    Returns
    -------
    list of k ConfidenceInterval
    """
    labels, values = check_scores(y_true, score)
    extras, codes = check_extras(len(labels), groups, metadata)
    estimates = [float(figure) for figure in metric(labels, values, **extras)]
    n_groups = min(len(np.unique(codes[labels == label])) for label in (1, -1))
    if n_groups < MIN_RESAMPLED_GROUPS:
        warn_too_few(labels, codes, MIN_RESAMPLED_GROUPS)
        return [ConfidenceInterval(estimate, np.nan, np.nan) for estimate in estimates]
    draws = _Draws(labels, values, extras, codes, check_random_state(random_state))
    tail = (1.0 - confidence_level) / 2.0
    wide = student.isf(tail, n_groups - 1) * np.sqrt(n_groups / (n_groups - 1))
    tails = {False: float(norm.sf(wide)), True: tail}
    ends = []
    with progress_bar(total=2 * n_resamples, desc="bootstrap", unit="draw", verbose=verbose) as bar:
        for contaminated in (False, True):
            figures = np.empty((n_resamples, len(estimates)))
            for number in range(n_resamples):
                drawn_labels, drawn_values, drawn_extras = draws.draw(contaminated)
                figures[number] = metric(drawn_labels, drawn_values, **drawn_extras)
                bar.update()
            levels = [tails[contaminated], 1.0 - tails[contaminated]]
            ends.append(np.quantile(figures, levels, axis=0))
    low, high = np.minimum(*ends)[0], np.maximum(*ends)[1]
    return [
        ConfidenceInterval(*(float(value) for value in interval))
        for interval in zip(estimates, low, high, strict=True)
    ]


def check_extras(
    n_samples: int, groups: ArrayLike | None, metadata: Mapping[str, ArrayLike] | None
) -> tuple[dict[str, NDArray[Any]], Integers]:
    """Check metadata and groups, and number the groups.

    Parameters
    ----------
    n_samples : int
        Number of rows that are expected.
    groups : array-like of shape (n_samples,) or None
    metadata : dict of str to array-like of shape (n_samples,), or None

    Returns
    -------
    metadata : dict of str to ndarray of shape (n_samples,)
    codes : ndarray of shape (n_samples,), int64
        Number of the group of each row.

    Raises
    ------
    ValueError
        If a length differs.
    """
    extras = {
        name: check_rows(rows, n_samples, name=name) for name, rows in (metadata or {}).items()
    }
    if groups is None:
        return extras, np.arange(n_samples)
    return extras, group_codes(check_rows(groups, n_samples, name="groups").tolist())


def warn_too_few(
    labels: NDArray[np.int64],
    codes: Integers,
    n_required: int,
    *,
    classes: tuple[int, ...] = (1, -1),
) -> None:
    """Warn that there are too few groups for an interval.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int64
    codes : ndarray of shape (n_samples,), int64
        Group of each row.
    n_required : int
        Number of groups required for each class.
    classes : tuple of int, default=(1, -1)
        Labels that must occur.
    """
    names = {1: "genuine rows", -1: "deepfakes"}
    counts = " and ".join(
        f"{names[label]} in {len(np.unique(codes[labels == label]))}" for label in classes
    )
    warn_caller(
        f"Too few groups for a confidence interval: there are {counts}, at least {n_required} are "
        "needed (without groups, each row is a group). Both ends are NaN."
    )


class _Draws:
    """Draws of whole groups, with the same number of each composition as in the data.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int64
    values : ndarray of shape (n_samples,), float64
    extras : dict of str to ndarray of shape (n_samples,)
    codes : ndarray of shape (n_samples,), int64
        Group of each row.
    rng : RandomState
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        values: NDArray[np.float64],
        extras: dict[str, NDArray[Any]],
        codes: Integers,
        rng: RandomState,
    ):
        self.labels, self.values, self.extras, self.rng = labels, values, extras, rng
        order = np.argsort(codes, kind="stable")
        self.members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
        self.rows = {label: np.flatnonzero(labels == label) for label in (1, -1)}
        has_genuine = np.bincount(codes, weights=labels == 1) > 0
        has_fake = np.bincount(codes, weights=labels == -1) > 0
        composition = has_genuine + 2 * has_fake
        self.strata = [np.flatnonzero(composition == kind) for kind in np.unique(composition)]
        self.scores = [values, *(extra for extra in extras.values() if extra.dtype.kind == "f")]

    def draw(
        self, contaminated: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, NDArray[Any]]]:
        """Return labels, scores and metadata of one draw."""
        groups = np.concatenate(
            [stratum[self.rng.randint(len(stratum), size=len(stratum))] for stratum in self.strata]
        )
        rows_of_draws = [self.members[group] for group in groups]
        rows = np.concatenate(rows_of_draws)
        labels = self.labels[rows]
        extras = {name: extra[rows] for name, extra in self.extras.items()}
        values = self.values[rows]
        if contaminated:
            draw_number = np.repeat(
                np.arange(len(rows_of_draws)), [len(group_rows) for group_rows in rows_of_draws]
            )
            targets = [values, *(extra for extra in extras.values() if extra.dtype.kind == "f")]
            for label in (1, -1):
                self._contaminate(label, np.flatnonzero(labels == label), draw_number, targets)
        return labels, values, extras

    def _contaminate(
        self, label: int, rows: Integers, draw_number: Integers, targets: list[NDArray[np.float64]]
    ) -> None:
        """Replace the scores of some drawn groups by scores of the other class."""
        present = np.unique(draw_number[rows])
        expected = self.rng.beta(1.0, len(present)) * len(present)
        contaminated = self.rng.permutation(present)[: int(expected + self.rng.uniform())]
        for target, source in zip(targets, self.scores, strict=True):
            donor = np.empty(int(draw_number.max()) + 1, dtype=np.int64)
            donor[contaminated] = self.rng.choice(self.rows[-label], size=len(contaminated))
            replaced = rows[np.isin(draw_number[rows], contaminated)]
            target[replaced] = source[donor[draw_number[replaced]]]
