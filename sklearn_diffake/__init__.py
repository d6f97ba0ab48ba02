"""Reference-based deepfake detection for scikit-learn.

Deepfakes are detected as anomalies in the natural change between two face images of one
person: embed both images, take the difference, and ask a one-class model fitted on genuine
pairs whether that difference is natural.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

from sklearn_diffake._versions import __version__
from sklearn_diffake.utils._deferred_imports import import_scikit_learn

if TYPE_CHECKING:  # editors and type checkers see what `__getattr__` imports
    from sklearn_diffake import (
        base,
        datasets,
        embedding,
        faces,
        generation,
        inspection,
        metrics,
        model_selection,
        novelty,
        pairs,
        persistence,
        pipeline,
        streaming,
        verdict,
    )
    from sklearn_diffake._versions import show_versions
    from sklearn_diffake.pipeline import (
        PairScores,
        load_default,
        make_difffake_pipeline,
        score_in_batches,
        score_pairs,
    )
    from sklearn_diffake.streaming import fit_in_batches
    from sklearn_diffake.verdict import Reference, Verdict, recalibrate, verify, verify_many

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

# written out: type checkers do not compute it
__all__ = [
    "PairScores",
    "Reference",
    "Verdict",
    "__version__",
    "fit_in_batches",
    "load_default",
    "make_difffake_pipeline",
    "recalibrate",
    "score_in_batches",
    "score_pairs",
    "show_versions",
    "verify",
    "verify_many",
]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS or name in _SUBPACKAGES:
        import_scikit_learn()
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBPACKAGES])
