"""APCER, BPCER, the curve of both, and what is read off it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, det_curve, recall_score, roc_auc_score

from sklearn_diffake import metrics
from sklearn_diffake.metrics import (
    apcer,
    apcer_by_technique,
    average_precision_fake,
    bpcer,
    bpcer_at_apcer,
    detection_error_curve,
    equal_error_rate,
    threshold_transfer,
    worst_apcer,
    youden_thresholded_auc,
)

ROWS = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.integers(-9, 9), st.sampled_from("abc")),
    min_size=2,
    max_size=40,
).filter(lambda rows: len({label for label, _, _ in rows}) == 2)
ORDER_ONLY = [
    equal_error_rate,
    average_precision_fake,
    youden_thresholded_auc,
    bpcer_at_apcer,
    lambda y, score: bpcer_at_apcer(y, score, apcer=0.2),
]


def columns(rows):
    y, score, technique = zip(*rows, strict=True)
    return np.array(y), np.array(score, dtype=float), np.array(technique)


def brute_rates(y, score, threshold, technique=None):
    """Worst APCER and BPCER, by counting."""
    fake = y == -1
    pieces = (
        [fake] if technique is None else [fake & (technique == t) for t in set(technique[fake])]
    )
    return max(np.mean(score[piece] >= threshold) for piece in pieces), np.mean(
        score[~fake] < threshold
    )


@given(ROWS, st.integers(-10, 10))
def test_rates_at_a_threshold(rows, threshold):
    y, score, technique = columns(rows)
    pooled, rejected = brute_rates(y, score, threshold)
    assert apcer(y, score, threshold=threshold) == pytest.approx(pooled, abs=1e-12)
    assert bpcer(y, score, threshold=threshold) == pytest.approx(rejected, abs=1e-12)
    verdict = np.where(score >= threshold, 1, -1)
    result = 1 - recall_score(y, verdict, pos_label=-1)
    assert apcer(y, score, threshold=threshold) == pytest.approx(result, abs=1e-12)
    by_technique = apcer_by_technique(y, score, technique, threshold=threshold)
    assert list(by_technique) == sorted(set(technique[y == -1]))
    for name, fraction in by_technique.items():
        own_values = score[(y == -1) & (technique == name)]
        assert fraction == pytest.approx(np.mean(own_values >= threshold), abs=1e-12)
    worst = worst_apcer(y, score, technique, threshold=threshold)
    assert worst == max(by_technique.values()) >= apcer(y, score, threshold=threshold) - 1e-12


@given(ROWS, st.booleans())
def test_curve_against_counting(rows, by_technique):
    y, score, technique = columns(rows)
    technique = technique if by_technique else None
    curve = detection_error_curve(y, score, technique=technique)
    assert curve.threshold.tolist() == [*sorted(set(score)), np.inf]
    expected = [brute_rates(y, score, index_of, technique) for index_of in curve.threshold]
    np.testing.assert_allclose(np.transpose(curve[:2]), expected, atol=1e-12)


@given(ROWS)
def test_curve_against_scikit_learn(rows):
    y, score, _ = columns(rows)
    fpr, fnr, thresholds = det_curve(y, score, pos_label=1)
    curve = detection_error_curve(y, score)
    position = np.searchsorted(curve.threshold, thresholds)
    np.testing.assert_allclose(fpr, curve.apcer[position], atol=1e-12)
    np.testing.assert_allclose(fnr, curve.bpcer[position], atol=1e-12)


@given(ROWS, st.sampled_from([0, 0.01, 0.05, 0.1, 1 / 3, 0.5, 1]), st.booleans())
def test_bpcer_at_apcer_is_the_least_there_is(rows, allowed, by_technique):
    y, score, technique = columns(rows)
    technique = technique if by_technique else None
    result, threshold = bpcer_at_apcer(
        y, score, apcer=allowed, technique=technique, return_threshold=True
    )
    rates = [brute_rates(y, score, index_of, technique) for index_of in [*score, np.inf]]
    assert result == pytest.approx(min(b for a, b in rates if a <= allowed), abs=1e-12)
    accepted, rejected = brute_rates(y, score, threshold, technique)
    assert accepted <= allowed
    assert rejected == pytest.approx(result, abs=1e-12)


@pytest.mark.parametrize(("n_fakes", "allowed"), [(10, 0.1), (20, 0.05), (100, 0.01), (30, 0.1)])
def test_a_fraction_met_exactly_counts(n_fakes, allowed):
    accepted = round(allowed * n_fakes)  # so many deepfakes lie above the genuine row at 1
    score = np.r_[1.0, np.full(n_fakes - accepted, 0.0), np.full(accepted, 2.0)]
    assert bpcer_at_apcer(np.r_[1, np.full(n_fakes, -1)], score, apcer=allowed) == 0.0


def test_no_threshold_will_do():
    result = bpcer_at_apcer([1, 1, -1], [1.0, 2.0, 2.0], apcer=0.0, return_threshold=True)
    assert result == (1.0, np.inf)


@given(ROWS)
def test_average_precision_against_scikit_learn(rows):
    y, score, _ = columns(rows)
    expected = average_precision_score(-y, -score, pos_label=1)
    assert average_precision_fake(y, score) == pytest.approx(expected, abs=1e-12)


@given(ROWS)
def test_youden_thresholded_auc_is_the_best_verdicts_auc(rows):
    y, score, _ = columns(rows)
    best = max(roc_auc_score(y, score >= index_of) for index_of in [*score, np.inf])
    assert youden_thresholded_auc(y, score) == pytest.approx(best, abs=1e-12)


def test_youden_thresholded_auc_is_not_the_auc():
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], 20_000)
    score = rng.normal(size=40_000) + 1.163 * y  # 2.326 apart: AUC 0.95
    assert roc_auc_score(y, score) == pytest.approx(0.95, abs=0.005)
    assert youden_thresholded_auc(y, score) == pytest.approx(0.88, abs=0.005)


@pytest.mark.parametrize("metric", ORDER_ONLY)
@given(rows=ROWS)
def test_invariance(metric, rows):
    y, score, _ = columns(rows)
    result = metric(y, score)
    assert metric(y, np.exp(score / 3) - 7) == pytest.approx(result, abs=1e-12)
    repeated = np.r_[0 : len(y), 0 : len(y)]
    assert metric(y[repeated], score[repeated]) == pytest.approx(result, abs=1e-12)
    shuffled = np.random.default_rng(0).permutation(len(y))
    assert metric(y[shuffled], score[shuffled]) == pytest.approx(result, abs=1e-12)


@given(ROWS)
def test_label_flip(rows):
    y, score, _ = columns(rows)
    curve, flipped = detection_error_curve(y, score), detection_error_curve(-y, -score)
    points = set(zip(curve.apcer.round(9), curve.bpcer.round(9), strict=True))
    assert points == set(zip(flipped.bpcer.round(9), flipped.apcer.round(9), strict=True))
    turned = youden_thresholded_auc(-y, -score)
    assert turned == pytest.approx(youden_thresholded_auc(y, score), abs=1e-12)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ([4, 3, 2, 1], {"eer": 0, "ap": 1, "bpcer20": 0, "youden": 1}),  # perfect
        ([1, 2, 3, 4], {"eer": 1, "ap": (1 / 3 + 2 / 4) / 2, "bpcer20": 1, "youden": 0.5}),
        ([5, 5, 5, 5], {"eer": 0.5, "ap": 0.5, "bpcer20": 1, "youden": 0.5}),  # all tied
    ],
)
def test_by_hand(score, expected):
    y = [1, 1, -1, -1]
    result = {
        "eer": equal_error_rate(y, score),
        "ap": average_precision_fake(y, score),
        "bpcer20": bpcer_at_apcer(y, score),
        "youden": youden_thresholded_auc(y, score),
    }
    assert result == pytest.approx(expected, abs=1e-12)


def test_transfer_by_hand():
    y_dev, dev = [1] * 4 + [-1] * 4, [9, 8, 7, 3, 6, 5, 4, 1]
    y_test, test = [1, 1, -1, -1, -1], [8, 5, 7, 6, 0]
    at_eer = threshold_transfer(y_dev, dev, y_test, test)
    assert at_eer == (6.0, 2 / 3, 0.5)
    assert at_eer.acer == pytest.approx((2 / 3 + 0.5) / 2)
    assert threshold_transfer(y_dev, dev, y_test, test, at="apcer", rate=0.5)[0] == 5
    assert threshold_transfer(y_dev, dev, y_test, test, at="bpcer", rate=0.25)[0] == 7
    techniques = ["", "", "x", "y", "y"]
    worst = threshold_transfer(y_dev, dev, y_test, test, technique_test=techniques)
    assert worst == (6.0, 1.0, 0.5)
    strict = threshold_transfer(
        y_dev, dev, y_test, test, at="apcer", rate=0.5, technique_dev=[*"xxxx", *"xyyy"]
    )
    assert strict.threshold == 7  # the one fake of x, at 6, must be rejected too


@given(ROWS, st.sampled_from([0, 0.05, 0.25, 0.5, 0.9]))
def test_transfer_from_genuine_rows_only(rows, rate):
    y, score, _ = columns(rows)
    genuine = score[y == 1]
    errors = threshold_transfer(np.ones(len(genuine)), genuine, y, score, at="bpcer", rate=rate)
    assert errors.bpcer <= rate
    assert np.mean(genuine < errors.threshold + 0.5) > rate  # no higher threshold would do
    assert errors.apcer == apcer(y, score, threshold=errors.threshold)


@given(ROWS)
def test_transfer_to_the_same_rows(rows):
    y, score, technique = columns(rows)
    _, threshold = equal_error_rate(y, score, return_threshold=True)
    assert threshold_transfer(y, score, y, score).threshold == threshold
    errors = threshold_transfer(
        y, score, y, score, at="apcer", rate=0.2, technique_dev=technique, technique_test=technique
    )
    assert errors.apcer <= 0.2
    assert errors.bpcer == bpcer_at_apcer(y, score, apcer=0.2, technique=technique)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bpcer([-1, -1], [0, 1]), r"must hold genuine \(\+1\) rows; none of its 2"),
        (lambda: apcer([1, 1], [0, 1]), r"must hold deepfake \(-1\) rows; none of its 2"),
        (lambda: worst_apcer([1, -1], [0, 1], ["", None]), "Row 1 is a deepfake and has no tech"),
        (
            lambda: worst_apcer([1, -1], [0, 1], ["x"]),
            "technique must have one value for each of the 2 rows, got 1",
        ),
        (lambda: bpcer_at_apcer([1, -1], [0, 1], apcer=5), "'apcer' parameter"),
        (lambda: bpcer_at_apcer([1, 1], [0, 1]), "both classes; all 2 rows are genuine"),
        (lambda: detection_error_curve([1, -1], [0, np.nan]), "NaN in row 1"),
        (lambda: average_precision_fake([1, 1], [0, 1]), "both classes"),
        (lambda: youden_thresholded_auc([-1, -1], [0, 1]), "both classes"),
        (lambda: threshold_transfer([1], [0], [1, -1], [0, 1]), "both classes"),
        (lambda: threshold_transfer([-1], [0], [1, -1], [0, 1], at="bpcer"), "genuine"),
        (lambda: threshold_transfer([1, -1], [0, 1], [1], [0]), "both classes"),
        (lambda: threshold_transfer([1, -1], [0, 1], [1, -1], [0, 1], at="x"), "'at' parameter"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bootstrap_draws_metadata_with_its_rows():
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], 60)
    technique = np.array(["", "x", "y"])[np.r_[np.zeros(60, int), rng.integers(1, 3, 60)]]
    score = rng.normal(size=120) + y + (technique == "x")
    received = []

    def metric(labels, values, *, technique):
        received.append(((technique == "") == (labels == 1)).all())
        return worst_apcer(labels, values, technique)

    interval = metrics.bootstrap_interval(
        metric, y, score, metadata={"technique": technique}, n_resamples=50, random_state=0
    )
    assert interval.estimate == worst_apcer(y, score, technique)
    assert interval.low < interval.high
    assert len(received) == 101
    assert all(received)
    with pytest.raises(
        ValueError, match="technique must have one value for each of the 120 rows, got 1"
    ):
        metrics.bootstrap_interval(metric, y, score, metadata={"technique": ["x"]})


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([10, 9, 2], [10, 2, 9]),  # by text
        (["warp", "swap", "Swap2"], ["Swap2", "swap", "warp"]),
        (np.array([3, "b", 1.5], dtype=object), [1.5, 3, "b"]),
    ],
)
def test_techniques_are_sorted_by_name(names, expected):
    rates = apcer_by_technique([-1, -1, -1], [1.0, -1.0, 1.0], names)
    assert list(rates) == expected
    for name, score in zip(names, [1.0, 0.0, 1.0], strict=True):
        assert rates[name] == score


@pytest.mark.parametrize("missing", [None, np.nan, "", " "])
def test_message_names_the_deepfake_without_a_technique(missing):
    technique = np.array([missing, "x", missing, missing], dtype=object)
    with pytest.raises(ValueError, match=rf"^Row 2 is a deepfake .* technique \({missing!r}\)\.$"):
        apcer_by_technique([1, -1, -1, -1], [0, 1, 2, 3], technique)
    technique[2:] = "y"  # that of a genuine row is ignored
    assert apcer_by_technique([1, -1, -1, -1], [0, 1, -2, 3], technique) == {"x": 1.0, "y": 0.5}


@pytest.mark.parametrize(
    ("metric", "rows_of_one_class"),
    [
        (apcer, [1, 1, 1]),
        (bpcer, [-1, -1, -1]),
        *((metric, labels) for metric in ORDER_ONLY for labels in ([1, 1, 1], [-1, -1, -1])),
    ],
)
def test_message_names_the_class_that_is_absent(metric, rows_of_one_class):
    names = {1: "genuine (+1)", -1: "deepfake (-1)"}
    label = rows_of_one_class[0]
    message = f"y_true must hold both classes; all 3 rows are {names[label]}."
    if metric in (apcer, bpcer):
        message = f"y_true must hold {names[-label]} rows; none of its 3 rows is."
    with pytest.raises(ValueError, match="y_true") as caught:
        metric(rows_of_one_class, [1.0, 2.0, 3.0])
    assert str(caught.value) == message


OF_LABELS_AND_SCORES = [apcer, bpcer, *ORDER_ONLY, detection_error_curve]


@pytest.mark.parametrize("metric", OF_LABELS_AND_SCORES)
@pytest.mark.parametrize(
    ("labels", "score", "message"),
    [
        ([1, -1, 0], [1.0, 2.0, 3.0], r"^y_true must be \+1 .* got 0 in row 2"),
        (np.array([1, True, -1], dtype=object), np.ones(3), "^y_true .* got True in row 1"),
        ([1, -1], [1.0, np.nan], "^Input score contains NaN in row 1"),
        ([1, -1], [np.inf, 1.0], "^Input score contains infinity in row 0"),
        ([1, -1], [1.0, 2.0, 3.0], "inconsistent numbers of samples"),
        ([1, -1], [[1.0, 2.0], [3.0, 4.0]], "1d array"),
    ],
)
def test_labels_and_scores_are_checked(metric, labels, score, message):
    with pytest.raises(ValueError, match=message):
        metric(labels, score)


def test_a_score_at_the_threshold_is_genuine():
    assert apcer([-1, -1, -1, 1], [-1.0, 0.0, 1.0, 5.0]) == 2 / 3
    assert bpcer([1, 1, 1, -1], [-1.0, 0.0, 1.0, 5.0]) == 1 / 3
    assert apcer_by_technique([-1, -1], [0.0, -1.0], ["a", "b"]) == {"a": 1.0, "b": 0.0}
    assert worst_apcer([-1, -1], [0.0, -1.0], ["a", "b"]) == 1.0
    errors = threshold_transfer([1, -1], [1.0, 0.0], [1, -1], [1.0, 1.0])
    assert errors == (1.0, 1.0, 0.0)
    assert errors.acer == 0.5
    assert errors._fields == ("threshold", "apcer", "bpcer")


def test_defaults_of_the_rates_by_hand():
    """BPCER is taken at an APCER of 5 %, and a threshold set on other data at the EER."""
    y = np.r_[np.ones(4), -np.ones(40)]
    score = np.r_[36.5, 38.5, 39.5, 60.0, np.arange(40)]
    assert bpcer_at_apcer(y, score) == 0.25  # accepts the deepfakes 38 and 39
    assert bpcer_at_apcer(y, score, return_threshold=True) == (0.25, 38.0)
    assert bpcer_at_apcer(y, score, apcer=0.025, return_threshold=True) == (0.25, 38.5)
    assert bpcer_at_apcer(y, score, apcer=0, return_threshold=True) == (0.5, 39.5)
    assert bpcer_at_apcer(y, score, apcer=1, return_threshold=True) == (0.0, 0.0)
    assert threshold_transfer(y, score, y, score, at="apcer").threshold == 38.0
    genuine = np.arange(40.0)
    result = threshold_transfer(np.ones(40), genuine, [1, -1], [1, 0], at="bpcer")
    assert result.threshold == 2.0
    assert isinstance(result.threshold, float)
