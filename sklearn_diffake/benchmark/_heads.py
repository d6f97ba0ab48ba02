"""Detectors as a configuration gives them: by name, or as a table with parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn_diffake.benchmark._registry import DETECTORS, SpecError, make_detector
from sklearn_diffake.benchmark._toml import Table
from sklearn_diffake.utils._messages import nearest

Head = Mapping[str, Any]


def read_heads(tables: Mapping[str, Table]) -> dict[str, Head]:
    """Read the detectors that have a table of their own."""
    heads = {}
    for name, table in tables.items():
        _check_detector(table, "", table.values)
        heads[name] = table.values
    return heads


def _check_detector(table: Table, key: str, spec: Head) -> None:
    """Build a detector once, so that its faults are found now."""
    try:
        make_detector(spec, seed=0, device="cpu")
    except SpecError as error:
        where = f"{key}.{error.key}" if key else error.key
        raise table.error(where, error.problem) from error


def read_head(table: Table, key: str, given: Any, heads: Mapping[str, Head]) -> Head:
    """Read a detector that is given by name or as a table."""
    if isinstance(given, str):
        if given in heads:
            return heads[given]
        if given not in DETECTORS:
            raise table.error(
                key, f"{given!r} is no detector; {nearest(given, (*heads, *DETECTORS))}"
            )
        given = {"name": given}
    elif not isinstance(given, dict):
        raise table.error(key, f"expected a detector's name or a table, got {given!r}")
    _check_detector(table, key, given)
    return given
