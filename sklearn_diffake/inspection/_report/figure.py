"""Draw photographs with overlaid maps, and reports as one picture, by matplotlib."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.inspection._explanation_data import ExplanationData
from sklearn_diffake.inspection._photo import SIDES, ExplainedPhoto, lay_over
from sklearn_diffake.inspection._report.text import (
    CAUTION,
    MAPS,
    calibration_lines,
    contribution_lines,
    full_color,
    nearest_lines,
    numbers,
    origin_lines,
    short,
    verdict_sentence,
)
from sklearn_diffake.utils._colors import BLUE, ORANGE
from sklearn_diffake.utils._optional import import_extra

AGAINST, IN_FAVOR = ORANGE, BLUE  # the outline works in gray, too
_BORDER = 0.08  # around the crop, as a fraction of its side
_DPI = 100
_VIEW = 320  # pixels of the longer side of a panel
_TOP = 0.5  # the outline encloses values above this fraction of the maximum,
_MIN_OUTLINED = 0.2  # if the maximum is at least this fraction of full color
_OPACITY = 0.75
_PANEL, _LINE = 3.3, 0.16  # inches: side of a panel with its margin, height of a line of text
_CHARACTERS_PER_INCH = 15  # of small print
_GRAY = "#444444"

Box = tuple[float, float, float, float]


def load_matplotlib() -> None:
    """Raise an error that names the extra if matplotlib is not installed."""
    import_extra("matplotlib.figure", "plots", "Reports")


def new_figure(width: float, height: float) -> Any:
    """Create a figure of a size in inches, without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Any) -> bytes:
    """Render a figure; equal figures give equal bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # for names in a script that the font lacks
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def as_png(draw: Callable[[Any], None], height: int, width: int) -> bytes:
    """Draw on axes that fill a picture with the aspect ratio of height and width."""
    scale = _VIEW / max(height, width) / _DPI
    figure = new_figure(width * scale, height * scale)
    draw(figure.add_axes((0, 0, 1, 1)))
    return png_bytes(figure)


def draw_photo(axes: Any, photo: ExplainedPhoto) -> None:
    """Draw a whole photograph, with an outline of its crop."""
    height, width = photo.image.shape[:2]
    view, _ = _view(photo, (0, 0, width, height))
    axes.imshow(view, extent=(0, width, height, 0))
    outline = np.vstack([photo.corners, photo.corners[:1]]).T
    for color, thickness in (("white", 3.5), ("black", 1.2)):
        axes.plot(*outline, color=color, linewidth=thickness)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()


def draw_map(axes: Any, photo: ExplainedPhoto, method: str, limit: float) -> None:
    """Draw the face of a photograph in gray, with a map over it.

    Parameters
    ----------
    axes : matplotlib Axes
    photo : ExplainedPhoto
    method : str
        Key of its maps.
    limit : float
        Absolute value shown in full color.
    """
    view, matrix = _view(photo, face_box(photo))
    height, width = view.shape[:2]
    values = lay_over(photo.maps[method], matrix, (height, width))
    axes.imshow(view.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    axes.imshow(_to_rgba(np.nan_to_num(values), limit))
    top = np.nanmax(values)
    if top >= _MIN_OUTLINED * limit:
        for color, thickness in (("white", 3.0), ("black", 1.0)):
            axes.contour(
                np.nan_to_num(values), levels=[_TOP * top], colors=color, linewidths=thickness
            )
    axes.set_axis_off()


def face_box(photo: ExplainedPhoto) -> Box:
    """Return left, top, right and bottom of the region of a photograph to show."""
    height, width = photo.image.shape[:2]
    low, high = photo.corners.min(axis=0), photo.corners.max(axis=0)
    border = _BORDER * (high - low) * (photo.crop.shape != photo.image.shape)
    left, top = np.maximum(np.floor(low - border), 0)
    right, bottom = np.minimum(np.ceil(high + border), (width, height))
    return float(left), float(top), float(right), float(bottom)


def limit_of(photos: Sequence[ExplainedPhoto], method: str) -> float:
    """Return the greatest absolute value of a map of both photographs; 1 if all is zero."""
    return max(float(np.abs(photo.maps[method]).max()) for photo in photos) or 1.0


def _view(photo: ExplainedPhoto, box: Box) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return a region of a photograph at the size of a panel, and its matrix to the crop."""
    from PIL import Image

    width, height = box[2] - box[0], box[3] - box[1]
    scale = _VIEW / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    view = Image.fromarray(photo.image).resize(size, Image.Resampling.BICUBIC, box=box)
    back = np.array([[width / size[0], 0, box[0]], [0, height / size[1], box[1]], [0, 0, 1]])
    return np.asarray(view), photo.matrix @ back


def _to_rgba(values: NDArray[np.float32], limit: float) -> NDArray[np.float64]:
    """Convert a map to RGBA: two colors, with an opacity that grows with the absolute value."""
    from matplotlib.colors import to_rgb

    opacity = np.clip(np.abs(values) / limit, 0, 1)[..., None]
    color = np.where(values[..., None] > 0, to_rgb(AGAINST), to_rgb(IN_FAVOR))
    return np.concatenate([color, _OPACITY * opacity], axis=2)


def draw_report(explanation: ExplanationData, title: str, date: str | None) -> Any:
    """Draw verdict, photographs with maps, and notes, as a matplotlib figure."""
    photos = (explanation.reference, explanation.probe)
    columns = 1 + len(explanation.methods)
    width = _PANEL * max(columns, 3)
    notes = _notes(explanation, date, int(width * _CHARACTERS_PER_INCH))
    verdict = textwrap.wrap(verdict_sentence(explanation), int(width * 11))
    footer, header = _LINE * (len(notes) + 1), 0.85 + 0.2 * len(verdict)
    height = header + 2 * _PANEL + footer
    figure = new_figure(width, height)
    grid = figure.add_gridspec(
        2, columns, left=0.01, right=0.99, top=1 - header / height, bottom=footer / height,
        wspace=0.04, hspace=0.1,
    )  # fmt: skip
    for row, (side, photo) in enumerate(zip(SIDES, photos, strict=True)):
        axes = figure.add_subplot(grid[row, 0])
        draw_photo(axes, photo)
        axes.set_title(short(f"{side}: {photo.name or 'image'}", 42), fontsize=9, parse_math=False)
        for column, method in enumerate(explanation.methods, start=1):
            limit = limit_of(photos, method)
            axes = figure.add_subplot(grid[row, column])
            draw_map(axes, photo, method, limit)
            axes.set_title(f"{MAPS[method][0]} ({full_color(method, limit)})", fontsize=9)
    margin = 0.12 / width
    figure.text(margin, 1 - 0.35 / height, title, fontsize=15, weight="bold", parse_math=False)
    figure.text(margin, 1 - 0.5 / height, "\n".join(verdict), fontsize=11, va="top")
    figure.text(
        margin, 0.1 / height, "\n".join(notes), fontsize=8, color=_GRAY, va="bottom",
        linespacing=1.35, parse_math=False,
    )  # fmt: skip
    return figure


def _notes(explanation: ExplanationData, date: str | None, width: int) -> list[str]:
    """Return the small print, in lines of at most `width` characters."""
    lines = [f"{name}: {value}" for name, value in numbers(explanation)]
    lines = [" \N{MIDDLE DOT} ".join(lines)]
    lines += calibration_lines(explanation)
    lines += contribution_lines(explanation) + nearest_lines(explanation)
    lines += [f"{MAPS[method][0]}. {MAPS[method][1]}" for method in explanation.methods]
    lines.append(CAUTION)
    lines += [f"{name}: {value}" for name, value in origin_lines(explanation, date)]
    return [wrapped for line in lines for wrapped in textwrap.wrap(line, width) or [""]]
