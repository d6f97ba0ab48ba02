"""Markdown in which text from tables and files is shown and never interpreted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sklearn_diffake.utils._messages import printable

_SYNTAX = re.compile(r"[\\`*_{}\[\]()<>|~#$&@!]")  # of CommonMark and GitHub, HTML and math
_LINE_STARTS = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[-+=]))")  # of lists and underlines
_LINKS = re.compile(r"(?i)(?<=\bhttp)(?=:)|(?<=\bhttps)(?=:)|(?<=\bftp)(?=:)|(?<=\bwww)(?=\.)")


class Markup(str):
    """Markdown that this package has written itself; it is not escaped."""


def escape(value: Any) -> str:
    r"""Write any value as one line of Markdown that shows it as it is.

    Parameters
    ----------
    value : object
        `Markup` is returned unchanged; the text of anything else is escaped.

    Returns
    -------
    str
        Without line ends and control characters; marks of Markdown, HTML and math have a
        backslash.

    Examples
    --------
    >>> from sklearn_diffake.benchmark.report._markdown import escape
    >>> print(escape("# <b>[x](http://x)|y"))
    \# \<b\>\[x\]\(http\://x\)\|y
    """
    if isinstance(value, Markup):
        return value
    text = _SYNTAX.sub(r"\\\g<0>", printable(str(value).strip()))
    return _LINE_STARTS.sub(r"\1\\", _LINKS.sub(r"\\", text))


def table(header: Sequence[Any], lines: Iterable[Sequence[Any]], names: int = 1) -> Iterator[str]:
    """Write a table: names are aligned left, figures right.

    Parameters
    ----------
    header : sequence
        Names of the columns.
    lines : iterable of sequences
        Cells.
    names : int, default=1
        How many of the first columns hold names.

    Yields
    ------
    str
        Its lines, and an empty one.
    """
    yield _line(map(escape, header))
    yield _line(["---"] * names + ["---:"] * (len(header) - names))
    for cells in lines:
        yield _line(map(escape, cells))
    yield ""


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
