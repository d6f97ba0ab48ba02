"""A model states in which mode it judges, and is refused for pairs of the other."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_diffake import make_difffake_pipeline, persistence
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector
from sklearn_diffake.pairs import ModeError, PairDifference, check_mode, mode_of

MODES = ["reference", "same-video"]
DETECTORS = [
    MahalanobisDetector(),
    ConformalDetector(target_bpcer=0.2, random_state=0),
    IsolationForest(n_estimators=3, random_state=0),
]


@pytest.fixture
def embeddings():
    return np.random.default_rng(0).normal(size=(40, 2, 3))


@pytest.mark.parametrize("mode", [None, *MODES])
def test_a_recipe_states_its_mode(mode):
    pipe = make_difffake_pipeline(mode=mode)
    concatenated = make_difffake_pipeline(["dlib-resnet", "difffake-lite0"], mode=mode)
    assert [mode_of(model) for model in (pipe, clone(pipe), pipe[2:], concatenated)] == [mode] * 4


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: type(d).__name__)
def test_a_saved_model_keeps_its_mode(embeddings, detector, tmp_path):
    model = make_pipeline(PairDifference(mode="same-video"), detector).fit(embeddings)
    persistence.save(model, tmp_path / "model.diffake")
    loaded = persistence.load(tmp_path / "model.diffake")
    assert mode_of(loaded) == "same-video"
    np.testing.assert_array_equal(
        loaded.decision_function(embeddings), model.decision_function(embeddings)
    )


def test_a_search_has_the_mode_of_its_pipelines(embeddings):
    pipe = make_pipeline(PairDifference(mode="reference"), MahalanobisDetector())
    search = GridSearchCV(
        pipe, {"pairdifference__operator": ["cosine"]}, scoring=lambda model, X: 0.0, cv=2
    )
    assert mode_of(search) == mode_of(search.fit(embeddings)) == "reference"


def test_a_model_of_an_earlier_version_states_no_mode(embeddings):
    difference = PairDifference("absolute").fit(embeddings)
    state = difference.__getstate__()
    del state["mode"]
    older = PairDifference.__new__(PairDifference)
    older.__setstate__(state)
    assert mode_of(older) is None
    assert older.get_params()["mode"] is None


def test_without_a_difference_no_mode_is_stated():
    assert mode_of(make_pipeline(MahalanobisDetector())) is None


def test_branches_of_different_modes_are_refused():
    pipe = make_difffake_pipeline(["dlib-resnet", "difffake-lite0"], mode="reference")
    pipe.set_params(features__difffake_lite0__diff__mode="same-video")
    with pytest.raises(ValueError, match="one branch of the model"):
        mode_of(pipe)


@pytest.mark.parametrize("mode", MODES)
def test_pairs_of_the_other_mode_are_refused(mode):
    (second,) = set(MODES) - {mode}
    model = make_difffake_pipeline(mode=mode)
    check_mode(model, mode, unstated=False)
    with pytest.raises(ModeError, match=f"the model is of {mode} mode") as caught:
        check_mode(model, second, unstated=True)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.mode, error.expected, str(error)) == (mode, second, str(caught.value))


def test_a_model_without_a_mode_is_accepted_only_where_that_is_allowed():
    model = make_difffake_pipeline()
    check_mode(model, "reference", unstated=True)
    with pytest.raises(ModeError, match="does not state its mode") as caught:
        check_mode(model, "same-video", unstated=False)
    assert (caught.value.mode, caught.value.expected) == (None, "same-video")


@pytest.mark.parametrize("mode", ["same_video", "video", "", 1])
def test_other_modes_are_refused(embeddings, mode):
    with pytest.raises(ValueError, match="The 'mode' parameter of PairDifference"):
        PairDifference(mode=mode).fit(embeddings)
