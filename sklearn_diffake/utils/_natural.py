"""Sort names as people number them."""

import os
import re
from typing import Any

_DIGITS = re.compile(r"(\d+)", re.ASCII)


def natural_key(name: Any) -> tuple[Any, ...]:
    """Return a key by which numbers in names are sorted by their value.

    Parameters
    ----------
    name : object
        A name or a path; of other objects, the text.

    Returns
    -------
    tuple
        Can be compared with the key of any other name.

    Examples
    --------
    >>> sorted(["frame_10.png", "frame_9.png", "frame_1.png"], key=natural_key)
    ['frame_1.png', 'frame_9.png', 'frame_10.png']
    """
    text = os.fspath(name) if isinstance(name, os.PathLike) else str(name)
    parts = text.replace(os.sep, "/").replace("/", "\0")  # a folder goes before longer names
    words: list[Any] = _DIGITS.split(parts)
    words[1::2] = [_size(digits) for digits in words[1::2]]
    return tuple(words), text  # texts and numbers take turns, from a text on: keys compare


def _size(digits: str) -> tuple[int, str]:
    """Return what orders numbers of any length; Python refuses to convert very long ones."""
    significant = digits.lstrip("0")
    return len(significant), significant
