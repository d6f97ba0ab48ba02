"""The explanation of a pair as a page of HTML."""

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
    full_colour,
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

#: A picture as PNG, the text that stands for it, and its caption.
Figure = tuple[bytes, str, str]


def page(report: PairReport) -> str:
    """Write the whole page."""
    return html_page(report.title, html_content(_TEMPLATE, **_values(report)))


def fragment(report: PairReport) -> str:
    """Write what a notebook puts into a page of its own."""
    return f"<style>{html_style()}</style>{html_content(_TEMPLATE, **_values(report))}"


def map_figure(
    photo: ExplainedPhoto, side: str, method: str, *, limit: float, decision: float
) -> Figure:
    """Draw the face of a photograph with a map over it.

    Parameters
    ----------
    photo : ExplainedPhoto
    side : str
        What the photograph is called in the text that stands for the picture.
    method : str
        Key of its maps.
    limit : float
        Absolute value that is shown in full color.
    decision : float
        Score less threshold, against which the effect is weighed; 0 if it is not known.

    Returns
    -------
    tuple of (bytes, str, str)
    """
    left, top, right, bottom = face_box(photo)
    draw = partial(draw_map, photo=photo, method=method, limit=limit)
    drawn = as_png(draw, round(bottom - top), round(right - left))
    caption = f"{MAPS[method][0]}. Full color: {full_colour(method, limit)}"
    if method != "gradient" and decision:
        caption += f", {limit / abs(decision):.0%} of the distance to the threshold"
    return drawn, map_in_words(photo, side, method), caption


def _values(report: PairReport) -> dict[str, Any]:
    """Collect what the template shows."""
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
    """Name one photograph, and draw it as a whole, and its face with every map."""
    photos = (explanation.reference, explanation.probe)
    photo = photos[SIDES.index(side)]
    whole = as_png(partial(draw_photo, photo=photo), *photo.image.shape[:2])
    words = f"The {side} as a whole; an outline shows the part that is compared."
    maps = [
        map_figure(
            photo, side, method, limit=limit_of(photos, method), decision=explanation.decision
        )
        for method in explanation.methods
    ]
    return (
        side.capitalize(),
        short(photo.name or "image", 200),
        [(whole, words, "Photograph")] + maps,
    )


def _nearest(explanation: PairExplanation) -> list[tuple[list[bytes], str]]:
    """Show the genuine pairs that are most like this one, where their faces are known."""
    nearest = explanation.nearest
    if nearest is None:
        return []
    lines = nearest_lines(explanation)
    faces = [[picture_png(crop, _THUMBNAIL) for crop in pair] for pair in nearest.crops]
    faces += [[] for _ in range(len(lines) - len(faces))]
    return list(zip(faces, lines, strict=True))
