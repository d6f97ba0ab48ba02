"""Confidence intervals of the usual metrics, without resampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from sklearn_diffake.metrics._effective_size import (
    Floats,
    effective_size,
    rate_bounds,
    small_sample_factor,
    smallest_size,
)

Ends = tuple[float, float]


class Sample(NamedTuple):
    """Labels, scores and groups of checked rows.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int64
    score : ndarray of shape (n_samples,), float64
    codes : ndarray of shape (n_samples,), int64
        Group of each row.
    technique_rows : list of ndarray
        Row numbers of the deepfakes of each technique; one entry if techniques are ignored.
    level : float in (0, 1)
        Confidence level.
    """

    labels: NDArray[np.int64]
    score: Floats
    codes: NDArray[np.int64]
    technique_rows: list[NDArray[np.int64]]
    level: float

    @property
    def tail(self) -> float:
        """Probability beyond each end of an interval."""
        return (1.0 - self.level) / 2.0


def bpcer_ends(sample: Sample, threshold: float) -> Ends:
    """Return both ends of the interval of BPCER at a fixed threshold."""
    rows = sample.labels == 1
    rejected = sample.score[rows] < threshold
    size = effective_size(rejected, sample.codes[rows], sample.level)
    low, high = rate_bounds(np.mean(rejected), size, sample.tail)
    return float(low), float(high)


def apcer_ends(sample: Sample, threshold: float) -> Ends:
    """Return both ends of the interval of the worst technique's APCER at a fixed threshold.

    The rate of the worst technique is at least the lower bound of each technique, if these hold
    simultaneously (Bonferroni), and at most the highest upper bound.
    """
    n_techniques = len(sample.technique_rows)
    ends = []
    for rows in sample.technique_rows:
        accepted = sample.score[rows] >= threshold
        size = effective_size(accepted, sample.codes[rows], sample.level)
        low, _ = rate_bounds(np.mean(accepted), size, sample.tail / n_techniques)
        _, high = rate_bounds(np.mean(accepted), size, sample.tail)
        ends.append((float(low), float(high)))
    return max(low for low, _ in ends), max(high for _, high in ends)


def auc_ends(sample: Sample) -> Ends:
    """Return both ends of the interval of the area under the ROC curve.

    The area is tested against each candidate with the variance at the candidate [1]_ (method 5,
    with the variance of [2]_), so that an observed area of 1 has an interval, too. Sizes are
    divided by the design effect: the ratio of the variance between groups [3]_ to that of the
    formula, if it is above 1.

    References
    ----------
    .. [1] R. G. Newcombe, "Confidence intervals for an effect size measure based on the
       Mann-Whitney statistic. Part 2", Statistics in Medicine 25, 2006, 559-573.
    .. [2] J. A. Hanley, B. J. McNeil, "The meaning and use of the area under a receiver operating
       characteristic (ROC) curve", Radiology 143, 1982, 29-36.
    .. [3] N. A. Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53,
       1997, 567-578.
    """
    area, sizes = _area_sizes(sample)
    z = ndtri(sample.tail)

    def excess(candidate: float) -> float:
        spread = _area_variance(candidate, *sizes)
        return float((area - candidate) ** 2 - z**2 * spread)

    edge = 1e-12  # 0 and 1 themselves are roots where they are observed
    low = 0.0 if area == 0.0 else brentq(excess, 0.0, min(area, 1.0 - edge))
    high = 1.0 if area == 1.0 else brentq(excess, max(area, edge), 1.0)
    return float(low), float(high)


def _area_sizes(sample: Sample) -> tuple[float, Floats]:
    """Return the area under the ROC curve, and the number of independent rows of each class."""
    genuine, fake = sample.labels == 1, sample.labels == -1
    sizes = np.array([genuine.sum(), fake.sum()], dtype=np.float64)
    ranks = rankdata(sample.score)
    # Fraction of the other class that is ordered correctly with each row
    placement = np.empty(len(ranks))
    placement[genuine] = (ranks[genuine] - rankdata(sample.score[genuine])) / sizes[1]
    placement[fake] = 1.0 - (ranks[fake] - rankdata(sample.score[fake])) / sizes[0]
    area = float(np.mean(placement[genuine]))
    smallest = np.array([smallest_size(sample.codes[rows]) for rows in (genuine, fake)])
    row_variance = _placement_variance(sample, placement - area, np.arange(len(ranks)))
    group_variance = _placement_variance(sample, placement - area, sample.codes)
    # Without variance, the correlation within groups cannot be measured
    if row_variance == 0.0 or group_variance == 0.0:
        return area, smallest
    sizes /= max(1.0, group_variance / min(row_variance, _area_variance(area, *sizes)))
    if sample.codes.max() + 1 < len(ranks):
        sizes *= small_sample_factor(len(ranks), min(smallest), sample.level)
    return area, np.maximum(sizes, 1.0)


def _placement_variance(sample: Sample, deviation: Floats, codes: NDArray[np.int64]) -> float:
    """Return the variance of an area, estimated between groups."""
    n_codes = int(codes.max()) + 1
    variance, sums = 0.0, []
    for label in (1, -1):
        rows = sample.labels == label
        group_sums = (
            np.bincount(codes[rows], weights=deviation[rows], minlength=n_codes) / rows.sum()
        )
        n_groups = len(np.unique(codes[rows]))
        variance += n_groups / (n_groups - 1) * float(np.sum(group_sums**2))
        sums.append(group_sums)
    mixed = float(np.sum(sums[0] * sums[1]))
    return variance + 2.0 * n_codes / (n_codes - 1) * max(mixed, 0.0)


def _area_variance(area: float, n_genuine: float, n_fake: float) -> float:
    """Return the variance of an area by Hanley and McNeil, symmetric in both sizes."""
    pairs = max((n_genuine + n_fake) / 2.0 - 1.0, 0.0)
    shape = 1.0 + pairs * ((1.0 - area) / (2.0 - area) + area / (1.0 + area))
    return area * (1.0 - area) * shape / (n_genuine * n_fake)


class Bands(NamedTuple):
    """Both error rates at every threshold, and the sizes that determine their bounds.

    Parameters
    ----------
    bpcer : ndarray of shape (n_thresholds,)
    apcer : list of ndarray of shape (n_thresholds,)
        Of each technique.
    bpcer_size : float
        Number of independent genuine rows.
    apcer_sizes : list of float
        Number of independent deepfakes of each technique.
    """

    bpcer: Floats
    apcer: list[Floats]
    bpcer_size: float
    apcer_sizes: list[float]

    def bpcer_bounds(self, tail: float) -> tuple[Floats, Floats]:
        """Return bounds of BPCER at every threshold."""
        return _curve_bounds(self.bpcer, self.bpcer_size, tail)

    def apcer_bounds(self, tail: float) -> tuple[Floats, Floats]:
        """Return bounds of the worst technique's APCER at every threshold."""
        techniques = list(zip(self.apcer, self.apcer_sizes, strict=True))
        lows = [_curve_bounds(rate, size, tail / len(techniques))[0] for rate, size in techniques]
        highs = [_curve_bounds(rate, size, tail)[1] for rate, size in techniques]
        return np.max(lows, axis=0), np.max(highs, axis=0)


def _curve_bounds(rate: Floats, size: float, tail: float) -> tuple[Floats, Floats]:
    """Return bounds of a curve, computed once for each distinct rate."""
    values, inverse = np.unique(rate, return_inverse=True)
    low, high = rate_bounds(values, size, tail)
    return low[inverse], high[inverse]


def _bands(sample: Sample, threshold: float) -> tuple[Bands, float]:
    """Return both curves with the sizes at `threshold`, and the correlation of both errors.

    The correlation between groups of genuine rows rejected and deepfakes accepted is clipped at
    zero; it is 1 if it cannot be measured.
    """
    thresholds = np.append(np.unique(sample.score), np.inf)
    genuine = np.flatnonzero(sample.labels == 1)
    bpcer = _below(sample.score[genuine], thresholds)
    apcer = [1.0 - _below(sample.score[rows], thresholds) for rows in sample.technique_rows]
    rejected = sample.score[genuine] < threshold
    sizes = [
        effective_size(sample.score[rows] >= threshold, sample.codes[rows], sample.level)
        for rows in sample.technique_rows
    ]
    size = effective_size(rejected, sample.codes[genuine], sample.level)
    return Bands(bpcer, apcer, size, sizes), _correlation(sample, threshold)


def _below(score: Floats, thresholds: Floats) -> Floats:
    return np.searchsorted(np.sort(score), thresholds, side="left") / len(score)


def _correlation(sample: Sample, threshold: float) -> float:
    """Return the correlation of both kinds of error between groups, clipped at zero."""
    n_codes = int(sample.codes.max()) + 1
    sums, present = [], []
    for label in (1, -1):
        rows = sample.labels == label
        error = (sample.score[rows] < threshold) == (label == 1)
        weights = error - np.mean(error)
        sums.append(np.bincount(sample.codes[rows], weights=weights, minlength=n_codes))
        present.append(np.bincount(sample.codes[rows], minlength=n_codes) > 0)
    if not (present[0] & present[1]).any():
        return 0.0
    spread = np.sqrt(np.sum(sums[0] ** 2) * np.sum(sums[1] ** 2))
    return float(np.clip(np.sum(sums[0] * sums[1]) / spread, 0.0, 1.0)) if spread > 0 else 1.0


def eer_ends(sample: Sample, eer: float, threshold: float) -> Ends:
    """Return both ends of the interval of the equal error rate.

    The upper bounds of both curves cross at the upper end, the lower bounds at the lower end. Both
    curves rarely deviate so much at once, so the bounds are tightened, see
    :func:`_combined_bound`.

    Parameters
    ----------
    sample : Sample
    eer : float
        The rate observed.
    threshold : float
        The threshold at which both rates are closest.
    """
    bands, correlation = _bands(sample, threshold)
    curves = bands.bpcer, np.max(bands.apcer, axis=0)

    def upper(bpcer: Floats, apcer: Floats) -> float:
        return float(np.min(np.maximum(bpcer, apcer)))

    def lower(bpcer: Floats, apcer: Floats) -> float:
        return float(np.max(np.minimum(bpcer, apcer)))

    low = _combined_bound(lower, 0, curves, bands, sample.tail, correlation)
    high = _combined_bound(upper, 1, curves, bands, sample.tail, correlation)
    return min(low, eer), max(high, eer)


def bpcer_at_apcer_ends(sample: Sample, bpcer: float, apcer: float, threshold: float) -> Ends:
    """Return both ends of the interval of BPCER at a largest allowed APCER.

    The lower end is the lower bound of BPCER at the lowest threshold whose lower bound of APCER is
    allowed. The upper end is the upper bound of BPCER at the lowest threshold whose upper bound of
    APCER is allowed, or 1 if there are too few deepfakes for any such threshold. Both are
    tightened as in :func:`eer_ends`.

    Parameters
    ----------
    sample : Sample
    bpcer : float
        The rate observed.
    apcer : float in [0, 1]
        Largest allowed fraction of deepfakes accepted.
    threshold : float
        The threshold of `bpcer`.
    """
    bands, correlation = _bands(sample, threshold)
    curves = bands.bpcer, np.max(bands.apcer, axis=0)

    def at_rate(bpcer_curve: Floats, apcer_curve: Floats) -> float:
        enough = apcer_curve <= apcer
        return float(bpcer_curve[np.argmax(enough)]) if enough.any() else 1.0

    low = _combined_bound(at_rate, 0, curves, bands, sample.tail, correlation)
    high = _combined_bound(at_rate, 1, curves, bands, sample.tail, correlation)
    return min(low, bpcer), max(high, bpcer)


def _combined_bound(
    figure: Callable[[Floats, Floats], float],
    side: int,
    curves: tuple[Floats, Floats],
    bands: Bands,
    tail: float,
    correlation: float,
) -> float:
    """Return an end of an interval from tightened bounds of both curves.

    If both curves move to their bounds, the figure changes by about the sum of the two changes. If
    their errors are independent, the root of the sum of squares is enough. The ratio of the two
    tightens the bounds, in units of the normal deviate. This is the idea of the method of variance
    estimates recovery [1]_.

    References
    ----------
    .. [1] G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures",
       Statistics in Medicine 27, 2008, 1693-1702.
    """
    bpcer, apcer = curves
    center = figure(bpcer, apcer)
    by_bpcer = abs(figure(bands.bpcer_bounds(tail)[side], apcer) - center)
    by_apcer = abs(figure(bpcer, bands.apcer_bounds(tail)[side]) - center)
    change = by_bpcer + by_apcer
    squared = by_bpcer**2 + by_apcer**2 + 2.0 * correlation * by_bpcer * by_apcer
    ratio = np.sqrt(squared) / change if change > 0 else 1.0
    tail = float(ndtr(ratio * ndtri(tail)))
    return figure(bands.bpcer_bounds(tail)[side], bands.apcer_bounds(tail)[side])
