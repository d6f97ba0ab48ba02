"""What tables put in the place of a name that is not there."""

from typing import Any


def is_missing(value: Any) -> bool:
    """Tell whether a name is None, NaN, NaT, NA or empty.

    Parameters
    ----------
    value : object

    Returns
    -------
    missing : bool
    """
    if isinstance(value, str):
        return not value
    return value is None or str(value) in ("nan", "NaT", "<NA>")
