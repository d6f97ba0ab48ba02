"""Rows of verdicts: made, and shown as a table or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ..utils._json import json_text
from ..utils._printable import printable
from ._certainty import written
from ._clips import Numbers
from ._colour import coloured
from ._table import Pair

GENUINE, DEEPFAKE, ERROR = "genuine", "deepfake", "error"
_COLOURS = {GENUINE: "green", DEEPFAKE: "red", ERROR: "yellow"}


def make_row(pair: Pair, result: Numbers | str, threshold: float) -> dict[str, Any]:
    """Judge one pair.

    Parameters
    ----------
    pair : Pair
    result : dict or str
        Its ``score`` and whatever else is known of it; or why it has none.
    threshold : float
        A score equal to it is genuine, as for `predict`.

    Returns
    -------
    dict
        The names of both files, and under ``verdict`` what they are.
    """
    row: dict[str, Any] = {"reference": pair.reference, "probe": pair.probe}
    if isinstance(result, str):
        row |= {"score": None, "threshold": threshold, "decision": None}
        row |= {"verdict": ERROR, "error": result}
    else:
        decision = result["score"] - threshold
        row |= result | {"threshold": threshold, "decision": decision}
        row |= {"verdict": GENUINE if decision >= 0 else DEEPFAKE}
    if pair.label is not None:
        row["label"] = pair.label
    if pair.person is not None:
        row["person"] = pair.person
    if pair.extra:
        row["extra"] = pair.extra
    return row


def print_json(rows: Sequence[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    for row in rows:
        print(json_text(row))


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Write a table for people."""
    numbers = {"score": "score", "threshold": "threshold"}
    if any("p_value" in row for row in rows):
        numbers["p_value"] = "p-value"
    head = ["reference", "probe", *numbers.values(), "verdict"]
    lines = [
        [printable(row["reference"]), printable(row["probe"])]
        + [written(name, row.get(name)) for name in numbers]
        + [row["verdict"]]
        for row in rows
    ]
    widths = [max(len(cell) for cell in column) for column in zip(head, *lines, strict=True)]
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names the terminal cannot show
    for cells, row in zip([head, *lines], [None, *rows], strict=True):
        paths = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(cells[2:-1], widths[2:-1], strict=True)]
        print("  ".join([*paths, *right, _show_verdict(row) if row else cells[-1]]))


def _show_verdict(row: dict[str, Any]) -> str:
    """Return the verdict, what it rests on if that is a video, and why there is none."""
    verdict = coloured(row["verdict"], _COLOURS[row["verdict"]], sys.stdout)
    if "frames" in row:
        scored = sum(frame["score"] is not None for frame in row["frames"])
        verdict += f" (mean of {scored} pairs of frames)"
    return verdict + (f": {printable(row['error'])}" if "error" in row else "")
