"""Reference-based deepfake detection for scikit-learn.

Deepfakes are detected as anomalies in the natural change between two face images of one
person: embed both images, take the difference, and ask a one-class model fitted on genuine
pairs whether that difference is natural.
"""

import importlib
import logging
from typing import Any

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # the log is for who asks

_SUBPACKAGES = (
    "base",
    "datasets",
    "embedding",
    "faces",
    "generation",
    "inspection",
    "metrics",
    "model_selection",
    "novelty",
    "pairs",
    "persistence",
    "pipeline",
    "streaming",
    "verdict",
)
_FUNCTIONS = {
    "PairScores": "pipeline",
    "Reference": "verdict",
    "Verdict": "verdict",
    "fit_in_batches": "streaming",
    "load_default": "pipeline",
    "make_difffake_pipeline": "pipeline",
    "recalibrate": "verdict",
    "score_in_batches": "pipeline",
    "score_pairs": "pipeline",
    "show_versions": "_versions",
    "verify": "verdict",
    "verify_many": "verdict",
}

__all__ = ["__version__", *_FUNCTIONS]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBPACKAGES])
