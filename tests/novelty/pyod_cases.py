"""PyOD detectors small enough to be fitted many times, and rows to fit them on."""

import functools
import importlib

import numpy as np
from sklearn.base import clone

from sklearn_diffake.novelty._pyod import PyODDetector

MODULES = {"AutoEncoder": "auto_encoder", "DeepSVDD": "deep_svdd"}
OPTIONS = {
    "IForest": {"n_estimators": 30},
    "INNE": {"n_estimators": 50},
    "LUNAR": {"n_epochs": 20},
    "AutoEncoder": {"epoch_num": 4, "hidden_neuron_list": [16, 4]},
    "VAE": {"epoch_num": 4, "encoder_neuron_list": [16, 8], "decoder_neuron_list": [8, 16]},
    "DeepSVDD": {"n_features": 6, "epochs": 4},
}
NETWORKS = ["LUNAR", "AutoEncoder", "VAE", "DeepSVDD"]
REMAINING = ["ECOD", "COPOD", "IForest", "KNN", "LOF", "OCSVM", "PCA", "MCD", "GMM", "HBOS", "INNE"]
ALL = REMAINING + NETWORKS


def pyod(name, **options):
    """Make a detector of PyOD."""
    module = importlib.import_module(f"pyod.models.{MODULES.get(name, name.lower())}")
    return getattr(module, name)(**{**OPTIONS.get(name, {}), **options})


def genuine(n, d=6, seed=0):
    """Make rows of two clusters."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + 4.0 * np.eye(2, d)[np.arange(n) % 2]


ROWS, NEW, NOVEL = genuine(150), genuine(60, seed=1), genuine(60, seed=2) + 3.0


@functools.cache
def fitted(name):
    """Fit a detector on ROWS, once for the tests that only look."""
    return PyODDetector(pyod(name), random_state=0).fit(ROWS)


def scores_of(detector):
    """Fit a clone on ROWS and score NEW, to the last bit."""
    return clone(detector).fit(ROWS).score_samples(NEW).tobytes()
