"""What tables put in the place of a name that is not there."""

from typing import Any

from sklearn_diffake.utils._spelling import name_key


def is_missing(value: Any) -> bool:
    """Tell whether a name is None, NaN, NaT, NA, or has no visible character.

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
