r"""Markdown in which text from tables and files is text, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sklearn_diffake.utils._printable import printable

_MARKS = re.compile(r"[\\`*_{}\[\]()<>|~#$&@!]")  # of CommonMark and GitHub, HTML and math
_BEGIN = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[-+=]))")  # of lists and underlines
_LINKS = re.compile(r"(?i)(?<=\bhttp)(?=:)|(?<=\bhttps)(?=:)|(?<=\bftp)(?=:)|(?<=\bwww)(?=\.)")


class Markup(str):
    """Text that this package has written itself, and that needs no escaping."""


def escape(value: Any) -> str:
    r"""Write any value as one line of Markdown that shows it, and does nothing.

    Parameters
    ----------
    value : object
        `Markup` stays as it is; of anything else the text is shown.

    Returns
    -------
    str
        Without line ends and control characters; marks of Markdown, HTML and math have a
        backslash.

    Examples
    --------
    >>> from sklearn_diffake.benchmark._markdown import escape
    >>> print(escape("# <b>[x](http://x)|y"))
    \# \<b\>\[x\]\(http\://x\)\|y
    """
    if isinstance(value, Markup):
        return value
    text = _MARKS.sub(r"\\\g<0>", printable(str(value).strip()))
    return _BEGIN.sub(r"\1\\", _LINKS.sub(r"\\", text))


def table(head: Sequence[Any], lines: Iterable[Sequence[Any]], names: int = 1) -> Iterator[str]:
    """Write a table: the first columns, names, to the left, figures to the right.

    Parameters
    ----------
    head : sequence
        Names of the columns.
    lines : iterable of sequences
        Cells.
    names : int, default=1
        Columns that hold names.

    Yields
    ------
    str
        Its lines, and an empty one.
    """
    yield _line(map(escape, head))
    yield _line(["---"] * names + ["---:"] * (len(head) - names))
    for cells in lines:
        yield _line(map(escape, cells))
    yield ""


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
