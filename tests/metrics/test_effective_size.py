"""Effective sizes and exact bounds, against tabulated quantiles, loops and scipy's own tests."""

import numpy as np
import pytest
from scipy import stats

from sklearn_diffake.metrics._effective_size import (
    effective_size,
    rate_bounds,
    small_sample_factor,
    smallest_size,
)

# Two-sided quantiles of Student's distribution, by level and degrees of freedom
STUDENT = {
    (0.95, 1): 12.706205,
    (0.95, 2): 4.302653,
    (0.95, 3): 3.182446,
    (0.95, 4): 2.776445,
    (0.95, 5): 2.570582,
    (0.95, 11): 2.200985,
    (0.95, 15): 2.131450,
    (0.9, 1): 6.313752,
    (0.9, 2): 2.919986,
    (0.9, 5): 2.015048,
}


@pytest.mark.parametrize(
    ("codes", "size"),
    [
        ([0, 1, 2, 3], 4.0),
        ([0, 0, 1, 1, 2, 2], 3.0),
        ([0, 0, 0, 0, 0], 1.0),
        ([0, 0, 0, 1], 16 / 10),
        ([2, 1, 2, 0, 1, 2], 36 / 14),
        ([0, 4, 4], 9 / 5),
    ],
)
def test_smallest_size_counts_equal_rows_of_a_group_as_one_row(codes, size):
    assert smallest_size(np.array(codes)) == pytest.approx(size, rel=1e-14)


def test_smallest_size_does_not_overflow():
    assert smallest_size(np.repeat([0, 1], 100_000)) == 2.0


@pytest.mark.parametrize(
    ("n_rows", "n_groups", "level", "freedoms"),
    [
        (12, 4, 0.95, (11, 3)),
        (12, 6.0, 0.95, (11, 5)),
        (6, 3, 0.9, (5, 2)),
        (4, 2, 0.95, (3, 1)),
        (3, 2, 0.9, (2, 1)),
        (2, 2, 0.95, (1, 1)),
        (1, 3, 0.95, (1, 2)),
        (5, 5, 0.95, (4, 4)),
    ],
)
def test_factor_is_the_squared_ratio_of_two_tabulated_quantiles(n_rows, n_groups, level, freedoms):
    rows, groups = (STUDENT[level, freedom] for freedom in freedoms)
    factor = small_sample_factor(n_rows, n_groups, level)
    assert factor == pytest.approx((rows / groups) ** 2, rel=1e-6)
    assert factor <= 1.0 or n_rows < n_groups


@pytest.mark.parametrize(("n_groups", "freedom"), [(1.8, 0.8), (1.5, 0.5), (1.2, 0.5), (1.0, 0.5)])
def test_factor_of_hardly_more_than_one_group_is_limited(n_groups, freedom):
    expected = (STUDENT[0.95, 11] / stats.t.isf(0.025, freedom)) ** 2
    assert small_sample_factor(12, n_groups, 0.95) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("error", [[0, 0, 0], [1, 0, 0], [1, 1, 1]])
@pytest.mark.parametrize("codes", [[0, 1, 2], [7, 0, 3]])
def test_rows_without_groups_count_in_full(error, codes):
    assert effective_size(np.array(error, bool), np.array(codes), 0.95) == 3.0


@pytest.mark.parametrize("rate", [0, 1])
def test_without_variation_the_rows_of_a_group_count_as_one(rate):
    error = np.full(6, rate, bool)
    assert effective_size(error, np.array([1, 1, 5, 5, 9, 9]), 0.95) == pytest.approx(3.0)
    assert effective_size(error, np.array([1, 1, 1, 5, 5, 9]), 0.95) == pytest.approx(36 / 14)


@pytest.mark.parametrize(
    ("error", "codes", "level", "size", "freedoms"),
    [
        # Excess errors +1 and -1: variance 2/1 * 2 / 16; 0.25 / 0.25 rows
        ([1, 1, 0, 0], [0, 0, 1, 1], 0.95, 1.0, (3, 1)),
        # Rate 1/3; excess 4/3, -2/3, -2/3: variance 3/2 * 24/9 / 36 = 1/9; 2/9 / (1/9) rows
        ([1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 2, 2], 0.9, 2.0, (5, 2)),
        # The same with numbers of groups that do not occur, and rows not in order
        ([0, 1, 0, 0, 1, 0], [9, 4, 6, 6, 4, 9], 0.9, 2.0, (5, 2)),
        # Rate 2/3; excess 0, 1, 1, -2: variance 4/3 * 6 / 144 = 1/18; 2/9 / (1/18) rows
        ([1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0], np.repeat(range(4), 3), 0.95, 4.0, (11, 3)),
        # As many errors in every group: as many rows as there are, not more
        ([1, 0, 1, 0], [0, 0, 1, 1], 0.95, 4.0, (3, 1)),
        # Rate 9/16; excess 3/4 and three times -1/4: 63 rows by the variance, but there are 16
        ([1, 1, 1, 0, *[1, 1, 0, 0] * 3], np.repeat(range(4), 4), 0.95, 16.0, (15, 3)),
    ],
)
def test_effective_size_of_small_examples(error, codes, level, size, freedoms):
    rows, groups = (STUDENT[level, freedom] for freedom in freedoms)
    expected = size * (rows / groups) ** 2
    result = effective_size(np.array(error, bool), np.array(codes), level)
    assert result == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_effective_size_of_unequal_groups_agrees_with_loops(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 12, size=40) * 3
    error = rng.random(40) < np.where(codes % 2 == 0, 0.6, 0.1)
    rate = sum(error) / 40
    squares, sizes = 0.0, []
    for group in sorted(set(codes.tolist())):
        rows = [row for row in range(40) if codes[row] == group]
        squares += (sum(error[row] - rate for row in rows) / 40) ** 2
        sizes.append(len(rows))
    n_groups = len(sizes)
    design_effect = squares * n_groups / (n_groups - 1) / (rate * (1 - rate) / 40)
    freedom = 40**2 / sum(size**2 for size in sizes) - 1
    factor = (stats.t.isf(0.025, 39) / stats.t.isf(0.025, freedom)) ** 2
    expected = 40 / max(1.0, design_effect) * factor
    assert effective_size(error, codes, 0.95) == pytest.approx(expected, rel=1e-9)


def test_effective_size_is_never_zero():
    codes = np.repeat([0, 1], [1000, 1])
    assert effective_size(codes == 1, codes, 0.999) == 1e-3


@pytest.mark.parametrize("size", [1, 2, 7, 40])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_bounds_of_integer_sizes_are_those_of_the_exact_binomial_test(size, level):
    counts = np.arange(size + 1)
    low, high = rate_bounds(counts / size, size, (1 - level) / 2)
    intervals = [stats.binomtest(int(count), size).proportion_ci(level) for count in counts]
    np.testing.assert_allclose(low, [interval.low for interval in intervals], rtol=1e-9)
    np.testing.assert_allclose(high, [interval.high for interval in intervals], rtol=1e-9)
    assert low[0] == 0.0
    assert high[-1] == 1.0


@pytest.mark.parametrize("tail", [0.025, 0.2])
@pytest.mark.parametrize("size", [0.4, 3.7, 12.25])
@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9, 0.99])
def test_bounds_of_fractional_sizes_are_quantiles_of_the_beta_distribution(rate, size, tail):
    low, high = rate_bounds(rate, size, tail)
    count = rate * size
    assert low == pytest.approx(stats.beta.ppf(tail, count, size - count + 1), rel=1e-8)
    assert high == pytest.approx(stats.beta.ppf(1 - tail, count + 1, size - count), rel=1e-8)


@pytest.mark.parametrize("size", [0.3, 1.0, 5.5, 30.0])
def test_bounds_at_the_ends_of_the_range_have_a_closed_form(size):
    # No error in n rows: (1 - high)**n = tail
    low, high = rate_bounds([0.0, 1.0], size, 0.1)
    np.testing.assert_allclose(low, [0.0, 0.1 ** (1 / size)], rtol=1e-9)
    np.testing.assert_allclose(high, [1 - 0.1 ** (1 / size), 1.0], rtol=1e-9)
    assert low[0] == 0.0
    assert high[1] == 1.0


def test_a_rate_that_rounding_moves_from_one_has_an_upper_bound_of_one():
    low, high = rate_bounds([1.0 - 1e-12, 1.0 + 1e-12], 100.0, 0.025)
    np.testing.assert_array_equal(high, 1.0)
    np.testing.assert_allclose(low, 0.025 ** (1 / 100), rtol=1e-6)
