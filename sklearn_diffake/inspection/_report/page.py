"""Render the explanation of a pair as an HTML page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ._drawing import as_png, draw_map, draw_photo, face_box, limit_of
from ._html import html_content, html_page, html_style, picture_png
from ._photo import SIDES, ExplainedPhoto
from ._words import (
    CAUTION,
    MAPS,
    calibration_lines,
    full_color,
    map_in_words,
    nearest_lines,
    numbers,
    origin_lines,
    short,
    verdict_in_words,
)

if TYPE_CHECKING:
    from ._explain import PairExplanation
    from ._report import PairReport

_TEMPLATE = "explanation.html"
_THUMBNAIL = 96  # pixels

#: A picture as PNG, its alternative text, and its caption.
Figure = tuple[bytes, str, str]


def page(report: PairReport) -> str:
    """Return the page."""
    return html_page(report.title, html_content(_TEMPLATE, **_values(report)))


def fragment(report: PairReport) -> str:
    """Return the content of the page for a notebook."""
    return f"<style>{html_style()}</style>{html_content(_TEMPLATE, **_values(report))}"


def map_figure(
    photo: ExplainedPhoto, side: str, method: str, *, limit: float, decision: float
) -> Figure:
    """Draw the face of a photograph with an overlaid map.

    Parameters
    ----------
    photo : ExplainedPhoto
    side : str
        Name of the photograph in the alternative text.
    method : str
        Key of its maps.
    limit : float
        Absolute value shown in full color.
    decision : float
        Score less threshold, to which the effect is compared; 0 if unknown.

    Returns
    -------
    tuple of (bytes, str, str)
    """
    left, top, right, bottom = face_box(photo)
    draw = partial(draw_map, photo=photo, method=method, limit=limit)
    png = as_png(draw, round(bottom - top), round(right - left))
    caption = f"{MAPS[method][0]}. Full color: {full_color(method, limit)}"
    if method != "gradient" and decision:
        caption += f", {limit / abs(decision):.0%} of the distance to the threshold"
    return png, map_in_words(photo, side, method), caption


def _values(report: PairReport) -> dict[str, Any]:
    """Return the values of the template."""
    explanation = report.explanation
    return {
        "title": report.title,
        "explanation": explanation,
        "verdict": verdict_in_words(explanation),
        "calibration": calibration_lines(explanation),
        "numbers": numbers(explanation),
        "caution": CAUTION,
        "sides": [_side(explanation, side) for side in SIDES],
        "maps": [MAPS[method] for method in explanation.methods],
        "nearest": _nearest(explanation),
        "origin": origin_lines(explanation, report.date),
    }


def _side(explanation: PairExplanation, side: str) -> tuple[str, str, list[Figure]]:
    """Return title, name and figures of one photograph: the overview and every map."""
    photos = (explanation.reference, explanation.probe)
    photo = photos[SIDES.index(side)]
    overview = as_png(partial(draw_photo, photo=photo), *photo.image.shape[:2])
    description = f"The whole {side}; an outline shows the region that is compared."
    maps = [
        map_figure(
            photo, side, method, limit=limit_of(photos, method), decision=explanation.decision
        )
        for method in explanation.methods
    ]
    return (
        side.capitalize(),
        short(photo.name or "image", 200),
        [(overview, description, "Photograph")] + maps,
    )


def _nearest(explanation: PairExplanation) -> list[tuple[list[bytes], str]]:
    """Return faces, if known, and descriptions of the most similar genuine pairs."""
    nearest = explanation.nearest
    if nearest is None:
        return []
    lines = nearest_lines(explanation)
    faces = [[picture_png(crop, _THUMBNAIL) for crop in pair] for pair in nearest.crops]
    faces += [[] for _ in range(len(lines) - len(faces))]
    return list(zip(faces, lines, strict=True))
