"""What is said of a calibration is true, however small it is."""

import re

import numpy as np
import pytest

from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector
from sklearn_diffake.novelty._calibration import Calibration, calibration_of


def calibrated(n, groups=None, **options):
    """A detector with `n` calibration pairs, or groups."""
    rng = np.random.default_rng(0)
    sizes = 1 if groups is None else 3
    X = rng.normal(size=((n + 5) * sizes, 2))
    groups = None if groups is None else np.repeat(np.arange(n + 5), sizes)
    detector = ConformalDetector(
        MahalanobisDetector(), calibration_size=n, random_state=0, **options
    )
    return detector.fit(X, groups=groups), rng.normal(scale=2.0, size=(200, 2))


@pytest.mark.parametrize("n", [1, 3, 19, 20, 1000])
def test_p_values_in_words_are_counts(n):
    detector, X = calibrated(n, target_bpcer=0.5)
    calibration = calibration_of(detector)
    (reference,) = detector.calibration_scores_
    assert calibration.n == n
    assert calibration.unit == "pairs"
    for p, score in zip(detector.p_values(X), detector.score_samples(X), strict=True):
        lower = int(np.sum(reference <= score))
        arguments = calibration.p_value_in_words(p)
        assert arguments.startswith(f"{lower} of {n} genuine calibration pair")
        displayed = float(arguments.rpartition("= ")[2].rstrip("."))
        assert displayed == pytest.approx((lower + 1) / (n + 1), abs=1e-4)
        assert displayed > 0
        assert (displayed == 1) == (lower == n)
        assert "About" not in arguments


def test_none_of_three():
    arguments = Calibration(3, 3, 0.3, 0.3).p_value_in_words(0.25)
    assert arguments == (
        "0 of 3 genuine calibration pairs score as low as this pair, or lower: "
        "p = (0 + 1) / (3 + 1) = 0.25."
    )


def test_large_counts_are_written_with_all_digits():
    arguments = Calibration(20_000, 20_000, 0.01, 0.01).p_value_in_words(round(12_346 / 20_001, 12))
    assert arguments.startswith("12345 of 20000 genuine calibration pairs score")


def test_groups_are_counted_as_such():
    detector, X = calibrated(20, groups=True, target_bpcer=0.1)
    calibration = calibration_of(detector)
    assert (calibration.n_pairs, calibration.n, calibration.unit) == (60, 20, "groups")
    assert calibration.basis() == "60 genuine pairs of 20 groups"
    for p in detector.p_values(X):
        arguments = calibration.p_value_in_words(p)
        lower = float(re.search(r", ([0-9.]+) of 20 groups", arguments)[1])
        assert lower == pytest.approx(p * 21 - 1, abs=5.1e-3)


@pytest.mark.parametrize(
    ("n", "target", "message"),
    [
        (1, 0.05, "1 genuine pair only, so that p is at least 0.5; the target BPCER of 0.05 "
         "cannot be reached, the threshold rejects genuine pairs at a rate of up to 0.5"),
        (3, 0.3, "3 genuine pairs only, so that p is at least 0.25; a verdict from so few"),
        (18, 0.2, "18 genuine pairs only, so that p is at least 0.05263; a verdict from so few"),
        (19, 0.05, None),
        (20, 0.05, None),
        (20, 0.01, "20 genuine pairs only.* the target BPCER of 0.01 cannot be reached"),
        (1000, 0.01, None),
        (98, 0.01, "at least 0.0101; the target BPCER of 0.01 cannot be reached"),
        (99, 0.01, None),
    ],
)  # fmt: skip
def test_few_pairs_are_warned_about(n, target, message):
    result = Calibration(n, n, target, max(target, 1 / (n + 1))).warning()
    if message is None:
        assert result is None
    else:
        assert result.startswith("few-calibration-pairs: the threshold rests on ")
        assert re.search(message, result)


def test_other_detectors_have_no_calibration():
    assert (
        calibration_of(MahalanobisDetector().fit(np.random.default_rng(0).normal(size=(9, 2))))
        is None
    )
