"""Drift of genuine p-values: no false alarms, and no drift missed."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest

from sklearn_diffake.metrics import PValueDrift, p_value_drift


def p_values(rng, n_calibration, n, shift=0.0):
    """Conformal p-values of normal scores, all by the same calibration scores."""
    calibration = np.sort(rng.normal(size=n_calibration))
    below = np.searchsorted(calibration, rng.normal(shift, size=n), side="right")
    return (1 + below) / (n_calibration + 1)


@pytest.mark.parametrize(
    ("n_calibration", "n", "alternative"),
    [
        (19, 60, "two-sided"),
        (60, 19, "two-sided"),
        (50, 50, "two-sided"),
        (19, 60, "lower"),
        (60, 19, "higher"),
        pytest.param(60, 19, "lower", marks=pytest.mark.slow),
        pytest.param(19, 60, "higher", marks=pytest.mark.slow),
        pytest.param(50, 50, "lower", marks=pytest.mark.slow),
        pytest.param(50, 50, "higher", marks=pytest.mark.slow),
    ],
)
def test_without_drift_there_are_few_alarms(n_calibration, n, alternative):
    rng, alpha, alarms = np.random.default_rng(0), 0.1, []
    for _ in range(300):
        p = p_values(rng, n_calibration, n)
        drift = p_value_drift(p, n_calibration, alternative=alternative, alpha=alpha)
        alarms.append(drift.drifted)
    assert 0.02 < np.mean(alarms) <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / 300)


def test_a_test_of_uniformity_would_be_wrong():
    """It takes what chance put into the calibration for drift."""
    rng, naive, own_p = np.random.default_rng(0), [], []
    for _ in range(50):
        p = p_values(rng, 19, 500)
        naive.append(kstest(p, "uniform", method="asymp").pvalue <= 0.05)
        own_p.append(p_value_drift(p, 19, alpha=0.05).drifted)
    assert np.mean(naive) > 0.5
    assert np.mean(own_p) < 0.15


@pytest.mark.parametrize(("shift", "direction"), [(-0.6, "lower"), (0.6, "higher")])
def test_drift_is_detected(shift, direction):
    rng = np.random.default_rng(0)
    results = [p_value_drift(p_values(rng, 200, 200, shift), 200) for _ in range(20)]
    assert np.mean([drift.direction == direction for drift in results]) > 0.9
    assert all("Calibrate again" in str(drift) for drift in results if drift.drifted)
    second = {"lower": "higher", "higher": "lower"}[direction]
    p = p_values(rng, 200, 200, shift)
    assert not p_value_drift(p, 200, alternative=second).drifted


def test_the_direction_is_said():
    low = p_value_drift(np.full(50, 0.01), 99, level=0.05)
    assert low == PValueDrift(low.p_value, "lower", low.statistic, 50, 99, 0.01, 1.0, 0.05)
    assert low.p_value < 1e-6
    assert "look less genuine" in str(low)
    assert "100.0% of them are rejected at the level 0.050" in str(low)
    high = p_value_drift(np.ones(50), 99)
    assert high.direction == "higher"
    assert "look more genuine" in str(high)
    assert high.fraction_rejected is None
    none = p_value_drift(np.linspace(0.01, 1, 100), 99)
    assert not none.drifted
    assert none.p_value == 1.0
    assert str(none).startswith("no drift was detected in 100 recent p-values")


def test_one_pair_of_each_person_counts():
    rng, alarms = np.random.default_rng(0), []
    for seed in range(60):
        person = np.repeat(np.arange(30), 5)
        calibration = np.sort(rng.normal(size=100))
        scores = np.repeat(rng.normal(size=30), 5) + 0.01 * rng.normal(size=150)
        p = (1 + np.searchsorted(calibration, scores, side="right")) / 101
        drift = p_value_drift(p, 100, groups=person, alpha=0.1, random_state=seed)
        assert drift.n == 30
        alarms.append((drift.drifted, p_value_drift(p, 100, alpha=0.1).drifted))
    grouped, ungrouped = np.mean(alarms, axis=0)
    assert grouped <= 0.1 + 3 * np.sqrt(0.09 / 60)
    assert ungrouped > grouped + 0.1
    names = [f"person {i}" for i in person]
    repeated = p_value_drift(p, 100, groups=names, alpha=0.1, random_state=seed)
    assert repeated == drift


@pytest.mark.parametrize("bad", [[], [0.0], [0.5, 1.01], [0.5, float("nan")], [-1.0]])
def test_no_p_values(bad):
    with pytest.raises(ValueError, match=r"above 0 and at most 1|minimum of 1"):
        p_value_drift(bad, 100)


def test_other_lengths():
    with pytest.raises(ValueError, match="groups"):
        p_value_drift([0.5, 0.6], 100, groups=["a"])


def test_many_p_values():
    rng = np.random.default_rng(0)
    drift = p_value_drift(p_values(rng, 5000, 20_000), 5000)
    assert not drift.drifted
    assert p_value_drift(p_values(rng, 5000, 20_000, -0.1), 5000).direction == "lower"


@pytest.mark.parametrize("shift", [-0.8, -0.1, 0.0, 0.1, 0.8])
def test_statistic_is_that_of_the_scores(shift):
    """P-values are ranks, so the test of the scores themselves must agree."""
    rng = np.random.default_rng(0)
    calibration, recent = rng.normal(size=40), rng.normal(shift, size=25)
    p = (1 + np.searchsorted(np.sort(calibration), recent, side="right")) / 41
    for direction, alternative in (("lower", "greater"), ("higher", "less")):
        scipy_test = ks_2samp(recent, calibration, alternative=alternative, method="exact")
        drift = p_value_drift(p, 40, alternative=direction, alpha=0.05)
        assert drift.p_value == pytest.approx(scipy_test.pvalue, rel=1e-12)
        assert drift.statistic == pytest.approx(scipy_test.statistic, rel=1e-12)
        assert drift.direction == (direction if scipy_test.pvalue <= 0.05 else None)
        assert drift.drifted == (scipy_test.pvalue <= 0.05)
    tests = [ks_2samp(recent, calibration, alternative=name) for name in ("greater", "less")]
    both = p_value_drift(p, 40)
    assert both.p_value == pytest.approx(min(1.0, 2 * min(t.pvalue for t in tests)), rel=1e-12)
    assert both.statistic == pytest.approx(max(t.statistic for t in tests), rel=1e-12)


def test_one_p_value_by_hand():
    """The only recent score is below both calibration scores: one order of three."""
    drift = p_value_drift([1 / 3], 2, alternative="lower", alpha=0.4, level=0.5)
    expected = PValueDrift(drift.p_value, "lower", 1.0, 1, 2, 0.4, 1.0, 0.5)
    assert drift == expected
    assert drift.p_value == pytest.approx(1 / 3)
    assert p_value_drift([1 / 3], 2, alternative="higher").p_value == 1.0
    assert p_value_drift([1 / 3], 2).p_value == pytest.approx(2 / 3)


def test_a_p_value_of_exactly_alpha_is_drift():
    value = p_value_drift([0.01, 0.02, 0.2], 99).p_value
    assert p_value_drift([0.01, 0.02, 0.2], 99, alpha=value).drifted
    assert not p_value_drift([0.01, 0.02, 0.2], 99, alpha=np.nextafter(value, 0)).drifted


def test_a_p_value_of_exactly_the_level_is_rejected():
    assert p_value_drift([0.05, 0.06, 0.2, 1.0], 99, level=0.05).fraction_rejected == 0.25


def test_result_cannot_be_changed():
    drift = p_value_drift([0.5], 10)
    with pytest.raises(FrozenInstanceError):
        drift.p_value = 0.0


def test_description_of_each_result():
    recent = "2 recent p-values against a calibration by 99 (p = {})"
    none = p_value_drift([0.5, 0.6], 99)
    assert none.p_value == pytest.approx(0.54, abs=0.005)
    assert str(none) == f"no drift was detected in {recent.format('0.54')}"
    none = p_value_drift([0.5, 0.6], 99, level=0.55)
    rejected = "; {} of them are rejected at the level {}"
    assert str(none) == f"no drift was detected in {recent.format('0.54')}" + rejected.format(
        "50.0%", "0.550"
    )
    low, high = p_value_drift([0.01, 0.01], 99), p_value_drift([1.0, 1.0], 99, level=0.05)
    assert low.p_value == high.p_value == pytest.approx(2 * 2 / (100 * 101))
    assert str(low) == (
        f"drift was detected in {recent.format('0.0004')}: recent genuine pairs look less "
        "genuine, so that more of them are rejected than promised. Calibrate again"
    )
    assert str(high) == (
        f"drift was detected in {recent.format('0.0004')}: recent genuine pairs look more "
        "genuine, so that fewer are rejected than promised"
        f"{rejected.format('0.0%', '0.050')}. Calibrate again"
    )


def test_the_row_of_a_person_is_drawn_at_random():
    options = {"groups": ["a", "a", "b", "b"], "level": 0.5}
    fractions = [
        p_value_drift([0.2, 0.8, 0.2, 0.8], 9, random_state=seed, **options).fraction_rejected
        for seed in range(100)
    ]
    assert [fractions.count(value) > 10 for value in (0.0, 0.5, 1.0)] == [True] * 3
    assert len(fractions) == sum(map(fractions.count, (0.0, 0.5, 1.0)))
    default = p_value_drift([0.2, 0.8, 0.2, 0.8], 9, **options)
    assert default.fraction_rejected == fractions[0]


def test_rows_without_a_person_count_as_one_person():
    assert p_value_drift([0.2, 0.8, 0.3, 0.4], 9, groups=[None, "", "a", "b"]).n == 3


@pytest.mark.parametrize(
    ("p_values", "problem"),
    [
        ([], "none"),
        ([0.5, 0.0, 0.1], "0.0 in row 1"),
        ([1.5, 0.5], "1.5 in row 0"),
        ([0.5, 1.0, np.nan], "nan in row 2"),
        ([0.5, -0.1, 2.0], "-0.1 in row 1"),
    ],
)
def test_message_names_the_first_bad_row(p_values, problem):
    with pytest.raises(ValueError, match=rf"above 0 and at most 1, got {problem}\.$"):
        p_value_drift(p_values, 100)
