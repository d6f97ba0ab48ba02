"""Test whether a calibration still fits recent genuine pairs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy.stats import ks_2samp
from sklearn.utils import check_random_state, column_or_1d

from sklearn_diffake.metrics._checks import check_rows
from sklearn_diffake.utils._groups import group_codes
from sklearn_diffake.utils._numbers import fraction, percent, significant
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, validate_params

Direction = Literal["lower", "higher"]


@dataclass(frozen=True)
class PValueDrift:
    """Result of the comparison of recent genuine p-values with the calibration.

    Attributes
    ----------
    p_value : float in [0, 1]
        Of the test of no drift.
    direction : {"lower", "higher"} or None
        ``"lower"``: recent genuine pairs look less genuine than those of the calibration, and more
        of them are rejected than promised. ``"higher"``: they look more genuine, so that fewer of
        them, and maybe fewer deepfakes, are rejected. None if `p_value` is above `alpha`.
    statistic : float in [0, 1]
        Largest difference of the two distribution functions, in the direction that differs more.
    n : int
        Number of recent p-values.
    n_calibration : int
        Number of calibration pairs or people.
    alpha : float in (0, 1)
        Level of the test.
    fraction_rejected : float in [0, 1], or None
        Fraction of the recent p-values that are at most `level`; None without a level.
    level : float in (0, 1), or None
        Level of the detector.

    See Also
    --------
    p_value_drift : Tests for drift.

    Examples
    --------
    >>> from sklearn_diffake.metrics import p_value_drift
    >>> drift = p_value_drift([0.01, 0.02, 0.03, 0.01, 0.04, 0.02], 100, level=0.05)
    >>> drift.drifted, drift.direction, drift.fraction_rejected
    (True, 'lower', 1.0)
    """

    p_value: float
    direction: Direction | None
    statistic: float
    n: int
    n_calibration: int
    alpha: float
    fraction_rejected: float | None
    level: float | None

    @property
    def drifted(self) -> bool:
        """Whether drift was detected at the level `alpha`."""
        return self.direction is not None

    def __str__(self) -> str:
        basis = f"{self.n} recent p-values against a calibration by {self.n_calibration}"
        test = f"p = {significant(self.p_value, 2)}"
        rejected = ""
        if self.fraction_rejected is not None and self.level is not None:
            rejected = (
                f"; {percent(self.fraction_rejected)} of them are rejected at the level "
                f"{fraction(self.level)}"
            )
        if self.direction is None:
            return f"no drift was detected in {basis} ({test}){rejected}"
        meaning = {
            "lower": "recent genuine pairs look less genuine, so that more of them are rejected "
            "than promised",
            "higher": "recent genuine pairs look more genuine, so that fewer are rejected than "
            "promised",
        }[self.direction]
        return f"drift was detected in {basis} ({test}): {meaning}{rejected}. Calibrate again"


@validate_params(
    {
        "p_values": ["array-like"],
        "n_calibration": [Interval(Integral, 1, None, closed="left")],
        "groups": ["array-like", None],
        "level": [Interval(Real, 0, 1, closed="neither"), None],
        "alternative": [StrOptions({"two-sided", "lower", "higher"})],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def p_value_drift(
    p_values: ArrayLike,
    n_calibration: int,
    *,
    groups: ArrayLike | None = None,
    level: float | None = None,
    alternative: Literal["two-sided", "lower", "higher"] = "two-sided",
    alpha: float = 0.01,
    random_state: int | RandomState | None = 0,
) -> PValueDrift:
    """Test whether the p-values of recent genuine pairs are still those of the calibration.

    Each conformal p-value is the rank of a pair among the calibration scores. All p-values share
    these scores, so they are not independent, and even without drift they are not exactly uniform:
    a calibration on 100 people may reject 2 % or 9 % instead of 5 %. With enough pairs, a test of
    uniformity would report this as drift. So this test compares ranks: it is the exact two-sample
    Kolmogorov-Smirnov test [1]_ of the recent scores against the calibration scores, for which the
    p-values are sufficient. It detects drift beyond the uncertainty of the calibration.

    Parameters
    ----------
    p_values : array-like of shape (n_samples,)
        Conformal p-values of all recent pairs that are known, or assumed, to be genuine, in any
        order. A selection, such as the accepted pairs, is not a sample.
    n_calibration : int
        Number of calibration pairs or people: ``detector.n_calibration_``, or the entry of
        ``detector.category_n_`` for the category of the pairs; the smallest of several
        categories.
    groups : array-like of shape (n_samples,), default=None
        The person of each pair. Pairs of one person are not independent, so one of them is used.
    level : float in (0, 1), default=None
        Level of the detector, to report the fraction rejected.
    alternative : {"two-sided", "lower", "higher"}, default="two-sided"
        Direction of the drift to test for.
    alpha : float in (0, 1), default=0.01
        Level of this test: the probability of a false alarm without drift.
    random_state : int, RandomState instance or None, default=0
        Seed of the draw of one pair per person.

    Returns
    -------
    PValueDrift
        With ``drifted``, a direction, and a description (``str``).

    Raises
    ------
    ValueError
        If there is no p-value, one is not in (0, 1], or `groups` has another length.

    See Also
    --------
    PValueDrift : The result.
    sklearn_diffake.recalibrate : Sets a new threshold if p-values have drifted.
    sklearn_diffake.novelty.ConformalDetector : Computes p-values.

    Notes
    -----
    The p-value is valid for one test. For a weekly test, use new pairs every week, and divide
    `alpha` by the number of tests, or expect a false alarm in ``1 / alpha`` of them. A martingale
    for continuous monitoring, as in [2]_, needs pairs that join the calibration one by one; with a
    fixed calibration it would report the random error of the calibration, too.

    Ties between scores, and people with several calibration pairs that share one weight, make the
    test slightly conservative.

    References
    ----------
    .. [1] J. L. Hodges, "The significance probability of the Smirnov two-sample test", Arkiv foer
       Matematik 3, 1958, 469-486.
    .. [2] V. Vovk, I. Nouretdinov, A. Gammerman, "Testing Exchangeability On-Line", ICML 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.metrics import p_value_drift
    >>> from sklearn_diffake.novelty import ConformalDetector
    >>> rng = np.random.default_rng(0)
    >>> detector = ConformalDetector(random_state=0).fit(rng.normal(size=(1000, 3)))
    >>> n = detector.n_calibration_
    >>> str(p_value_drift(detector.p_values(rng.normal(size=(200, 3))), n))
    'no drift was detected in 200 recent p-values against a calibration by 300 (p = 0.5)'
    >>> p_value_drift(detector.p_values(rng.normal(size=(200, 3)) * 1.3), n).direction
    'lower'
    """
    p = np.asarray(column_or_1d(p_values), dtype=np.float64)
    bad = ~((p > 0) & (p <= 1))
    if not len(p) or bad.any():
        problem = f"{p[bad.argmax()]} in row {int(bad.argmax())}" if len(p) else "none"
        raise ValueError(f"p_values must be above 0 and at most 1, got {problem}.")
    if groups is not None:
        p = p[_one_of_each(check_rows(groups, len(p), name="groups"), random_state)]
    ranks = p * (n_calibration + 1) - 0.5  # between the calibration scores, which are 1, 2, ..., n
    calibration = np.arange(1, n_calibration + 1)
    directions: tuple[Direction, Direction] = ("lower", "higher")
    tests = {
        direction: _smirnov(ranks, calibration, direction)
        for direction in directions
        if alternative in ("two-sided", direction)
    }
    direction = min(tests, key=lambda name: tests[name][1])
    statistic, value = tests[direction]
    value = min(1.0, len(tests) * value)
    return PValueDrift(
        p_value=value,
        direction=direction if value <= alpha else None,
        statistic=statistic,
        n=len(p),
        n_calibration=int(n_calibration),
        alpha=float(alpha),
        fraction_rejected=None if level is None else float(np.mean(p <= level)),
        level=None if level is None else float(level),
    )


def _one_of_each(groups: NDArray, random_state: int | RandomState | None) -> NDArray[np.intp]:
    """Return one row of each group, drawn at random."""
    codes = group_codes(groups.tolist())
    order = check_random_state(random_state).permutation(len(codes))
    return np.sort(order[np.unique(codes[order], return_index=True)[1]])


def _smirnov(
    ranks: NDArray[np.float64], calibration: NDArray[np.int64], direction: Direction
) -> tuple[float, float]:
    """Return statistic and p-value of the test that recent ranks are lower, or higher."""
    # SciPy compares distribution functions, so its names are the reverse
    alternative = {"lower": "greater", "higher": "less"}[direction]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the exact sum overflowed: asymptotic
        result = ks_2samp(ranks, calibration, alternative=alternative)
    return float(result.statistic), float(result.pvalue)
