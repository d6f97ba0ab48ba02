"""The report of a recalibration: its people and pairs, thresholds, and their uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sklearn_diffake.utils._numbers import percent, significant

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class CategoryCalibration:
    """Threshold of one category.

    Attributes
    ----------
    n_references, n_probes : int
        Images in the templates; a clip counts as one.
    n : int
        People that it rests on; pairs where no groups were given.
    n_pairs : int
        Pairs of templates.
    level : float in (0, 1)
        A p-value of at most this is rejected.
    threshold : float
        Scores below it are.
    bpcer_low, bpcer_high : float in [0, 1]
        95 % interval of the true BPCER of a threshold from so many people: of its distribution
        over calibrations, a Beta distribution.

    See Also
    --------
    CalibrationReport : Has one for each category.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake import recalibrate
    >>> from sklearn_diffake.novelty import MahalanobisDetector
    >>> X = np.random.default_rng(0).normal(size=(600, 2))
    >>> detector = MahalanobisDetector().fit(X[:100])
    >>> _, report = recalibrate(detector, X[100:], return_report=True)
    >>> single = report.categories[0]
    >>> single.n, single.level, round(single.bpcer_high, 3)
    (500, 0.05, 0.071)
    """

    n_references: int
    n_probes: int
    n: int
    n_pairs: int
    level: float
    threshold: float
    bpcer_low: float
    bpcer_high: float


@dataclass(frozen=True)
class CalibrationReport:
    """The people, pairs and thresholds of a recalibrated model.

    Attributes
    ----------
    target_bpcer : float in (0, 1)
        Fraction of genuine pairs that may be rejected.
    n : int
        People; pairs where no groups were given.
    grouped : bool
        Whether groups were given.
    n_pairs : int
        Genuine pairs used.
    n_pictures : int
        Distinct pictures and clips used; 0 for rows that are no pictures.
    categories : tuple of CategoryCalibration
        (1, 1) first.
    left_out_rows : dict of int to str
        Genuine rows that were not used, and why.
    left_out_pictures : dict of str to str
        Pictures that were not used, by their file or place, and why.

    See Also
    --------
    sklearn_diffake.recalibrate : Makes them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake import recalibrate
    >>> from sklearn_diffake.novelty import MahalanobisDetector
    >>> X = np.random.default_rng(0).normal(size=(600, 2))
    >>> detector = MahalanobisDetector().fit(X[:100])
    >>> _, report = recalibrate(detector, X[100:], return_report=True)
    >>> report.n, report.unit, report.target_bpcer
    (500, 'pairs', 0.05)
    >>> report.warning() is None, report.left_out_rows
    (True, {})
    """

    target_bpcer: float
    n: int
    grouped: bool
    n_pairs: int
    n_pictures: int
    categories: tuple[CategoryCalibration, ...]
    left_out_rows: dict[int, str]
    left_out_pictures: dict[str, str]

    @property
    def unit(self) -> str:
        """Unit of `n`: ``"people"`` or ``"pairs"``."""
        return "people" if self.grouped else "pairs"

    def sureness(self) -> str:
        """Return a sentence on the interval of the true BPCER for so many people.

        Returns
        -------
        sentence : str
            Names people, interval and target.
        """
        single = self.categories[0]
        if not self.target_is_reachable:
            return (
                f"{single.n} {self.unit} cannot give a target BPCER of "
                f"{percent(self.target_bpcer)}: the threshold is the lowest of their scores, and "
                f"its true BPCER lies between {percent(single.bpcer_low)} and "
                f"{percent(single.bpcer_high)} in 95 of 100 calibrations; {self._advice()}"
            )
        return (
            f"with {single.n} {self.unit}, the true BPCER of the threshold lies between "
            f"{percent(single.bpcer_low)} and {percent(single.bpcer_high)} in 95 of 100 "
            f"calibrations (target {percent(self.target_bpcer)}), for genuine pairs like these"
        )

    def warning(self) -> str | None:
        """Return a warning, if there are too few people.

        Returns
        -------
        message : str or None
            Begins with ``unsure-threshold``; None if the true BPCER is surely enough below twice
            the target.
        """
        if self.target_is_reachable and not self.is_unsure:
            return None
        advice = f"; {self._advice()}" if self.target_is_reachable else ""
        return f"unsure-threshold: {self.sureness()}{advice}"

    @property
    def target_is_reachable(self) -> bool:
        """Whether there are enough people for the target."""
        return self.categories[0].level <= self.target_bpcer

    @property
    def is_unsure(self) -> bool:
        """Whether the true BPCER may well be more than twice the target."""
        return self.categories[0].bpcer_high > 2 * self.target_bpcer

    def _advice(self) -> str:
        return (
            f"{people_needed(self.target_bpcer)} {self.unit} would keep it below twice the target"
        )

    def table(self) -> str:
        """Write one line for each category: images, people, pairs, threshold, level, interval.

        Where no groups were given, each genuine row counts as a person: the column is ``rows``.

        Returns
        -------
        table : str
            With a header, aligned to the right.
        """
        people = "people" if self.grouped else "rows"
        header = ("references", "probes", people, "pairs", "threshold", "level", "true BPCER")
        lines: list[tuple[str, ...]] = [header]
        for c in self.categories:
            interval = f"{percent(c.bpcer_low)} to {percent(c.bpcer_high)}"
            numbers = map(str, (c.n_references, c.n_probes, c.n, c.n_pairs))
            lines.append((*numbers, f"{c.threshold:.4g}", significant(c.level, 3), interval))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
            for line in lines
        )

    def __str__(self) -> str:
        return f"{self.table()}\n{self.sureness()}"


def bpcer_interval(level: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of the true BPCER of a threshold from `n` independent scores.

    The true rate of one conformal threshold at the level `a` is ``Beta(k, n + 1 - k)`` with
    ``k = floor(a (n + 1))``, whatever the distribution of the scores, if it is continuous [1]_.

    Parameters
    ----------
    level : float in (0, 1)
    n : int

    Returns
    -------
    low, high : float

    References
    ----------
    .. [1] V. Vovk, "Conditional validity of inductive conformal predictors", ACML 2012,
       arXiv:1209.2673.
    """
    from scipy.stats import beta

    k = math.floor(round(level * (n + 1), 9))
    low, high = beta(k, n + 1 - k).interval(_CONFIDENCE)
    return float(low), float(high)


def people_needed(target_bpcer: float) -> int:
    """Return how many people, or more, keep the true BPCER below twice the target surely enough.

    Parameters
    ----------
    target_bpcer : float in (0, 1)

    Returns
    -------
    n : int
        From so many on, the upper end of :func:`bpcer_interval` is at most twice the target.
    """
    k = 1  # scores below the threshold; the upper end is largest at the least n that gives so many
    while True:
        n = math.ceil(round(k / target_bpcer, 9)) - 1
        if n >= k and bpcer_interval(target_bpcer, n)[1] <= 2 * target_bpcer:
            return n
        k += 1


def report_of(
    detector: Any,
    *,
    grouped: bool,
    n_pictures: int,
    left_out_rows: dict[int, str],
    left_out_pictures: dict[str, str],
) -> CalibrationReport:
    """Return the report of a calibrated detector.

    Parameters
    ----------
    detector : ConformalDetector
    grouped : bool
    n_pictures : int
    left_out_rows, left_out_pictures : dict

    Returns
    -------
    CalibrationReport
    """
    categories = []
    for (k, m), n, level, scores in zip(
        detector.categories_.tolist(),
        detector.category_n_.tolist(),
        detector.category_levels_.tolist(),
        detector.category_scores_,
        strict=True,
    ):
        threshold = detector.threshold_of(k, m)
        interval = bpcer_interval(level, n)
        categories.append(CategoryCalibration(k, m, n, len(scores), level, threshold, *interval))
    return CalibrationReport(
        target_bpcer=float(detector.target_bpcer),
        n=categories[0].n,
        grouped=grouped,
        n_pairs=categories[0].n_pairs,
        n_pictures=n_pictures,
        categories=tuple(categories),
        left_out_rows=left_out_rows,
        left_out_pictures=left_out_pictures,
    )
