"""Compare and sort names that may be spelled differently, and recognize missing ones."""

from __future__ import annotations

import os
import re
import unicodedata
from numbers import Integral, Real
from typing import Any

# They are not drawn: Default_Ignorable_Code_Point of the Unicode Character Database (UAX #44), and
# control characters that are no white space, marks of annotations and the Braille blank.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u2800\ufff9-\ufffb"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def name_key(value: Any) -> Any:
    """Return a key that all spellings of a name share; a value that is no name is its own key.

    Two texts are the same name if they look the same: composed or decomposed accents (Unicode
    NFC), characters that are not drawn (zero-width spaces, byte order marks, soft hyphens, control
    characters) and white space at the ends or several in a row make no difference, and a no-break
    space is a space. A whole number is the same name as its digits, since tables are often read as
    either.
    Upper and lower case differ: identifiers of videos are distinguished by it.

    Parameters
    ----------
    value : object

    Returns
    -------
    key : object
        Text for text and for whole numbers. Hashable if `value` is.
    """
    if isinstance(value, str):
        if not (value.isascii() and value.isprintable()):
            value = unicodedata.normalize("NFC", _INVISIBLE.sub("", value))
        return " ".join(value.split())
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer():
        return str(int(float(value)))
    return value


def lookalike_key(key: Any) -> Any:
    """Return a key that similar names share, which are probably but not surely one name.

    They differ in case ("Zoë", "zoë") or in compatibility characters (full-width letters,
    ligatures), which Unicode's NFKC with case folding removes.

    Parameters
    ----------
    key : object
        From :func:`name_key`.

    Returns
    -------
    key : object
    """
    if not isinstance(key, str):
        return key
    folded = unicodedata.normalize("NFKC", key).casefold()
    return name_key(unicodedata.normalize("NFKC", folded))


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
