"""Forged models and configurations: well-formed, and made to run code or to crash."""

import contextlib
import copy
import random
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from benchmarks.stress import _forged_files
from benchmarks.stress._hostile_media import Kind
from benchmarks.stress._mutations import network
from sklearn_diffake import persistence
from sklearn_diffake.benchmark import read_config
from sklearn_diffake.benchmark._registry import make_detector
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.novelty import (
    ConformalDetector,
    DeepSVDD,
    GaussianMixtureDetector,
    GenuineOnly,
    MahalanobisDetector,
    PyODDetector,
)
from sklearn_diffake.pairs import PairDifference
from sklearn_diffake.pipeline import Pipeline

_METHODS = ("score_samples", "decision_function", "predict", "transform")


def honest_models(folder):
    """Return fitted models of every kind that a file may hold."""
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3))
    pairs = rng.integers(0, 256, (30, 2, 8, 8, 3), dtype=np.uint8)
    (folder / "net.onnx").write_bytes(network())
    image_model = Pipeline([
        ("embed", FaceEmbedder(str(folder / "net.onnx"), device="cpu")),
        ("diff", PairDifference("squared")),
        ("detect", GaussianMixtureDetector(n_components=1)),
    ])  # fmt: skip
    tabular = [
        MahalanobisDetector(),
        ConformalDetector(target_bpcer=0.1, random_state=np.random.RandomState(0)),
        DeepSVDD(max_epochs=1, device="cpu", random_state=0),
        GenuineOnly(IsolationForest(n_estimators=3, max_features=2, random_state=0)),
        GenuineOnly(LocalOutlierFactor(novelty=True, algorithm="kd_tree", leaf_size=5)),
        GenuineOnly(LocalOutlierFactor(novelty=True, algorithm="ball_tree", leaf_size=5)),
        GenuineOnly(OneClassSVM()),
        PyODDetector(KNN(n_neighbors=3)),
        PyODDetector(IForest(n_estimators=3), random_state=0),
        GridSearchCV(
            GaussianMixtureDetector(random_state=0),
            {"n_components": [1, 2]},
            scoring=lambda estimator, X, y=None: float(estimator.score_samples(X).mean()),
            cv=2,
        ),
    ]
    for model in tabular:
        model.fit(rows)
    tabular[-1].set_params(scoring=None)
    tabular[-1].scorer_ = None
    return [image_model.fit(pairs), *tabular]


class ForgedModels(Kind):
    """Models made from a grammar of skops nodes, which are used if they are let in."""

    suffix, fraction, mib, seconds = ".diffake", 0.015, 512, 20

    def make(self, folder):
        contents = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for model in honest_models(folder):
                persistence.save(model, folder / "model.diffake", include_weights=True)
                contents.append((folder / "model.diffake").read_bytes())
        rng = np.random.default_rng(1)
        self.rows = rng.normal(size=(4, 3))
        self.pairs = rng.integers(0, 256, (4, 2, 8, 8, 3), dtype=np.uint8)
        return contents

    def content(self, number):
        if number < len(self.seeds):
            return self.seeds[number]
        rng = random.Random(f"{self.seed}-{type(self).__name__}-{number}")
        return _forged_files.Forger(rng).model(rng.choice(self.seeds))

    def use(self, path):
        try:
            model = persistence.load(path)
            for X in (self.rows, self.pairs):
                self.exercise(model, X)
        finally:
            assert not _forged_files.CALLS, f"code was called: {_forged_files.CALLS.pop()}"

    def exercise(self, model, X):
        """Use a model that was let in, and a copy and a clone of it; what fails, may fail."""
        copies = [model]
        with contextlib.suppress(Exception):
            copies.append(copy.deepcopy(model))
        with contextlib.suppress(Exception):
            clone(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for estimator_copy in copies:
                for method in _METHODS:
                    with contextlib.suppress(Exception):
                        getattr(estimator_copy, method)(X)


class ForgedConfigurations(Kind):
    """Configurations that name code at any depth, whose detectors are fitted if they are let in."""

    suffix, fraction, seconds = ".toml", 0.005, 20

    def make(self, folder):
        self.rows = np.random.default_rng(1).normal(size=(40, 3))
        for spec in ({"name": "DeepSVDD", "max_epochs": 1}, {"name": "pyod.KNN"}):
            detector_spec = {"name": "ConformalDetector", "target_bpcer": 0.2, "detector": spec}
            make_detector(detector_spec, seed=0, device="cpu").fit(
                self.rows
            )  # so that all is imported
        return []

    def content(self, number):
        rng = random.Random(f"{self.seed}-{type(self).__name__}-{number}")
        return _forged_files.Forger(rng).configuration().encode()

    def use(self, path):
        try:
            config = read_config(path)
            for protocol in config.protocols:
                for candidate in protocol.candidates:
                    detector = make_detector(candidate.detector, seed=0, device="cpu")
                    with contextlib.suppress(Exception):
                        detector.fit(self.rows)
        finally:
            assert not _forged_files.CALLS, f"code was called: {_forged_files.CALLS.pop()}"
