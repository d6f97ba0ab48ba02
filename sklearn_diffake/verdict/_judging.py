"""From two templates to scores, p-values and an outcome."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inspection._parts import threshold_of
from ..novelty import ConformalDetector
from ..utils._numbers import significant
from ._checks import warnings_of
from ._clips import ClipPlan, combine_clip, describe_clip, longest_run, plan_clips
from ._evidence import (
    SUSPICIOUS_MEANS,
    ClipEvidence,
    ImageEvidence,
    ModelInfo,
    Outcome,
    VerdictWarning,
)
from ._gates import Gates
from ._model import JudgingModel
from ._templates import Template
from ._verdict import Verdict
from ._warnings import CODES, make_warning

Floats = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Scored:
    """The numbers of one pair of templates.

    Attributes
    ----------
    score : float
        Of the pooled templates.
    threshold : float
    p_value, level : float or None
        None if the model gives no p-values.
    category : tuple of (int, int) or None
        For which they are calibrated.
    image_scores, image_p_values : dict of int to float
        Of each used image of the probe, by its position.
    clip : ClipEvidence or None
    windows_untested : bool
        Whether a clip has windows that the calibration does not suffice for.
    n_run : int
        Consecutive frames of a clip that are suspicious by themselves, in the longest run.
    """

    score: float
    threshold: float
    p_value: float | None
    level: float | None
    category: tuple[int, int] | None
    image_scores: dict[int, float]
    image_p_values: dict[int, float]
    clip: ClipEvidence | None = None
    windows_untested: bool = False
    n_run: int = 0


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


@dataclass(frozen=True, eq=False)
class _Block:
    """The rows of one pair of templates: pooled, then images of the probe, then windows."""

    probe: Template
    rows: list[list[Floats]]  # for each branch an array of shape (2, d)
    n_images: list[tuple[int, int]]
    positions: list[int]  # images of the probe that have a row of their own
    plan: ClipPlan | None


def score_templates(
    model: JudgingModel, pairs: Sequence[tuple[Template, Template]], window: int | None
) -> list[Scored]:
    """Score pairs of templates, and images and windows of each probe, in one pass.

    Parameters
    ----------
    model : JudgingModel
    pairs : sequence of (Template, Template)
        Each with a usable image.
    window : int or None
        Frames of a window of a clip.

    Returns
    -------
    list of Scored
    """
    if not pairs:
        return []
    blocks = [_block(model, *pair, window) for pair in pairs]
    joined = _joined_rows(model, [row for block in blocks for row in block.rows])
    scores = model.parts.score(joined)
    p_values = None
    if model.conformal is not None:
        n_images = np.array([n for block in blocks for n in block.n_images], dtype=np.intp)
        p_values = _p_values(model.conformal, joined, scores, n_images)
    scored, start = [], 0
    for block in blocks:
        rows = slice(start, start + len(block.rows))
        start = rows.stop
        if p_values is None:
            threshold = threshold_of(
                model.parts.detector, float(scores[start - 1]), joined[start - 1 : start]
            )
            scored.append(_by_threshold(block, scores[rows], threshold))
        else:
            scored.append(_by_p_values(model, block, scores[rows], p_values[rows]))
    return scored


def _block(model: JudgingModel, reference: Template, probe: Template, window: int | None) -> _Block:
    pooled, used = reference.pooled(), probe.used.tolist()
    k, m = reference.n_sources, probe.n_sources
    plan = plan_clips(model, reference, probe, window)
    positions = used if len(used) > 1 else []
    parts = [probe.pooled()]
    parts += [[part[i] for part in probe.embeddings] for i in positions]
    parts += [probe.pooled(window) for window in (plan.windows if plan else [])]
    rows = [[np.stack(pair) for pair in zip(pooled, part, strict=True)] for part in parts]
    return _Block(probe, rows, [(k, m), *[(k, 1)] * (len(rows) - 1)], positions, plan)


def _joined_rows(model: JudgingModel, rows: Sequence[Sequence[Floats]]) -> Any:
    """Return what the detector is given for pairs of embeddings."""
    embeddings = [np.stack(pairs) for pairs in zip(*rows, strict=True)]
    return model.parts.join(model.parts.features_of(embeddings))


def _p_values(
    detector: ConformalDetector, rows: Any, scores: Floats, n_images: NDArray[np.intp]
) -> Floats:
    if detector.category_scores_:
        return detector.p_of_scores(scores, n_images)
    return detector.p_values(rows, n_images=n_images)  # "cv+" compares several scores


def _of_images(block: _Block, values: Floats) -> dict[int, float]:
    """Return the values of images by their position; of a single one that of the pair."""
    if not block.positions:
        return {int(block.probe.used[0]): float(values[0])}
    n = len(block.positions)
    return dict(zip(block.positions, values[1 : 1 + n].tolist(), strict=True))


def _of_windows(block: _Block, values: Floats) -> list[float]:
    return values[1 + len(block.positions) :].tolist()


def _by_threshold(block: _Block, scores: Floats, threshold: float) -> Scored:
    """Collect the numbers of a model without p-values."""
    of_images, clip, n_run = _of_images(block, scores), None, 0
    if block.plan is not None:
        below = float(np.nextafter(threshold, -np.inf))
        windows = _of_windows(block, scores)
        clip = describe_clip(block.probe, block.plan, of_images, below, windows, None, None)
        n_run = longest_run(block.plan, of_images, below)
    whole = float(scores[0])
    return Scored(whole, threshold, None, None, None, of_images, {}, clip, n_run=n_run)


def _by_p_values(model: JudgingModel, block: _Block, scores: Floats, p: Floats) -> Scored:
    detector = model.conformal
    assert detector is not None
    k, m = block.n_images[0]
    of_images = _of_images(block, p)
    scored = Scored(
        score=float(scores[0]),
        threshold=detector.threshold_of(k, m),
        p_value=float(p[0]),
        level=detector.level_of(k, m),
        category=detector.category_of(k, m),
        image_scores=_of_images(block, scores),
        image_p_values=of_images,
    )
    if block.plan is None:
        return scored
    windows = _of_windows(block, p)
    combined = combine_clip(model, block.plan, (k, m), float(p[0]), windows)
    line = detector.level_of(k, 1)
    whole = float(p[0])
    clip = describe_clip(block.probe, block.plan, of_images, line, windows, combined, whole)
    scored = dataclasses.replace(scored, clip=clip, n_run=longest_run(block.plan, of_images, line))
    if not combined.windows_tested:
        return dataclasses.replace(scored, windows_untested=bool(windows))
    return dataclasses.replace(
        scored,
        threshold=detector.threshold_of(k, m, level=combined.level_whole),
        p_value=combined.p_value,
    )


def decide(
    model: JudgingModel, reference: Template, probe: Template, scored: Scored, rules: Rules
) -> Verdict:
    """Decide on a pair of templates.

    Parameters
    ----------
    model : JudgingModel
    reference, probe : Template
    scored : Scored
        Of them.
    rules : Rules

    Returns
    -------
    Verdict
    """
    if problem := _not_finite(scored):
        return Verdict(
            outcome="error",
            reason=problem,
            n_references=len(reference.used),
            n_probes=len(probe.used),
            images=(*reference.images, *probe.images),
            model=model.info,
        )
    warnings = warnings_of(model, reference, probe, rules.gates)
    warnings += _calibration_warnings(model, reference, probe, scored)
    warnings += _part_warnings(scored, rules.gates)
    outcome, reason = _outcome(model, scored, rules.abstain)
    gating = [warning for warning in warnings if CODES[warning.code].is_gate]
    if outcome == "genuine" and gating:
        outcome = "inconclusive"
        reason = f"held back, though {reason}: {gating[0].message}"
    return Verdict(
        outcome=outcome,
        reason=reason,
        score=scored.score,
        threshold=scored.threshold,
        p_value=scored.p_value,
        level=scored.level,
        n_references=len(reference.used),
        n_probes=len(probe.used),
        category=scored.category,
        clip=scored.clip,
        images=(*reference.images, *_with_scores(probe, scored)),
        warnings=tuple(warnings),
        model=_info(model, scored.category),
    )


def _info(model: JudgingModel, category: tuple[int, int] | None) -> ModelInfo:
    """Return what is known of the model, with the people that set this category's threshold."""
    if category is None:
        return model.info
    return dataclasses.replace(model.info, n_calibration=model.n_calibration(*category))


def _not_finite(scored: Scored) -> str | None:
    """Return why numbers give no verdict, None if they do."""
    for name in ("score", "threshold"):
        value = getattr(scored, name)
        if not math.isfinite(value):
            return f"the model's {name} is {value}, no finite number"
    return None


def _outcome(model: JudgingModel, scored: Scored, abstain: float | None) -> tuple[Outcome, str]:
    if scored.p_value is None or scored.level is None:
        score, threshold = significant(scored.score), significant(scored.threshold)
        if scored.score < scored.threshold:
            return "suspicious", (
                f"{SUSPICIOUS_MEANS} (score {score} is below the threshold {threshold})"
            )
        return "genuine", (
            f"like genuine pairs of one person (score {score}, threshold {threshold})"
        )
    p, level = significant(scored.p_value), significant(scored.level)
    basis = _basis(scored)
    if scored.p_value <= scored.level:
        return "suspicious", f"{SUSPICIOUS_MEANS} (p = {p}, level {level}{basis})"
    band = abstain_band(model, scored.level, abstain)
    if scored.p_value <= band:
        return "inconclusive", (
            f"near the line: p = {p} is above the level {level}, but not above "
            f"{significant(band)}{basis.replace(';', ',')}"
        )
    return "genuine", f"like genuine pairs of one person (p = {p}, level {level}{basis})"


def _basis(scored: Scored) -> str:
    """Say which part of a clip its p-value is that of."""
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
        name = type(model.parts.detector).__name__
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
    if actual != scored.category:
        warnings.append(
            make_warning(
                "category_not_calibrated",
                f"{_counts(*actual)} were not calibrated; the threshold is that of "
                f"{_counts(*scored.category)}",
            )
        )
    return warnings


def _part_warnings(scored: Scored, gates: Gates) -> list[VerdictWarning]:
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


def _counts(k: int, m: int) -> str:
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
