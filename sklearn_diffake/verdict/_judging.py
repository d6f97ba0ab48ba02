"""From two templates to scores, p-values and an outcome."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..inspection._parts import threshold_of
from ..utils._numbers import significant
from ._checks import warnings_of
from ._gates import Gates
from ._model import JudgingModel
from ._templates import Template
from ._verdict import SUSPICIOUS_MEANS, ImageEvidence, Outcome, Verdict, VerdictWarning
from ._warnings import CODES, make_warning


@dataclass(frozen=True, eq=False)
class Scored:
    """The numbers of one pair of templates.

    Attributes
    ----------
    score : float
        Of the pooled templates.
    p_value : float or None
        None if the model gives none.
    category : tuple of (int, int) or None
        For which the p-value is calibrated.
    level, threshold : float
        Level is None if the model gives no p-values.
    image_scores, image_p_values : dict of int to float
        Of each used image of the probe, by its position.
    """

    score: float
    p_value: float | None
    category: tuple[int, int] | None
    level: float | None
    threshold: float
    image_scores: dict[int, float]
    image_p_values: dict[int, float]


@dataclass(frozen=True, eq=False)
class Rules:
    """How outcomes are decided.

    Attributes
    ----------
    abstain : float or None
        Upper end of the band of "inconclusive"; None is the detector's, or twice the level.
    gates : Gates
    """

    abstain: float | None
    gates: Gates


def score_pairs_of_templates(
    model: JudgingModel, pairs: Sequence[tuple[Template, Template]]
) -> list[Scored]:
    """Score pairs of templates, and each image of a probe by itself, in one pass.

    Parameters
    ----------
    model : JudgingModel
    pairs : sequence of (Template, Template)
        Each with a usable image.

    Returns
    -------
    list of Scored
    """
    if not pairs:
        return []
    rows = [_rows(*pair) for pair in pairs]
    scores, p_values, last_row = _score(model, [row for block in rows for row in block.rows], rows)
    scored, start = [], 0
    for block in rows:
        stop = start + len(block.rows)
        scored.append(_gather(model, block, scores[start:stop], p_values[start:stop], last_row))
        start = stop
    return scored


@dataclass(frozen=True, eq=False)
class _Block:
    """The rows of one pair of templates: pooled first, then the images of the probe."""

    rows: list[list[NDArray[np.float32]]]  # for each branch an array of shape (2, d)
    n_images: list[tuple[int, int]]
    positions: list[int]  # of the images of the probe, one for each row after the first


def _rows(reference: Template, probe: Template) -> _Block:
    pooled, used = reference.pooled(), probe.used
    k, m = reference.n_sources, probe.n_sources
    rows = [_pair(pooled, probe.pooled())]
    n_images = [(k, m)]
    alone = used.tolist() if len(used) > 1 else []
    for position in alone:
        rows.append(_pair(pooled, [part[position] for part in probe.embeddings]))
        n_images.append((k, 1))
    return _Block(rows, n_images, alone or used.tolist())


def _pair(
    reference: Sequence[NDArray[np.float32]], probe: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    return [np.stack(pair) for pair in zip(reference, probe, strict=True)]


def _score(
    model: JudgingModel, rows: Sequence[Sequence[NDArray[np.float32]]], blocks: Sequence[_Block]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return scores and p-values of rows, and the last row as the detector is given it."""
    parts = model.parts
    features = [
        branch.features(np.stack([row[i] for row in rows]))
        for i, branch in enumerate(parts.branches)
    ]
    joined = parts.join(features)
    scores = parts.score(joined)
    p_values = np.full(len(scores), np.nan)
    if model.conformal is not None:
        n_images = np.array([n for block in blocks for n in block.n_images], dtype=np.intp)
        p_values = model.conformal.p_values(joined, n_images=n_images)
    return scores, p_values, joined[-1:]


def _gather(
    model: JudgingModel,
    block: _Block,
    scores: NDArray[np.float64],
    p_values: NDArray[np.float64],
    last_row: NDArray[np.float64],
) -> Scored:
    alone = slice(1, None) if len(scores) > 1 else slice(0, 1)
    image_scores = dict(zip(block.positions, scores[alone].tolist(), strict=True))
    conformal = model.conformal
    if conformal is None:
        threshold = threshold_of(model.parts.detector, float(scores[-1]), last_row)
        return Scored(float(scores[0]), None, None, None, threshold, image_scores, {})
    k, m = block.n_images[0]
    return Scored(
        float(scores[0]),
        float(p_values[0]),
        conformal.category_of(k, m),
        conformal.level_of(k, m),
        conformal.threshold_of(k, m),
        image_scores,
        dict(zip(block.positions, p_values[alone].tolist(), strict=True)),
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
    warnings = warnings_of(model, reference, probe, rules.gates)
    warnings += _calibration_warnings(model, reference, probe, scored)
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
        images=(*reference.images, *_with_scores(probe, scored)),
        warnings=tuple(warnings),
        model=model.info,
    )


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
    if scored.p_value <= scored.level:
        return "suspicious", f"{SUSPICIOUS_MEANS} (p = {p}, level {level})"
    band = abstain_band(model, scored.level, abstain)
    if scored.p_value <= band:
        return "inconclusive", (
            f"near the line: p = {p} is above the level {level}, and not above {significant(band)}"
        )
    return "genuine", f"like genuine pairs of one person (p = {p}, level {level})"


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
