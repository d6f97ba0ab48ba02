"""Verdicts: from reference and probe images to an outcome with its evidence."""

from ._gates import Gates
from ._reference import Reference
from ._verdict import (
    ClipEvidence,
    ErrorRate,
    ImageEvidence,
    ModelInfo,
    Verdict,
    VerdictWarning,
)
from ._verify import verify, verify_many

__all__ = [
    "ClipEvidence",
    "ErrorRate",
    "Gates",
    "ImageEvidence",
    "ModelInfo",
    "Reference",
    "Verdict",
    "VerdictWarning",
    "verify",
    "verify_many",
]
