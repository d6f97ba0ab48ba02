"""What a benchmark writes into its folder, and what must not be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._specs import Config
from sklearn_diffake.utils._atomic_files import check_outputs


def check_results(config: Config, tables: Mapping[str, PairTable]) -> None:
    """Refuse a folder in which a result would take the place of an input.

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
    for kept in (folder / "cells", folder / "failed"):
        yield from chain(kept.glob("*.json"), kept.glob(".*.tmp"))
    yield from folder.glob(".*.tmp")  # which are removed
    trained = config.cache / "extractors"
    yield from (path for path in trained.rglob("*") if path.is_file())


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
