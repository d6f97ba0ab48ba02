"""The report as a page of HTML that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from numpy.typing import NDArray

from ..utils._numbers import percent
from ._drawing import AGAINST, IN_FAVOUR, as_png, draw_map, draw_photo, face_box, limit_of
from ._photo import SIDES
from ._words import (
    CAUTION,
    MAPS,
    calibration_lines,
    full_colour,
    map_in_words,
    nearest_lines,
    number,
    numbers,
    origin_lines,
    short,
    verdict_in_words,
)

if TYPE_CHECKING:
    from ._explain import PairExplanation
    from ._report import PairReport

_THUMBNAIL = 96  # pixels
_BAR = 100  # pixels: width of the longest bar
_STYLE = """
.diffake-report { --ink: #1a1a1a; --paper: #ffffff; --line: #c8c8c8; --soft: #555555;
  color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif;
  max-width: 72rem; margin: 0 auto; padding: 1rem; box-sizing: border-box; }
.diffake-report h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
.diffake-report h2 { font-size: 1.15rem; margin: 1.75rem 0 .5rem; }
.diffake-report p { margin: .5rem 0; max-width: 48rem; }
.diffake-report .verdict { font-size: 1.1rem; padding: .6rem .9rem; border: 2px solid;
  border-left-width: .7rem; border-radius: .3rem; }
.diffake-report .genuine { border-color: #0072b2; }
.diffake-report .deepfake { border-color: #d55e00; }
.diffake-report .panels { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(13rem, 100%), 1fr)); }
.diffake-report figure { margin: 0; }
.diffake-report img { max-width: 100%; height: auto; display: block; border-radius: .2rem; }
.diffake-report figcaption, .diffake-report small { font-size: .875rem; color: var(--soft); }
.diffake-report .scroll { overflow-x: auto; }
.diffake-report table { border-collapse: collapse; }
.diffake-report th, .diffake-report td { text-align: left; vertical-align: top;
  padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); color: var(--ink);
  background: var(--paper); overflow-wrap: anywhere; }
.diffake-report th[scope="row"] { min-width: 6.5rem; }
.diffake-report td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.diffake-report .pair { display: flex; gap: .25rem; }
.diffake-report .pair img { flex: none; width: 4rem; }
@media (prefers-color-scheme: dark) {
  .diffake-report { --ink: #eeeeee; --paper: #16181c; --line: #4a4d52; --soft: #b4b8bf; }
}
"""
_BODY = "body { margin: 0; } @media (prefers-color-scheme: dark) { body { background: #16181c; } }"


def page(report: PairReport) -> str:
    """Write the whole page; its policy lets in pictures of its own and this style alone."""
    style = _BODY + _STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(report.title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<main>{_content(report)}</main>\n</body>\n</html>\n"
    )


def fragment(report: PairReport) -> str:
    """Write what a notebook puts into a page of its own."""
    return f"<style>{_STYLE}</style>{_content(report)}"


def _content(report: PairReport) -> str:
    explanation = report.explanation
    parts = [
        f"<h1>{escape(report.title)}</h1>",
        f'<p class="verdict {explanation.verdict}">{escape(verdict_in_words(explanation))}</p>',
        *(f"<p>{escape(line)}</p>" for line in calibration_lines(explanation)),
        _table(numbers(explanation)),
        "<h2>Where the model looked</h2>",
        f"<p>{escape(CAUTION)}</p>",
        *(_photo_section(explanation, side) for side in SIDES),
        _how_to_read(explanation),
        _contributions(explanation),
        _nearest(explanation),
        "<h2>What this was made with</h2>",
        _table(origin_lines(explanation, report.date)),
    ]
    return f'<div class="diffake-report">{"".join(parts)}</div>'


def _photo_section(explanation: PairExplanation, side: str) -> str:
    """Show one photograph, and its face with every map."""
    photos = (explanation.reference, explanation.probe)
    photo = photos[SIDES.index(side)]
    name = short(photo.name or "image", 200)
    whole = as_png(partial(draw_photo, photo=photo), *photo.image.shape[:2])
    words = f"The {side} as a whole; an outline shows the part that is compared."
    panels = [_figure(whole, words, "Photograph")]
    left, top, right, bottom = face_box(photo)
    for method in explanation.methods:
        limit = limit_of(photos, method)
        draw = partial(draw_map, photo=photo, method=method, limit=limit)
        drawn = as_png(draw, round(bottom - top), round(right - left))
        share = limit / abs(explanation.decision) if explanation.decision else 0.0
        caption = f"{MAPS[method][0]}. Full colour: {full_colour(method, limit)}"
        if method != "gradient" and share:
            caption += f", {share:.0%} of the distance to the threshold"
        panels.append(_figure(drawn, map_in_words(photo, side, method), caption))
    return (
        f'<h2>{side.capitalize()}: {escape(name)}</h2><div class="panels">{"".join(panels)}</div>'
    )


def _how_to_read(explanation: PairExplanation) -> str:
    rows = [MAPS[method] for method in explanation.methods]
    key = (
        f"{_swatch(AGAINST)} orange and {_swatch(IN_FAVOUR)} blue grow denser with the size of the "
        "effect, on one scale for both photographs; an outline encloses where a map is above half "
        "of its greatest value."
    )
    return f"<h2>How to read the maps</h2><p>{key}</p>{_table(rows)}"


def _contributions(explanation: PairExplanation) -> str:
    """Show as bars what each embedder adds to the score."""
    if not explanation.contributions:
        return ""
    rows = []
    for part in explanation.contributions:
        colour = IN_FAVOUR if part.value >= 0 else AGAINST
        bar = _rectangle(round(_BAR * part.share), colour)
        rows.append(
            f'<tr><th scope="row">{escape(part.name)}</th><td>{escape(part.backbone)}</td>'
            f'<td class="number">{number(part.value)}</td>'
            f"<td>{bar} {percent(part.share, 0)}</td></tr>"
        )
    words = (
        f"A pair that shows every network the genuine mean scores "
        f"{number(explanation.base_score or 0.0)}; what each network saw in this pair moves the "
        "score from there. Negative: it makes the pair look manipulated."
    )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Branch", "Network", "Adds", "Share")
    )
    return (
        f"<h2>Which network moved the score</h2><p>{escape(words)}</p>"
        '<div class="scroll" role="region" tabindex="0" aria-label="Which network moved the score">'
        f"<table><tr>{head}</tr>{''.join(rows)}</table></div>"
    )


def _nearest(explanation: PairExplanation) -> str:
    """Show the genuine pairs that are most like this one."""
    nearest = explanation.nearest
    if nearest is None:
        return ""
    rows = []
    for place, line in enumerate(nearest_lines(explanation)):
        faces = ""
        if place < len(nearest.crops):
            pictures = zip(SIDES, nearest.crops[place], strict=True)
            images = [
                _image(_thumbnail(crop), f"{side.capitalize()} of it") for side, crop in pictures
            ]
            faces = f'<div class="pair">{"".join(images)}</div>'
        rows.append(f"<tr><td>{faces}</td><td>{escape(line)}</td></tr>")
    return f"<h2>Genuine pairs most like this one</h2><table>{''.join(rows)}</table>"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table>{body}</table>"


def _figure(png: bytes, words: str, caption: str) -> str:
    return f"<figure>{_image(png, words)}<figcaption>{escape(caption)}</figcaption></figure>"


def _image(png: bytes, words: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(words)}">'


def _swatch(colour: str) -> str:
    return _rectangle(14, colour)


def _rectangle(width: int, colour: str) -> str:
    return (
        f'<svg width="{width}" height="12" aria-hidden="true">'
        f'<rect width="{width}" height="12" fill="{colour}"/></svg>'
    )


def _thumbnail(crop: NDArray) -> bytes:
    from PIL import Image

    image = Image.fromarray(crop)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
