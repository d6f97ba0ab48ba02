"""The codes of warnings: what each means, and whether it keeps a verdict from being genuine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ._evidence import Outcome, VerdictWarning


class Code(NamedTuple):
    """What a code stands for.

    Attributes
    ----------
    meaning : str
        One sentence.
    is_gate : bool
        Whether a verdict with this warning is "inconclusive" where it would be "genuine".
    """

    meaning: str
    is_gate: bool = False


#: Every code that a verdict may carry; programs may rely on them.
CODES = {
    "several_faces": Code("A picture shows several faces; one of them was chosen."),
    "small_face": Code(
        "In every image of a side the face is smaller than the limit, or the eyes are closer.",
        is_gate=True,
    ),
    "few_images": Code("A side rests on fewer images than the limit."),
    "same_file": Code("One file is on both sides.", is_gate=True),
    "same_pixels": Code("The same pixels of a face are on both sides.", is_gate=True),
    "blurred": Code("In every image of a side the face is less sharp than the limit."),
    "low_light": Code("In every image of a side the face is darker than the limit."),
    "extreme_pose": Code("In every image of a side the face is turned by more than the limit."),
    "skipped_files": Code("Files of a folder or pattern are neither pictures nor videos."),
    "duplicate_images": Code(
        "Pictures have the same pixels as an earlier one of their side, and are not counted."
    ),
    "unusable_images": Code("Pictures without a usable face were left out."),
    "clip_partly_unusable": Code("Frames of a clip have no usable face, or cannot be decoded."),
    "most_frames_unusable": Code(
        "Of the frames of a clip too few have a usable face.", is_gate=True
    ),
    "part_suspicious": Code(
        "Several frames of a clip in a row are suspicious by themselves.", is_gate=True
    ),
    "threshold_from_few_pairs": Code("The threshold rests on few genuine pairs or people."),
    "category_not_calibrated": Code(
        "The threshold is that of fewer images, as this number was not calibrated; it rejects "
        "fewer genuine pairs than it may."
    ),
    "windows_not_tested": Code(
        "The parts of the clip were not tested one by one: the calibration has too few people for "
        "that many windows."
    ),
    "few_frames": Code(
        "A clip that is judged by itself has one usable frame, or is mostly a still picture.",
        is_gate=True,
    ),
    "duplicate_frames": Code(
        "Frames of a clip show the same picture as an earlier one, and are not counted."
    ),
    "calibrated_on_frames": Code(
        "The threshold of same-video mode was set on single frames, or pairs of frames, not on "
        "whole clips."
    ),
    "low_power": Code(
        "The model misses more altered test images than it finds: that a clip is not suspicious "
        "says little.",
        is_gate=True,
    ),
    "few_clips": Code("Error rates for whole clips were measured on few clips, or on none."),
    "not_calibrated": Code("The model gives no p-values: its threshold promises nothing."),
    "other_mode": Code(
        "The pair is of another mode than the model, and was judged because that was asked for.",
        is_gate=True,
    ),
}


def make_warning(code: str, message: str) -> VerdictWarning:
    """Return a warning with one of the known codes."""
    if code not in CODES:
        raise KeyError(code)
    return VerdictWarning(code, message)


def hold_back(
    outcome: Outcome, reason: str, warnings: Iterable[VerdictWarning]
) -> tuple[Outcome, str]:
    """Make an outcome "inconclusive" that would be "genuine" in spite of a gate.

    Parameters
    ----------
    outcome : str
    reason : str
    warnings : iterable of VerdictWarning

    Returns
    -------
    outcome, reason : str
        As given unless the outcome is "genuine" and a warning is a gate; the first one is named.
    """
    gate = next((warning for warning in warnings if CODES[warning.code].is_gate), None)
    if outcome != "genuine" or gate is None:
        return outcome, reason
    return "inconclusive", f"held back, though {reason}: {gate.message}"
