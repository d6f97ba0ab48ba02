"""Verdicts: from reference and probe images to an outcome with its evidence."""

from typing import TYPE_CHECKING

from sklearn_diffake.utils._lazy_names import lazy_names

if TYPE_CHECKING:
    from sklearn_diffake.verdict._annotate import annotate_clip
    from sklearn_diffake.verdict._calibration_report import CalibrationReport, CategoryCalibration
    from sklearn_diffake.verdict._evidence import (
        ClipEvidence,
        ErrorRate,
        ImageEvidence,
        ModelInfo,
        VerdictWarning,
    )
    from sklearn_diffake.verdict._find_misfits import RankedPicture, find_misfits
    from sklearn_diffake.verdict._gates import Gates
    from sklearn_diffake.verdict._recalibrate import recalibrate
    from sklearn_diffake.verdict._reference import Reference
    from sklearn_diffake.verdict._stream import verify_stream
    from sklearn_diffake.verdict._verdict import Verdict
    from sklearn_diffake.verdict._verify import verify, verify_many

__all__ = [
    "CalibrationReport",
    "CategoryCalibration",
    "ClipEvidence",
    "ErrorRate",
    "Gates",
    "ImageEvidence",
    "ModelInfo",
    "RankedPicture",
    "Reference",
    "Verdict",
    "VerdictWarning",
    "annotate_clip",
    "find_misfits",
    "recalibrate",
    "verify",
    "verify_many",
    "verify_stream",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CalibrationReport": "._calibration_report",
        "CategoryCalibration": "._calibration_report",
        "ClipEvidence": "._evidence",
        "ErrorRate": "._evidence",
        "Gates": "._gates",
        "ImageEvidence": "._evidence",
        "ModelInfo": "._evidence",
        "RankedPicture": "._find_misfits",
        "Reference": "._reference",
        "Verdict": "._verdict",
        "VerdictWarning": "._evidence",
        "annotate_clip": "._annotate",
        "find_misfits": "._find_misfits",
        "recalibrate": "._recalibrate",
        "verify": "._verify",
        "verify_many": "._verify",
        "verify_stream": "._stream",
    },
)
