"""Intervals that hold near 0 and 1, over groups, and say when there are too few."""

import warnings
from functools import partial

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from sklearn_diffake.metrics import (
    apcer,
    average_precision_fake,
    bootstrap_interval,
    bpcer,
    bpcer_at_apcer,
    confidence_interval,
    equal_error_rate,
    worst_apcer,
)


@pytest.fixture
def coverage():
    from benchmarks.quality import coverage_intervals

    return coverage_intervals


def separated(n_genuine, n_fake, rows_per_group=1):
    """Labels, scores without any error, and groups of one class each."""
    y = np.repeat([1, -1], [n_genuine, n_fake])
    score = y + np.random.default_rng(0).normal(scale=0.1, size=len(y))
    return y, score, np.arange(len(y)) // rows_per_group


@pytest.mark.parametrize(
    "name_list",
    [
        ("AUC", 0.98, 10, 10),
        ("AUC", 0.995, 30, 30),
        ("EER", 0.04, 20, 20),
        ("BPCER100", 0.05, 50, 50),
        ("AUC", 0.95, 50, 50, "unequal groups"),
        ("EER", 0.04, 50, 50, "people, aligned"),
        ("BPCER", 0.05, 50, 50, "groups of 5"),
        ("BPCER", 0.01, 10, 10),
    ],
)
def test_intervals_cover_near_the_ends_of_the_range(coverage, name_list):
    result = coverage.simulate(coverage.Cell(*name_list), 60)
    assert result["coverage"] >= 0.9  # of 0.95; three standard errors are 0.084
    assert result["no width"] == 0
    assert result["no interval"] == 0


@pytest.mark.parametrize("figure", ["AUC, any callable", "BPCER, any callable"])
def test_intervals_of_any_callable_cover_too(coverage, figure):
    truth = 0.98 if figure.startswith("AUC") else 0.05
    result = coverage.simulate(coverage.Cell(figure, truth, 10, 10, method="bootstrap"), 25)
    assert result["coverage"] >= 0.85
    assert result["no width"] == 0


def test_the_simulation_shows_where_the_percentile_bootstrap_fails(coverage):
    result = coverage.simulate(coverage.NAMED_CELLS[0]._replace(method="percentile"), 25)
    assert result["coverage"] < 0.8
    assert result["no width"] > 0.1


@pytest.mark.parametrize(
    "metric",
    [
        roc_auc_score,
        equal_error_rate,
        bpcer_at_apcer,
        bpcer,
        apcer,
        average_precision_fake,
        lambda y, score: roc_auc_score(y, score),
        lambda y, score: equal_error_rate(y, score),
    ],
)
def test_perfect_data_do_not_give_an_interval_without_width(metric):
    y, score, _ = separated(20, 20)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="BPCER at an APCER")
        estimate, low, high = confidence_interval(metric, y, score, n_resamples=200, random_state=0)
    assert min(estimate, 1 - estimate) == pytest.approx(0, abs=1e-12)
    assert -1e-12 <= low <= estimate <= high <= 1 + 1e-12
    assert high - low > 0.05


@pytest.mark.parametrize(("errors", "n"), [(0, 3), (0, 20), (1, 20), (7, 50), (20, 20)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_rates_of_independent_rows_have_exact_bounds(errors, n, level):
    y, score, _ = separated(n, n)
    score[:errors] = -1
    score[n : n + errors] = 1
    expected = binomtest(errors, n).proportion_ci(level, method="exact")
    for metric in (bpcer, apcer):
        result = confidence_interval(metric, y, score, confidence_level=level)
        assert result.estimate == errors / n
        assert result[1:] == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_rows_of_a_group_count_as_one_where_nothing_says_otherwise():
    y, score, groups = separated(100, 100, rows_per_group=10)
    single = confidence_interval(bpcer, y[::10], score[::10])
    assert confidence_interval(bpcer, y, score, groups=groups) == pytest.approx(single)
    for metric in (roc_auc_score, equal_error_rate):
        grouped = confidence_interval(metric, y, score, groups=groups)
        by_row = confidence_interval(metric, y, score)
        assert grouped.high - grouped.low > 3 * (by_row.high - by_row.low)


@pytest.mark.parametrize("metric", [bpcer, roc_auc_score, equal_error_rate, bpcer_at_apcer])
def test_rows_that_are_alike_make_the_interval_wider(metric):
    rng = np.random.default_rng(1)
    y, groups = np.repeat([1, -1], 400), np.arange(800) // 20
    score = 0.7 * y + rng.normal(size=40)[groups] + 0.3 * rng.normal(size=800)
    by_row = confidence_interval(metric, y, score)
    grouped = confidence_interval(metric, y, score, groups=groups)
    assert grouped.high - grouped.low > 1.7 * (by_row.high - by_row.low)
    assert grouped.estimate == by_row.estimate


def test_names_of_groups_do_not_matter():
    y, score, groups = separated(40, 40, rows_per_group=4)
    score[::7] *= -1
    shuffled = np.random.default_rng(0).permutation(len(y))
    for metric in (roc_auc_score, equal_error_rate, bpcer_at_apcer, bpcer, apcer):
        result = confidence_interval(metric, y, score, groups=groups)
        names = np.array([f"person {99 - group}" for group in groups])
        repeated = confidence_interval(
            metric, y[shuffled], score[shuffled], groups=names[shuffled].tolist()
        )
        assert repeated == pytest.approx(result)


@pytest.mark.parametrize("metric", [roc_auc_score, equal_error_rate, bpcer_at_apcer])
def test_only_the_order_of_scores_matters(metric):
    y, score, groups = separated(40, 40, rows_per_group=4)
    score[::7] *= -1
    result = confidence_interval(metric, y, score, groups=groups)
    assert confidence_interval(metric, y, np.exp(3 * score), groups=groups) == result


def test_options_of_a_metric_are_taken():
    y, score, _ = separated(50, 50)
    score[:5] = 0.5
    result = confidence_interval(partial(bpcer, threshold=0.6), y, score)
    expected = binomtest(5, 50).proportion_ci(method="exact")
    assert result == pytest.approx((0.1, expected.low, expected.high))
    strict = confidence_interval(partial(bpcer_at_apcer, apcer=0.2), y, score)
    assert strict.estimate == bpcer_at_apcer(y, score, apcer=0.2)
    assert strict.high < 0.3


def test_the_worst_technique_decides():
    y, score, _ = separated(30, 90)
    technique = np.repeat(["", "swap", "warp", "blend"], 30)
    score[[35, 36, 70]] = 2.0
    result = confidence_interval(worst_apcer, y, score, metadata={"technique": technique})
    swap = binomtest(2, 30)
    assert result.estimate == 2 / 30
    assert result.high == pytest.approx(swap.proportion_ci(method="exact").high)
    bonferroni = swap.proportion_ci(1 - 0.05 / 3, method="exact")
    assert result.low == pytest.approx(bonferroni.low)
    for rate in (0.05, 0.3):
        metric = partial(bpcer_at_apcer, apcer=rate)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="BPCER at an APCER")
            by_technique = confidence_interval(metric, y, score, metadata={"technique": technique})
            pooled = confidence_interval(metric, y, score)
        assert by_technique.high >= pooled.high


def test_too_few_deepfakes_for_an_upper_bound_are_said():
    y, score, _ = separated(50, 50)
    with pytest.warns(UserWarning, match="about 368 independent deepfakes.*got 50"):
        result = confidence_interval(partial(bpcer_at_apcer, apcer=0.01), y, score)
    assert result.high == 1
    y, score, _ = separated(50, 400)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert confidence_interval(partial(bpcer_at_apcer, apcer=0.01), y, score).high < 0.2


def test_too_few_groups_give_no_interval():
    y, score, _ = separated(20, 20)
    one_genuine_group = np.where(y == 1, 0, np.arange(40))
    for metric in (roc_auc_score, equal_error_rate, bpcer):
        with pytest.warns(
            UserWarning, match="Too few groups.*genuine rows in 1.*at least 2"
        ) as output:
            result = confidence_interval(metric, y, score, groups=one_genuine_group)
        assert output[0].filename == __file__
        assert np.isnan(result[1:]).all()
        assert not np.isnan(result.estimate)
    assert not np.isnan(confidence_interval(apcer, y, score, groups=one_genuine_group).low)
    with pytest.warns(UserWarning, match="deepfakes in 4, at least 5") as output:
        result = confidence_interval(average_precision_fake, *separated(20, 4)[:2])
    assert output[0].filename == __file__
    assert np.isnan(result[1:]).all()


def test_rates_need_one_class_only():
    assert confidence_interval(bpcer, [1] * 9, np.ones(9)).high == pytest.approx(0.336, abs=1e-3)
    assert confidence_interval(apcer, [-1] * 9, np.ones(9)).estimate == 1
    with pytest.raises(ValueError, match="both classes"):
        confidence_interval(roc_auc_score, [1] * 9, np.ones(9))


def test_the_bootstrap_is_used_for_any_other_call():
    y, score, groups = separated(30, 30, rows_per_group=3)
    score[::7] *= -1
    options = {"groups": groups, "n_resamples": 50, "random_state": 3}
    for metric in (
        average_precision_fake,
        partial(roc_auc_score, max_fpr=0.5),
        partial(bpcer, threshold=0.1),
    ):
        expected = bootstrap_interval(metric, y, score, **options)
        assert confidence_interval(metric, y, score, method="bootstrap", **options) == expected
        closed = confidence_interval(metric, y, score, **options) != expected
        assert closed == (getattr(metric, "func", None) is bpcer)


class Unhashable:
    """A metric without a hash, as that of a dataclass."""

    __hash__ = None

    def __eq__(self, other):
        return self is other

    def __call__(self, y_true, score):
        return roc_auc_score(y_true, score)


def reversed_auc(sign, y_true, score):
    return roc_auc_score(y_true, sign * np.asarray(score))


@pytest.mark.parametrize("metric", [Unhashable(), partial(reversed_auc, -1)])
def test_any_callable_has_a_bootstrap_interval(metric):
    y, score, groups = separated(30, 30, rows_per_group=3)
    score[::7] *= -1
    options = {"groups": groups, "n_resamples": 50, "random_state": 3}
    result = confidence_interval(metric, y, score, **options)
    assert result == bootstrap_interval(metric, y, score, **options)
    assert result.estimate == metric(y, score)
    assert result.low < result.estimate < result.high


def test_a_difference_of_two_detectors():
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], 60)
    better, worse = 3.0 * y + rng.normal(size=120), rng.normal(size=120)

    def gain(y_true, score, second):
        return roc_auc_score(y_true, score) - roc_auc_score(y_true, second)

    options = {"n_resamples": 100, "random_state": 0}
    result = confidence_interval(gain, y, better, metadata={"second": worse}, **options)
    assert 0.2 < result.low < result.estimate < result.high < 0.8
    identical = confidence_interval(gain, y, better, metadata={"second": better.copy()}, **options)
    assert identical.estimate == 0


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([1, 0, -1], {}, "got 0 in row 1"),
        (
            [1, -1, 1],
            {"groups": [7, 8]},
            "groups must have one value for each of the 3 rows, got 2",
        ),
        ([1, -1, 1], {"method": "normal"}, "'method' parameter"),
        ([1, -1, 1], {"confidence_level": 1.0}, "'confidence_level' parameter"),
    ],
)
def test_bad_input(y, options, message):
    with pytest.raises(ValueError, match=message):
        confidence_interval(roc_auc_score, y, [0.1, 0.2, 0.3], **options)
