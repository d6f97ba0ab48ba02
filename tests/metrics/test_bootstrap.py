"""Confidence intervals over whole groups."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from sklearn_diffake.metrics import bootstrap_interval, equal_error_rate


def fraction_of_genuine(y, score):
    return np.mean(y == 1)


def grouped(n_groups, rows_per_group, seed=0):
    """Labels, scores that share a strong effect within a group, groups."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), rows_per_group)
    y = np.tile([1, -1], len(groups) // 2)
    score = 0.5 * y + rng.normal(size=n_groups)[groups] * y + 0.1 * rng.normal(size=len(groups))
    return y, score, groups


def test_estimate_is_the_metric_itself():
    y, score, groups = grouped(20, 4)
    interval = bootstrap_interval(
        roc_auc_score, y, score, groups=groups, n_resamples=100, random_state=0
    )
    assert interval.estimate == roc_auc_score(y, score)
    estimate, low, high = interval
    assert 0 <= low < estimate < high <= 1


def test_draws_keep_the_number_of_groups_of_each_class():
    y, groups = np.repeat([1, -1], [12, 20]), np.repeat(np.arange(8), 4)
    sample = bootstrap_interval(
        fraction_of_genuine, y, np.arange(32.0), groups=groups, n_resamples=50, random_state=0
    )
    assert np.isnan(sample.low)  # three groups of genuine rows
    y, groups = np.repeat([1, -1], [20, 40]), np.repeat(np.arange(15), 4)
    sample = bootstrap_interval(
        fraction_of_genuine, y, np.arange(60.0), groups=groups, n_resamples=50, random_state=0
    )
    assert sample == (20 / 60, 20 / 60, 20 / 60)


def test_groups_are_drawn_whole():
    y, score, groups = grouped(12, 6)
    received = []

    def look(labels, values):
        # the scores tell rows apart, so a group is in as often as each of its rows
        received.append([np.sum(values == value) for value in score])
        return 0.0

    shuffled = np.random.default_rng(1).permutation(len(y))
    bootstrap_interval(
        look, y[shuffled], score[shuffled], groups=groups[shuffled], n_resamples=50, random_state=0
    )
    counts = np.array(received[1:51]).reshape(50, 12, 6)  # then follow contaminated draws
    assert (counts == counts[:, :, :1]).all()
    assert (counts[:, :, 0].sum(axis=1) == 12).all()
    assert counts.max() > 1
    assert len(received) == 101


def test_rows_that_belong_together_make_the_interval_wider():
    y, score, groups = grouped(15, 20)
    by_row = bootstrap_interval(roc_auc_score, y, score, n_resamples=100, random_state=0)
    by_group = bootstrap_interval(
        roc_auc_score, y, score, groups=groups, n_resamples=100, random_state=0
    )
    assert by_group.high - by_group.low > 2 * (by_row.high - by_row.low)


@pytest.mark.slow
def test_interval_covers_the_truth_as_often_as_it_says():
    def distance(y, score):
        return score[y == 1].mean() - score[y == -1].mean()

    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], 60)
    hits = 0
    for seed in range(100):
        score = rng.normal(size=120) + (y == 1)  # true distance: 1
        _, low, high = bootstrap_interval(
            distance, y, score, n_resamples=100, confidence_level=0.8, random_state=seed
        )
        hits += low <= 1.0 <= high
    assert 72 <= hits <= 96  # at least 80 expected, standard error 4; contamination adds some


@pytest.mark.parametrize(
    "metric", [pytest.param(roc_auc_score, marks=pytest.mark.slow), equal_error_rate]
)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_only_the_order_of_scores_matters(metric, seed):
    y, score, groups = grouped(10, 4, seed=seed)
    kwargs = {"groups": groups, "n_resamples": 20, "random_state": seed}
    assert bootstrap_interval(metric, y, score, **kwargs) == bootstrap_interval(
        metric, y, np.exp(3 * score), **kwargs
    )


def test_seeds():
    y, score, _ = grouped(20, 4)

    def run(seed):
        return bootstrap_interval(roc_auc_score, y, score, n_resamples=50, random_state=seed)

    assert run(0) == run(0)
    assert run(0) != run(1)


def test_contaminated_draws_exchange_scores_of_a_few_whole_groups():
    y, groups = np.repeat([1, -1], 100), np.arange(200) // 5
    score = np.where(y == 1, 1.0, 0.0)
    second = np.where(y == 1, 3.0, 2.0)
    fractions, received = [], []

    def look(labels, values, second, name):
        exchanged = values != (labels == 1)
        np.testing.assert_array_equal(second != np.where(labels == 1, 3.0, 2.0), exchanged)
        assert exchanged.reshape(-1, 5).all(axis=1).sum() * 5 == exchanged.sum()
        fractions.append(exchanged[labels == 1].mean())
        received.append(set(name[labels == 1]))
        return 0.0

    metadata = {"second": second, "name": np.where(y == 1, "real", "fake")}
    bootstrap_interval(
        look, y, score, groups=groups, metadata=metadata, n_resamples=400, random_state=0
    )
    assert received == [{"real"}] * 801
    assert max(fractions[:401]) == 0
    assert np.mean(fractions[401:]) == pytest.approx(1 / 21, abs=0.01)  # of Beta(1, 20)


@pytest.mark.parametrize("n_groups", [1, 4])
def test_too_few_groups_are_warned_about(n_groups):
    y, score, groups = grouped(n_groups, 4)
    with pytest.warns(UserWarning, match=f"genuine rows in {n_groups} and .*at least 5") as warned:
        result = bootstrap_interval(roc_auc_score, y, score, groups=groups, n_resamples=20)
    assert warned[0].filename == __file__
    assert result.estimate == roc_auc_score(y, score)
    assert np.isnan(result[1:]).all()


def test_no_warning_without_reason():
    y, score, groups = grouped(10, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bootstrap_interval(roc_auc_score, y, score, groups=groups, n_resamples=20)


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([1, 1, 1], {}, "both classes"),
        ([1, 0, -1], {}, "got 0 in row 1"),
        (
            [1, -1, 1],
            {"groups": [7, 8]},
            "groups must have one value for each of the 3 rows, got 2",
        ),
        ([1, -1, 1], {"n_resamples": 0}, "'n_resamples' parameter"),
        ([1, -1, 1], {"confidence_level": 1.0}, "'confidence_level' parameter"),
    ],
)
def test_bad_input(y, options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(roc_auc_score, y, [0.1, 0.2, 0.3], **options)
