"""Seeds, silence and saving of PyOD's detectors, those with a network above all."""

import os
import pickle
import random
from pathlib import Path

import forked_programs
import numpy as np
import pytest
from pyod_cases import ALL, NETWORKS, NEW, NOVEL, ROWS, fitted, pyod, scores_of
from sklearn.base import clone
from skops import io as skops_io

from sklearn_diffake.novelty._pyod import PYOD_TYPES, PyODDetector
from sklearn_diffake.novelty._pyod_networks import unpack

ROOT = Path(__file__).resolve().parents[2]
# Of scikit-learn, held by forests and by searches for neighbors.
COMPILED = {
    "sklearn.tree._tree.Tree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
}
LOAD = """
import sys, numpy as np
from skops import io
folder = sys.argv[1]
probes = np.load(f"{folder}/probes.npy")
for name in sys.argv[2:]:
    file = f"{folder}/{name}.skops"
    model = io.load(file, trusted=io.get_untrusted_types(file=file))
    np.save(f"{folder}/{name}.npy", model.score_samples(probes))
"""


@pytest.mark.parametrize("name", ["IForest", "MCD", "INNE", *NETWORKS])
def test_another_seed_gives_another_result(name):
    detector = clone(fitted(name)).set_params(random_state=1)
    assert scores_of(detector) != fitted(name).score_samples(NEW).tobytes()


def test_without_a_seed_the_detector_has_its_own():
    def scores(name, **options):
        return scores_of(PyODDetector(pyod(name, **options)))

    assert scores("IForest", random_state=3) == scores("IForest", random_state=3)
    assert scores("DeepSVDD", random_state=3) == scores("DeepSVDD", random_state=3)
    assert scores("AutoEncoder") == scores("AutoEncoder")  # 42 by default
    assert scores("IForest") != scores("IForest")
    assert scores("DeepSVDD") != scores("DeepSVDD")


class Drawing(type(pyod("KNN"))):
    """A detector of a user's own, which draws from all generators of the process."""

    def fit(self, X, y=None):
        import torch

        super().fit(X)
        self.drawn_ = np.random.rand(), random.random(), torch.rand(1).item()


def test_every_generator_is_seeded():
    def draw_sample(seed):
        return PyODDetector(Drawing(), random_state=seed).fit(ROWS).detector_.drawn_

    assert draw_sample(0) == draw_sample(0)
    assert all(a != b for a, b in zip(draw_sample(0), draw_sample(1), strict=True))
    assert all(a != b for a, b in zip(draw_sample(None), draw_sample(None), strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_generators_of_the_process_stay_as_they_were(name, monkeypatch):
    import torch

    def seed():
        np.random.seed(11), random.seed(12), torch.manual_seed(13)

    def draw():
        return np.random.rand(), random.random(), torch.rand(1).item()

    detector = PyODDetector(pyod(name), random_state=0)
    monkeypatch.setenv("PYTHONHASHSEED", "7")  # which constructors of PyOD change
    seed()
    expected, threads = draw(), torch.get_num_threads()
    for action in (
        lambda: detector.fit(ROWS),
        lambda: clone(detector),
        lambda: detector.score_samples(NEW),
        lambda: pickle.loads(pickle.dumps(detector)),
    ):
        seed()
        action()
        assert draw() == expected
        assert torch.get_num_threads() == threads
        assert os.environ["PYTHONHASHSEED"] == "7"


@pytest.mark.parametrize("name", NETWORKS)
def test_silent_unless_verbose(name, capfd):
    PyODDetector(pyod(name, verbose=1), random_state=0).fit(ROWS).score_samples(NEW)
    printed = capfd.readouterr()
    assert not printed.out + printed.err
    PyODDetector(pyod(name), random_state=0, verbose=1).fit(ROWS)
    printed = capfd.readouterr()
    assert printed.out + printed.err


@pytest.fixture(scope="module")
def loaded_elsewhere(tmp_path_factory):
    """Scores that another process computes with what was saved in this one."""
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "probes.npy", np.vstack([ROWS, NEW, NOVEL]))
    for name in ALL:
        skops_io.dump(fitted(name), folder / f"{name}.skops")
    forked_programs.run(LOAD, folder, *ALL, cwd=ROOT)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ALL)
def test_saved_without_pickle_and_loaded_elsewhere(name, loaded_elsewhere):
    expected = fitted(name).score_samples(np.vstack([ROWS, NEW, NOVEL]))
    assert np.load(loaded_elsewhere / f"{name}.npy").tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("is_fitted", [False, True])
def test_types_in_a_saved_file(name, is_fitted):
    data = skops_io.dumps(fitted(name) if is_fitted else PyODDetector(pyod(name)))
    untrusted = set(skops_io.get_untrusted_types(data=data))
    untrusted -= {"sklearn_diffake.novelty._pyod.PyODDetector", *COMPILED}
    assert untrusted <= (set() if name in NETWORKS else PYOD_TYPES)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loaded_network_is_whole(name):
    state = pickle.dumps(fitted(name))
    assert b"torch" not in state
    detector, expected = pickle.loads(state), fitted(name)
    assert detector.score_samples(NEW).tobytes() == expected.score_samples(NEW).tobytes()
    verdict = detector.detector_.predict(NOVEL)
    np.testing.assert_array_equal(verdict, expected.detector_.predict(NOVEL))
    assert scores_of(detector) == expected.score_samples(NEW).tobytes()


def test_only_known_types_are_imported_on_load():
    state = {"pyod": "os.system", "params": {"command": "true"}}
    with pytest.raises(ValueError, match=r"'os.system' is not one of \['pyod.models"):
        unpack(state)
    with pytest.raises(ValueError, match=r"'os.system' is not one of"):
        PyODDetector().__setstate__({"detector": state})
