"""Warnings of verdicts: codes, those that keep a verdict from being genuine, checks of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.novelty._p_values import SINGLE
from sklearn_diffake.utils._numbers import percent
from sklearn_diffake.verdict._evidence import ImageEvidence, Outcome, VerdictWarning
from sklearn_diffake.verdict._gates import Gates
from sklearn_diffake.verdict._model import JudgingModel
from sklearn_diffake.verdict._templates import DUPLICATE, DUPLICATE_FRAME, Template

_MOST_MISSED = 0.5  # of altered test images; more are a warning
_FEW_CLIPS = 30  # genuine test clips; fewer are a warning
_MAX_NAMES = 3  # of files in one message


class Code(NamedTuple):
    """The meaning of a code.

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
    "possible_copy": Code(
        "A probe image is more like a reference image than nearly all genuine pairs: a copy, or of "
        "one occasion."
    ),
    "blurred": Code("In every image of a side the face is less sharp than the limit."),
    "low_light": Code("In every image of a side the face is darker than the limit."),
    "extreme_pose": Code("In every image of a side the face is turned by more than the limit."),
    "rotated": Code(
        "In every image of a side the face is rotated by more than the limit: turn the picture "
        "upright."
    ),
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
    "images_suspicious": Code(
        "Many images of the probe, in any order, are suspicious by themselves.", is_gate=True
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
    """Return a warning; its code must be one of `CODES`."""
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


def warnings_of(
    model: JudgingModel, reference: Template, probe: Template, gates: Gates
) -> list[VerdictWarning]:
    """Check the images of both sides.

    Parameters
    ----------
    model : JudgingModel
    reference, probe : Template
        The reference is empty in same-video mode, and not checked then.
    gates : Gates

    Returns
    -------
    list of VerdictWarning
    """
    warnings = []
    sides = [("reference", reference), ("probe", probe)]
    for name, template in sides if model.mode == "reference" else sides[1:]:
        messages = chain(
            _quality_messages(template, gates),
            _unused_input_messages(template, gates),
            _face_choice_messages(model, template),
        )
        warnings += [make_warning(code, f"{name}: {message}") for code, message in messages]
    if model.mode == "same-video":
        return warnings
    n = len(reference.used_positions)
    if n < gates.min_references:
        warnings.append(
            make_warning(
                "few_images",
                f"the reference is {n} image{'s' * (n != 1)}; more of other occasions make fewer "
                "errors",
            )
        )
    return warnings + list(_shared_input_warnings(reference, probe))


def same_video_warnings(model: JudgingModel) -> list[VerdictWarning]:
    """Warn of how little p-values and outcomes of same-video mode rest on.

    Parameters
    ----------
    model : JudgingModel
        With p-values.

    Returns
    -------
    list of VerdictWarning
    """
    n = model.n_calibration(*SINGLE)
    warnings = [
        make_warning(
            "calibrated_on_frames",
            f"the threshold rests on frames of genuine videos of {n} people or videos, judged one "
            "by one, not on whole clips: how often a genuine clip is rejected was not promised",
        )
    ]
    frames = [r for r in model.info.error_rates if r.n_probes == 1 and r.metric == "apcer"]
    missed = max((rate.estimate for rate in frames), default=0.0)
    if missed > _MOST_MISSED:
        warnings.append(
            make_warning(
                "low_power",
                f"the model is weak: {percent(missed)} of altered test images were not suspicious, "
                "so that a clip that is not suspicious may well be altered",
            )
        )
    clips = [r for r in model.info.error_rates if r.n_probes > 1 and r.metric == "bpcer"]
    n_clips = sum(rate.n for rate in clips)
    if n_clips < _FEW_CLIPS:
        tested = f"on {n_clips} genuine clips only ({clips[0].data})" if clips else "on no clip"
        warnings.append(
            make_warning("few_clips", f"error rates for whole clips were measured {tested}")
        )
    return warnings


def _quality_messages(template: Template, gates: Gates) -> Iterator[tuple[str, str]]:
    """Compare the best image of a side with the limits."""
    images = [image for image in template.images if image.used]
    size, eyes = _best_value(images, "face_size"), _best_value(images, "eye_distance")
    sharpness, brightness = _best_value(images, "sharpness"), _best_value(images, "brightness")
    if size is not None and size < gates.min_face_size:
        yield "small_face", f"the face has {size:.0f} pixels, {gates.min_face_size:g} are needed"
    elif eyes is not None and eyes < gates.min_eye_distance:
        yield (
            "small_face",
            f"the eyes are {eyes:.0f} pixels apart, {gates.min_eye_distance:g} are needed",
        )
    if sharpness is not None and sharpness < gates.min_sharpness:
        yield "blurred", f"sharpness {sharpness:.3g}, the limit is {gates.min_sharpness:g}"
    if brightness is not None and brightness < gates.min_brightness:
        yield "low_light", f"brightness {brightness:.2f}, the limit is {gates.min_brightness:g}"
    angles = [abs(image.yaw) for image in images if image.yaw is not None]
    if angles and min(angles) > gates.max_yaw:
        yield (
            "extreme_pose",
            f"the face is turned by about {min(angles):.0f} degrees, the limit is "
            f"{gates.max_yaw:g}",
        )
    rolls = [roll for i in template.used_positions if (roll := _roll(template.matrices[i])) >= 0]
    if rolls and min(rolls) > gates.max_roll:
        yield (
            "rotated",
            f"the face is rotated by about {min(rolls):.0f} degrees, the limit is "
            f"{gates.max_roll:g}: turn the picture upright",
        )


def _roll(matrix: NDArray[np.float64]) -> float:
    """Return the degrees by which a picture was rotated to a crop, -1 if that is not known."""
    if not np.isfinite(matrix).all() or not matrix.any():
        return -1.0
    return abs(float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))))


def _best_value(images: Sequence[ImageEvidence], name: str) -> float | None:
    values = [value for image in images if (value := getattr(image, name)) is not None]
    return max(values, default=None)


def _unused_input_messages(template: Template, gates: Gates) -> Iterator[tuple[str, str]]:
    """Report the inputs that could not be used."""
    if template.side is not None and (skipped := template.side.skipped):
        yield "skipped_files", f"no pictures or videos: {_first_names(skipped)}"
    copies = [image for image in template.images if image.reason == DUPLICATE]
    if copies:
        names = list(dict.fromkeys(image.path or "a picture" for image in copies))
        yield (
            "duplicate_images",
            f"not counted, as an earlier one has the same pixels: {_first_names(names)}",
        )
    still = [image for image in template.images if image.reason == DUPLICATE_FRAME]
    if still:
        yield (
            "duplicate_frames",
            f"{len(still)} of {len(template.images)} frames show the same picture as an earlier "
            "one, and are not counted",
        )
    pictures = [i for i in template.images if i.frame is None and not i.used and i not in copies]
    if pictures:
        names = [f"{image.path or 'a picture'} ({image.reason})" for image in pictures]
        yield "unusable_images", f"left out: {_first_names(names)}"
    for source in sorted(set(template.sources.tolist())):
        frames = [
            image
            for image, number in zip(template.images, template.sources, strict=True)
            if number == source and image.frame is not None and image.reason != DUPLICATE
        ]
        n_used = sum(image.used for image in frames)
        name = (frames[0].path if frames else None) or "a clip"
        damage_of_clip = template.video_damages.get(source)
        n_frames = len(frames) + (damage_of_clip.n_lost if damage_of_clip else 0)
        message = f"{n_used} of {n_frames} frames of {name} can be used"
        if damage_of_clip:
            message += f"; {damage_of_clip.description}"
        if n_used < n_frames or damage_of_clip:
            yield "clip_partly_unusable", message
        if n_used < gates.min_usable_fraction * n_frames:
            yield "most_frames_unusable", message


def _face_choice_messages(model: JudgingModel, template: Template) -> Iterator[tuple[str, str]]:
    images = [i for i in template.images if i.used and i.n_faces is not None and i.n_faces > 1]
    if images and model.pipeline.aligner is not None:
        n = len(images)
        subject = f"{n} images show" if n > 1 else f"{images[0].path or 'an image'} shows"
        yield (
            "several_faces",
            f"{subject} several faces; one was taken by select={model.pipeline.aligner.select!r}",
        )


def _shared_input_warnings(reference: Template, probe: Template) -> Iterator[VerdictWarning]:
    """Find files and pixels that are on both sides."""
    if reference.files & probe.files:
        yield make_warning("same_file", "one file is both reference and probe")
    digests = set(reference.digests) - {None}
    if any(digest in digests for digest in probe.digests):
        yield make_warning(
            "same_pixels", "reference and probe show the same pixels: a copy, not another picture"
        )


def _first_names(names: Sequence[str]) -> str:
    ending = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + ending
