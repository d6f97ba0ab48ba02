"""The embedders of a model, and parameters that are folders."""

from __future__ import annotations

from typing import Any

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.utils._estimators import estimators

#: Parameters that are local folders. scikit-learn reads pickles from its `memory`.
FOLDERS = ("cache", "checkpoint_dir", "memory")


def embedders(model: Any) -> list[FaceEmbedder]:
    """Return the fitted embedders of a model."""
    return [
        estimator
        for estimator in estimators(model)
        if isinstance(estimator, FaceEmbedder) and hasattr(estimator, "fingerprint_")
    ]
