"""Recognize what tables write for a missing name."""

from typing import Any

from sklearn_diffake.utils._spelling import name_key


def is_missing(value: Any) -> bool:
    """Return whether a name is None, NaN, NaT, NA, or has no visible character.

    Parameters
    ----------
    value : object

    Returns
    -------
    missing : bool
    """
    if isinstance(value, str):
        return not name_key(value)
    return value is None or str(value) in ("nan", "NaT", "<NA>")
