"""Render reports as self-contained HTML pages."""

from __future__ import annotations

import base64
import hashlib
import io
from functools import cache
from typing import TYPE_CHECKING, Any

from ..utils._numbers import percent
from ..utils._printable import printable
from ._drawing import AGAINST, IN_FAVOR
from ._words import number

if TYPE_CHECKING:
    from jinja2 import Environment
    from numpy.typing import NDArray


def html_page(title: str, content: str, *, packages: tuple[str, ...] = ()) -> str:
    """Return a page with the content of a report.

    Parameters
    ----------
    title : str
    content : str
        Of `html_content`; not escaped again.
    packages : tuple of str, default=()
        As of `html_content`.

    Returns
    -------
    str
        The page. Its Content-Security-Policy allows only its embedded pictures and this style: no
        script, no external resource.
    """
    environment = _environment(packages)
    style = environment.get_template("page.css").render() + html_style(packages)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("document.html").render(
        title=title,
        content=content,
        style=style,
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'",
    )


def html_content(template: str, *, packages: tuple[str, ...] = (), **values: Any) -> str:
    """Render the template of a report.

    Parameters
    ----------
    template : str
        Name of its file.
    packages : tuple of str, default=()
        Subpackages whose folder ``templates`` is searched besides that of `inspection`.
    **values
        Values of the template. Text is escaped for HTML; invisible characters, such as control
        characters and marks that change the direction of writing, are shown as escapes.

    Returns
    -------
    str
        Content for `html_page`, or, after `html_style`, for a notebook.
    """
    return _environment(packages).get_template(template).render(**values)


def html_style(packages: tuple[str, ...] = ()) -> str:
    """Return the style rules of a report, which affect nothing outside of it."""
    return _environment(packages).get_template("report.css").render()


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


@cache
def _environment(packages: tuple[str, ...]) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loaders = [
        PackageLoader(package, "templates") for package in (*packages, "sklearn_diffake.inspection")
    ]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": _data_uri, "number": number, "percent": percent}
    environment.globals |= {"AGAINST": AGAINST, "IN_FAVOR": IN_FAVOR}
    return environment


def _visible(value: Any) -> Any:
    """Escape invisible characters in text; markup from templates is unchanged."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(value) if is_text else value


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
