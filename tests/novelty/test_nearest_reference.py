"""The distance of a probe to the nearest of its references."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from sklearn_diffake.novelty._nearest_reference import NearestReferenceDetector, stack_references
from sklearn_diffake.pairs import PairDifference, make_reference_pairs


def embeddings(n, k=3, d=8, noise=0.3, impostor=False, seed=0):
    """References of one person, then a probe of that person or of an impostor."""
    rng = np.random.default_rng(seed)
    person = rng.normal(size=(n, 1, d))
    X = person + noise * rng.normal(size=(n, 1 + k, d))
    if impostor:
        X[:, -1] = rng.normal(size=(n, d))
    return X


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_score_is_minus_the_least_distance(metric, dtype):
    X = embeddings(20).astype(dtype)
    expected = [-cdist(x[:-1], x[-1:], metric).min() for x in X.astype(float)]
    scores = NearestReferenceDetector(metric).fit(X).score_samples(X)
    np.testing.assert_allclose(scores, expected, rtol=1e-6 if dtype is np.float32 else 1e-12)
    assert scores.dtype == np.float64


def test_score_by_hand():
    X = np.array([[[3.0, 4.0], [0.0, 2.0]], [[0.0, 1.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 2.0]]])
    np.testing.assert_allclose(
        NearestReferenceDetector().fit(X).score_samples(X), [-0.2, 0.0, -1.0], atol=1e-15
    )
    np.testing.assert_allclose(
        NearestReferenceDetector("euclidean").fit(X).score_samples(X), [-np.sqrt(13), -1.0, -2.0]
    )


def test_one_reference_is_the_cosine_difference():
    X = embeddings(30, k=1)
    scores = NearestReferenceDetector().fit(X).score_samples(X)
    np.testing.assert_allclose(-scores, PairDifference("cosine").fit_transform(X)[:, 0], atol=1e-15)
    distances = make_pipeline(PairDifference("cosine"), NearestReferenceDetector()).fit(X)
    np.testing.assert_allclose(distances.score_samples(X), scores, atol=1e-15)


def test_the_probe_is_the_last_column():
    X = embeddings(30)
    detector = NearestReferenceDetector().fit(X)
    scores = detector.score_samples(X)
    np.testing.assert_array_equal(detector.score_samples(X[:, [2, 0, 1, 3]]), scores)
    assert not np.allclose(detector.score_samples(X[:, [3, 1, 2, 0]]), scores)


def test_absent_references_do_not_count():
    X = embeddings(30)
    X[::2, 1] = np.nan
    detector = NearestReferenceDetector().fit(X)
    scores = detector.score_samples(X)
    np.testing.assert_array_equal(scores[::2], detector.score_samples(X[::2][:, [0, 2, 3]]))
    np.testing.assert_array_equal(scores[1::2], detector.score_samples(X[1::2]))
    extra = np.insert(X, 0, np.nan, axis=1)  # another number of references than in fit
    np.testing.assert_array_equal(detector.score_samples(extra), scores)


def test_distances():
    X = np.array([[0.5, 0.2, 0.9], [0.4, np.nan, 0.7], [np.nan, np.nan, 0.1]])
    detector = NearestReferenceDetector(contamination=0.5).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), [-0.2, -0.4, -0.1])
    assert detector.offset_ == -0.2
    assert detector.predict(X).tolist() == [1, -1, 1]


def test_more_references_tell_more():
    scores = []
    for k in (1, 3, 10):
        genuine = embeddings(500, k, noise=1.0, seed=1)
        fake = embeddings(500, k, noise=1.0, impostor=True, seed=2)
        detector = NearestReferenceDetector().fit(embeddings(500, k, noise=1.0))
        X = np.vstack([genuine, fake])
        scores.append(roc_auc_score(np.repeat([1, -1], 500), detector.decision_function(X)))
    assert scores[0] > 0.7
    assert min(scores[1:]) > scores[0] + 0.03


def test_fakes_do_not_move_the_threshold():
    genuine, fake = embeddings(60), embeddings(30, impostor=True, seed=1)
    X, y = np.vstack([fake, genuine]), np.repeat([-1, 1], [30, 60])
    assert NearestReferenceDetector().fit(X, y).offset_ == (
        NearestReferenceDetector().fit(genuine).offset_
    )
    assert NearestReferenceDetector().fit(X).offset_ != (
        NearestReferenceDetector().fit(genuine).offset_
    )


def test_cross_validation():
    X = np.vstack([embeddings(60), embeddings(60, impostor=True, seed=1)])
    y = np.repeat([1, -1], 60)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(NearestReferenceDetector(), X, y, cv=folds, scoring="roc_auc")
    assert scores.min() > 0.95


def bad(value, location):
    X = embeddings(9)
    X[location] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (bad(np.nan, (5, slice(None, -1))), "Row 5 of X has no reference: all 3 are NaN"),
        (bad(np.nan, (5, -1, 2)), r"Input X \(probe\) contains NaN in row 5"),
        (bad(np.nan, (5, 1, 2)), r"Input X \(reference\) contains NaN in row 5"),
        (bad(np.inf, (5, 1)), r"Input X \(reference\) contains infinity in row 5"),
        (embeddings(9)[:, :1], "one or more references, then the probe"),
        (embeddings(9)[..., np.newaxis], "one or more references, then the probe"),
        (embeddings(9)[:, :, :0], "one or more references, then the probe"),
        ([[1.0, np.nan], [np.nan, np.nan]], "Row 1 of X has no reference: all 2 are NaN"),
        ([[1.0, np.nan], [np.inf, np.nan]], "Input X contains infinity in row 1"),
    ],
)
def test_bad_input_is_named(X, message):
    with pytest.raises(ValueError, match=message):
        NearestReferenceDetector().fit(X)


def test_scoring_expects_the_form_of_fit():
    X = embeddings(9)
    detector = NearestReferenceDetector().fit(X)
    for second in (X[:, :, :4], X[:, :, 0]):
        with pytest.raises(ValueError, match=r"must be embeddings \(n, 1 \+ k, d\) with d = 8"):
            detector.predict(second)
    table = pd.DataFrame({"first": [0.1, 0.2], "second": [0.3, np.nan]})
    detector = clone(detector).fit(table)
    assert detector.feature_names_in_.tolist() == ["first", "second"]
    with pytest.raises(ValueError, match=r"must be distances \(n, k\) with k = 2"):
        detector.predict(X)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="'metric' parameter of NearestReferenceDetector must be"):
        NearestReferenceDetector("manhattan").fit(embeddings(9))


def test_stacking_pairs_of_one_probe():
    table = {"path": list("abcdef"), "identity": list("xxxyyy"), "label": [1, 1, 1, 1, 1, -1]}
    created = make_reference_pairs(table, k="all", random_state=0)
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    X, first = stack_references(vectors[created.index], created.index[:, 1])
    assert X.shape == (6, 3, 4)
    assert X.dtype == np.float32
    probes = created.index[first, 1]
    np.testing.assert_array_equal(X[:, -1], vectors[probes])
    assert created.target[first].tolist() == [-1 if probe == 5 else 1 for probe in probes]
    for row, probe in zip(X, probes, strict=True):
        references = created.index[created.index[:, 1] == probe, 0]
        np.testing.assert_array_equal(row[: len(references)], vectors[references])
        assert np.isnan(row[len(references) : -1]).all()
    scores = NearestReferenceDetector().fit(X).score_samples(X)
    single = (
        NearestReferenceDetector().fit(vectors[created.index]).score_samples(vectors[created.index])
    )
    for score, probe in zip(scores, probes, strict=True):
        assert score == pytest.approx(single[created.index[:, 1] == probe].max(), abs=1e-12)


def test_stacking_keeps_the_order_of_first_appearance():
    pairs = np.arange(10.0).reshape(5, 2, 1)
    pairs[[2, 4], 1] = pairs[0, 1]
    X, first = stack_references(pairs, ["z", "b", "z", "a", "z"])
    assert first.tolist() == [0, 1, 3]
    np.testing.assert_array_equal(
        X[:, :, 0], [[0, 4, 8, 1], [2, np.nan, np.nan, 3], [6, np.nan, np.nan, 7]]
    )


@pytest.mark.parametrize(
    ("pairs", "probe", "message"),
    [
        (
            np.zeros((3, 2)),
            [0, 1, 2],
            r"pairs must have the shape \(n, 2, d\), reference and probe, got \(3, 2\)",
        ),
        (np.zeros((3, 2, 4)), [0, 1], "inconsistent numbers of samples"),
        (np.arange(12.0).reshape(3, 2, 2), [7, 8, 7], r"pairs\[2\] and pairs\[0\] are both about"),
    ],
)
def test_stacking_what_does_not_fit(pairs, probe, message):
    with pytest.raises(ValueError, match=message):
        stack_references(pairs, probe)


def test_embeddings_of_one_number():
    X = np.array([[[1.0], [4.0], [2.0]], [[0.0], [-1.0], [-3.0]]])
    np.testing.assert_array_equal(
        NearestReferenceDetector("euclidean").fit(X).score_samples(X), [-1.0, -2.0]
    )


def test_tags():
    tags = get_tags(NearestReferenceDetector()).input_tags
    assert (tags.three_d_array, tags.two_d_array, tags.allow_nan) == (True, True, True)
