"""The file of ``watch --jsonl``: verdicts that earlier runs wrote, to which lines are added."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sklearn_diffake.cli._watched_folder import Stamp, file_key
from sklearn_diffake.utils._atomic_files import append_line, check_writable
from sklearn_diffake.utils._json import json_text

_REQUIRED = {"probe", "outcome"}
_OUTCOMES = ("genuine", "suspicious", "inconclusive", "error")
_NUMBER, _INTEGER, _TEXT = (int, float), (int,), (str,)
_NULL = type(None)
#: Types of the values that are read; a line of an earlier version lacks some.
_TYPES: dict[str, tuple[type, ...]] = {
    "probe": _TEXT,
    "outcome": _TEXT,
    "size": _INTEGER,
    "mtime_ns": _INTEGER,
    "reference": _TEXT,
    "reference_checksum": _TEXT,
    "model_fingerprint": (str, _NULL),
    "abstain": (*_NUMBER, _NULL),
    "frames": (int, _NULL),
}


class JudgedFile(NamedTuple):
    """A file that an earlier run judged."""

    stamp: Stamp
    outcome: str


class WatchLog:
    """Lines of JSON that stay when the work is stopped, and are read when it starts again.

    Parameters
    ----------
    path : str or None
        The file; None keeps nothing.
    inputs : iterable of str
        Files that it must not be.

    Raises
    ------
    ValueError
        If it cannot be written, is an input, or holds anything but the lines of an earlier run.
    """

    def __init__(self, path: str | None, inputs: Iterable[str]) -> None:
        self._path = None if path is None else Path(path)
        self._rows: list[dict[str, Any]] = []
        if self._path is None:
            return
        check_writable(self._path, inputs=inputs)
        if self._path.is_file():
            self._rows = _read_rows(self._path)

    def judged_files(self, rules: Mapping[str, Any]) -> dict[str, JudgedFile]:
        """Return the files that earlier runs judged with the same rules.

        Parameters
        ----------
        rules : mapping of str to (str, int, float or None)
            Values that a line must have: of the reference, the model and the options.

        Returns
        -------
        dict of str to JudgedFile
            By `file_key`, as the last line on each has it. A file that could not be judged is left
            out.
        """
        files: dict[str, JudgedFile] = {}
        for row in self._rows:
            if "size" not in row or "mtime_ns" not in row:
                continue
            if any(name not in row or row[name] != value for name, value in rules.items()):
                continue
            key = file_key(row["probe"])
            if row["outcome"] == "error":
                files.pop(key, None)
            else:
                files[key] = JudgedFile((row["size"], row["mtime_ns"]), row["outcome"])
        return files

    def add(self, row: dict[str, Any]) -> None:
        """Add a line, and hand it to the system."""
        if self._path is not None:
            append_line(self._path, json_text(row))


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the lines of an earlier run; the end of one that was killed while writing is cut off."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    rows = []
    for number, line in enumerate(content[:end].splitlines(), 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        fault = _fault_of(row)
        if fault:
            raise ValueError(
                f"--jsonl {os.fspath(path)!r}: line {number} is no verdict of watch{fault}; give "
                "a new file, or that of an earlier run"
            )
        rows.append(row)
    if content[end:] and not content[end:].lstrip().startswith(b"{"):
        raise ValueError(f"--jsonl {os.fspath(path)!r} is no output of watch; give a new file")
    if end < len(content):
        os.truncate(path, end)
    return rows


def _fault_of(row: Any) -> str:
    """Return what is wrong with a line, to be put after a noun; an empty text for a good one."""
    if not isinstance(row, dict):
        return " (expected a JSON object)"
    missing = sorted(_REQUIRED - row.keys())
    if missing:
        return f" (it has no {missing[0]!r})"
    for name, types in _TYPES.items():
        value = row.get(name)
        if name in row and (isinstance(value, bool) or not isinstance(value, types)):
            expected = " or ".join("null" if t is _NULL else t.__name__ for t in types)
            return f" ({name!r} must be {expected}, got {str(value)[:40]!r})"
    if row["outcome"] not in _OUTCOMES:
        return f" ('outcome' must be one of {', '.join(_OUTCOMES)}, got {row['outcome'][:40]!r})"
    return ""
