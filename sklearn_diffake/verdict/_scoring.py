"""Scores and p-values of pairs of templates, and of the images and windows of their probes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.inspection._split_pipeline import threshold_of
from sklearn_diffake.novelty import ConformalDetector
from sklearn_diffake.novelty._p_values import SINGLE
from sklearn_diffake.verdict._clips import (
    ClipPlan,
    combine_clip,
    describe_clip,
    longest_run,
    plan_clips,
)
from sklearn_diffake.verdict._evidence import ClipEvidence
from sklearn_diffake.verdict._model import JudgingModel
from sklearn_diffake.verdict._templates import Template

Floats = NDArray[Any]
Positions = NDArray[np.intp]

#: Frames with which each frame of a clip is paired in same-video mode: 8, as in DiffFake.
N_PARTNERS = 8


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
    n_suspicious : int
        Used images of a probe of several that are suspicious by themselves.
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
    n_suspicious: int = 0


@dataclass(frozen=True, eq=False)
class _Block:
    """The rows of one pair of templates, and the values that are means of their scores.

    The first value is that of the whole, then come images of the probe, then windows.
    """

    probe: Template
    rows: list[Floats]  # for each branch an array of shape (n, 2, d)
    means: list[Positions]  # for each value the rows it is the mean of
    n_images: list[tuple[int, int]]  # of each value
    positions: list[int]  # images of the probe that have a value of their own
    plan: ClipPlan | None

    @property
    def n_rows(self) -> int:
        return len(self.rows[0])

    def values(self, scores: Floats) -> Floats:
        """Return the values for the scores of the rows."""
        return np.array([scores[rows].mean() for rows in self.means])


def score_templates(
    model: JudgingModel, pairs: Sequence[tuple[Template, Template]], window: int | None
) -> list[Scored]:
    """Score pairs of templates, and images and windows of each probe, in one pass.

    Parameters
    ----------
    model : JudgingModel
    pairs : sequence of (Template, Template)
        Each with a usable image; in same-video mode the first is empty, and the second a clip with
        two usable frames or more.
    window : int or None
        Frames of a window of a clip.

    Returns
    -------
    list of Scored
    """
    if not pairs:
        return []
    blocks = [_block(model, *pair, window) for pair in pairs]
    branches = zip(*(block.rows for block in blocks), strict=True)
    rows = model.pipeline.detector_rows([np.concatenate(arrays) for arrays in branches])
    scores = model.pipeline.score(rows)
    stops = np.cumsum([block.n_rows for block in blocks]).tolist()
    values = [
        block.values(scores[stop - block.n_rows : stop])
        for block, stop in zip(blocks, stops, strict=True)
    ]
    if model.conformal is None:
        thresholds = [
            threshold_of(model.pipeline.detector, float(scores[stop - 1]), rows[stop - 1 : stop])
            for stop in stops
        ]
        return [
            _scored_by_threshold(*block) for block in zip(blocks, values, thresholds, strict=True)
        ]
    n_images = np.array([n for block in blocks for n in block.n_images], dtype=np.intp)
    p_values = _p_values(model.conformal, rows, np.concatenate(values), n_images)
    ends = np.cumsum([len(block.means) for block in blocks])[:-1]
    numbers = zip(blocks, values, np.split(p_values, ends), strict=True)
    return [_scored_by_p_values(model, *block) for block in numbers]


def _block(model: JudgingModel, reference: Template, probe: Template, window: int | None) -> _Block:
    if model.mode == "same-video":
        return _clip_block(model, probe, window)
    pooled, used_positions = reference.pooled(), probe.used_positions.tolist()
    k, m = reference.n_sources, probe.n_sources
    plan = plan_clips(model, (k, m), probe, window)
    positions = used_positions if len(used_positions) > 1 else []
    probes = [probe.pooled()]
    probes += [[embeddings[i] for embeddings in probe.embeddings] for i in positions]
    probes += [probe.pooled(frames) for frames in (plan.windows if plan else [])]
    rows = [
        np.stack([np.stack([first, second[branch]]) for second in probes])
        for branch, first in enumerate(pooled)
    ]
    means = list(np.arange(len(probes)).reshape(-1, 1))
    return _Block(probe, rows, means, [(k, m), *[(k, 1)] * (len(probes) - 1)], positions, plan)


def _clip_block(model: JudgingModel, clip: Template, window: int | None) -> _Block:
    """Pair each frame of a clip with some of the others.

    The value of a frame is the mean over its pairs, that of a window and of the whole the mean over
    their frames. Every frame comes equally often in both columns.
    """
    positions = clip.used_positions
    plan = plan_clips(model, SINGLE, clip, window)
    assert plan is not None
    n = len(positions)
    lags = np.unique(np.linspace(1, n - 1, min(N_PARTNERS, n - 1)).round().astype(np.intp))
    frames = np.repeat(np.arange(n), len(lags))
    partners = (frames + np.tile(lags, n)) % n
    rows = [
        np.stack([embeddings[positions[partners]], embeddings[positions[frames]]], axis=1)
        for embeddings in clip.embeddings
    ]
    rows_of = np.arange(len(frames)).reshape(n, -1)
    windows = [rows_of[np.isin(positions, window)].ravel() for window in plan.windows]
    means = [rows_of.ravel(), *rows_of, *windows]
    return _Block(clip, rows, means, [SINGLE] * len(means), positions.tolist(), plan)


def _p_values(
    detector: ConformalDetector, rows: Any, scores: Floats, n_images: NDArray[np.intp]
) -> Floats:
    if detector.category_scores_:
        return detector.p_of_scores(scores, n_images)
    return detector.p_values(rows, n_images=n_images)  # "cv+" compares several scores


def _image_values(block: _Block, values: Floats) -> dict[int, float]:
    """Return the values of images by their position; of a single one that of the pair."""
    if not block.positions:
        return {int(block.probe.used_positions[0]): float(values[0])}
    n = len(block.positions)
    return dict(zip(block.positions, values[1 : 1 + n].tolist(), strict=True))


def _n_suspicious(block: _Block, image_values: dict[int, float], line: float) -> int:
    """Count the images that are at most a line; one image is the probe, which has its own line."""
    return sum(image_values[position] <= line for position in block.positions)


def _window_values(block: _Block, values: Floats) -> list[float]:
    return values[1 + len(block.positions) :].tolist()


def _scored_by_threshold(block: _Block, scores: Floats, threshold: float) -> Scored:
    """Collect the numbers of a model without p-values."""
    image_values, clip, n_run = _image_values(block, scores), None, 0
    below = float(np.nextafter(threshold, -np.inf))
    n_suspicious = _n_suspicious(block, image_values, below)
    if block.plan is not None:
        windows = _window_values(block, scores)
        clip = describe_clip(block.probe, block.plan, image_values, below, windows, None, None)
        n_run = longest_run(block.plan, image_values, below)
    score = float(scores[0])
    return Scored(
        score,
        threshold,
        None,
        None,
        None,
        image_values,
        {},
        clip,
        n_run=n_run,
        n_suspicious=n_suspicious,
    )


def _scored_by_p_values(model: JudgingModel, block: _Block, scores: Floats, p: Floats) -> Scored:
    detector = model.conformal
    assert detector is not None
    k, m = block.n_images[0]
    image_values, line = _image_values(block, p), detector.level_of(k, 1)
    scored = Scored(
        score=float(scores[0]),
        threshold=detector.threshold_of(k, m),
        p_value=float(p[0]),
        level=detector.level_of(k, m),
        category=detector.category_of(k, m),
        image_scores=_image_values(block, scores),
        image_p_values=image_values,
        n_suspicious=_n_suspicious(block, image_values, line),
    )
    if block.plan is None:
        return scored
    windows = _window_values(block, p)
    p_value = float(p[0])
    combined = combine_clip(model, block.plan, (k, m), p_value, windows)
    clip = describe_clip(block.probe, block.plan, image_values, line, windows, combined, p_value)
    scored = dataclasses.replace(
        scored, clip=clip, n_run=longest_run(block.plan, image_values, line)
    )
    if not combined.windows_tested:
        return dataclasses.replace(scored, windows_untested=bool(windows))
    return dataclasses.replace(
        scored,
        threshold=detector.threshold_of(k, m, level=combined.level_whole),
        p_value=combined.p_value,
    )
