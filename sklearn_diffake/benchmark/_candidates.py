"""The tables of detectors, extractors and candidates in a configuration."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn_diffake.benchmark._registry import DETECTORS, make_detector
from sklearn_diffake.benchmark._settings import Candidate, ExtractorSpec
from sklearn_diffake.benchmark._toml import REQUIRED, ConfigError, Table
from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.embedding.backbones import entry_of
from sklearn_diffake.embedding.backbones._base import ONE_SCALE
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.pairs import PairDifference
from sklearn_diffake.utils._messages import nearest

DetectorSpec = Mapping[str, Any]  # name and parameters

_DIFFERENCE_OPTIONS = PairDifference._parameter_constraints
OPERATORS = tuple(sorted(_DIFFERENCE_OPTIONS["operator"][0].options))
NORMALIZATIONS = ("none", *sorted(_DIFFERENCE_OPTIONS["normalize"][0].options))

_ALIGNER_KEYS = (
    "size", "margin", "select", "min_face_size", "min_probability", "max_size", "on_missing",
)  # fmt: skip
# Parameters of `ForgeryEmbedder` that the benchmark sets, or that change no weights.
_NOT_OFFERED = (
    "cache", "callbacks", "checkpoint_dir", "device", "n_jobs", "pooling", "random_state",
    "verbose", "warm_start",
)  # fmt: skip
_EXTRACTOR_PARAMETERS = tuple(
    name for name in inspect.signature(ForgeryEmbedder).parameters if name not in _NOT_OFFERED
)
_EXTRACTOR_KEYS = (*_EXTRACTOR_PARAMETERS, "dataset", "splits", "align")


def read_detectors(tables: Mapping[str, Table]) -> dict[str, DetectorSpec]:
    """Read the detectors that have a table of their own."""
    for table in tables.values():
        _check_detector(table, "", table.values)
    return {name: table.values for name, table in tables.items()}


def _check_detector(table: Table, key: str, spec: DetectorSpec) -> None:
    """Build a detector once, so that an error in it is raised before any work."""
    try:
        make_detector(spec, seed=0, device="cpu")
    except ConfigError as error:
        raise table.error_at(key, error) from error


def read_detector(
    table: Table, key: str, value: Any, detectors: Mapping[str, DetectorSpec]
) -> DetectorSpec:
    """Read a detector that is described by its name or by a table.

    Parameters
    ----------
    table : Table
    key : str
        Named in messages.
    value : object
        The value at that key.
    detectors : mapping of str to mapping
        Those that have a table of their own.

    Returns
    -------
    detector : mapping
        ``name`` and parameters.
    """
    if isinstance(value, str):
        if value in detectors:
            return detectors[value]
        if value not in DETECTORS:
            hint = nearest(value, (*detectors, *DETECTORS))
            raise table.error(key, f"{value!r} is no detector; {hint}")
        value = {"name": value}
    elif not isinstance(value, dict):
        raise table.error(key, f"expected a detector's name or a table, got {value!r}")
    _check_detector(table, key, value)
    return value


def read_extractors(
    tables: Mapping[str, Table], datasets: Sequence[str]
) -> dict[str, ExtractorSpec]:
    """Read the extractors that are to be trained."""
    return {name: _read_extractor(name, table, datasets) for name, table in tables.items()}


def _read_extractor(name: str, table: Table, datasets: Sequence[str]) -> ExtractorSpec:
    if entry_of(name) is not None or ":" in name:
        raise table.error("name", f"{name!r} is a backbone already; choose another name")
    dataset = table.get("dataset", str, choices=datasets)
    splits = table.get_list("splits", str, ())
    align = _read_aligner(table)
    params = {
        key: table.get(key, type(table.values[key]))
        for key in _EXTRACTOR_PARAMETERS
        if key in table.values
    }
    for key in table.values:
        if key not in _EXTRACTOR_KEYS:
            hint = nearest(key, _EXTRACTOR_KEYS)
            raise table.error(key, f"ForgeryEmbedder has no such parameter to give here; {hint}")
    params = {key: None if value == "none" else value for key, value in params.items()}
    if params.get("weights"):
        params["weights"] = table.path(table.check("weights", params["weights"], str))
    _check_extractor(table, params)
    table.close()
    return ExtractorSpec(name, dataset, splits, align, params)


def _check_extractor(table: Table, params: Mapping[str, Any]) -> None:
    """Refuse a parameter of no sensible value before anything is read."""
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


def read_candidates(
    tables: Mapping[str, Table],
    detectors: Mapping[str, DetectorSpec],
    extractors: Mapping[str, ExtractorSpec],
) -> dict[str, Candidate]:
    """Read the candidates."""
    return {
        name: _read_candidate(name, table, detectors, extractors) for name, table in tables.items()
    }


def _read_candidate(
    name: str,
    table: Table,
    detectors: Mapping[str, DetectorSpec],
    extractors: Mapping[str, ExtractorSpec],
) -> Candidate:
    value = table.values.get("embedder", REQUIRED)
    values = list(value) if isinstance(value, list) else [value]
    table.get("embedder", type(value) if isinstance(value, (list, dict)) else str)
    if not values:
        raise table.error("embedder", "the list is empty")
    embedders = tuple(_read_embedder(table, value, extractors) for value in values)
    align = _read_aligner(table, _default_align(table, embedders, extractors))
    normalize = table.get("normalize", str, "embeddings", choices=NORMALIZATIONS)
    detector = table.values.get("detector", "GaussianMixtureDetector")
    table.get("detector", dict if isinstance(detector, dict) else str, "")
    candidate = Candidate(
        name=name,
        embedders=embedders,
        align=align,
        operator=table.get("operator", str, "squared", choices=OPERATORS),
        normalize=None if normalize == "none" else normalize,
        detector=read_detector(table, "detector", detector, detectors),
    )
    table.close()
    return candidate


def _default_align(
    table: Table,
    embedders: Sequence[Mapping[str, Any]],
    extractors: Mapping[str, ExtractorSpec],
) -> Any:
    """Return the crops that the extractors of a candidate were trained on; True without any."""
    specs = [extractors[params["extractor"]] for params in embedders if "extractor" in params]
    if not specs or "align" in table.values:
        return True
    first = specs[0].align
    if any(spec.align != first for spec in specs):
        problem = "is missing; the extractors learned from different crops, so say which to cut"
        raise table.error("align", problem)
    return False if first is None else first


def _read_embedder(
    table: Table, value: Any, extractors: Mapping[str, ExtractorSpec]
) -> dict[str, Any]:
    if isinstance(value, dict):
        inner = Table(value, table.file, f"{table.name}.embedder")
    else:
        inner = Table({"backbone": table.check("embedder", value, str)}, table.file, table.name)
    params = {
        "backbone": inner.get("backbone", str),
        "weights": inner.get("weights", str, None),
        "dtype": inner.get("dtype", str, "float32", choices=("float32", "float16", "bfloat16")),
        "mirror": inner.get("mirror", bool, False),
        "scales": inner.get_list("scales", float, ONE_SCALE, maximum=1),
    }
    inner.close()
    if params["backbone"] in extractors:
        if params["weights"]:
            raise inner.error("weights", "an extractor has the weights that it is trained to")
        del params["weights"]
        return {"extractor": params.pop("backbone"), **params}
    if params["backbone"].lower().endswith(".onnx"):
        params["backbone"] = inner.path(params["backbone"])
    if params["weights"]:
        params["weights"] = inner.path(params["weights"])
    return params


def _read_aligner(table: Table, default: Any = True) -> dict[str, Any] | None:
    """Read the key ``align``; None stands for crops that are aligned already."""
    value = table.values.get("align", default)
    table.get("align", dict if isinstance(value, dict) else bool, default)
    if value is False:
        return None
    params: dict[str, Any] = {} if value is True else dict(value)
    inner = Table(params, table.file, f"{table.name}.align")
    for key in params:
        if key not in _ALIGNER_KEYS:
            raise inner.error(key, f"unknown key; {nearest(key, _ALIGNER_KEYS)}")
    try:
        FaceAligner(**params)._validate_params()
    except (ValueError, TypeError) as error:
        raise table.error("align", str(error)) from error
    if params.get("select") == "match":
        raise inner.error("select", "'match' compares the pictures of a pair; a benchmark aligns "
                          "each picture once, for all pairs")  # fmt: skip
    return {"on_missing": "crop", **params}
