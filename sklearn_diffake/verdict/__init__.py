"""Verdicts: from reference and probe images to an outcome with its evidence."""

from ._calibration_report import CalibrationReport, CategoryCalibration
from ._recalibrate import recalibrate
from ._verdict import (
    ClipEvidence,
    ErrorRate,
    ImageEvidence,
    ModelInfo,
    Verdict,
    VerdictWarning,
)

__all__ = [
    "CalibrationReport",
    "CategoryCalibration",
    "ClipEvidence",
    "ErrorRate",
    "ImageEvidence",
    "ModelInfo",
    "Verdict",
    "VerdictWarning",
    "recalibrate",
]
