"""Verdicts on standard output: a table for people, or one JSON object a line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from sklearn_diffake.cli._pairs import TEMPLATE_MARK, Pair
from sklearn_diffake.cli._verdict_rows import full_row
from sklearn_diffake.utils._json import json_text
from sklearn_diffake.utils._messages import printable
from sklearn_diffake.utils._numbers import fraction, percent, significant
from sklearn_diffake.utils._progress import bars_hidden

if TYPE_CHECKING:
    from sklearn_diffake.verdict import Verdict

Show = Callable[[Pair, "Verdict"], None]
_COLORS = {"genuine": "blue", "suspicious": "orange", "inconclusive": "gray", "error": "gray"}
_COLOR_CODES = {"blue": "38;5;33", "orange": "38;5;208", "gray": "38;5;245"}  # of 256 colors
_NUMBERS = {"score": 9, "threshold": 9, "p-value": 7}  # columns, and their widths


def json_printer() -> Show:
    """Return a function that writes a verdict as one line of JSON, at once."""

    def show(pair: Pair, verdict: Verdict) -> None:
        print_line(json_text(full_row(pair, verdict)))

    return show


def table_printer(pairs: Sequence[Pair]) -> Show:
    """Return a function that writes a verdict as a row of a table for people.

    Parameters
    ----------
    pairs : sequence of Pair
        All that will be shown, whose names decide the widths of columns.

    Returns
    -------
    callable
        Takes a pair and its verdict.
    """
    sides = ("reference", "probe")
    names = [[side, *(_names(pair)[i] for pair in pairs)] for i, side in enumerate(sides)]
    widths = [max(map(len, column)) for column in names]
    escape_names()

    def line(paths: Sequence[str], numbers: Sequence[str], last: str) -> str:
        cells = [path.ljust(width) for path, width in zip(paths, widths, strict=True)]
        cells += [text.rjust(width) for text, width in zip(numbers, _NUMBERS.values(), strict=True)]
        return "  ".join([*cells, last])

    header = [line(sides, list(_NUMBERS), "verdict")]

    def show(pair: Pair, verdict: Verdict) -> None:
        if header:  # not before there is a verdict: an error leaves standard output empty
            print_line(header.pop())
        numbers = [
            score_text(verdict.score),
            score_text(verdict.threshold),
            p_text(verdict.p_value),
        ]
        print_line(line(_names(pair), numbers, _outcome(verdict)))

    return show


def _names(pair: Pair) -> list[str]:
    """Return the name of each side; of a template the first one, and how many more there are.

    A side that is missing is a dash.
    """
    names = []
    for text, cell in zip((pair.reference, pair.probe), pair.paths, strict=True):
        n_more = 0 if isinstance(cell, str) else len(cell) - 1
        first = text.split(TEMPLATE_MARK)[0].strip() if n_more else text
        names.append((printable(first) or "-") + (f" (+{n_more})" if n_more else ""))
    return names


def score_text(value: float | None) -> str:
    """Write a score as reports do, so that one beside the threshold differs; a dash for none."""
    return "-" if value is None else significant(value)


def p_text(value: float | None) -> str:
    """Write a p-value, or a dash for none."""
    return "-" if value is None else fraction(value)


def colored_outcome(outcome: str) -> str:
    """Return an outcome in its color, for standard output."""
    return colored(outcome, _COLORS[outcome], sys.stdout)


def _outcome(verdict: Verdict) -> str:
    """Return the outcome, and its evidence if that is more than two photographs."""
    text = colored_outcome(verdict.outcome)
    if verdict.outcome == "error":
        return f"{text}: {printable(verdict.reason)}"
    evidence = []
    if verdict.n_references > 1:
        evidence.append(f"{verdict.n_references} reference images")
    if verdict.n_probes > 1:
        evidence.append(f"{verdict.n_probes} probe images")
    if verdict.clip is not None:
        evidence.append(f"{percent(verdict.clip.fraction_below)} of frames suspicious")
        if verdict.clip.decided_by == "window" and verdict.clip.worst_window is not None:
            first, last = verdict.clip.worst_window
            evidence.append(f"decided by the part from {first:.1f} to {last:.1f} s")
    return f"{text} ({', '.join(evidence)})" if evidence else text


def escape_names() -> None:
    """Let standard output escape the names that the terminal cannot show."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def print_line(text: str) -> None:
    """Write a line of results, above progress bars that are open, and flush it."""
    with bars_hidden():
        print(text, flush=True)


def colored(text: str, color: str, file: TextIO) -> str:
    """Color a text if it goes to a terminal.

    Parameters
    ----------
    text : str
    color : {"blue", "orange", "gray"}
    file : file object
        Where it is written to.

    Returns
    -------
    str
        The text, between the escape sequences of ANSI terminals if `file` takes them.
    """
    return f"\033[{_COLOR_CODES[color]}m{text}\033[0m" if takes_color(file) else text


def takes_color(file: TextIO) -> bool:
    """Return whether to color: not with NO_COLOR, with FORCE_COLOR, else if it is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return file.isatty() and os.environ.get("TERM") != "dumb"
