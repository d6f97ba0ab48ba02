"""Decide on the outcome of a pair of templates, given its scores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from sklearn_diffake.utils._numbers import significant
from sklearn_diffake.verdict._copies import copy_message
from sklearn_diffake.verdict._evidence import (
    GENUINE_MEANS,
    SUSPICIOUS_MEANS,
    ImageEvidence,
    ModelInfo,
    Outcome,
    VerdictWarning,
)
from sklearn_diffake.verdict._gates import Gates
from sklearn_diffake.verdict._model import JudgingModel
from sklearn_diffake.verdict._scoring import Scored
from sklearn_diffake.verdict._templates import DUPLICATE_FRAME, EMPTY, Template
from sklearn_diffake.verdict._verdict import Verdict
from sklearn_diffake.verdict._warnings import (
    hold_back,
    make_warning,
    same_video_warnings,
    warnings_of,
)

_COPIES = ("same_file", "same_pixels")  # a copy for certain


@dataclass(frozen=True, eq=False)
class Rules:
    """How outcomes are decided.

    Attributes
    ----------
    abstain : float or None
        Upper end of the band of "inconclusive"; None is the detector's, or twice the level.
    window : int or None
        Frames of a window of a clip.
    gates : Gates
    """

    abstain: float | None
    window: int | None
    gates: Gates


def decide(
    model: JudgingModel, reference: Template, probe: Template, scored: Scored, rules: Rules
) -> Verdict:
    """Decide on a pair of templates.

    Parameters
    ----------
    model : JudgingModel
    reference, probe : Template
        The reference is empty in same-video mode.
    scored : Scored
        Of them.
    rules : Rules

    Returns
    -------
    Verdict
    """
    if problem := _not_finite_reason(scored):
        return scoreless(model, reference, probe, "error", problem)
    warnings = warnings_of(model, reference, probe, rules.gates)
    warnings += _calibration_warnings(model, reference, probe, scored)
    warnings += _run_warnings(scored, rules.gates)
    warnings += _scattered_warnings(scored, rules.gates)
    warnings += _copy_warnings(model, reference, probe, warnings)
    outcome, reason = hold_back(*_decide_outcome(model, scored, rules.abstain), warnings)
    return Verdict(
        outcome=outcome,
        reason=reason,
        score=scored.score,
        threshold=scored.threshold,
        p_value=scored.p_value,
        level=scored.level,
        n_references=len(reference.used_positions),
        n_probes=len(probe.used_positions),
        category=scored.category if model.mode == "reference" else None,
        clip=scored.clip,
        images=(*reference.images, *_with_scores(probe, scored)),
        warnings=tuple(warnings),
        model=_model_info(model, scored.category),
        mode=model.mode,
    )


def scoreless(
    model: JudgingModel,
    reference: Template,
    probe: Template,
    outcome: Outcome,
    reason: str,
    warnings: Sequence[VerdictWarning] = (),
) -> Verdict:
    """Return a verdict without numbers.

    Parameters
    ----------
    model : JudgingModel
    reference, probe : Template
    outcome : {"inconclusive", "error"}
    reason : str
    warnings : sequence of VerdictWarning, default=()

    Returns
    -------
    Verdict
    """
    return Verdict(
        outcome=outcome,
        reason=reason,
        n_references=len(reference.used_positions),
        n_probes=len(probe.used_positions),
        images=(*reference.images, *probe.images),
        warnings=tuple(warnings),
        model=model.info,
        mode=model.mode,
    )


def few_frames(model: JudgingModel, clip: Template, gates: Gates) -> Verdict | None:
    """Decline to judge a clip by itself that is one frame, or for the most part a still picture.

    Parameters
    ----------
    model : JudgingModel
        Of same-video mode.
    clip : Template
        With a usable frame at least.
    gates : Gates

    Returns
    -------
    Verdict or None
        None if it can be judged.
    """
    n, n_still = len(clip.used_positions), sum(i.reason == DUPLICATE_FRAME for i in clip.images)
    if n > 1 and n >= gates.min_usable_fraction * (n + n_still):
        return None
    shows = "one frame only is usable"
    if n_still:
        shows = f"{n_still} of {n + n_still} frames show the same picture as an earlier one"
    reason = f"a clip is judged by frames that differ, and here {shows}"
    warnings = warnings_of(model, EMPTY, clip, gates)
    warnings.append(make_warning("few_frames", f"probe: {shows}"))
    return scoreless(model, EMPTY, clip, "inconclusive", reason, warnings)


def _model_info(model: JudgingModel, category: tuple[int, int] | None) -> ModelInfo:
    """Return the facts about the model, with the people that set this category's threshold."""
    if category is None:
        return model.info
    return dataclasses.replace(model.info, n_calibration=model.n_calibration(*category))


def _not_finite_reason(scored: Scored) -> str | None:
    """Return why numbers give no verdict, None if they do."""
    for name in ("score", "threshold"):
        value = getattr(scored, name)
        if not math.isfinite(value):
            return f"the model's {name} is {value}, no finite number"
    return None


def _decide_outcome(
    model: JudgingModel, scored: Scored, abstain: float | None
) -> tuple[Outcome, str]:
    genuine, suspicious = GENUINE_MEANS[model.mode], SUSPICIOUS_MEANS[model.mode]
    if scored.p_value is None or scored.level is None:
        score, threshold = significant(scored.score), significant(scored.threshold)
        if scored.score < scored.threshold:
            return "suspicious", f"{suspicious} (score {score} is below the threshold {threshold})"
        return "genuine", f"{genuine} (score {score}, threshold {threshold})"
    p, level = significant(scored.p_value), significant(scored.level)
    basis = _decided_by(scored)
    if scored.p_value <= scored.level:
        return "suspicious", f"{suspicious} (p = {p}, level {level}{basis})"
    band = abstain_band(model, scored.level, abstain)
    if scored.p_value <= band:
        return "inconclusive", (
            f"near the line: p = {p} is above the level {level}, but not above "
            f"{significant(band)}{basis.replace(';', ',')}"
        )
    return "genuine", f"{genuine} (p = {p}, level {level}{basis})"


def _decided_by(scored: Scored) -> str:
    """Return which part of a clip its p-value is that of."""
    if scored.clip is None:
        return ""
    if scored.clip.decided_by == "window" and scored.clip.worst_window is not None:
        first, last = scored.clip.worst_window
        return f"; decided by the part from {first:.1f} to {last:.1f} s"
    return "; decided by the whole clip"


def abstain_band(model: JudgingModel, level: float, abstain: float | None) -> float:
    """Return the p-value up to which a verdict is "inconclusive"; the level if there is no band."""
    if abstain is None and model.conformal is not None:
        abstain = model.conformal.abstain
    return max(level, min(1.0, 2 * level) if abstain is None else abstain)


def _calibration_warnings(
    model: JudgingModel, reference: Template, probe: Template, scored: Scored
) -> list[VerdictWarning]:
    warnings = []
    if model.few_pairs is not None:
        warnings.append(make_warning("threshold_from_few_pairs", model.few_pairs))
    if scored.category is None:
        name = type(model.pipeline.detector).__name__
        warnings.append(
            make_warning("not_calibrated", f"{name} gives no p-values; see ConformalDetector")
        )
        return warnings
    if scored.windows_untested:
        warnings.append(
            make_warning(
                "windows_not_tested",
                f"{model.n_calibration(*scored.category)} calibration people or pairs are too few "
                "to test parts of the clip, only the whole was",
            )
        )
    actual = (reference.n_sources, probe.n_sources)
    if model.mode == "same-video":
        warnings += same_video_warnings(model)
    elif actual != scored.category:
        warnings.append(
            make_warning(
                "category_not_calibrated",
                f"{_image_counts(*actual)} were not calibrated; the threshold is that of "
                f"{_image_counts(*scored.category)}",
            )
        )
    return warnings


def _run_warnings(scored: Scored, gates: Gates) -> list[VerdictWarning]:
    """Warn of a part of a clip that is suspicious by itself, though the clip may not be."""
    if scored.clip is None or scored.clip.longest_interval is None:
        return []
    if scored.n_run <= gates.max_suspicious_frames:
        return []
    first, last = scored.clip.longest_interval
    message = (
        f"probe: from {first:.1f} to {last:.1f} s {scored.n_run} frames in a row are suspicious by "
        "themselves"
    )
    return [make_warning("part_suspicious", message)]


def _scattered_warnings(scored: Scored, gates: Gates) -> list[VerdictWarning]:
    """Warn of a probe with many images that are suspicious by themselves, in any order."""
    n, n_images = scored.n_suspicious, len(scored.image_scores)
    if n <= max(gates.max_suspicious_frames, gates.max_suspicious_fraction * n_images):
        return []
    message = f"probe: {n} of {n_images} images are suspicious by themselves"
    return [make_warning("images_suspicious", message)]


def _copy_warnings(
    model: JudgingModel,
    reference: Template,
    probe: Template,
    warnings: Sequence[VerdictWarning],
) -> list[VerdictWarning]:
    """Warn of a probe that may be a copy of a reference, unless it surely is one."""
    if model.mode != "reference" or any(w.code in _COPIES for w in warnings):
        return []
    message = copy_message(model, reference, probe)
    return [] if message is None else [make_warning("possible_copy", f"probe: {message}")]


def _image_counts(k: int, m: int) -> str:
    return f"{k} reference{'s' * (k != 1)} and {m} probe{'s' * (m != 1)}"


def _with_scores(probe: Template, scored: Scored) -> list[ImageEvidence]:
    return [
        dataclasses.replace(
            image,
            score=scored.image_scores.get(position),
            p_value=scored.image_p_values.get(position),
        )
        for position, image in enumerate(probe.images)
    ]
