"""Draw the evidence of a clip on its frames, with Pillow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.utils._colors import BLUE, DARK_GRAY, INK, LIGHT_GRAY, ORANGE, rgb
from sklearn_diffake.utils._numbers import significant
from sklearn_diffake.verdict._evidence import ImageEvidence, Outcome

_ABOVE, _BELOW, _UNKNOWN = rgb(BLUE), rgb(ORANGE), rgb(DARK_GRAY)
_PAPER, _INK, _GRID = (255, 255, 255), rgb(INK), rgb(LIGHT_GRAY)
_LEAST_P = 1e-3  # bottom of the axis
_STRIP = 0.22  # height of the strip below the picture, as a fraction of the picture's


@dataclass(frozen=True)
class TimedEvidence:
    """The frames of a clip that were looked at, in order.

    Attributes
    ----------
    numbers : ndarray of shape (n,), int
        Of the frames.
    times : ndarray of shape (n,), float
        In seconds.
    boxes : ndarray of shape (n, 4), float
        NaN where no face was used.
    p_values : ndarray of shape (n,), float
        NaN where there is none.
    """

    numbers: NDArray[np.int64]
    times: NDArray[np.float64]
    boxes: NDArray[np.float64]
    p_values: NDArray[np.float64]

    @classmethod
    def of_images(cls, images: Sequence[ImageEvidence]) -> TimedEvidence:
        """Collect the frames of one clip."""
        ordered = sorted(images, key=lambda image: image.frame or 0)
        missing = (math.nan,) * 4
        return cls(
            np.array([image.frame for image in ordered], dtype=np.int64),
            np.array([image.time for image in ordered], dtype=np.float64),
            np.array([(image.box if image.used else None) or missing for image in ordered]),
            np.array([_number(image.p_value) for image in ordered]),
        )

    def box_at(self, number: int) -> NDArray[np.float64] | None:
        """Return the box at a frame, between those of the judged frames before and after it."""
        after = int(np.searchsorted(self.numbers, number))
        if after < len(self.numbers) and self.numbers[after] == number:
            box = self.boxes[after]
        elif after in (0, len(self.numbers)):
            box = self.boxes[min(after, len(self.numbers) - 1)]
        else:
            first, last = self.numbers[after - 1], self.numbers[after]
            weight = (number - first) / (last - first)
            box = (1 - weight) * self.boxes[after - 1] + weight * self.boxes[after]
        return None if np.isnan(box).any() else box

    def p_value_at(self, number: int) -> float:
        """Return the p-value of the nearest frame that was looked at; NaN if it has none."""
        return float(self.p_values[np.abs(self.numbers - number).argmin()])


def _number(value: float | None) -> float:
    return math.nan if value is None else value


class FramePainter:
    """Paint the frames of one clip.

    Parameters
    ----------
    outcome : str
        Of the verdict on the clip.
    level : float or None
        P-values up to it are suspicious.
    evidence : TimedEvidence
    """

    def __init__(self, outcome: Outcome, level: float | None, evidence: TimedEvidence) -> None:
        self.outcome = outcome
        self.level = level
        self.evidence = evidence
        self._strip: Any = None  # the same in every frame but for the cursor

    @staticmethod
    def size_of(image: NDArray[np.uint8]) -> tuple[int, int]:
        """Return height and width of the painted frame: even, as encoders want them."""
        height, width = image.shape[:2]
        total = height + max(round(_STRIP * height), 48)
        return total + total % 2, width + width % 2

    def paint(
        self, image: NDArray[np.uint8], number: int, time: float, size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """Return a frame with its box, and the strip with p-values below it.

        Parameters
        ----------
        image : ndarray of shape (H, W, 3), uint8
        number : int
            Of the frame.
        time : float
            In seconds.
        size : tuple of int
            Height and width of the result.

        Returns
        -------
        ndarray of shape (*size, 3), uint8
        """
        from PIL import Image, ImageDraw

        height, width = size
        page = Image.new("RGB", (width, height), _PAPER)
        page.paste(Image.fromarray(image))
        draw = ImageDraw.Draw(page)
        box = self.evidence.box_at(number)
        if box is not None:
            self._draw_box(draw, box, self.evidence.p_value_at(number), image.shape[0])
        top = image.shape[0]
        if self._strip is None:
            self._strip = self._draw_strip(width, height - top)
        page.paste(self._strip, (0, top))
        x = self._x(time, width)
        draw.line([(x, top), (x, height)], fill=_INK, width=2)
        return np.asarray(page)

    def _color(self, p: float) -> tuple[int, int, int]:
        if math.isnan(p) or self.level is None:
            return _UNKNOWN
        return _BELOW if p <= self.level else _ABOVE

    def _draw_box(self, draw: Any, box: NDArray[np.float64], p: float, height: int) -> None:
        color, line = self._color(p), max(2, height // 180)
        left, top, right, bottom = box.tolist()
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        for start, end in pairwise(corners):
            if color == _BELOW:
                _dashed(draw, start, end, color, line)
            else:
                draw.line([start, end], fill=color, width=line)
        if not math.isnan(p):
            _label(draw, (left, top), f"p = {significant(p, 2)}", color, max(12, height // 24))

    def _x(self, time: float, width: int) -> float:
        last = max(float(np.nanmax(self.evidence.times, initial=0.0)), 1e-9)
        return 8 + min(time / last, 1.0) * (width - 16)

    def _draw_strip(self, width: int, height: int) -> Any:
        """Return the p-values over time, without the cursor."""
        from PIL import Image, ImageDraw

        size = max(11, height // 6)
        strip = Image.new("RGB", (width, height), _PAPER)
        draw = ImageDraw.Draw(strip)
        top, bottom = size + 8, height - 6

        def y(p: float) -> float:
            return top + (bottom - top) * math.log10(max(p, _LEAST_P)) / math.log10(_LEAST_P)

        for p in (1.0, 0.1, 0.01, _LEAST_P):
            draw.line([(8, y(p)), (width - 8, y(p))], fill=_GRID)
        if self.level is not None:
            _dashed(draw, (8, y(self.level)), (width - 8, y(self.level)), _INK, 1)
        points = [
            (self._x(time, width), y(p), self._color(p))
            for time, p in zip(self.evidence.times, self.evidence.p_values, strict=True)
            if not math.isnan(p)
        ]
        if len(points) > 1:
            draw.line([(x, y) for x, y, _ in points], fill=_UNKNOWN, width=1)
        for x, height_of_p, color in points:
            _dot(draw, x, height_of_p, color)
        text = f"{self.outcome}; p-values of single frames, 1 to {_LEAST_P:g}"
        if self.level is not None:
            text += f"; dashed: level {significant(self.level, 2)}"
        _text(draw, (8, 2), text, _INK, size)
        return strip


def _dot(draw: Any, x: float, y: float, color: tuple[int, int, int]) -> None:
    """Draw a p-value: a square where it is at most the level, else a circle."""
    box = [(x - 3, y - 3), (x + 3, y + 3)]
    if color == _BELOW:
        draw.rectangle(box, fill=color)
    else:
        draw.ellipse(box, fill=color)


def _dashed(
    draw: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    color: tuple[int, int, int],
    line: int,
) -> None:
    length = math.dist(start, end)
    dash = 4 * line + 4
    for first in np.arange(0, length, 2 * dash):
        fractions = first / length, min(first + dash, length) / length
        ends = [
            (start[0] + f * (end[0] - start[0]), start[1] + f * (end[1] - start[1]))
            for f in fractions
        ]
        draw.line(ends, fill=color, width=line)


def _label(
    draw: Any, corner: tuple[float, float], text: str, color: tuple[int, int, int], size: int
) -> None:
    """Write white text on a bar of a color, above a corner."""
    left, top = corner[0], max(corner[1] - size - 6, 0)
    width = draw.textlength(text, font=_font(size))
    draw.rectangle([(left, top), (left + width + 8, top + size + 6)], fill=color)
    _text(draw, (left + 4, top + 2), text, _PAPER, size)


def _text(
    draw: Any, corner: tuple[float, float], text: str, color: tuple[int, int, int], size: int
) -> None:
    draw.text(corner, text, fill=color, font=_font(size))


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
