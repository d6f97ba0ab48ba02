"""The file of ``watch --jsonl``: verdicts that earlier runs wrote, to which lines are added."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sklearn_diffake.utils._atomic_files import append_line, check_writable
from sklearn_diffake.utils._json import json_text

_KEYS = {"probe", "outcome"}  # of every line


class WatchLog:
    """Lines of JSON that stay when the work is stopped, and are read when it starts again.

    Parameters
    ----------
    path : str or None
        The file; None keeps nothing.
    inputs : iterable of str
        Files that it must not be.

    Attributes
    ----------
    judged_files : dict of str to (int, int)
        Size and time of change of the files that earlier runs judged, by absolute path.

    Raises
    ------
    ValueError
        If it cannot be written, is an input, or holds anything but the lines of an earlier run.
    """

    def __init__(self, path: str | None, inputs: Iterable[str]) -> None:
        self._path = None if path is None else Path(path)
        self.judged_files: dict[str, tuple[int, int]] = {}
        if self._path is None:
            return
        check_writable(self._path, inputs=inputs)
        if self._path.is_file():
            for row in _read_rows(self._path):
                if "size" in row and "mtime_ns" in row:
                    stamp = row["size"], row["mtime_ns"]
                    self.judged_files[os.path.abspath(row["probe"])] = stamp

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
        except ValueError:
            row = None
        if not isinstance(row, dict) or not row.keys() >= _KEYS:
            raise ValueError(
                f"--jsonl {os.fspath(path)!r}: line {number} is no verdict of watch; give a new "
                "file, or that of an earlier run"
            )
        rows.append(row)
    if content[end:] and not content[end:].lstrip().startswith(b"{"):
        raise ValueError(f"--jsonl {os.fspath(path)!r} is no output of watch; give a new file")
    if end < len(content):
        os.truncate(path, end)
    return rows
