"""Videos in the place of photographs: some frames are judged, and their scores pooled."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ._table import Pair

Numbers = dict[str, Any]


@dataclass(frozen=True)
class FramePair(Pair):
    """A pair of photographs, either of which may be a frame of a video.

    Attributes
    ----------
    times : tuple of (float or None, float or None)
        Seconds from the start of the reference and of the probe; None for a photograph.
    """

    times: tuple[float | None, float | None] = (None, None)


@contextmanager
def unfolded(
    pairs: Sequence[Pair], model: Any, *, n_frames: int, cache: str | None, verbose: int
) -> Iterator[list[list[FramePair] | str]]:
    """Put pairs of frames in the place of videos, for a while.

    Parameters
    ----------
    pairs : sequence of Pair
        Of photographs and videos.
    model : estimator
        If it aligns faces, one person of a video is followed, and frames without a face are left
        out; else frames are taken whole, as photographs are.
    n_frames : int
        Frames of a video, evenly spaced over it.
    cache : str or None
        Folder in which frames are kept; None keeps them no longer than this lasts.
    verbose : int
        Show a progress bar for each video.

    Yields
    ------
    list
        For each pair: every combination of its frames, or what is wrong with its video.

    Raises
    ------
    ImportError
        If there are videos, and PyAV is not installed.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as spare:
        folder = os.path.join(cache or spare, "frames")
        options = {
            "cache": folder,
            "n_frames": n_frames,
            "verbose": verbose,
        }
        yield [_unfold(pair, model, options) for pair in pairs]


def pool(part: Sequence[FramePair], found: Sequence[Numbers | str]) -> Numbers | str:
    """Make one result of those of all frames: the mean, as video_level takes it.

    Parameters
    ----------
    part : sequence of FramePair
        What was judged.
    found : sequence of dict or str
        Numbers of each; or why it has none.

    Returns
    -------
    dict or str
        For photographs what was found. For videos the mean score, and under ``frames`` what was
        found in each; if no frame has a score, why.
    """
    if part[0].times == (None, None):
        return found[0]
    scores = [numbers["score"] for numbers in found if isinstance(numbers, dict)]
    if not scores:
        return found[0]
    from ..metrics import video_level

    frames: list[Numbers] = []
    for pair, numbers in zip(part, found, strict=True):
        if isinstance(numbers, str):
            numbers = {"score": None, "error": numbers}
        reference, probe = pair.times
        frames.append({"reference_time": reference, "probe_time": probe, **numbers})
    pooled = video_level(scores, ["video"] * len(scores)).score[0]
    return {"score": float(pooled), "frames": frames}


def moments(pair: FramePair) -> str:
    """Say when the frames of a pair are seen; empty for photographs."""
    sides = zip(("reference", "probe"), pair.times, strict=True)
    return " and ".join(f"{side} at {time:.2f} s" for side, time in sides if time is not None)


def least_genuine(part: Sequence[Any], row: Numbers) -> FramePair:
    """Choose, of the pairs of frames that were judged, the one whose score is lowest."""
    scores = [frame["score"] for frame in row.get("frames", [])]
    usable = [i for i, score in enumerate(scores) if score is not None]
    chosen: FramePair = part[min(usable, key=lambda i: scores[i], default=0)]
    return chosen


def _aligns(model: Any) -> bool:
    from ..faces import FaceAligner

    return any(isinstance(step, FaceAligner) for _, step in getattr(model, "steps", []))


def _unfold(pair: Pair, model: Any, options: dict[str, Any]) -> list[FramePair] | str:
    """Combine the frames of both sides."""
    from ..images.errors import VideoError

    sides = []
    for column, path in enumerate(pair.paths):
        try:
            sides.append(_frames(path, model, options))
        except VideoError as error:
            return str(error.at(column=column, path=path))
    whole = FramePair(**vars(pair))
    return [
        replace(whole, paths=(first, second), times=(then, now))
        for (first, then), (second, now) in product(*sides)
    ]


def _frames(path: Any, model: Any, options: dict[str, Any]) -> list[tuple[Any, float | None]]:
    """List pictures and their times: a photograph or template as it is, some frames of a video."""
    from ..images.formats import is_video

    if not isinstance(path, str) or not is_video(path):
        return [(path, None)]
    from ..datasets import extract_frames

    frames = extract_frames(
        path, crop="face" if _aligns(model) else None, on_damage="skip", **options
    )
    return list(zip(frames.paths, frames.times, strict=True))
