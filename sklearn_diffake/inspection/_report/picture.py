"""Draw the report as a picture."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ._drawing import draw_map, draw_photo, limit_of, new_figure
from ._photo import SIDES
from ._words import (
    CAUTION,
    MAPS,
    calibration_lines,
    contribution_lines,
    full_color,
    nearest_lines,
    numbers,
    origin_lines,
    short,
    verdict_in_words,
)

if TYPE_CHECKING:
    from ._report import PairReport

_PANEL, _LINE = 3.3, 0.16  # inches: side of a panel with its margin, height of a line of text
_CHARACTERS_PER_INCH = 15  # of small print
_GRAY = "#444444"


def draw_report(report: PairReport) -> Any:
    """Draw verdict, photographs with maps, and notes, as a matplotlib figure."""
    explanation = report.explanation
    photos = (explanation.reference, explanation.probe)
    columns = 1 + len(explanation.methods)
    width = _PANEL * max(columns, 3)
    notes = _notes(report, int(width * _CHARACTERS_PER_INCH))
    verdict = textwrap.wrap(verdict_in_words(explanation), int(width * 11))
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
    title = figure.text(margin, 1 - 0.35 / height, report.title, fontsize=15, weight="bold")
    title.set_parse_math(False)
    figure.text(margin, 1 - 0.5 / height, "\n".join(verdict), fontsize=11, va="top")
    figure.text(
        margin, 0.1 / height, "\n".join(notes), fontsize=8, color=_GRAY, va="bottom",
        linespacing=1.35, parse_math=False,
    )  # fmt: skip
    return figure


def _notes(report: PairReport, width: int) -> list[str]:
    """Return the small print, in lines of at most `width` characters."""
    explanation = report.explanation
    lines = [f"{name}: {value}" for name, value in numbers(explanation)]
    lines = [" \N{MIDDLE DOT} ".join(lines)]
    lines += calibration_lines(explanation)
    lines += contribution_lines(explanation) + nearest_lines(explanation)
    lines += [f"{MAPS[method][0]}. {MAPS[method][1]}" for method in explanation.methods]
    lines.append(CAUTION)
    lines += [f"{name}: {value}" for name, value in origin_lines(explanation, report.date)]
    return [wrapped for line in lines for wrapped in textwrap.wrap(line, width) or [""]]
