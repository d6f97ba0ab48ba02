"""What PyODDetector costs: fit on genuine rows and score as many new ones, raw PyOD or adapted.

Rows of 64 features, as many as keep a turn near a second; the same settings and seed, one thread.
Goal: at most 5 % above the raw detector, that is, a ratio of at least 0.952. ECOD and COPOD score
in another way here, each row on its own, and so may gain.

Give names of detectors to time these only.
"""

import importlib
import sys
import warnings
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import run_alone, time_alternately, timed
from sklearn_diffake.novelty._pyod import PyODDetector

N_FEATURES = 64
SEED = {"random_state": 0}
SILENT = {"random_state": 0, "verbose": 0}
DETECTORS = {  # rows, settings; epochs are PyOD's own but for DeepSVDD's 100
    "ECOD": (10_000, {}),
    "COPOD": (10_000, {}),
    "IForest": (5_000, SEED),
    "KNN": (4_000, {}),
    "LOF": (4_000, {}),
    "OCSVM": (2_000, {}),
    "PCA": (20_000, {}),
    "MCD": (1_000, SEED),
    "GMM": (5_000, {**SEED, "n_components": 3}),
    "HBOS": (20_000, {}),
    "INNE": (4_000, SEED),
    "LUNAR": (500, SEED),
    "AutoEncoder": (1_000, SILENT),
    "VAE": (500, SILENT),
    "DeepSVDD": (500, {**SILENT, "n_features": N_FEATURES, "epochs": 30}),
}
FEW = ("ECOD", "IForest", "KNN", "PCA", "GMM", "HBOS")  # in a quick run
MODULES = {"AutoEncoder": "auto_encoder", "DeepSVDD": "deep_svdd"}


def compare(name, quick):
    """Time one detector, raw and adapted, alternately."""
    import torch

    n, settings = DETECTORS[name]
    n = n // 2 if quick else n
    make = getattr(importlib.import_module(f"pyod.models.{MODULES.get(name, name.lower())}"), name)
    X, new = np.random.default_rng(0).normal(size=(2, n, N_FEATURES))

    def raw():
        make(**settings, contamination=0.05).fit(X).decision_function(new)

    def fit_ours():
        PyODDetector(make(**settings)).fit(X).score_samples(new)

    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        times = time_alternately(fit_ours, raw, repeats=3 if quick else 9)
    measure = f"PyODDetector({name}), fit and score {n:,} x {N_FEATURES}"
    return timed(measure, f"PyOD's own {name}", times, goal=">= 0.952")


def figures(quick=False):
    warnings.simplefilter("ignore")
    names = [name for name in sys.argv[1:] if name in DETECTORS]
    return [compare(name, quick) for name in names or (FEW if quick else DETECTORS)]


if __name__ == "__main__":
    run_alone(figures)
