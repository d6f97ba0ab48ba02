"""Write values as JSON that every parser reads."""

from __future__ import annotations

import json
import math
import numbers
import re
from collections.abc import Mapping
from typing import Any

_SURROGATES = re.compile("[\ud800-\udfff]")


def json_text(values: Any, *, indent: int | None = None) -> str:
    r"""Write values as JSON (RFC 8259) in ASCII.

    Parameters
    ----------
    values : dict, list, str, number or None
        Anything else is written as its text.
    indent : int, default=None
        Spaces of a level; None writes one line.

    Returns
    -------
    str
        NaN and infinity, which JSON lacks, become ``null``. Bytes of file names that are not
        UTF-8, which Python holds as lone surrogates, are written as ``\xff`` with one backslash,
        since many parsers refuse surrogates.

    Examples
    --------
    >>> from sklearn_diffake.utils._json import json_text
    >>> json_text({"score": float("nan"), "probe": "Zo\u00eb.jpg"})
    '{"score": null, "probe": "Zo\\u00eb.jpg"}'
    """
    return json.dumps(_plain(values), indent=indent, allow_nan=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATES.sub(_escape, value)
    if isinstance(value, numbers.Number) and hasattr(value, "item"):
        value = value.item()  # of numpy
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
