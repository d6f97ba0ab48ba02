"""The tables ``[extractors.*]`` of a configuration: networks that a benchmark trains itself."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn_diffake.benchmark._specs import ExtractorSpec
from sklearn_diffake.benchmark._toml import Table
from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.embedding.backbones import entry_of
from sklearn_diffake.utils._messages import nearest

# What the benchmark decides, or what changes no weights.
_NOT_OFFERED = (
    "cache", "checkpoint_dir", "device", "n_jobs", "pooling", "random_state", "verbose",
)  # fmt: skip
PARAMETERS = tuple(
    name for name in inspect.signature(ForgeryEmbedder).parameters if name not in _NOT_OFFERED
)


def read_extractors(
    tables: Mapping[str, Table], datasets: Sequence[str], read_aligner: Any
) -> dict[str, ExtractorSpec]:
    """Read the extractors that are to be trained.

    Parameters
    ----------
    tables : mapping of str to Table
        By name.
    datasets : sequence of str
        Names of the datasets.
    read_aligner : callable
        Reads the key ``align`` of a table.

    Returns
    -------
    extractors : dict of str to ExtractorSpec

    Raises
    ------
    ConfigError
        If a table is not as it should be.
    """
    return {name: _read(name, table, datasets, read_aligner) for name, table in tables.items()}


def _read(name: str, table: Table, datasets: Sequence[str], read_aligner: Any) -> ExtractorSpec:
    if entry_of(name) is not None or ":" in name:
        raise table.error("name", f"{name!r} is a backbone already; choose another name")
    dataset = table.take("dataset", str, choices=datasets)
    splits = table.take_list("splits", str, ())
    align = read_aligner(table)
    params = {
        key: table.take(key, type(table.values[key])) for key in PARAMETERS if key in table.values
    }
    for key in table.values:
        if key not in (*PARAMETERS, "dataset", "splits", "align"):
            hint = nearest(key, (*PARAMETERS, "dataset", "splits", "align"))
            raise table.error(key, f"ForgeryEmbedder has no such parameter to give here; {hint}")
    params = {key: None if value == "none" else value for key, value in params.items()}
    if params.get("weights"):
        params["weights"] = table.path(table.check("weights", params["weights"], str))
    _check_parameters(table, params)
    table.close()
    return ExtractorSpec(name, dataset, splits, align, params)


def _check_parameters(table: Table, params: Mapping[str, Any]) -> None:
    """Find a parameter that has no sensible value before anything is read."""
    from sklearn_diffake.generation import technique_weights

    try:
        embedder = ForgeryEmbedder(**params)
        embedder._validate_params()
        technique_weights(embedder.techniques)
    except (ValueError, TypeError) as error:
        raise table.error("parameters", str(error)) from error
    if str(embedder.backbone).lower().endswith(".onnx"):
        raise table.error("backbone", "an .onnx file cannot be trained")
    if not embedder.max_epochs:
        raise table.error("max_epochs", "0 trains nothing; name the weights in a candidate instead")
