"""Calibration by category: the promise holds for every number of images."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

from sklearn_diffake.novelty import ConformalDetector
from sklearn_diffake.novelty._calibration import calibration_of
from sklearn_diffake.novelty._categories import _check_ascending, _check_categories


class Level(BaseEstimator):
    """The least detector: its score is the row itself."""

    def fit(self, X, y=None):
        return self

    def score_samples(self, X):
        return np.asarray(X, dtype=float)[:, 0]


KINDS = np.array([(1, 1), (3, 1), (3, 2)])


def templates(n, seed=0):
    """Scores that rise, and vary less, with the number of images; a kind for each."""
    rng = np.random.default_rng(seed)
    n_images = KINDS[rng.integers(0, len(KINDS), n)]
    total = n_images.sum(axis=1)
    return (rng.normal(size=n) / total + 0.3 * total)[:, np.newaxis], n_images


def fitted(n_calibration, seed=0, **options):
    X, n_images = templates(n_calibration + 1, seed)
    options = {"target_bpcer": 0.1, "calibration_size": n_calibration, "random_state": 0} | options
    return ConformalDetector(Level(), **options).fit(X, n_images=n_images)


def test_the_promise_holds_in_each_category():
    rejected, single = [], []
    for seed in range(150):
        detector = fitted(150, seed)
        X, n_images = templates(400, 1000 + seed)
        p = detector.p_values(X, n_images=n_images)
        rejected.append([np.mean(p[(n_images == kind).all(axis=1)] <= 0.1) for kind in KINDS])
        single.append(np.mean(detector.p_values(X[(n_images != 1).any(axis=1)]) <= 0.1))
    error = np.std(rejected, axis=0) / np.sqrt(150)
    assert (np.mean(rejected, axis=0) <= 0.1 + 2 * error).all()
    assert (np.mean(rejected, axis=0) > 0.06).all()
    assert np.mean(single) < 0.02  # the threshold of single images rejects too few


def test_verdicts_thresholds_and_p_values_agree():
    detector = fitted(300, target_bpcer=0.07, abstain=0.2)
    X, n_images = templates(500, 1)
    scores, p = detector.score_samples(X), detector.p_values(X, n_images=n_images)
    np.testing.assert_array_equal(detector.p_of_scores(scores, n_images), p)
    threshold = [detector.threshold_of(k, m) for k, m in n_images]
    level = np.array([detector.level_of(k, m) for k, m in n_images])
    np.testing.assert_array_equal(scores < threshold, p <= level)
    verdict = detector.predict_with_abstention(X, n_images=n_images)
    np.testing.assert_array_equal(verdict, np.select([p <= level, p <= 0.2], [-1, 0], 1))
    assert detector.threshold_of(1, 1) == detector.offset_
    assert detector.level_of(1, 1) == detector.level_
    np.testing.assert_array_equal(detector.p_values(X) <= detector.level_, detector.predict(X) < 0)
    half = [detector.threshold_of(k, m, level=0.035) for k, m in n_images]
    np.testing.assert_array_equal(scores < half, p <= 0.035)
    assert detector.threshold_of(1, 1, level=1e-9) == -np.inf


def test_p_values_do_not_depend_on_other_rows():
    detector, (X, n_images) = fitted(200), templates(30, 1)
    joint = detector.p_values(X, n_images=n_images)
    single_result = [detector.p_values(X[[i]], n_images=n_images[[i]])[0] for i in range(30)]
    np.testing.assert_array_equal(joint, single_result)


def test_rows_without_a_face_have_no_p_value():
    X, n_images = templates(60)
    X = np.column_stack([X, X])
    detector = ConformalDetector(target_bpcer=0.2, calibration_size=0.9, random_state=0)
    detector.fit(X, n_images=n_images)
    X[::7] = np.nan
    p = detector.p_values(X, n_images=n_images)
    np.testing.assert_array_equal(np.isnan(p), np.arange(60) % 7 == 0)
    verdict = detector.predict_with_abstention(X, n_images=n_images)
    assert (verdict[::7] == 0).all()


@pytest.mark.parametrize(
    ("images", "category"),
    [
        ((1, 1), (1, 1)),
        ((2, 1), (1, 1)),
        ((3, 1), (3, 1)),
        ((9, 1), (3, 1)),
        ((1, 9), (1, 2)),
        ((2, 2), (2, 2)),
        ((3, 2), (3, 1)),  # as many images as (2, 2), and more references
        ((3, 3), (2, 3)),
        ((1, 5), (1, 2)),
    ],
)
def test_nearest_category(images, category):
    n_images = np.repeat([(1, 1), (3, 1), (1, 2), (2, 2), (2, 3)], 10, axis=0)
    X = np.random.default_rng(0).normal(size=(50, 1))
    detector = ConformalDetector(Level(), calibration_size=45, target_bpcer=0.5, random_state=0)
    detector.fit(X, n_images=n_images)
    assert detector.category_of(*images) == category
    for answer in (detector.level_of, detector.threshold_of):
        assert answer(*images) == answer(*category)


def test_ties_go_to_more_references():
    n_images = np.repeat([(1, 1), (1, 3), (3, 1)], 10, axis=0)
    X = np.random.default_rng(0).normal(size=(30, 1))
    detector = ConformalDetector(Level(), calibration_size=25, target_bpcer=0.5, random_state=0)
    assert detector.fit(X, n_images=n_images).category_of(3, 3) == (3, 1)


def test_groups_share_their_weight_in_each_category():
    X = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [9.0]])
    n_images = [(1, 1), (1, 1), (2, 1), (1, 1), (2, 1), (1, 1), (1, 1)]
    groups = ["a", "a", "a", "b", "b", "c", "d"]
    detector = ConformalDetector(Level(), calibration_size=3, target_bpcer=0.3, random_state=1)
    detector.fit(X, groups=groups, n_images=n_images)
    assert detector.categories_.tolist() == [[1, 1], [2, 1]]
    assert [scores.tolist() for scores in detector.category_scores_] == [[1, 2, 6, 9], [3]]
    assert detector.category_n_.tolist() == [3, 1]  # a, c and d; a
    assert detector.category_levels_.tolist() == [0.3, 0.5]
    p = detector.p_values([[1.0], [3.0], [2.9]], n_images=[(1, 1), (2, 1), (2, 1)])
    np.testing.assert_allclose(p, [1.5 / 4, 1.0, 0.5])
    assert calibration_of(detector) == (4, 3, 0.3, 0.3)
    assert calibration_of(detector, (5, 4)) == (1, 1, 0.3, 0.5)


def test_labels_and_categories_are_cut_alike():
    X, n_images = templates(80)
    y = np.where(np.arange(80) % 4, 1, -1)
    options = {"calibration_size": 0.9, "target_bpcer": 0.2, "random_state": 0}
    several_rows = ConformalDetector(Level(), **options).fit(X, y, n_images=n_images.tolist())
    expected = ConformalDetector(Level(), **options).fit(X[y > 0], n_images=n_images[y > 0])
    for name in ("category_scores_", "category_masses_"):
        for own_values, second in zip(
            getattr(several_rows, name), getattr(expected, name), strict=True
        ):
            np.testing.assert_array_equal(own_values, second)


@pytest.mark.parametrize(
    ("n_images", "message"),
    [
        (np.ones((80, 3), int), r"must have the shape \(80, 2\).*, got \(80, 3\)"),
        (np.ones((79, 2), int), r"must have the shape \(80, 2\).*, got \(79, 2\)"),
        (np.zeros((80, 2), int), "positive integers only, got 0"),
        (np.ones((80, 2)), "positive integers only, got float64"),
        (np.full((80, 2), 2), "must have one reference and one probe image"),
    ],
)
def test_bad_numbers_of_images(n_images, message):
    X, good = templates(80)
    detector = ConformalDetector(Level(), target_bpcer=0.2, random_state=0)
    with pytest.raises(ValueError, match=message):
        clone(detector).fit(X, n_images=n_images)
    if "one reference" not in message:
        with pytest.raises(ValueError, match=message):
            detector.fit(X, n_images=good).p_values(X, n_images=n_images)


def test_cross_validation_has_one_category():
    X, n_images = templates(60)
    detector = ConformalDetector(Level(), method="cv+", target_bpcer=0.2, random_state=0)
    with pytest.raises(ValueError, match='n_images needs method="split"'):
        detector.fit(X, n_images=n_images)
    detector.fit(X)
    assert detector.category_of(5, 4) == (1, 1)
    assert detector.level_of(5, 4) == detector.level_
    assert detector.threshold_of(5, 4) == 0.0
    np.testing.assert_array_equal(detector.p_values(X, n_images=n_images), detector.p_values(X))
    assert calibration_of(detector).n_pairs == 60
    with pytest.raises(ValueError, match="no p-value of a score alone"):
        detector.p_of_scores(detector.score_samples(X))
    with pytest.raises(ValueError, match="no threshold of another level"):
        detector.threshold_of(1, 1, level=0.1)


def test_scores_of_p_values_are_one_column():
    detector = fitted(60)
    X, _ = templates(5)
    scores = detector.score_samples(X)
    np.testing.assert_array_equal(detector.p_of_scores(scores), detector.p_values(X))
    with pytest.raises(ValueError, match=r"one dimension, got the shape \(5, 1\)"):
        detector.p_of_scores(scores[:, np.newaxis])


SCORES, MASSES = np.array([-1.0, 0.5]), np.array([0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("scores", "masses", "message"),
    [
        (SCORES.tolist(), MASSES, r"category_scores_\[3\] is no array"),
        (SCORES, MASSES.tolist(), r"category_masses_\[3\] is no array"),
        (SCORES.astype(np.float32), MASSES, r"category_scores_\[3\] is no array"),
        (SCORES, MASSES[np.newaxis], r"category_masses_\[3\] is no array"),
        (SCORES[::-1], MASSES, r"category_scores_\[3\] is not finite and ascending"),
        (SCORES, np.array([0.0, 2.5, 2.0]), r"category_masses_\[3\] is not finite and ascending"),
        (np.array([-1.0, np.nan]), MASSES, r"category_scores_\[3\] is not finite"),
        (SCORES, np.array([0.0, 1.0, np.inf]), r"category_masses_\[3\] is not finite"),
        (SCORES[:0], MASSES[:1], r"category_scores_\[3\] is not finite"),
        (SCORES, np.array([0.5, 1.0, 2.0]), r"category_masses_\[3\] does not sum up"),
        (SCORES, np.array([0.0, 1.0, 3.0]), r"category_masses_\[3\] does not sum up"),
        (SCORES[:1], MASSES, r"category_masses_\[3\] does not sum up the weights of 1 scores"),
    ],
)
def test_calibration_arrays_of_a_file_are_checked(scores, masses, message):
    _check_ascending(SCORES, MASSES, 2, 3)
    with pytest.raises(ValueError, match=message):
        _check_ascending(scores, masses, 2, 3)


def test_arrays_of_the_threshold_are_those_of_single_images():
    detector = fitted(60)
    assert len(detector.category_masses_) > 1
    for arrays, of_categories in (
        (detector.calibration_scores_, detector.category_scores_),
        (detector.calibration_masses_, detector.category_masses_),
    ):
        assert len(arrays) == 1
        np.testing.assert_array_equal(arrays[0], of_categories[0])
    assert detector.n_calibration_ == detector.category_n_[0]


STATE = ("categories_", "category_n_", "category_levels_", "category_scores_", "category_masses_")


def test_a_calibration_of_several_categories_passes_the_check():
    detector = fitted(60)
    assert len(detector.categories_) == 3
    detector._check_calibration()
    ConformalDetector(Level())._check_calibration()  # nothing to check


@pytest.mark.parametrize("name", [*STATE, "detectors_", "calibration_scores_", "level_"])
def test_a_missing_attribute_of_a_file_is_named(name):
    detector = fitted(60)
    delattr(detector, name)
    with pytest.raises(ValueError, match=f"^{name} is missing$"):
        detector._check_calibration()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("category_scores_", lambda values: values[:-1], "category_scores_ has not one array"),
        ("category_masses_", lambda values: values[:-1], "category_masses_ has not one array"),
        ("category_scores_", tuple, "category_scores_ has not one array"),
        (
            "category_masses_",
            lambda values: [*values[:-1], values[-1] * 2],
            r"masses_\[2\] does not",
        ),
        (
            "category_scores_",
            lambda values: [*values[:-1], values[-1][::-1]],
            r"scores_\[2\] is not",
        ),
        ("calibration_scores_", lambda values: [values[0] + 1], "calibration_scores_ are others"),
        ("category_n_", lambda values: values.astype(float), "category_n_ does not hold positive"),
        ("category_n_", lambda values: values * 0, "category_n_ does not hold positive"),
        ("category_n_", lambda values: values[:-1], "category_n_ is no array of 3"),
        ("category_n_", lambda values: values.tolist(), "category_n_ is no array of 3"),
        ("category_levels_", lambda values: values[:-1], "category_levels_ is no array of 3"),
        ("category_levels_", lambda values: -values, "category_levels_ does not hold positive"),
        ("category_levels_", lambda values: values / values.max(), "category_levels_ holds other"),
        ("category_levels_", lambda values: values * 0.5, "category_levels_ holds other levels"),
        ("categories_", lambda values: values.tolist(), "categories_ is no"),
    ],
)
def test_a_changed_calibration_of_a_file_is_refused(name, change, message):
    detector = fitted(60)
    setattr(detector, name, change(getattr(detector, name)))
    with pytest.raises(ValueError, match=message):
        detector._check_calibration()


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        (KINDS.astype(float), "categories_ is no"),
        (KINDS.ravel(), "categories_ is no"),
        (KINDS[:, :1], "categories_ is no"),
        (KINDS[:, [0, 1, 1]], "categories_ is no"),
        (KINDS[:0], "categories_ is no"),
        (KINDS[1:], r"does not begin with \(1, 1\)"),
        (np.array([(1, 1), (2, 0)]), "holds a number below 1"),
        (np.array([(1, 1), (2, 1), (2, 1)]), "lists a category twice"),
    ],
)
def test_categories_of_a_file_are_checked(categories, message):
    _check_categories(KINDS)
    _check_categories(KINDS.astype(np.uint8))
    with pytest.raises(ValueError, match=message):
        _check_categories(categories)
