"""What the images of a verdict give reason to be careful of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..novelty._p_values import SINGLE
from ..utils._numbers import percent
from ._evidence import ImageEvidence, VerdictWarning
from ._gates import Gates
from ._model import JudgingModel
from ._templates import DUPLICATE, DUPLICATE_FRAME, Template
from ._warnings import make_warning

_MOST_MISSED = 0.5  # of altered test images; more are a warning
_FEW_CLIPS = 30  # genuine test clips; fewer are a warning


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
        found = [*_of_quality(template, gates), *_of_losses(template, gates)]
        found += _of_choice(model, template)
        warnings += [make_warning(code, f"{name}: {message}") for code, message in found]
    if model.mode == "same-video":
        return warnings
    if len(reference.used) < gates.min_references:
        n = len(reference.used)
        warnings.append(
            make_warning(
                "few_images",
                f"the reference is {n} image{'s' * (n != 1)}; more of other occasions make fewer "
                "errors",
            )
        )
    return warnings + list(_of_identity(reference, probe))


def same_video_warnings(model: JudgingModel) -> list[VerdictWarning]:
    """Say how little p-values and outcomes of same-video mode rest on.

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


def _of_quality(template: Template, gates: Gates) -> Iterator[tuple[str, str]]:
    """Compare the best image of a side with the limits."""
    used = [image for image in template.images if image.used]
    size, eyes = _best(used, "face_size"), _best(used, "eye_distance")
    sharpness, brightness = _best(used, "sharpness"), _best(used, "brightness")
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
    turns = [abs(image.yaw) for image in used if image.yaw is not None]
    if turns and min(turns) > gates.max_yaw:
        yield (
            "extreme_pose",
            f"the head is turned by about {min(turns):.0f} degrees, the limit is {gates.max_yaw:g}",
        )


def _best(images: Sequence[ImageEvidence], name: str) -> float | None:
    values = [value for image in images if (value := getattr(image, name)) is not None]
    return max(values, default=None)


def _of_losses(template: Template, gates: Gates) -> Iterator[tuple[str, str]]:
    """Report what was given and could not be used."""
    if template.side is not None and (skipped := template.side.skipped):
        yield "skipped_files", f"no pictures or videos: {_named(skipped)}"
    copies = [image for image in template.images if image.reason == DUPLICATE]
    if copies:
        names = list(dict.fromkeys(image.path or "a picture" for image in copies))
        yield (
            "duplicate_images",
            f"not counted, as an earlier one has the same pixels: {_named(names)}",
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
        yield "unusable_images", f"left out: {_named(names)}"
    for source in sorted(set(template.sources.tolist())):
        frames = [
            image
            for image, number in zip(template.images, template.sources, strict=True)
            if number == source and image.frame is not None and image.reason != DUPLICATE
        ]
        n_used, name = sum(image.used for image in frames), _path_of(frames)
        damage = template.damages.get(source)
        n_frames = len(frames) + (damage.n_lost if damage else 0)
        message = f"{n_used} of {n_frames} frames of {name} can be used"
        if damage:
            message += f"; {damage.description}"
        if n_used < n_frames or damage:
            yield "clip_partly_unusable", message
        if n_used < gates.min_usable_fraction * n_frames:
            yield "most_frames_unusable", message


def _path_of(frames: Sequence[ImageEvidence]) -> str:
    return (frames[0].path if frames else None) or "a clip"


def _of_choice(model: JudgingModel, template: Template) -> Iterator[tuple[str, str]]:
    several = [i for i in template.images if i.used and i.n_faces is not None and i.n_faces > 1]
    if several and model.parts.aligner is not None:
        n = len(several)
        subject = f"{n} images show" if n > 1 else f"{several[0].path or 'an image'} shows"
        yield (
            "several_faces",
            f"{subject} several faces; one was taken by select={model.parts.aligner.select!r}",
        )


def _of_identity(reference: Template, probe: Template) -> Iterator[VerdictWarning]:
    """Find what is on both sides."""
    if reference.files & probe.files:
        yield make_warning("same_file", "one file is both reference and probe")
    digests = set(reference.digests) - {None}
    if any(digest in digests for digest in probe.digests):
        yield make_warning(
            "same_pixels", "reference and probe show the same pixels: a copy, not another picture"
        )


def _named(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
