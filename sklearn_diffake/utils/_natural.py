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
    separated = text.replace(os.sep, "/").replace("/", "\0")  # a folder goes before longer names
    pieces: list[Any] = _DIGITS.split(separated)
    pieces[1::2] = [_size(digits) for digits in pieces[1::2]]
    # text and numbers alternate, and text is first: any two keys can be compared
    return tuple(pieces), text


def _size(digits: str) -> tuple[int, str]:
    """Return a sort key of digits; Python refuses to convert very long numbers."""
    significant = digits.lstrip("0")
    return len(significant), significant
