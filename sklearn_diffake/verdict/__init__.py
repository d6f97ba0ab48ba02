"""Verdicts: from reference and probe images to an outcome with its evidence."""

from ._verdict import (
    ClipEvidence,
    ErrorRate,
    ImageEvidence,
    ModelInfo,
    Verdict,
    VerdictWarning,
)

__all__ = [
    "ClipEvidence",
    "ErrorRate",
    "ImageEvidence",
    "ModelInfo",
    "Verdict",
    "VerdictWarning",
]
