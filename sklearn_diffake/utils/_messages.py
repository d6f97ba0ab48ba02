"""Messages for users: the first items of many, and warnings at the line that is theirs."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import sklearn

_INSIDE = tuple(  # files on whose behalf nobody is warned
    os.path.dirname(os.path.abspath(file)) + os.sep
    for file in (os.path.dirname(__file__), sklearn.__file__)
)


def listed(items: Sequence[Any], *, most: int = 5) -> str:
    """Write the first items of many, for a message.

    Parameters
    ----------
    items : sequence
        Names or numbers.
    most : int, default=5
        How many to write.

    Returns
    -------
    text : str
    """
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(repr(item) for item in items[:most]) + more


def warn_caller(message: str) -> None:
    """Warn at the line that called into this package, through however many of its functions.

    Parameters
    ----------
    message : str
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
