"""Verdicts: from reference and probe images to an outcome with its evidence."""

from ._annotate import annotate_clip
from ._calibration_report import CalibrationReport, CategoryCalibration
from ._evidence import ClipEvidence, ErrorRate, ImageEvidence, ModelInfo, VerdictWarning
from ._gates import Gates
from ._recalibrate import recalibrate
from ._reference import Reference
from ._verdict import Verdict
from ._verify import verify, verify_many

__all__ = [
    "CalibrationReport",
    "CategoryCalibration",
    "ClipEvidence",
    "ErrorRate",
    "Gates",
    "ImageEvidence",
    "ModelInfo",
    "Reference",
    "Verdict",
    "VerdictWarning",
    "annotate_clip",
    "recalibrate",
    "verify",
    "verify_many",
]
