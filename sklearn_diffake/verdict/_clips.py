"""The evidence of clips: the windows of frames to score, and the p-values combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.novelty._clip_evidence import (
    ClipPValue,
    combine,
    fraction_below,
    longest_interval,
    most_windows,
    windows_of,
)
from sklearn_diffake.verdict._evidence import ClipEvidence
from sklearn_diffake.verdict._model import JudgingModel
from sklearn_diffake.verdict._templates import Template

Positions = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class ClipPlan:
    """Which frames of a probe are judged together, decided before any score is known.

    Attributes
    ----------
    clips : list of ndarray
        Positions of the used frames of each clip that has two or more.
    windows : list of ndarray
        Positions of the frames of each window.
    max_windows : int
        Windows that may be tested.
    """

    clips: list[Positions]
    windows: list[Positions]
    max_windows: int


def plan_clips(
    model: JudgingModel, n_sources: tuple[int, int], probe: Template, window: int | None
) -> ClipPlan | None:
    """Choose the windows of the clips of a probe.

    Parameters
    ----------
    model : JudgingModel
    n_sources : tuple of (int, int)
        Reference and probe sources.
    probe : Template
    window : int or None
        Frames of a window. In reference mode longer ones are taken if the calibration allows fewer
        windows; in same-video mode windows are then not tested: calibrations on clips are small,
        and few long windows would cost half of the level for next to nothing.

    Returns
    -------
    ClipPlan or None
        None if no clip has two usable frames.
    """
    frames = [i for i in probe.used_positions.tolist() if probe.images[i].frame is not None]
    numbers = probe.sources[frames]
    positions = [np.array(frames, dtype=np.intp)[numbers == n] for n in np.unique(numbers)]
    clips = [clip for clip in positions if len(clip) > 1]
    if not clips:
        return None
    max_windows = _most_windows(model, *n_sources)
    per_clip = max_windows // len(clips)
    may_lengthen = model.mode == "reference" and per_clip > 1
    limit = per_clip if may_lengthen else None  # without a limit they are shown, but not tested
    windows = [
        clip[first:stop]
        for clip in clips
        for first, stop in windows_of(len(clip), length=window, max_windows=limit).tolist()
    ]
    return ClipPlan(clips, windows, max_windows)


def _most_windows(model: JudgingModel, k: int, m: int) -> int:
    detector = model.conformal
    if detector is None or not detector.category_scores_:  # "cv+" has no threshold of half a level
        return 0
    return most_windows(model.n_calibration(k, 1), detector.level_of(k, m))


def combine_clip(
    model: JudgingModel,
    plan: ClipPlan,
    n_sources: tuple[int, int],
    p_whole: float,
    window_p: Sequence[float],
) -> ClipPValue:
    """Combine the p-values of a whole clip and of its windows.

    Parameters
    ----------
    model : JudgingModel
        One with p-values.
    plan : ClipPlan
    n_sources : tuple of (int, int)
        Reference and probe sources.
    p_whole : float
    window_p : sequence of float
        One for each window.

    Returns
    -------
    ClipPValue
    """
    assert model.conformal is not None
    level = model.conformal.level_of(*n_sources)
    tested = window_p if len(window_p) <= plan.max_windows else []
    return combine(p_whole, tested, model.n_calibration(n_sources[0], 1), level)


def describe_clip(
    probe: Template,
    plan: ClipPlan,
    values: dict[int, float],
    line: float,
    window_values: Sequence[float],
    combined: ClipPValue | None,
    p_whole: float | None,
) -> ClipEvidence:
    """Put together the evidence of the frames of clips.

    Parameters
    ----------
    probe : Template
    plan : ClipPlan
    values : dict of int to float
        P-value of each frame, by its position; scores, if the model gives no p-values.
    line : float
        Frames with at most this value are below.
    window_values : sequence of float
        The same of each window.
    combined : ClipPValue or None
    p_whole : float or None

    Returns
    -------
    ClipEvidence
    """
    frames = np.concatenate(plan.clips)
    runs = [
        run
        for clip in plan.clips
        if (run := longest_interval([values[i] for i in clip], _times(probe, clip), line))
    ]
    worst = plan.windows[int(np.argmin(window_values))] if plan.windows else None
    return ClipEvidence(
        n_frames=len(frames),
        fraction_below=fraction_below([values[i] for i in frames], line),
        longest_interval=max(runs, key=lambda run: run[1] - run[0], default=None),
        worst_window=None if worst is None else _span(probe, worst),
        n_windows=len(plan.windows),
        p_value_whole=p_whole,
        p_value_worst_window=None if combined is None else combined.p_worst,
        decided_by=None if combined is None else combined.decided_by,
    )


def longest_run(plan: ClipPlan, values: dict[int, float], line: float) -> int:
    """Count the frames of the longest run of consecutive ones that are below a line.

    Parameters
    ----------
    plan : ClipPlan
    values : dict of int to float
        P-value or score of each frame, by its position.
    line : float
        Frames with at most this value are below.

    Returns
    -------
    int
    """
    longest = 0
    for clip in plan.clips:
        run = 0
        for position in clip.tolist():
            run = run + 1 if values[position] <= line else 0
            longest = max(longest, run)
    return longest


def _times(probe: Template, positions: Positions) -> list[float]:
    return [probe.images[i].time or 0.0 for i in positions.tolist()]


def _span(probe: Template, positions: Positions) -> tuple[float, float]:
    times = _times(probe, positions)
    return times[0], times[-1]
