"""Format numbers so that rounding never gives a false 0, 1 or 100 %."""

from __future__ import annotations

import math


def significant(value: float, digits: int = 4) -> str:
    """Write a number with a few significant digits; only 0 and 1 are written as such.

    Parameters
    ----------
    value : float
    digits : int, default=4

    Returns
    -------
    text : str
    """
    text = f"{value:.{digits}g}"
    if 0.0 < value < 1.0 and float(text) == 1.0:
        return f">{1.0 - 10.0**-digits:g}"
    return text


def fraction(value: float, digits: int = 3) -> str:
    """Write a number between 0 and 1 with fixed digits; only 0 and 1 are written as such.

    Parameters
    ----------
    value : float in [0, 1]
        NaN is written as ``"-"``.
    digits : int, default=3
        Digits after the point.

    Returns
    -------
    text : str
        ``">0.999"`` instead of a rounded ``"1.000"``, ``"<0.001"`` instead of ``"0.000"``.

    Examples
    --------
    >>> from sklearn_diffake.utils._numbers import fraction
    >>> fraction(0.9996), fraction(1.0), fraction(0.0001), fraction(0.25)
    ('>0.999', '1.000', '<0.001', '0.250')
    """
    if math.isnan(value):
        return "-"
    return _format_in_range(value, 1.0, digits)


def percent(value: float, digits: int = 1, *, sign: str = "%") -> str:
    """Write a number between 0 and 1 as a percentage; only 0 and 1 become 0 and 100 %.

    Parameters
    ----------
    value : float in [0, 1]
        NaN is written as ``"-"``.
    digits : int, default=1
        Digits after the point.
    sign : str, default="%"
        Written after the number.

    Returns
    -------
    text : str
        ``">99.9%"`` instead of a rounded ``"100.0%"``, ``"<0.1%"`` instead of ``"0.0%"``.
    """
    if math.isnan(value):
        return "-"
    return _format_in_range(100.0 * value, 100.0, digits) + sign


def _format_in_range(value: float, top: float, digits: int) -> str:
    step = 10.0**-digits
    text = f"{value:.{digits}f}"
    if value > 0.0 and float(text) == 0.0:
        return f"<{step:.{digits}f}"
    if value < top and float(text) == top:
        return f">{top - step:.{digits}f}"
    return text
