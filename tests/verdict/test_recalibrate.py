"""Thresholds that rest on the user's own genuine pairs."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
import verdict_helpers
from image_helpers import faces, noise, save_all, small_face
from model_helpers import BACKBONE
from scipy.stats import beta
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_diffake import persistence, recalibrate, verify
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector, SumRuleDetector
from sklearn_diffake.pairs import ModeError, PairDifference
from sklearn_diffake.verdict._calibration_report import bpcer_interval, people_needed

pytestmark = pytest.mark.filterwarnings("ignore:(unsure-threshold|few-calibration|target_bpcer)")


def people(n, n_pictures=7, seed=0):
    """Return pictures of people: each has a color, and each picture some noise."""
    rng = np.random.default_rng(seed)
    colors = rng.uniform(60, 200, size=(n, 1, 4, 4, 3))
    grids = colors + rng.normal(0, 25, size=(n, n_pictures, 4, 4, 3))
    return np.clip(grids, 0, 255).astype(np.uint8).repeat(4, axis=2).repeat(4, axis=3)


def pairs_of(pictures):
    """Pair neighbors: picture 0 is a reference only, the last one a probe only."""
    n, n_pictures = pictures.shape[:2]
    rows = [(pictures[i, j], pictures[i, j + 1]) for i in range(n) for j in range(n_pictures - 1)]
    return rows, np.repeat(np.arange(n), n_pictures - 1)


def fitted(detector=None, **options):
    if detector is None:
        detector = ConformalDetector(SumRuleDetector(), target_bpcer=0.2, random_state=0)
    steps = [FaceEmbedder(BACKBONE, device="cpu"), PairDifference("cosine"), detector]
    rows, _ = pairs_of(people(12, seed=9))
    return make_pipeline(*steps).set_params(**options).fit(rows)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def genuine():
    return pairs_of(people(40))


def test_the_threshold_rests_on_the_given_pairs(model, genuine):
    rows, person = genuine
    original = copy.deepcopy(vars(model[-1]))
    calibrated, report = recalibrate(model, rows, person, target_bpcer=0.1, return_report=True)
    scores = calibrated.score_samples(rows)
    np.testing.assert_array_equal(scores, model.score_samples(rows))
    np.testing.assert_array_equal(calibrated[-1].category_scores_[0], np.sort(scores))
    detector = calibrated[-1]
    p = detector.p_values(calibrated[:-1].transform(rows))
    assert detector.n_calibration_ == report.n == 40
    assert detector.target_bpcer == detector.level_ == 0.1
    by_hand = [(1 + np.sum(scores <= score) / 6) / 41 for score in scores]
    np.testing.assert_allclose(p, by_hand)
    np.testing.assert_array_equal(calibrated.predict(rows) == -1, p <= 0.1)
    np.testing.assert_array_equal(detector.p_of_scores(scores), p)
    assert detector.offset_ == detector.threshold_of(1, 1)
    assert detector.bpcer_bound_ == 0.1
    assert {name: repr(value) for name, value in vars(model[-1]).items()} == {
        name: repr(value) for name, value in original.items()
    }


def test_templates_are_formed_of_distinct_pictures(model, genuine):
    rows, person = genuine
    calibrated, report = recalibrate(model, rows, person, target_bpcer=0.1, return_report=True)
    kinds = [(k, m) for k in (1, 2, 3, 5) for m in (1, 2, 4) if k + m <= 7]
    assert calibrated[-1].categories_.tolist() == [list(kind) for kind in kinds]
    assert [(c.n_references, c.n_probes) for c in report.categories] == kinds
    assert [c.n_pairs for c in report.categories] == [240] + [320] * (len(kinds) - 1)
    assert {c.n for c in report.categories} == {40}
    assert report.n_pictures == 280
    medians = {
        kind: np.median(s) for kind, s in zip(kinds, calibrated[-1].category_scores_, strict=True)
    }
    assert medians[1, 1] < medians[2, 1] < medians[3, 2] < medians[3, 4]
    for category in report.categories:
        k, m = category.n_references, category.n_probes
        assert category.threshold == calibrated[-1].threshold_of(k, m)
        assert category.level == calibrated[-1].level_of(k, m)


def test_the_promise_holds_in_each_category_for_new_people(model):
    rows, person = pairs_of(people(60, seed=1))
    calibrated = recalibrate(model, rows, person, target_bpcer=0.1)
    pictures = people(600, seed=2)
    for k, m in [(1, 1), (1, 2), (2, 1), (3, 2), (3, 4), (5, 1), (4, 1)]:
        new = [
            (list(own_values[:k]), list(own_values[k : k + m]))
            for own_values in pictures
            if k + m <= 7
        ]
        features = calibrated[:-1].transform(new)
        n_images = np.full((len(new), 2), (k, m))
        rejected = np.mean(calibrated[-1].p_values(features, n_images=n_images) <= 0.1)
        low, high = beta(6, 55).interval(0.999)
        assert rejected <= high
        if (k, m) != (4, 1):  # judged as (3, 1)
            assert rejected >= low - 0.02


def test_verdicts_use_the_categories(model, genuine):
    calibrated = recalibrate(model, *genuine, target_bpcer=0.1)
    own_values = people(1, seed=5)[0]
    references, probes = list(own_values[:3]), list(own_values[3:5])
    verdict = verify(references, probes, model=calibrated)
    detector = calibrated[-1]
    assert verdict.category == (3, 2)
    assert verdict.score == pytest.approx(calibrated.score_samples([(references, probes)])[0])
    assert verdict.p_value == detector.p_of_scores([verdict.score], [(3, 2)])[0]
    assert (verdict.level, verdict.threshold) == (0.1, detector.threshold_of(3, 2))


def test_a_picture_stays_on_its_side(model):
    pictures = people(30, n_pictures=4)
    rows = [(own_values[0], own_values[i]) for own_values in pictures for i in (1, 2, 3)]
    person = np.repeat(np.arange(30), 3)
    remaining = recalibrate(model, rows, person, target_bpcer=0.1)
    assert remaining[-1].categories_.tolist() == [[1, 1], [1, 2]]  # each person has one reference
    mixed = recalibrate(model, rows, person, target_bpcer=0.1, interchangeable=True)
    expected = [[1, 1], [1, 2], [2, 1], [2, 2], [3, 1]]
    assert mixed[-1].categories_.tolist() == expected
    small = recalibrate(
        model, rows, person, target_bpcer=0.1, interchangeable=True, max_references=2, max_probes=1
    )
    assert small[-1].categories_.tolist() == [[1, 1], [2, 1]]


def test_a_category_needs_enough_people(model):
    rows, person = pairs_of(people(30, n_pictures=2))
    extra, owner = pairs_of(people(18, n_pictures=4, seed=3))
    combined = [*rows, *extra], np.concatenate([person, owner + 100])
    few = recalibrate(model, *combined, target_bpcer=0.1)
    assert few[-1].categories_.tolist() == [[1, 1]]
    extra, owner = pairs_of(people(19, n_pictures=4, seed=3))
    enough = recalibrate(
        model, [*rows, *extra], np.concatenate([person, owner + 100]), target_bpcer=0.1
    )
    assert enough[-1].category_n_.tolist() == [49, 19, 19, 19, 19]
    assert [3, 1] in enough[-1].categories_.tolist()
    strict = recalibrate(
        model, [*rows, *extra], np.concatenate([person, owner + 100]), target_bpcer=0.03
    )
    assert strict[-1].categories_.tolist() == [[1, 1]]  # 33 people are needed


def test_without_groups_pairs_stand_alone(model, genuine):
    rows, _ = genuine
    calibrated, report = recalibrate(model, rows, target_bpcer=0.1, return_report=True)
    assert calibrated[-1].categories_.tolist() == [[1, 1]]
    assert (report.n, report.unit, report.grouped) == (240, "pairs", False)


def test_templates_in_the_table_give_categories_without_groups(model):
    rows = [([*own_values[:3]], [*own_values[3:5]]) for own_values in people(40)]
    calibrated = recalibrate(model, rows, target_bpcer=0.1)
    kinds = [[1, 1], [1, 2], [2, 1], [2, 2], [3, 1], [3, 2]]
    assert calibrated[-1].categories_.tolist() == kinds
    full = calibrated[-1].category_scores_[-1].reshape(40, 8)
    assert (full == full[:, :1]).all()  # three of three and two of two: always the same
    np.testing.assert_array_equal(full[:, 0], np.sort(model.score_samples(rows)))


def test_same_answer_every_time(model, genuine):
    rows, person = genuine
    first, repeated, second = (
        recalibrate(model, rows, person, target_bpcer=0.1, random_state=seed) for seed in (0, 0, 1)
    )
    for scores, identical in zip(
        first[-1].category_scores_, repeated[-1].category_scores_, strict=True
    ):
        np.testing.assert_array_equal(scores, identical)
    assert not np.array_equal(first[-1].category_scores_[1], second[-1].category_scores_[1])
    names = np.array([f"person {i}" for i in person], dtype=object)
    frame = pd.DataFrame({"probe": [p for _, p in rows], "reference": [r for r, _ in rows]})
    name_list = recalibrate(model, frame, names, target_bpcer=0.1)
    np.testing.assert_array_equal(name_list[-1].category_scores_[3], first[-1].category_scores_[3])


def test_fakes_are_not_used(model, genuine):
    rows, person = genuine
    fakes = [("no such file", "no such file")] * 5
    y = [1] * len(rows) + [-1] * 5
    groups = [*person, None, *range(4)]
    own_values = recalibrate(model, [*rows, *fakes], groups, y=y, target_bpcer=0.1)
    plain = recalibrate(model, rows, person, target_bpcer=0.1)
    np.testing.assert_array_equal(own_values[-1].category_scores_[2], plain[-1].category_scores_[2])
    with pytest.raises(ValueError, match="No genuine row"):
        recalibrate(model, fakes, y=[-1] * 5)


def test_the_target_of_the_model_is_kept(model, genuine):
    rows, person = genuine
    assert recalibrate(model, rows, person)[-1].target_bpcer == 0.2
    mahalanobis = fitted(MahalanobisDetector(contamination=0.15))
    assert recalibrate(mahalanobis, rows, person)[-1].target_bpcer == 0.15


DETECTORS = [
    MahalanobisDetector(contamination=0.2),
    IsolationForest(n_estimators=5, random_state=0),
    ConformalDetector(method="cv+", cv=3, target_bpcer=0.2, random_state=0),
    ConformalDetector(IsolationForest(n_estimators=5, random_state=0), target_bpcer=0.2),
]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: type(d).__name__)
def test_any_detector(detector, genuine, tmp_path):
    rows, person = genuine
    model = fitted(clone(detector))
    calibrated = recalibrate(model, rows, person, target_bpcer=0.1)
    scores = model.score_samples(rows)
    np.testing.assert_array_equal(calibrated.score_samples(rows), scores)
    own_values, features = calibrated[-1], model[:-1].transform(rows)
    p = own_values.p_values(features)
    np.testing.assert_array_equal(calibrated.predict(rows) == -1, p <= 0.1)
    np.testing.assert_array_equal(own_values.predict_with_abstention(features) == -1, p <= 0.1)
    np.testing.assert_array_equal(own_values.p_of_scores(scores), p)
    assert [3, 2] in own_values.categories_.tolist()
    clone(own_values).fit(features)  # its parameters are those of a detector to fit
    persistence.save(calibrated, tmp_path / "model")
    loaded = persistence.load(tmp_path / "model", trusted=[BACKBONE])
    np.testing.assert_array_equal(loaded.score_samples(rows), scores)
    np.testing.assert_array_equal(
        loaded[-1].p_values(features, n_images=[(3, 2)] * len(rows)),
        own_values.p_values(features, n_images=[(3, 2)] * len(rows)),
    )
    repeated = recalibrate(loaded, rows, person, target_bpcer=0.1)
    assert repeated[-1].offset_ == own_values.offset_
    assert type(repeated[-1].detectors_[0]) is type(
        own_values.detectors_[0]
    )  # no wrap around a wrap


def test_models_without_pictures():
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(100, 4)), rng.normal(size=(100, 4))
    person = np.repeat(np.arange(50), 2)
    model = make_pipeline(StandardScaler(), MahalanobisDetector()).fit(X)
    calibrated = recalibrate(model, new, person, target_bpcer=0.1)
    assert (calibrated[-1].n_calibration_, calibrated[-1].categories_.tolist()) == (50, [[1, 1]])
    np.testing.assert_array_equal(
        calibrated[-1].category_scores_[0], np.sort(model.score_samples(new))
    )
    detector = MahalanobisDetector().fit(X)
    bare = recalibrate(detector, new, person, target_bpcer=0.1)
    assert isinstance(bare, ConformalDetector)
    np.testing.assert_array_equal(bare.score_samples(new), detector.score_samples(new))
    search = GridSearchCV(model, {"standardscaler__with_std": [True]}, scoring=len_score, cv=2)
    assert isinstance(recalibrate(search.fit(X), new, target_bpcer=0.1), Pipeline)
    new[3] = np.nan
    with pytest.warns(UserWarning, match=r"1 of 100 genuine rows are left out: row 3: no usable"):
        bare = recalibrate(detector, new, target_bpcer=0.1)
    assert bare.n_calibration_ == 99


def len_score(estimator, X, y=None):
    return len(X)


def test_joined_embedders(genuine):
    rows, person = genuine
    branches = [
        (str(operator), make_pipeline(FaceEmbedder(BACKBONE), PairDifference(operator)))
        for operator in ("cosine", "squared")
    ]
    union = FeatureUnion(branches, transformer_weights={"cosine": 0.5})
    model = make_pipeline(union, MahalanobisDetector(contamination=0.2)).fit(rows)
    calibrated = recalibrate(model, rows, person, target_bpcer=0.1)
    scores = np.sort(model.score_samples(rows))
    np.testing.assert_array_equal(calibrated[-1].category_scores_[0], scores)
    templates = [([*own_values[:3]], [*own_values[3:5]]) for own_values in people(40)]
    provided = recalibrate(model, templates, target_bpcer=0.1)
    expected = np.sort(model.score_samples(templates)).repeat(8)
    np.testing.assert_allclose(provided[-1].category_scores_[-1], expected)


def test_pictures_without_a_face_are_left_out_and_named(tmp_path):
    good, bad = faces(24), noise(2, shape=(105, 130))
    paths = save_all([*good, *bad], tmp_path)
    model = make_pipeline(
        FaceAligner(24, device="cpu"),
        FaceEmbedder(BACKBONE, device="cpu"),
        PairDifference("cosine"),
        MahalanobisDetector(contamination=0.2),
    ).fit([(paths[0], paths[i]) for i in range(1, 8)])
    rows = [(paths[i], paths[i + 1]) for i in range(0, 24, 2)]
    rows += [(paths[0], paths[24]), (paths[25], paths[1]), (paths[0], str(tmp_path / "none.png"))]
    rows += [([paths[2], paths[24]], paths[3]), (paths[0], paths[0])]
    with pytest.warns(UserWarning, match="4 of 17 genuine rows are left out: row 12: probe, file"):
        calibrated, report = recalibrate(model, rows, target_bpcer=0.2, return_report=True)
    assert list(report.left_out_rows) == [12, 13, 14, 16]
    reasons = list(report.left_out_rows.values())
    assert "no face was found" in reasons[0]
    assert reasons[1].startswith("reference, file")
    assert "no such file" in reasons[2]
    assert reasons[3] == "the same picture is on both sides"
    assert len(report.left_out_pictures) == 3
    assert paths[24] in next(iter(report.left_out_pictures))
    assert report.n_pictures == 24
    assert calibrated[-1].n_calibration_ == 13
    expected = np.sort(model.score_samples([*rows[:12], (paths[2], paths[3])]))
    np.testing.assert_array_equal(calibrated[-1].category_scores_[0], expected)


def test_faces_that_match_are_taken():
    """Of two faces that of the person is taken, as the pipeline does."""
    own_values = faces(8)
    crowd = [np.hstack([own_values[i], small_face()[:, ::-1] // 2]) for i in range(8)]
    embedder = FaceEmbedder(BACKBONE, device="cpu")
    aligner = FaceAligner(24, device="cpu", select="match", matcher=clone(embedder))
    steps = [aligner, embedder, PairDifference("cosine"), MahalanobisDetector(contamination=0.5)]
    rows = [(crowd[i], own_values[(i + 1) % 8]) for i in range(8)]
    model = make_pipeline(*steps).fit(rows)
    calibrated = recalibrate(model, rows, target_bpcer=0.5)
    np.testing.assert_array_equal(
        calibrated[-1].category_scores_[0], np.sort(model.score_samples(rows))
    )


@pytest.mark.parametrize("grouped", [False, True])
def test_fewer_than_two_are_refused(model, grouped):
    own_values = people(1)[0]
    rows = [(own_values[i], own_values[i + 1]) for i in range(4 if grouped else 1)]
    groups = [7] * 4 if grouped else None
    with pytest.raises(ValueError, match=r"1 (people|pairs) can be used, and at least 2"):
        recalibrate(model, rows, groups)


def test_nobody_without_a_name(model, genuine):
    rows, person = genuine
    names = [None if i in (3, 5) else name for i, name in enumerate(person)]
    with pytest.raises(ValueError, match=r"no person for 2 genuine rows: 3, 5"):
        recalibrate(model, rows, names)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        recalibrate(model, rows, person[1:])


def test_abstain_must_stay_above(genuine):
    rows, person = genuine
    detector = ConformalDetector(SumRuleDetector(), target_bpcer=0.2, abstain=0.3, random_state=0)
    model = fitted(detector)
    with pytest.raises(ValueError, match=r"abstain must be above target_bpcer=0.4, got 0.3"):
        recalibrate(model, rows, person, target_bpcer=0.4)
    assert recalibrate(model, rows, person, target_bpcer=0.1)[-1].abstain == 0.3


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("n", "warns"), [(12, "cannot give"), (20, "would keep"), (150, None)])
def test_how_sure_the_threshold_is(model, n, warns):
    rows, person = pairs_of(people(n, n_pictures=2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, report = recalibrate(model, rows, person, target_bpcer=0.05, return_report=True)
    messages = [str(w.message) for w in caught]
    assert len(messages) == (warns is not None)
    assert all(m.startswith("unsure-threshold: ") and warns in m for m in messages)
    assert all(w.filename == __file__ for w in caught)
    assert f"{n} people" in report.sureness()
    assert report.sureness() in str(report)
    single = report.categories[0]
    assert single.level == max(0.05, round(1 / (n + 1), 12))
    assert 0 < single.bpcer_low < single.bpcer_high < 1
    assert report.target_is_reachable == (n >= 19)


@pytest.mark.parametrize("grouped", [True, False])
def test_columns_of_the_table_have_different_names(grouped):
    X = np.random.default_rng(0).normal(size=(140, 2))
    detector = MahalanobisDetector().fit(X[:20])
    groups = np.repeat(np.arange(60), 2) if grouped else None
    _, report = recalibrate(detector, X[20:], groups, target_bpcer=0.2, return_report=True)
    header, line = (row.split() for row in report.table().splitlines())
    assert header[:5] == ["references", "probes", "people" if grouped else "rows", "pairs",
                          "threshold"]  # fmt: skip
    assert line[:4] == ["1", "1", "60" if grouped else "120", "120"]


def test_interval_of_the_true_rate():
    rng = np.random.default_rng(0)
    for level, n in [(0.1, 19), (0.05, 120), (1 / 13, 12)]:
        low, high = bpcer_interval(level, n)
        scores = np.sort(rng.uniform(size=(4000, n)), axis=1)
        k = int(np.floor(level * (n + 1) + 1e-9))
        rates = scores[:, k - 1]  # of uniform scores: the threshold is the next one
        assert np.mean((low <= rates) & (rates <= high)) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("target", [0.3, 0.1, 0.05, 0.02, 0.5, 0.9])
def test_people_needed(target):
    n = people_needed(target)
    assert all(bpcer_interval(target, n + i)[1] <= 2 * target for i in range(60))


@pytest.mark.parametrize(
    "options",
    [{"target_bpcer": 0}, {"target_bpcer": 1.0}, {"n_draws": 0}, {"max_references": 0}],
)
def test_bad_parameters(model, genuine, options):
    with pytest.raises(ValueError, match=f"'{next(iter(options))}' parameter of recalibrate"):
        recalibrate(model, genuine[0], **options)


def test_single_pictures_are_refused(model):
    with pytest.raises(ValueError, match=r"one pair is written \[\(reference, probe\)\]"):
        recalibrate(model, noise(5))


def test_no_model():
    with pytest.raises(TypeError, match="gives no scores"):
        recalibrate(make_pipeline(StandardScaler()).fit(np.eye(3)), np.eye(3))


def test_a_model_that_judges_clips_by_themselves_is_refused():
    model = verdict_helpers.fitted(mode="same-video")
    with pytest.raises(ModeError, match="is of same-video mode"):
        recalibrate(model, [(photo, photo) for photo in faces(4)])


class MeanColor(TransformerMixin, BaseEstimator):
    """Features that need no network: differences of the mean color of two crops."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        means = [[np.mean(crop, axis=(0, 1)) for crop in pair] for pair in X]
        return np.stack([reference - probe for reference, probe in means])


def test_a_model_without_an_embedder_cuts_faces_too(tmp_path):
    paths = save_all([*faces(16), *noise(1, shape=(105, 130))], tmp_path)
    rows = [(paths[i], paths[i + 1]) for i in range(15)]
    model = make_pipeline(
        FaceAligner(24, device="cpu"), MeanColor(), MahalanobisDetector(contamination=0.2)
    ).fit(rows)
    with pytest.warns(UserWarning, match="1 of 16 genuine rows are left out: row 15: probe"):
        calibrated, report = recalibrate(
            model, [*rows, (paths[0], paths[16])], target_bpcer=0.2, return_report=True
        )
    assert "no face was found" in report.left_out_rows[15]
    expected = np.sort(model.score_samples(rows))
    np.testing.assert_array_equal(calibrated[-1].category_scores_[0], expected)
    with pytest.raises(ValueError, match="templates of several pictures, which only models with"):
        recalibrate(model, [*rows, ([paths[0], paths[1]], paths[2])])


def test_scores_that_are_not_finite_are_refused():
    class Broken(MahalanobisDetector):
        def score_samples(self, X):
            return np.where(np.arange(len(X)) == 3, -np.inf, super().score_samples(X))

    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(ValueError, match="genuine row 4 a score that is not finite"):
        recalibrate(Broken().fit(X), X, y=np.where(np.arange(40) == 1, -1, 1), target_bpcer=0.2)


def test_pictures_that_are_left_out_of_templates_are_counted(tmp_path):
    paths = save_all([*faces(16), *noise(1, shape=(105, 130))], tmp_path)
    rows = [(paths[i], paths[i + 1]) for i in range(0, 16, 2)]
    steps = [FaceAligner(24, device="cpu"), FaceEmbedder(BACKBONE, device="cpu")]
    steps += [PairDifference("cosine"), MahalanobisDetector(contamination=0.2)]
    model = make_pipeline(*steps).fit(rows)
    rows[1] = ([paths[2], paths[16]], paths[3])
    with pytest.warns(UserWarning, match="1 pictures are left out of templates: .*no face"):
        _, report = recalibrate(model, rows, target_bpcer=0.2, return_report=True)
    assert report.left_out_rows == {}
    assert list(report.left_out_pictures) == [f"file {paths[16]!r}"]


def test_the_report_is_printed_on_request(model, genuine, capsys):
    rows, person = genuine
    for verbose in (1, 2):
        _, report = recalibrate(
            model, rows, person, target_bpcer=0.1, verbose=verbose, return_report=True
        )
        printed = capsys.readouterr().out
        assert (str(report) in printed) == (verbose == 2)
