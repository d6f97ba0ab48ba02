"""Calibrate a fitted detector again, by scores of other genuine rows."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from sklearn_diffake.novelty import ConformalDetector, GenuineOnly, MahalanobisDetector
from sklearn_diffake.novelty._recalibrated import recalibrated, target_of

ROWS = np.random.default_rng(0).normal(size=(80, 3))
SCORES = np.random.default_rng(1).normal(size=40)
CODES = np.arange(40)
SINGLE = np.ones((40, 2), dtype=np.int64)


@pytest.mark.parametrize(
    ("detector", "target"),
    [
        (ConformalDetector(MahalanobisDetector(contamination=0.3), target_bpcer=0.2), 0.2),
        (MahalanobisDetector(contamination=0.3), 0.3),
        (GenuineOnly(IsolationForest(contamination=0.4)), 0.05),
        (GenuineOnly(IsolationForest(), contamination=0.2), 0.2),
        (IsolationForest(contamination=0.4), 0.05),
    ],
)
def test_target_of_a_detector(detector, target):
    assert target_of(detector) == target


def test_a_detector_is_wrapped():
    detector = MahalanobisDetector().fit(ROWS)
    calibrated = recalibrated(detector, SCORES, CODES, SINGLE, 0.1)
    assert isinstance(calibrated, ConformalDetector)
    assert calibrated.n_features_in_ == 3
    assert calibrated.detectors_[0] is not detector
    np.testing.assert_array_equal(calibrated.score_samples(ROWS), detector.score_samples(ROWS))
    np.testing.assert_array_equal(calibrated.calibration_scores_[0], np.sort(SCORES))
    assert (calibrated.target_bpcer, calibrated.level_, calibrated.n_genuine_) == (0.1, 0.1, 40)
    assert calibrated.offset_ == calibrated.threshold_of(1, 1) == np.sort(SCORES)[3]
    assert calibrated.p_of_scores([SCORES.min() - 1, SCORES.max()]).tolist() == [
        pytest.approx(1 / 41),
        1.0,
    ]


def test_a_conformal_detector_is_copied():
    detector = ConformalDetector(MahalanobisDetector(), random_state=0).fit(ROWS)
    scores_of_fit = detector.calibration_scores_[0].copy()
    calibrated = recalibrated(detector, SCORES, CODES, SINGLE, 0.1)
    assert calibrated is not detector
    assert isinstance(calibrated.detectors_[0], MahalanobisDetector)
    np.testing.assert_array_equal(calibrated.score_samples(ROWS), detector.score_samples(ROWS))
    np.testing.assert_array_equal(calibrated.calibration_scores_[0], np.sort(SCORES))
    np.testing.assert_array_equal(detector.calibration_scores_[0], scores_of_fit)


def test_a_detector_of_several_is_wrapped():
    detector = ConformalDetector(MahalanobisDetector(), method="cv+", random_state=0).fit(ROWS)
    calibrated = recalibrated(detector, SCORES, CODES, SINGLE, 0.1)
    assert len(detector.detectors_) > 1
    assert isinstance(calibrated.detectors_[0], ConformalDetector)
    assert len(calibrated.category_scores_) == 1


@pytest.mark.parametrize(("abstain", "is_valid"), [(0.1, False), (0.05, False), (0.11, True)])
def test_abstain_must_be_above_the_target(abstain, is_valid):
    detector = ConformalDetector(
        MahalanobisDetector(), target_bpcer=0.04, abstain=abstain, random_state=0
    ).fit(ROWS)
    if is_valid:
        assert recalibrated(detector, SCORES, CODES, SINGLE, 0.1).abstain == abstain
        return
    message = f"abstain must be above target_bpcer=0.1, got {abstain} in the model"
    with pytest.raises(ValueError, match=message):
        recalibrated(detector, SCORES, CODES, SINGLE, 0.1)


def test_some_rows_must_have_one_image_on_each_side():
    with pytest.raises(ValueError, match="must have one reference and one probe image, got none"):
        recalibrated(MahalanobisDetector().fit(ROWS), SCORES, CODES, 2 * SINGLE, 0.1)
