"""Reports as pages of HTML that need nothing but themselves."""

from __future__ import annotations

import base64
import hashlib
import io
from functools import cache
from typing import TYPE_CHECKING, Any

from ..utils._numbers import percent
from ..utils._printable import printable
from ._drawing import AGAINST, IN_FAVOUR
from ._words import number

if TYPE_CHECKING:
    from jinja2 import Environment
    from numpy.typing import NDArray


def html_page(title: str, content: str, *, packages: tuple[str, ...] = ()) -> str:
    """Put the content of a report into a page.

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
        The whole page. Its Content-Security-Policy lets in pictures of its own and this style
        alone: no script, nothing from elsewhere.
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
    """Fill the template of a report.

    Parameters
    ----------
    template : str
        Name of its file.
    packages : tuple of str, default=()
        Subpackages whose folder ``templates`` is searched besides that of `inspection`.
    **values
        For the template. Every text among them is escaped, and characters that cannot be seen, such
        as control characters and marks that turn the direction of writing, are shown as escapes.

    Returns
    -------
    str
        For `html_page`; or, after `html_style`, for a notebook, which has a page of its own.
    """
    return _environment(packages).get_template(template).render(**values)


def html_style(packages: tuple[str, ...] = ()) -> str:
    """Return the rules that reach no further than a report."""
    return _environment(packages).get_template("report.css").render()


def picture_png(image: NDArray, side: int) -> bytes:
    """Encode a picture, made smaller if it is larger than `side` pixels.

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
    environment.globals |= {"AGAINST": AGAINST, "IN_FAVOUR": IN_FAVOUR}
    return environment


def _visible(value: Any) -> Any:
    """Escape in texts what cannot be seen; markup comes from templates, and stays as it is."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(value) if is_text else value


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
