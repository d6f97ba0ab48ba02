"""Colors of figures and pages, which color-blind people can tell apart (Okabe and Ito, 2008)."""

from __future__ import annotations

BLUE, ORANGE, BROWN = "#0072B2", "#D55E00", "#806000"
INK, DARK_GRAY, GRAY, LIGHT_GRAY = "#1A1A1A", "#555555", "#888888", "#DDDDDD"

# Neighbors differ in both, and the two lists in length, so that pairs repeat late.
LINE_COLORS = (BLUE, ORANGE, INK, "#56B4E9", BROWN)
LINE_STYLES = ("-", "--", "-.", ":")


def line_style(place: int) -> dict[str, str]:
    """Return color and style of a line among others, for ``plot`` of matplotlib.

    Parameters
    ----------
    place : int
        The lines before it. The first twenty lines differ in color or style.

    Returns
    -------
    dict of str
        Under the keys ``color`` and ``linestyle``.

    Examples
    --------
    >>> from sklearn_diffake.utils._colors import line_style
    >>> line_style(1)
    {'color': '#D55E00', 'linestyle': '--'}
    """
    color, style = LINE_COLORS[place % len(LINE_COLORS)], LINE_STYLES[place % len(LINE_STYLES)]
    return {"color": color, "linestyle": style}


def rgb(color: str) -> tuple[int, int, int]:
    """Return red, green and blue of a color as integers.

    Parameters
    ----------
    color : str
        As in HTML: ``"#0072B2"``.

    Returns
    -------
    tuple of three int
        In [0, 255].

    Examples
    --------
    >>> from sklearn_diffake.utils._colors import BLUE, rgb
    >>> rgb(BLUE)
    (0, 114, 178)
    """
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
