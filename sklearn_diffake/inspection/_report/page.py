"""Render reports as self-contained HTML pages, and write them."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any

from sklearn_diffake.inspection._explanation_data import ExplanationData
from sklearn_diffake.inspection._photo import SIDES, ExplainedPhoto
from sklearn_diffake.inspection._report.figure import (
    AGAINST,
    IN_FAVOR,
    as_png,
    draw_map,
    draw_photo,
    draw_report,
    face_box,
    limit_of,
    png_bytes,
)
from sklearn_diffake.inspection._report.text import (
    CAUTION,
    MAPS,
    calibration_lines,
    full_color,
    map_sentence,
    nearest_lines,
    number,
    numbers,
    origin_lines,
    short,
    verdict_sentence,
)
from sklearn_diffake.utils._atomic_files import atomic_write, check_output
from sklearn_diffake.utils._messages import printable
from sklearn_diffake.utils._numbers import percent

if TYPE_CHECKING:
    from jinja2 import Environment
    from numpy.typing import NDArray

TITLE = "Why this verdict?"
_TEMPLATE = "template.html"
_THUMBNAIL = 96  # pixels

#: A picture as PNG, its alternative text, and its caption.
Figure = tuple[bytes, str, str]


def write_report(
    path: str | os.PathLike[str], render: Callable[[], str | bytes], *, inputs: Iterable[Any]
) -> None:
    """Write a report atomically.

    Parameters
    ----------
    path : str or Path
        A new file is readable by its owner only.
    render : callable
        Returns the content; called if the file may be written.
    inputs : iterable
        Files that must not be replaced, as `check_output` takes them.

    Raises
    ------
    OutputError
        As `check_output` raises it.
    OSError
        If the file cannot be written.
    """
    inputs = list(inputs)
    check_output(path, inputs=inputs)
    content = render()
    atomic_write(path, content.encode() if isinstance(content, str) else content, inputs=inputs)


def explanation_page(explanation: ExplanationData, title: str, date: str | None) -> str:
    """Return the page of an explanation."""
    return html_page(title, _explanation_content(explanation, title, date))


def explanation_fragment(explanation: ExplanationData) -> str:
    """Return the content of the page for a notebook."""
    content = _explanation_content(explanation, TITLE, None)
    return f"<style>{_report_style()}</style>{content}"


def explanation_picture(explanation: ExplanationData, title: str, date: str | None) -> bytes:
    """Return an explanation as PNG."""
    return png_bytes(draw_report(explanation, title, date))


def html_page(title: str, content: str) -> str:
    """Return a page with the content of a report.

    Parameters
    ----------
    title : str
    content : str
        Of a template, which has escaped the values; not escaped again.

    Returns
    -------
    str
        The page. Its Content-Security-Policy allows only its embedded pictures and this style: no
        script, no external resource.
    """
    template = environment().get_template(_TEMPLATE).module
    style = f"{template.page_style}{_report_style()}"  # type: ignore[attr-defined]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'"
    return str(template.document(title, content, style, policy))  # type: ignore[attr-defined]


@cache
def environment(package: str | None = None) -> Environment:
    """Return the jinja2 environment of reports.

    Text is escaped for HTML. Invisible characters, such as control characters and marks that change
    the direction of writing, are shown as escapes.

    Parameters
    ----------
    package : str, default=None
        A package whose folder has templates besides the shared one.

    Returns
    -------
    Environment
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    parents = [name.rpartition(".") for name in (package, __package__) if name]
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(parent, folder) for parent, _, folder in parents]),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": _data_uri, "number": number, "percent": percent}
    environment.globals |= {"AGAINST": AGAINST, "IN_FAVOR": IN_FAVOR}
    return environment


def picture_png(image: NDArray, side: int) -> bytes:
    """Encode a picture as PNG, scaled down to at most `side` pixels.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
    side : int

    Returns
    -------
    bytes
    """
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


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
    caption = f"{MAPS[method][0]}. The strongest color stands for {full_color(method, limit)}"
    if method != "gradient" and decision:
        caption += f", {limit / abs(decision):.0%} of the distance from the score to the threshold"
    return png, map_sentence(photo, side, method), caption


def _report_style() -> str:
    """Return the style rules of reports, which affect nothing outside of them."""
    return (resources.files(__package__) / "report.css").read_text(encoding="utf-8")


def _explanation_content(explanation: ExplanationData, title: str, date: str | None) -> str:
    template: Any = environment().get_template(_TEMPLATE).module
    content: str = template.explanation_report(
        title=title,
        explanation=explanation,
        verdict=verdict_sentence(explanation),
        calibration=calibration_lines(explanation),
        numbers=numbers(explanation),
        caution=CAUTION,
        sides=[_side_figures(explanation, side) for side in SIDES],
        maps=[MAPS[method] for method in explanation.methods],
        nearest=_nearest_pairs(explanation),
        origin=origin_lines(explanation, date),
    )
    return content


def _side_figures(explanation: ExplanationData, side: str) -> tuple[str, str, list[Figure]]:
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
        [(overview, description, "Photograph"), *maps],
    )


def _nearest_pairs(explanation: ExplanationData) -> list[tuple[list[bytes], str]]:
    """Return faces, if known, and descriptions of the most similar genuine pairs."""
    nearest = explanation.nearest
    if nearest is None:
        return []
    lines = nearest_lines(explanation)
    faces = [[picture_png(crop, _THUMBNAIL) for crop in pair] for pair in nearest.crops]
    faces += [[] for _ in range(len(lines) - len(faces))]
    return list(zip(faces, lines, strict=True))


def _visible(value: Any) -> Any:
    """Escape invisible characters in text; markup from templates is unchanged."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(value) if is_text else value


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
