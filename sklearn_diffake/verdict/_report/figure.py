"""Pictures and the timeline of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sklearn_diffake.inspection._report.page import picture_png
from sklearn_diffake.inspection._report.text import number
from sklearn_diffake.verdict._evidence import ClipEvidence, ImageEvidence, VerdictData
from sklearn_diffake.verdict._report.sources import Picture

_WIDTH, _HEIGHT = 960, 300  # of a timeline, in the units of its drawing
_MARGIN_LEFT, _MARGIN_RIGHT, _MARGIN_TOP, _MARGIN_BOTTOM = 70, 20, 20, 56
_AROUND = 2.2  # shown around a face, in sides of its box
_STRIP = 26  # above the axis of time, for marks that are no score
_TICKS = 6  # at most, on an axis


@dataclass(frozen=True)
class FramePoint:
    """One frame in a timeline.

    Parameters
    ----------
    x, y : float
        Position in the drawing.
    below : bool
        Whether the frame alone is as unusual as the level allows.
    label : str
        Shown by a browser that points at it.
    """

    x: float
    y: float
    below: bool
    label: str


@dataclass(frozen=True)
class Tick:
    """A line across an axis, and its number."""

    position: float
    text: str


@dataclass(frozen=True)
class Timeline:
    """The frames of a clip over time, ready to be drawn.

    Parameters
    ----------
    points : list of FramePoint
        Frames used.
    missing : list of float
        Where frames that were not used are, along the axis of time.
    threshold : float or None
        Height of the threshold.
    window, interval : tuple of (float, float) or None
        Ends of the worst window, and of the longest run of frames below, along the axis of time.
    x_ticks, y_ticks : list of Tick
    unit : str
        Of the axis of time.
    """

    points: list[FramePoint]
    missing: list[float]
    threshold: float | None
    window: tuple[float, float] | None
    interval: tuple[float, float] | None
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    unit: str
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _MARGIN_LEFT
    right: int = _WIDTH - _MARGIN_RIGHT
    top: int = _MARGIN_TOP
    bottom: int = _HEIGHT - _MARGIN_BOTTOM


def boxed_png(picture: Picture, image: ImageEvidence, *, side: int, zoom: bool = False) -> bytes:
    """Draw a box around the face of a picture.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8
    image : ImageEvidence
        Without a box, nothing is drawn.
    side : int
        Pixels of the longer side at most.
    zoom : bool, default=False
        Show the surroundings of the face instead of the whole picture.

    Returns
    -------
    bytes
        PNG.
    """
    from PIL import Image, ImageDraw

    height, width = picture.shape[:2]
    view = (0, 0, width, height)
    if zoom and image.box is not None:
        view = _surroundings(image.box, width, height)
    drawing = Image.fromarray(np.ascontiguousarray(picture[view[1] : view[3], view[0] : view[2]]))
    scale = min(1.0, side / max(drawing.size))
    drawing = drawing.resize([max(1, round(extent * scale)) for extent in drawing.size])
    if image.box is not None:
        corners = [
            (value - view[axis % 2]) * scale for axis, value in enumerate(sorted_box(image.box))
        ]
        pen = ImageDraw.Draw(drawing)
        for color, thickness in (("white", 5), ("black", 2)):
            pen.rectangle(corners, outline=color, width=thickness)
    return picture_png(np.asarray(drawing), side)


def sorted_box(box: Sequence[float]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom, sorted so that they can be drawn."""
    left, top, right, bottom = box
    return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


def _surroundings(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """Return the square around a face, within the picture; the whole picture if that is empty."""
    left, top, right, bottom = sorted_box(box)
    half = max(right - left, bottom - top) * _AROUND / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    view = (
        max(0, math.floor(x - half)),
        max(0, math.floor(y - half)),
        min(width, math.ceil(x + half)),
        min(height, math.ceil(y + half)),
    )
    return view if view[0] < view[2] and view[1] < view[3] else (0, 0, width, height)


def is_below(image: ImageEvidence, verdict: VerdictData) -> bool:
    """Whether an image alone is as unusual as the level of the verdict allows."""
    if image.p_value is not None and verdict.level is not None:
        return image.p_value <= verdict.level
    if image.score is not None and verdict.threshold is not None:
        return image.score < verdict.threshold
    return False


def timeline(
    images: Sequence[ImageEvidence], verdict: VerdictData, clip: ClipEvidence | None
) -> Timeline | None:
    """Lay out the frames of a clip over time.

    Parameters
    ----------
    images : sequence of ImageEvidence
        All frames of one clip.
    verdict : VerdictData
    clip : ClipEvidence or None
        With the intervals to show; None shows none.

    Returns
    -------
    Timeline or None
        None if fewer than two frames have a score.
    """
    seconds = all(image.time is not None for image in images)
    times = [float((image.time if seconds else image.frame) or 0.0) for image in images]
    scored = [
        (time, image) for time, image in zip(times, images, strict=True) if image.score is not None
    ]
    if len(scored) < 2:
        return None
    scores = [float(image.score) for _, image in scored if image.score is not None]
    limits = scores if verdict.threshold is None else [*scores, verdict.threshold]
    across = _Scale(min(times), max(times), _MARGIN_LEFT, _WIDTH - _MARGIN_RIGHT, margin=0.02)
    up = _Scale(
        min(limits), max(limits), _HEIGHT - _MARGIN_BOTTOM - _STRIP, _MARGIN_TOP, margin=0.08
    )
    intervals = clip if seconds else None
    return Timeline(
        points=[
            FramePoint(
                across(time), up(score), is_below(image, verdict), _frame_label(image, score)
            )
            for (time, image), score in zip(scored, scores, strict=True)
        ],
        missing=[
            across(time) for time, image in zip(times, images, strict=True) if image.score is None
        ],
        threshold=None if verdict.threshold is None else up(verdict.threshold),
        window=across.ends(intervals.worst_window) if intervals else None,
        interval=across.ends(intervals.longest_interval) if intervals else None,
        x_ticks=across.ticks(),
        y_ticks=up.ticks(),
        unit="seconds" if seconds else "number of the frame",
    )


def _frame_label(image: ImageEvidence, score: float) -> str:
    moment = f"frame {image.frame}" if image.time is None else f"{image.time:.2f} s"
    return f"{moment}: score {number(score)}"


class _Scale:
    """Map numbers to positions along an axis."""

    def __init__(
        self, low: float, high: float, start: float, end: float, *, margin: float = 0.0
    ) -> None:
        padding = (high - low) * margin or (0.0 if high > low else 0.5)
        self.low, self.high = low - padding, high + padding
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        fraction = (value - self.low) / (self.high - self.low)
        return round(self.start + fraction * (self.end - self.start), 1)

    def ends(self, interval: tuple[float, float] | None) -> tuple[float, float] | None:
        """Return where an interval begins and ends, at least 4 units apart, within the axis."""
        if interval is None:
            return None
        low, high = (self(min(max(value, self.low), self.high)) for value in interval)
        return (low, high) if high - low >= 4 else (low - 2, high + 2)

    def ticks(self) -> list[Tick]:
        """Return round numbers within the axis."""
        step = _round_step((self.high - self.low) / _TICKS)
        digits = max(0, -math.floor(math.log10(step)))
        values = np.arange(math.ceil(self.low / step - 1e-9), self.high / step + 1e-9) * step
        return [
            Tick(self(value), f"{value + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}"))
            for value in values.tolist()
        ]


def _round_step(minimum: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is not less."""
    power = 10.0 ** math.floor(math.log10(minimum))
    return next(
        factor * power for factor in (1, 2, 5, 10) if factor * power >= minimum * (1 - 1e-9)
    )
