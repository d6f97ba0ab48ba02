"""Models for tests of persistence."""

import io
import zipfile

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.novelty import GaussianMixtureDetector
from sklearn_diffake.pairs import PairDifference

BACKBONE = "tiny_backbones:colors"


class Foreign(BaseEstimator):
    """An estimator that the package does not know."""

    def __init__(self, piece=None):
        self.part = piece

    def fit(self, X, y=None):
        self.mean_ = np.mean(X)
        return self

    def transform(self, X):
        return X


def pipeline(backbone=BACKBONE, **embedder):
    return Pipeline(
        [
            ("align", FaceAligner(24, on_missing="crop", device="cpu")),
            ("embed", FaceEmbedder(backbone, device="cpu", **embedder)),
            ("diff", PairDifference()),
            ("detect", GaussianMixtureDetector(1, random_state=0)),
        ]
    )


def members(path):
    """Give every file in a model, also those in the archive within."""
    with zipfile.ZipFile(path) as archive:
        result = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(io.BytesIO(result.pop("model.skops"))) as inner:
        result |= {f"model.skops/{name}": inner.read(name) for name in inner.namelist()}
    return result
