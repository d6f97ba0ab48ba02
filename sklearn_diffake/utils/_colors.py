"""Colors of figures and pages, which color-blind people can tell apart (Okabe and Ito, 2008)."""

from __future__ import annotations

BLUE, ORANGE, BROWN = "#0072B2", "#D55E00", "#806000"
INK, DARK_GRAY, GRAY, LIGHT_GRAY = "#1A1A1A", "#555555", "#888888", "#DDDDDD"


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
