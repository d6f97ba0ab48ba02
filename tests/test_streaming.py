"""Fitting a pipeline on more pairs than fit in memory."""

import tracemalloc

import numpy as np
import pytest
from sklearn.decomposition import IncrementalPCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_diffake import fit_in_batches, make_difffake_pipeline
from sklearn_diffake.embedding import EmbeddingStore
from sklearn_diffake.novelty import (
    ConformalDetector,
    GaussianMixtureDetector,
    MahalanobisDetector,
    SumRuleDetector,
)
from sklearn_diffake.pairs import DifferenceScaler, PairDifference, make_same_video_pairs

PAIRS = np.random.default_rng(0).normal(size=(600, 2, 6)) * np.arange(1, 7)


def branches():
    scaled = make_pipeline(PairDifference("squared"), DifferenceScaler())
    return FeatureUnion([("squared", scaled), ("cosine", PairDifference("cosine"))])


@pytest.mark.parametrize(
    "middle",
    [
        [PairDifference()],
        [PairDifference(), DifferenceScaler(3)],
        [PairDifference(), FunctionTransformer(np.sqrt), DifferenceScaler()],
        [PairDifference(), "passthrough", StandardScaler()],
        [branches()],
    ],
    ids=["model", "components", "stateless", "scikit-learn", "union"],
)
@pytest.mark.parametrize("batch_size", [7, 100, 10_000])
def test_batches_give_what_one_fit_gives(middle, batch_size):
    pipe = make_pipeline(*middle, MahalanobisDetector())
    batched = fit_in_batches(pipe, PAIRS, batch_size=batch_size, random_state=0)
    expected = pipe.fit(PAIRS)
    np.testing.assert_allclose(
        batched.score_samples(PAIRS), expected.score_samples(PAIRS), rtol=1e-6
    )
    assert batched[-1].offset_ == pytest.approx(expected[-1].offset_)


@pytest.mark.filterwarnings("ignore:The detector cannot score yet")
def test_deepfakes_reach_no_step():
    y = np.where(np.arange(600) % 3, 1, -1)
    X = np.where(y[:, np.newaxis, np.newaxis] == 1, PAIRS, 1e6)
    pipe = make_pipeline(PairDifference("subtract", normalize=None), IncrementalPCA(4),
                         MahalanobisDetector())  # fmt: skip
    batched = fit_in_batches(pipe, X, y, batch_size=90, shuffle=False)
    expected = fit_in_batches(pipe, PAIRS[y == 1], batch_size=90, shuffle=False)
    np.testing.assert_array_equal(batched.score_samples(PAIRS), expected.score_samples(PAIRS))
    assert batched[1].n_samples_seen_ == batched[-1].n_genuine_ == 400


def test_rows_without_a_face_reach_no_step_that_learns():
    X = PAIRS.copy()
    X[::5, 1] = np.nan
    pipe = make_pipeline(PairDifference(), StandardScaler(), MahalanobisDetector())
    with pytest.warns(UserWarning, match="20 of 100 rows are not learned from"):
        batched = fit_in_batches(pipe, X, batch_size=100, random_state=0, shuffle=False)
    assert batched[-1].n_genuine_ == 480


def test_the_order_is_random_and_seeded():
    model = make_pipeline(PairDifference(), MahalanobisDetector())
    by_video = np.repeat(PAIRS[:30], 20, axis=0)
    samples = [
        fit_in_batches(model, by_video, batch_size=50, **order)[-1].stream_.sample_.rows_
        for order in ({"random_state": 0}, {"random_state": 0}, {"random_state": 1}, {"shuffle": 0})
    ]
    np.testing.assert_array_equal(samples[0], samples[1])
    assert not np.array_equal(samples[0], samples[2])
    assert len(np.unique(samples[3][:50], axis=0)) == 3
    assert len(np.unique(samples[0][:50], axis=0)) > 15


def test_a_frozen_step_stays_as_it_is():
    scaler = DifferenceScaler().fit(PairDifference().fit_transform(PAIRS[:100]))
    recipe = make_pipeline(PairDifference(), FrozenEstimator(scaler), MahalanobisDetector())
    batched = fit_in_batches(recipe, PAIRS, batch_size=90)
    assert batched[1].scale_ == scaler.scale_
    assert batched[-1].n_genuine_ == 600
    recipe = make_pipeline(PairDifference(), FrozenEstimator(DifferenceScaler()))
    with pytest.raises(NotFittedError):
        fit_in_batches(recipe, PAIRS)


def test_the_model_given_is_left_as_it_was():
    model = make_pipeline(PairDifference(), MahalanobisDetector()).fit(PAIRS[:50])
    scores = model.score_samples(PAIRS)
    fit_in_batches(model, PAIRS)
    np.testing.assert_array_equal(model.score_samples(PAIRS), scores)


def test_photographs_of_one_video_are_embedded_once(tmp_path):
    rng = np.random.default_rng(0)
    images = np.empty(40, dtype=object)
    images[:] = list(rng.integers(0, 256, (40, 24, 24, 3), dtype=np.uint8))
    frames = {"path": [str(i) for i in range(40)], "video": [f"v{i // 10}" for i in range(40)]}
    pairs = make_same_video_pairs(frames, k=4, random_state=0)
    pipe = make_difffake_pipeline(
        "tiny_backbones:colors", aligner=False, operator="subtract", cache=tmp_path / "store",
        device="cpu", detector=GaussianMixtureDetector(2, random_state=0),
    )  # fmt: skip
    batched = fit_in_batches(pipe, images[pairs.index], batch_size=16, random_state=0)
    assert batched[-1].n_genuine_ == len(pairs.index)
    assert batched["embed"].n_embedded_ == 0  # in the last batch: all frames are in the store
    assert EmbeddingStore(tmp_path / "store").info()["entries"] == 40


def test_memory_does_not_grow_with_pairs(tmp_path):
    model, peaks = make_pipeline(PairDifference(), MahalanobisDetector()), []
    for n in (20_000, 100_000):  # both more than the rows that are kept for the threshold
        X = np.lib.format.open_memmap(tmp_path / f"{n}.npy", "w+", np.float32, (n, 2, 32))
        X[:] = np.random.default_rng(0).normal(size=X.shape)
        tracemalloc.start()
        fit_in_batches(model, X, batch_size=1000)
        peaks.append(tracemalloc.get_traced_memory()[1] - 17 * n)  # the order: 16 bytes and a mask
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize(
    ("detector", "match"),
    [
        (ConformalDetector(), r"'conformaldetector', ConformalDetector, cannot learn in batches: "
         r"it has no partial_fit.*recalibrate"),
        (SumRuleDetector(), "SumRuleDetector, cannot learn in batches"),
        (GaussianMixtureDetector(n_pca=3), "in batches: n_pca=3 cannot be learned chunk by chunk"),
    ],
)  # fmt: skip
def test_steps_that_cannot_learn_in_batches_are_named(detector, match):
    with pytest.raises(ValueError, match=match):
        fit_in_batches(make_pipeline(PairDifference(), detector), PAIRS)


def test_nothing_to_learn_from():
    model = make_pipeline(PairDifference(), MahalanobisDetector())
    with pytest.raises(ValueError, match="No genuine row"):
        fit_in_batches(model, PAIRS, -np.ones(600))
    with pytest.raises(ValueError, match="X must hold at least one pair"):
        fit_in_batches(model, [])
    with pytest.raises(ValueError, match="each of the 600 rows of X, got 2"):
        fit_in_batches(model, PAIRS, [1, -1])
    with pytest.raises(ValueError, match="batch_size must be positive, got 0"):
        fit_in_batches(model, PAIRS, batch_size=0)
    with (
        pytest.warns(UserWarning, match="cannot score yet"),
        pytest.raises(ValueError, match=r"'mahalanobisdetector'.*has too few genuine pairs"),
    ):
        fit_in_batches(model, PAIRS[:1])


def test_a_bar_for_each_pass(capsys):
    pipe = make_pipeline(PairDifference(), DifferenceScaler(), MahalanobisDetector())
    fit_in_batches(pipe, PAIRS, batch_size=100, verbose=2)
    bars = capsys.readouterr().err
    assert "fitting differencescaler" in bars
    assert "fitting mahalanobisdetector" in bars
    assert "600/600" in bars
