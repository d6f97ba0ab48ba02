"""The files that a benchmark writes into its folder."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._settings import Config
from sklearn_diffake.utils._atomic_files import (
    append_line,
    atomic_write,
    check_outputs,
    private_folder,
)
from sklearn_diffake.utils._json import json_text


class JobStore:
    """Finished and failed jobs, one file each.

    Parameters
    ----------
    folder : Path
        The folders ``cells/``, of finished jobs, and ``failed/`` are made in it.
    """

    def __init__(self, folder: Path) -> None:
        self.finished = folder / "cells"
        self.failed = folder / "failed"

    def read(self, key: str) -> dict[str, Any] | None:
        """Return the record of a finished job, None if it is not finished."""
        try:
            record = json.loads((self.finished / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if record.get("key") == key else None

    def write_record(self, key: str, label: str, record: Mapping[str, Any]) -> None:
        """Write the record of a finished job."""
        values = {"key": key, "what": label, **record}
        write_json(self.finished / f"{key}.json", values, indent=None)
        with contextlib.suppress(FileNotFoundError):
            (self.failed / f"{key}.json").unlink()

    def write_failure(self, key: str, label: str, error: str) -> None:
        """Write why a job failed."""
        write_json(self.failed / f"{key}.json", {"key": key, "what": label, "error": error})


class RunLog:
    """The log of a run: all that differs between runs, such as times.

    Parameters
    ----------
    path : Path
        A line of JSON is appended for each event.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        private_folder(path.parent)

    def write(self, event: str, **facts: Any) -> None:
        """Append an event."""
        line = {"time": round(time.time(), 3), "pid": os.getpid(), "event": event, **facts}
        append_line(self.path, json_text(line))


def write_json(path: Path, values: Any, *, indent: int | None = 1) -> None:
    """Write a JSON file atomically."""
    write_file(path, f"{json_text(values, indent=indent)}\n".encode())


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically, in a folder that is made where it is missing."""
    private_folder(path.parent)
    atomic_write(path, content)


def remove_temporary_files(folders: Sequence[Path]) -> None:
    """Remove the files that an interrupted run was writing."""
    for folder in folders:
        for path in folder.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def check_results(config: Config, tables: Mapping[str, PairTable]) -> None:
    """Refuse a folder in which a result would replace an input.

    Parameters
    ----------
    config : Config
    tables : mapping of str to PairTable
        The datasets, loaded.

    Raises
    ------
    OutputError
        If a file that would be written, replaced or removed is the configuration, a table, an
        image, a backbone or its weights; or is no regular file.
    """
    check_outputs(_existing_results(config), _inputs(config, tables))


def _existing_results(config: Config) -> Iterator[Path]:
    folder = config.output
    yield from (folder / name for name in ("results.json", "report.md", "log.jsonl"))
    for protocol in config.protocols:
        yield from folder.glob(f"{protocol.name}*.png")
    store = JobStore(folder)
    for job_folder in (store.finished, store.failed):
        yield from chain(job_folder.glob("*.json"), job_folder.glob(".*.tmp"))
    yield from folder.glob(".*.tmp")  # which are removed
    extractors = config.cache / "extractors"
    yield from (path for path in extractors.rglob("*") if path.is_file())


def _inputs(config: Config, tables: Mapping[str, PairTable]) -> Iterator[Any]:
    yield config.file
    for spec in config.datasets:
        yield spec.value
        yield from spec.arguments.values()
    for extractor in config.extractors:
        yield from (extractor.params.get("backbone"), extractor.params.get("weights"))
    for candidate in chain.from_iterable(protocol.candidates for protocol in config.protocols):
        for embedder in candidate.embedders:
            yield from (embedder.get("backbone"), embedder.get("weights"))
    for table in tables.values():
        if table.data.dtype == object:
            yield from table.data.ravel()
