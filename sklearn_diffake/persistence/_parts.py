"""The embedders that a model is made of, and parameters that are folders."""

from __future__ import annotations

from typing import Any

from ..embedding import FaceEmbedder
from ..utils._estimators import estimators

#: Parameters that are folders of one machine. scikit-learn reads pickles from its `memory`.
FOLDERS = ("cache", "checkpoint_dir", "memory")


def embedders(model: Any) -> list[FaceEmbedder]:
    """Return the fitted embedders of a model."""
    return [
        part
        for part in estimators(model)
        if isinstance(part, FaceEmbedder) and hasattr(part, "fingerprint_")
    ]
