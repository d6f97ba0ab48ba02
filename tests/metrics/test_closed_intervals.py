"""Closed intervals, against loops over pairs and groups and scipy's own tests."""

import warnings
from functools import partial

import numpy as np
import pytest
from scipy import stats

from sklearn_diffake.metrics import bpcer_at_apcer, confidence_interval
from sklearn_diffake.metrics._closed_intervals import (
    Bands,
    Sample,
    _area_sizes,
    _area_variance,
    _bands,
    _below,
    _combined_bound,
    _correlation,
    _curve_bounds,
    _placement_variance,
    apcer_ends,
    auc_ends,
    bpcer_at_apcer_ends,
    bpcer_ends,
    eer_ends,
)
from sklearn_diffake.metrics._effective_size import effective_size, small_sample_factor


def make_sample(genuine, fake, codes=None, n_techniques=1, level=0.95):
    """Sample of genuine scores and scores of deepfakes, whose techniques alternate."""
    labels = np.repeat([1, -1], [len(genuine), len(fake)])
    score = np.array([*genuine, *fake], dtype=float)
    codes = np.arange(len(labels)) if codes is None else np.array(codes)
    fakes = np.flatnonzero(labels == -1)
    techniques = [fakes[number::n_techniques] for number in range(n_techniques)]
    return Sample(labels, score, codes, techniques, level)


def random_sample(seed, n_groups=None, n_genuine=14, n_fake=10, **options):
    rng = np.random.default_rng(seed)
    shift = np.zeros(n_genuine + n_fake)
    codes = None
    if n_groups is not None:
        codes = rng.permutation(np.arange(n_genuine + n_fake) % n_groups)
        shift = 2.0 * rng.normal(size=n_groups)[codes]
    score = np.round(rng.normal(size=len(shift)) + shift + (np.arange(len(shift)) < n_genuine), 1)
    return make_sample(score[:n_genuine], score[n_genuine:], codes, **options)


def exact_interval(count, size, level=0.95):
    interval = stats.binomtest(count, size).proportion_ci(level)
    return interval.low, interval.high


def beta_bounds(rate, size, tail):
    count = rate * size
    low = 0.0 if count == 0 else stats.beta.ppf(tail, count, size - count + 1)
    high = 1.0 if rate == 1 else stats.beta.ppf(1 - tail, count + 1, size - count)
    return low, high


def pair_value(genuine, fake):
    return 1.0 if genuine > fake else 0.5 if genuine == fake else 0.0


def deviations(sample):
    """Return the area, and how far the rows' mean pair values are from it."""
    genuine, fake = sample.score[sample.labels == 1], sample.score[sample.labels == -1]
    pairs = np.array([[pair_value(first, second) for second in fake] for first in genuine])
    area = pairs.mean()
    return area, np.concatenate([pairs.mean(axis=1), pairs.mean(axis=0)]) - area


def clustered_variance(sample):
    """Return Obuchowski's variance of the area, without a negative covariance."""
    deviation = deviations(sample)[1]
    sums = {1: {}, -1: {}}
    for label, code, value in zip(sample.labels, sample.codes, deviation, strict=True):
        sums[label][code] = sums[label].get(code, 0.0) + value
    n_rows = {label: sum(sample.labels == label) for label in (1, -1)}
    variance = 0.0
    for label in (1, -1):
        n_groups = len(sums[label])
        squares = sum(value**2 for value in sums[label].values())
        variance += n_groups / (n_groups - 1) / n_rows[label] ** 2 * squares
    n_groups = len(set(sample.codes.tolist()))
    mixed = sum(value * sums[-1].get(code, 0.0) for code, value in sums[1].items())
    covariance = n_groups / (n_groups - 1) / (n_rows[1] * n_rows[-1]) * mixed
    return variance + 2 * max(covariance, 0.0)


def hanley_variance(area, n_genuine, n_fake):
    """Return Hanley and McNeil's variance from Q1 and Q2."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (n_genuine - 1) * (q1 - area**2) + (n_fake - 1) * (q2 - area**2)
    return (area * (1 - area) + spread) / (n_genuine * n_fake)


@pytest.mark.parametrize(("level", "tail"), [(0.95, 0.025), (0.8, 0.1)])
def test_tail_is_half_of_what_the_level_excludes(level, tail):
    assert make_sample([1], [0], level=level).tail == pytest.approx(tail)


# Fixed thresholds


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("threshold", "count"), [(0.5, 0), (1.0, 0), (1.5, 1), (3.5, 3), (9, 5)])
def test_bpcer_interval_is_that_of_the_exact_binomial_test(threshold, count, level):
    sample = make_sample([1, 2, 3, 4, 5], [0, 0, 0, 7, 8, 9], level=level)
    assert bpcer_ends(sample, threshold) == pytest.approx(exact_interval(count, 5, level))


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("threshold", "count"), [(0.5, 5), (1.0, 5), (1.5, 4), (3.5, 2), (9, 0)])
def test_apcer_interval_is_that_of_the_exact_binomial_test(threshold, count, level):
    sample = make_sample([0, 0, 0, 7, 8, 9], [1, 2, 3, 4, 5], level=level)
    assert apcer_ends(sample, threshold) == pytest.approx(exact_interval(count, 5, level))


def test_rates_of_equal_rows_have_the_interval_of_their_groups():
    codes = [0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4]
    sample = make_sample([1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0], codes)
    assert bpcer_ends(sample, 0.5) == pytest.approx(exact_interval(0, 3))
    assert apcer_ends(sample, 0.5) == pytest.approx(exact_interval(0, 2))


def test_rates_of_groups_use_the_effective_size_of_their_own_class():
    genuine, fake = [1, 1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0]
    sample = make_sample(genuine, fake, [0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 6, 6], level=0.9)
    rejected, accepted = np.array(genuine) == 0, np.array(fake) == 1
    size = effective_size(rejected, np.array([0, 0, 1, 1, 2, 3, 3]), 0.9)
    assert bpcer_ends(sample, 0.5) == pytest.approx(beta_bounds(3 / 7, size, 0.05))
    size = effective_size(accepted, np.array([0, 0, 1, 2, 2]), 0.9)
    assert apcer_ends(sample, 0.5) == pytest.approx(beta_bounds(2 / 5, size, 0.05))


def test_worst_technique_has_the_highest_bounds_with_corrected_lower_ones():
    labels = np.repeat([1, -1], [2, 33])
    # 14 of 20 accepted, 2 of 3, and 1 of 10
    score = np.repeat([1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0], [2, 14, 6, 2, 1, 1, 9])
    techniques = [np.arange(2, 22), np.arange(22, 25), np.arange(25, 35)]
    sample = Sample(labels, score, np.arange(35), techniques, 0.9)
    low, high = apcer_ends(sample, 0.0)
    assert low == pytest.approx(exact_interval(14, 20, 1 - 0.1 / 3)[0])
    assert high == pytest.approx(exact_interval(2, 3, 0.9)[1])


# Area under the ROC curve


@pytest.mark.parametrize("area", [0.0, 0.1, 0.5, 0.8, 0.99, 1.0])
@pytest.mark.parametrize("sizes", [(1, 1), (2, 2), (10, 10), (5, 40), (1.1, 1.3)])
def test_area_variance_is_the_mean_of_hanley_and_mcneil_for_either_order(area, sizes):
    expected = (hanley_variance(area, *sizes) + hanley_variance(area, *sizes[::-1])) / 2
    assert _area_variance(area, *sizes) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_area_variance_by_hand():
    # 0.8 * 0.2 * (1 + 4 * (1/6 + 4/9)) / (4 * 6)
    assert _area_variance(0.8, 4, 6) == pytest.approx(0.16 * 31 / 9 / 24, rel=1e-14)
    assert _area_variance(0.5, 0.5, 0.8) == pytest.approx(0.25 / 0.4, rel=1e-14)


def test_placement_variance_by_hand():
    # Group sums 1/2 + 1/2, -1, 0 of 4 genuine rows; 1/2, -1/2 of 2 deepfakes
    codes = np.array([0, 0, 1, 2, 0, 1])
    sample = make_sample([1, 1, 0, 1], [0, 0], codes)
    deviation = np.array([0.5, 0.5, -1.0, 0.0, 0.5, -0.5])
    variance = 3 / 2 * (1 + 1) / 16 + 2 / 1 * (1 / 4 + 1 / 4) / 4
    covariance = 3 / 2 * (1 * 1 / 2 + 1 * 1 / 2) / (4 * 2)
    result = _placement_variance(sample, deviation, codes)
    assert result == pytest.approx(variance + 2 * covariance, rel=1e-14)
    # A negative covariance does not count
    deviation[4:] *= -1
    assert _placement_variance(sample, deviation, codes) == pytest.approx(variance, rel=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_placement_variance_without_groups_is_that_of_delong(seed):
    sample = random_sample(seed)
    deviation = deviations(sample)[1]
    expected = np.var(deviation[:14], ddof=1) / 14 + np.var(deviation[14:], ddof=1) / 10
    result = _placement_variance(sample, deviation, sample.codes)
    assert result == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_groups", [3, 6, 11])
@pytest.mark.parametrize("seed", range(3))
def test_placement_variance_of_groups_is_that_of_obuchowski(seed, n_groups):
    sample = random_sample(seed, n_groups)
    result = _placement_variance(sample, deviations(sample)[1], sample.codes)
    assert result == pytest.approx(clustered_variance(sample), rel=1e-12)


def reference_area_sizes(sample):
    """Return the variances by rows, by the formula and by groups, and the sizes from them."""
    area, _ = deviations(sample)
    n_rows = len(sample.labels)
    sizes = [int(np.sum(sample.labels == label)) for label in (1, -1)]
    row_variance = clustered_variance(sample._replace(codes=np.arange(n_rows)))
    formula = (hanley_variance(area, *sizes) + hanley_variance(area, *sizes[::-1])) / 2
    group_variance = clustered_variance(sample)
    factor = 1.0
    if len(set(sample.codes.tolist())) < n_rows:
        counts = [np.bincount(sample.codes[sample.labels == label]) for label in (1, -1)]
        smallest = min(sum(count) ** 2 / sum(count**2) for count in counts)
        factor = small_sample_factor(n_rows, smallest, sample.level)
    effect = max(1.0, group_variance / min(row_variance, formula))
    expected = np.maximum(np.array(sizes) / effect * factor, 1.0)
    return (row_variance, formula, group_variance), expected


@pytest.mark.parametrize("n_groups", [None, 3, 6, 11, 20])
@pytest.mark.parametrize("seed", range(4))
def test_sizes_are_divided_by_the_design_effect_of_the_area(seed, n_groups):
    sample = random_sample(seed, n_groups, level=0.9)
    area, sizes = _area_sizes(sample)
    assert area == pytest.approx(deviations(sample)[0], rel=1e-12)
    np.testing.assert_allclose(sizes, reference_area_sizes(sample)[1], rtol=1e-9)


def repeated_sample(genuine, fake, n_times):
    """Sample of pairs of equal class, in groups of their own."""
    genuine, fake = genuine * n_times, fake * n_times
    return make_sample(genuine, fake, np.arange(len(genuine) + len(fake)) // 2)


def test_design_effect_is_relative_to_the_rows_where_ties_make_their_variance_small():
    sample = repeated_sample([0, 0, 1, 1, 1, 1, 1, 1, 2, 2], [0, 0, 1, 1, 1, 1], 4)
    (row_variance, formula, group_variance), expected = reference_area_sizes(sample)
    assert row_variance < formula < group_variance
    assert expected.min() > 1
    np.testing.assert_allclose(_area_sizes(sample)[1], expected, rtol=1e-9)


def test_groups_of_rows_that_compensate_do_not_increase_the_sizes():
    sample = repeated_sample([1, 4, 2, 6, 3, 5], [0, 5.5, 1.5, 4.5], 6)
    (row_variance, formula, group_variance), expected = reference_area_sizes(sample)
    assert group_variance < formula < row_variance
    assert 1 < expected.min() < expected.max() < 36
    np.testing.assert_allclose(_area_sizes(sample)[1], expected, rtol=1e-9)


def test_sizes_of_the_area_are_at_least_one():
    sample = make_sample([3, 3, 3, 3, 1, 1], [2, 2, 0, 0], [0, 0, 0, 0, 1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(_area_sizes(sample)[1], [1.0, 1.0])


@pytest.mark.parametrize("area", [0.0, 0.5, 1.0])
def test_sizes_of_the_area_are_the_smallest_where_no_row_differs(area):
    codes = [0, 0, 1, 1, 2, 3, 3, 3, 4]
    sample = make_sample([area] * 5, [0.5] * 4, codes)
    result, sizes = _area_sizes(sample)
    assert result == area
    np.testing.assert_allclose(sizes, [25 / 9, 16 / 10], rtol=1e-14)


def test_sizes_of_the_area_are_the_smallest_where_the_sums_of_groups_do_not_differ():
    sample = make_sample([2, 0, 2, 0], [1, 1, 1, 1], [0, 0, 1, 1, 2, 2, 3, 3])
    assert _area_sizes(sample)[0] == 0.5
    np.testing.assert_allclose(_area_sizes(sample)[1], [2.0, 2.0])


@pytest.mark.parametrize("n_groups", [None, 8])
@pytest.mark.parametrize(("level", "z"), [(0.95, 1.959964), (0.8, 1.281552)])
def test_ends_of_the_area_are_where_the_score_test_is_as_extreme_as_the_level(n_groups, level, z):
    sample = random_sample(5, n_groups, level=level)
    area, sizes = _area_sizes(sample)
    low, high = auc_ends(sample)
    assert 0 < low < area < high < 1
    for end, side in ((low, 1), (high, -1)):
        variance = (hanley_variance(end, *sizes) + hanley_variance(end, *sizes[::-1])) / 2
        assert (area - end) / np.sqrt(variance) == pytest.approx(side * z, rel=1e-5)


def test_ends_of_a_perfect_area_are_those_of_its_groups():
    sample = make_sample([1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 1, 1, 2, 2, 3, 3])
    low, high = auc_ends(sample)
    assert (1 - low) / np.sqrt(hanley_variance(low, 2, 2)) == pytest.approx(1.959964, rel=1e-5)
    assert high == 1.0
    low, high = auc_ends(sample._replace(score=-sample.score))
    assert low == 0.0
    assert high / np.sqrt(hanley_variance(high, 2, 2)) == pytest.approx(1.959964, rel=1e-5)


@pytest.mark.parametrize("n_groups", [None, 7])
def test_ends_of_the_area_of_reversed_scores_are_mirrored(n_groups):
    sample = random_sample(2, n_groups)
    low, high = auc_ends(sample)
    mirrored = auc_ends(sample._replace(score=-sample.score))
    assert mirrored == pytest.approx((1 - high, 1 - low), rel=1e-9)


# Curves and their bounds


def test_fraction_below_is_strict():
    score = np.array([3.0, 1.0, 2.0, 2.0])
    below = _below(score, np.array([0.0, 1.0, 2.0, 2.5, np.inf]))
    np.testing.assert_array_equal(below, [0, 0, 0.25, 0.75, 1])


def test_bounds_of_a_curve_are_in_the_order_of_the_curve():
    counts = [3, 0, 8, 3, 5]
    low, high = _curve_bounds(np.array(counts) / 8, 8, 0.05)
    intervals = [exact_interval(count, 8, 0.9) for count in counts]
    np.testing.assert_allclose(low, [interval[0] for interval in intervals])
    np.testing.assert_allclose(high, [interval[1] for interval in intervals])


def test_bands_hold_the_bounds_of_either_rate():
    apcer = [np.array([0.5, 0.1]), np.array([0.25, 0.5])]
    bands = Bands(np.array([0.2, 0.6]), apcer, 5, [10, 4])
    low, high = bands.bpcer_bounds(0.1)
    np.testing.assert_allclose(
        [low, high], np.transpose([exact_interval(n, 5, 0.8) for n in (1, 3)])
    )
    low, high = bands.apcer_bounds(0.1)
    first, second = ([(5, 10), (1, 10)], [(1, 4), (2, 4)])
    corrected = [[exact_interval(*case, 0.9)[0] for case in cases] for cases in (first, second)]
    plain = [[exact_interval(*case, 0.8)[1] for case in cases] for cases in (first, second)]
    np.testing.assert_allclose(low, np.max(corrected, axis=0))
    np.testing.assert_allclose(high, np.max(plain, axis=0))


def test_curves_of_a_small_sample():
    sample = make_sample([1, 2, 3, 3], [0, 2, 2, 1, 0], n_techniques=2)
    bands, correlation = _bands(sample, 2.0)
    # Thresholds 0, 1, 2, 3 and infinity; techniques with scores 0, 2, 0 and 2, 1
    np.testing.assert_allclose(bands.bpcer, [0, 0, 0.25, 0.5, 1])
    np.testing.assert_allclose(bands.apcer[0], [1, 1 / 3, 1 / 3, 0, 0], atol=1e-15)
    np.testing.assert_allclose(bands.apcer[1], [1, 1, 0.5, 0, 0], atol=1e-15)
    assert (bands.bpcer_size, bands.apcer_sizes) == (4.0, [3.0, 2.0])
    assert correlation == 0.0


def test_sizes_of_curves_are_those_at_the_threshold():
    genuine, fake = [1, 1, 2, 2, 2, 4], [1, 2, 2, 3, 1, 1, 1, 4]
    codes = [0, 0, 1, 1, 2, 2, 3, 4, 3, 4, 5, 6, 5, 6]
    sample = make_sample(genuine, fake, codes, n_techniques=2, level=0.9)
    bands, _ = _bands(sample, 2.0)
    size = effective_size(np.array(genuine) < 2, np.array(codes[:6]), 0.9)
    assert bands.bpcer_size == pytest.approx(size)
    for number in range(2):
        accepted = np.array(fake[number::2]) >= 2
        groups = np.array(codes[6 + number :: 2])
        assert bands.apcer_sizes[number] == pytest.approx(effective_size(accepted, groups, 0.9))
    assert _bands(sample, 4.5)[0].bpcer_size == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("genuine", "fake", "codes", "correlation"),
    [
        # Genuine sums 1/2, 1/2, -1/2, -1/2 of the groups; deepfakes 1/2, -1/2, 1/2, -1/2
        ([0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 2, 3, 0, 1, 2, 3], 0.0),
        # Deepfakes 1/4, 1/4, 1/4, -3/4: 1/2 / sqrt(1 * 3/4)
        ([0, 0, 1, 1], [1, 1, 1, 0], [0, 1, 2, 3, 0, 1, 2, 3], 1 / np.sqrt(3)),
        # The same errors in the same groups
        ([0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 2, 3, 0, 1, 2, 3], 1.0),
        # Errors in different groups: clipped at zero
        ([0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 2, 3, 0, 1, 2, 3], 0.0),
        # Groups of 3, 2 and 1 genuine rows: sums 1, -2/3, -1/3; deepfakes 2/3, -1/3, -1/3
        ([0, 0, 1, 1, 1, 1], [1, 0, 0], [0, 0, 0, 1, 1, 2, 0, 1, 2], 1 / np.sqrt(14 / 9 * 6 / 9)),
        # Three groups with genuine rows, two with deepfakes; one has rows of either class
        ([0, 1, 1], [1, 0], [0, 1, 2, 0, 3], 1 / 3 / np.sqrt(6 / 9 * 1 / 2)),
        # No group has rows of either class
        ([0, 1], [1, 0], [0, 1, 2, 3], 0.0),
        # Either error is constant
        ([1, 1], [1, 0], [0, 1, 0, 1], 1.0),
        ([0, 1], [0, 0], [0, 1, 0, 1], 1.0),
        ([0, 1], [1, 1], [0, 1, 1, 2], 1.0),
    ],
)
def test_correlation_of_errors_by_hand(genuine, fake, codes, correlation):
    sample = make_sample(genuine, fake, codes)
    result = _correlation(sample, 1.0)
    assert result == pytest.approx(correlation, abs=1e-14)
    assert 0.0 <= result <= 1.0


# Bounds of figures of two rates

POINT = Bands(np.array([0.2]), [np.array([0.3])], 20, [30])


def weighted_sum(bpcer, apcer):
    return float(bpcer[0] + 2 * apcer[0])


def reference_weighted_bound(side, tail, correlation):
    center = 0.2 + 2 * 0.3
    first = abs(beta_bounds(0.2, 20, tail)[side] - 0.2)
    second = 2 * abs(beta_bounds(0.3, 30, tail)[side] - 0.3)
    covariance = correlation * first * second
    ratio = np.sqrt(first**2 + second**2 + 2 * covariance) / (first + second)
    tightened = stats.norm.sf(ratio * stats.norm.isf(tail))
    low_or_high = beta_bounds(0.2, 20, tightened)[side], beta_bounds(0.3, 30, tightened)[side]
    bound = low_or_high[0] + 2 * low_or_high[1]
    assert (bound > center) == (side == 1)
    return bound


@pytest.mark.parametrize("tail", [0.025, 0.1])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 1.0])
def test_combined_bound_of_a_sum_is_that_of_variance_estimates_recovery(side, tail, correlation):
    curves = POINT.bpcer, POINT.apcer[0]
    bound = _combined_bound(weighted_sum, side, curves, POINT, tail, correlation)
    assert bound == pytest.approx(reference_weighted_bound(side, tail, correlation), rel=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_combined_bound_is_not_tightened_where_a_single_rate_decides(correlation):
    def of_bpcer(bpcer, apcer):
        return float(bpcer[0])

    curves = POINT.bpcer, POINT.apcer[0]
    bounds = [_combined_bound(of_bpcer, side, curves, POINT, 0.025, correlation) for side in (0, 1)]
    assert bounds == pytest.approx(exact_interval(4, 20))


def test_combined_bound_is_not_tightened_where_only_joint_changes_count():
    bands = Bands(np.array([0.2]), [np.array([0.2])], 20, [10])

    def smaller(bpcer, apcer):
        return float(min(bpcer[0], apcer[0]))

    bound = _combined_bound(smaller, 1, (bands.bpcer, bands.apcer[0]), bands, 0.025, 0.0)
    assert bound == pytest.approx(exact_interval(4, 20)[1])


def reference_ends(sample, threshold, figure):
    """Return both ends of a figure of two curves for rows without groups, by loops."""
    n_techniques = len(sample.technique_rows)
    genuine = sample.score[sample.labels == 1]
    fakes = [sample.score[rows] for rows in sample.technique_rows]
    thresholds = [*sorted(set(sample.score.tolist())), np.inf]
    bpcer = [np.mean(genuine < value) for value in thresholds]
    apcer = [[np.mean(fake >= value) for fake in fakes] for value in thresholds]

    def bounds(side, tail):
        corrected = tail / n_techniques if side == 0 else tail
        first = [beta_bounds(rate, len(genuine), tail)[side] for rate in bpcer]
        second = [
            max(
                beta_bounds(rate, len(fake), corrected)[side]
                for rate, fake in zip(rates, fakes, strict=True)
            )
            for rates in apcer
        ]
        return first, second

    worst = [max(rates) for rates in apcer]
    center, tail = figure(bpcer, worst), (1 - sample.level) / 2
    ends = []
    for side in (0, 1):
        first, second = bounds(side, tail)
        changes = [figure(first, worst) - center, figure(bpcer, second) - center]
        total = sum(abs(change) for change in changes)
        ratio = np.hypot(*changes) / total if total else 1.0
        ends.append(figure(*bounds(side, stats.norm.sf(ratio * stats.norm.isf(tail)))))
    return ends


def crossing(upper):
    def figure(bpcer, apcer):
        pairs = list(zip(bpcer, apcer, strict=True))
        return min(max(pair) for pair in pairs) if upper else max(min(pair) for pair in pairs)

    return figure


def first_allowed(limit):
    def figure(bpcer, apcer):
        allowed = [first for first, second in zip(bpcer, apcer, strict=True) if second <= limit]
        return allowed[0] if allowed else 1.0

    return figure


@pytest.mark.parametrize("n_techniques", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_ends_of_the_equal_error_rate_are_crossings_of_bounds(seed, n_techniques):
    sample = random_sample(seed, None, 30, 24, n_techniques=n_techniques, level=0.9)
    low = reference_ends(sample, 0.5, crossing(upper=False))[0]
    high = reference_ends(sample, 0.5, crossing(upper=True))[1]
    assert 0 < low < high < 1
    assert eer_ends(sample, (low + high) / 2, 0.5) == pytest.approx((low, high), rel=1e-9)
    # The interval holds the observed rate
    assert eer_ends(sample, low / 2, 0.5) == pytest.approx((low / 2, high), rel=1e-9)
    assert eer_ends(sample, 1.0, 0.5) == pytest.approx((low, 1.0), rel=1e-9)


@pytest.mark.parametrize("limit", [0.2, 0.4, 0.5])
@pytest.mark.parametrize("n_techniques", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_ends_of_bpcer_at_apcer_are_bounds_at_thresholds_of_bounds(seed, n_techniques, limit):
    sample = random_sample(seed, None, 30, 24, n_techniques=n_techniques, level=0.9)
    low, high = reference_ends(sample, 0.5, first_allowed(limit))
    middle = (low + high) / 2
    ends = bpcer_at_apcer_ends(sample, middle, limit, 0.5)
    assert ends == pytest.approx((low, high), rel=1e-9)
    ends = bpcer_at_apcer_ends(sample, low / 2, limit, 0.5)
    assert ends == pytest.approx((low / 2, high), rel=1e-9)
    assert bpcer_at_apcer_ends(sample, 1.0, limit, 0.5) == pytest.approx((low, 1.0), rel=1e-9)


def test_an_apcer_as_high_as_the_limit_is_allowed():
    # With a limit of 1, the lowest threshold is allowed: no genuine row is below it
    sample = make_sample([2, 3, 4, 5], [1, 2, 3])
    assert bpcer_at_apcer_ends(sample, 0.0, 1.0, 1.0) == pytest.approx(exact_interval(0, 4))


def test_upper_end_is_one_where_no_threshold_is_allowed():
    sample = make_sample([2, 3, 4, 5], [0, 1])
    assert bpcer_at_apcer_ends(sample, 0.0, 0.01, 2.0) == (0.0, 1.0)


# The warning about too few deepfakes


def separated(n_genuine, n_fake):
    labels = np.repeat([1, -1], [n_genuine, n_fake])
    return labels, labels + np.linspace(0, 0.1, len(labels))


@pytest.mark.parametrize(
    ("limit", "level", "n_fake", "n_required"),
    [(0.05, 0.95, 10, 72), (0.05, 0.9, 10, 59), (0.1, 0.95, 20, 36), (0.5, 0.95, 3, 6)],
)
def test_warning_has_the_number_of_deepfakes_required(limit, level, n_fake, n_required):
    # (1 - 0.05)**72 < 0.025 < (1 - 0.05)**71
    metric = partial(bpcer_at_apcer, apcer=limit)
    message = f"at an APCER of {limit:g} .*about {n_required} independent .*got {n_fake}[.]"
    with pytest.warns(UserWarning, match=message):
        interval = confidence_interval(metric, *separated(9, n_fake), confidence_level=level)
    assert interval.high == 1.0


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_no_warning_at_limits_that_need_no_deepfakes_or_infinitely_many(limit):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        interval = confidence_interval(partial(bpcer_at_apcer, apcer=limit), *separated(9, 4))
    assert interval.high == pytest.approx(1.0 if limit == 0 else exact_interval(0, 9)[1])


def test_warning_counts_the_groups_of_the_technique_with_the_fewest():
    labels, score = separated(9, 12)
    groups = np.append(np.arange(9), 9 + np.arange(12) // 2)
    technique = np.repeat(["genuine", "swap", "morph"], [9, 8, 4])
    with pytest.warns(UserWarning, match="got 2[.]"):
        confidence_interval(
            bpcer_at_apcer, labels, score, groups=groups, metadata={"technique": technique}
        )
