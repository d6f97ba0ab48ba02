"""A benchmark's configuration: from a TOML file to frozen values, checked before anything runs."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sklearn_diffake.benchmark._extractor_tables import read_extractors
from sklearn_diffake.benchmark._heads import read_head, read_heads
from sklearn_diffake.benchmark._protocol_tables import NORMALIZATIONS, OPERATORS, read_protocols
from sklearn_diffake.benchmark._registry import SpecError, find_loader
from sklearn_diffake.benchmark._specs import Candidate, Config, DatasetSpec, ExtractorSpec
from sklearn_diffake.benchmark._toml import REQUIRED, ConfigError, Table
from sklearn_diffake.embedding.backbones._registry import ONE_SCALE
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.utils._imports import untrusted_references
from sklearn_diffake.utils._messages import nearest
from sklearn_diffake.utils._mode import MODES, REFERENCE, mode_name

_PATHS = ("root", "table", "data_home", "cache")  # arguments of loaders that are paths
_SECTIONS = ("datasets", "detectors", "extractors", "candidates", "protocols")
_OPTIONAL = ("detectors", "extractors")
_SOURCES = ("loader", "images", "pairs")
_DEEPEST = 200  # tables in each other


def read_config(path: str | os.PathLike[str], *, trusted: Sequence[str] = ()) -> Config:
    """Read a benchmark's configuration, and check all of it that can be checked beforehand.

    Parameters
    ----------
    path : str or Path
        A TOML file; relative paths in it begin at its folder.
    trusted : sequence of str, default=()
        Backbones and encoders of the form ``"module:function"`` that may be imported. A
        configuration that names any other, at whatever depth, is refused.

    Returns
    -------
    config : Config
        What the file says, with its defaults.

    Raises
    ------
    ConfigError
        A ``ValueError`` that names table and key: not a TOML file, an unknown or missing key, a
        value of the wrong type, an unknown loader, detector, protocol, dataset or candidate.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.benchmark import read_config
    >>> _ = Path("small.toml").write_text('''
    ... datasets.faces.loader = "make_face_pairs"
    ... datasets.faces.arguments = { n_pairs = 24, techniques = ["swap", "splice"] }
    ... candidates.one.embedder = "difffake-lite0-identity"
    ... protocols.cross-manipulation.folds = 2
    ... ''')
    >>> config = read_config("small.toml")
    >>> config.protocols[0].name, config.protocols[0].folds
    ('cross-manipulation', 2)
    """
    file = Path(path).absolute()
    if not file.is_file():
        raise FileNotFoundError(f"There is no configuration {str(path)!r}.")
    try:
        text = file.read_text(encoding="utf-8")
        if max(part.count(".") for part in re.split("[=,\n]", text)) > _DEEPEST:
            raise ValueError(f"a key has more than {_DEEPEST} dots")  # tomllib would take ages
        values = tomllib.loads(text)
        if _largest(values) >= 2**63:
            raise ValueError("an integer has more than 64 bits")
    except (ValueError, RecursionError) as error:  # of a wrong syntax, encoding, number or depth
        raise ConfigError(f"{file}: not a TOML file: {error}") from error
    _refuse_code(values, file, trusted)
    top = Table(values, file)
    output = Path(top.path(top.take("output", str, "benchmark-results")))
    cache = top.take("cache", str, None)
    settings = {
        "seed": top.take("seed", int, 0, least=0, most=2**31 - 1),
        "device": top.take("device", str, "auto"),
        "batch_size": top.take("batch_size", int, 16, least=1),
        "bootstrap": top.take("bootstrap", int, 200, least=1),
        "level": top.take("level", str, "pairs", choices=("pairs", "videos")),
        "confidence": top.take("confidence", float, 0.95, least=0.5, most=0.999),
    }
    sections = {name: top.tables(name) for name in _SECTIONS}
    top.close()
    for name, tables in sections.items():
        if not tables and name not in _OPTIONAL:
            raise top.error(name, f"is missing; expected tables [{name}.NAME]")
    datasets = tuple(_read_dataset(name, t) for name, t in sections["datasets"].items())
    known = [dataset.name for dataset in datasets]
    heads = read_heads(sections["detectors"])
    extractors = read_extractors(sections["extractors"], known, _read_aligner)
    candidates = {
        name: _read_candidate(name, table, heads, extractors)
        for name, table in sections["candidates"].items()
    }
    return Config(
        file=file,
        values=values,
        output=output,
        cache=Path(top.path(cache)) if cache else output / "cache",
        datasets=datasets,
        protocols=read_protocols(sections["protocols"], known, candidates, heads),
        extractors=tuple(extractors.values()),
        **settings,
    )


def _refuse_code(values: Mapping[str, Any], file: Path, trusted: Sequence[str]) -> None:
    """Refuse names of code that the caller does not trust; paths of files are none."""
    for keys, text in _strings(values, ()):
        is_path = (
            keys[-1] in (*_PATHS, "images", "pairs")
            if keys[:1] == ("datasets",)
            else len(keys) == 1
        )
        if not is_path and untrusted_references([text], trusted):
            *tables, key = map(str, keys)
            raise Table({}, file, ".".join(tables)).error(
                key,
                f"{text!r} is a function that would be imported and run; if that is meant, "
                f"allow it with --trust {text}",
            )


def _strings(value: Any, keys: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield every string in a table or list, with the keys that lead to it."""
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, (*keys, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, keys)


def _largest(value: Any) -> int:
    """Return the largest size of an integer in a table or list."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return max(map(_largest, value), default=0)
    return abs(value) if isinstance(value, int) else 0


def _read_dataset(name: str, table: Table) -> DatasetSpec:
    given = [source for source in _SOURCES if table.take(source, str, None) is not None]
    if len(given) != 1:
        problem = f"expected one of loader, images and pairs, got {' and '.join(given) or 'none'}"
        raise table.error(given[0] if given else "loader", problem)
    source, value = given[0], table.values[given[0]]
    if source == "loader":
        arguments = _loader_arguments(table, value)
    else:
        value = table.path(value)
        if not os.path.isfile(value):
            raise table.error(source, f"there is no file {value}")
        arguments = _pairing(table) if source == "images" else {"mode": _take_mode(table, None)}
    groups = table.take_list("groups", str, ())
    spec = DatasetSpec(
        name=name,
        source=source,
        value=value,
        arguments=arguments,
        groups=groups or None,
        distinct_people=table.take("distinct_people", bool, False),
        limit=table.take("limit", int, None, least=2),
    )
    table.close()
    return spec


def _loader_arguments(table: Table, name: str) -> dict[str, Any]:
    try:
        known = find_loader(name)[1]
    except SpecError as error:
        raise table.error(error.key, error.problem) from error
    inner = table.table("arguments")
    for key in inner.values:
        if key not in known:
            raise inner.error(key, f"{name} has no such argument; {nearest(key, known)}")
    paths = {k: inner.path(inner.take(k, str)) for k in _PATHS if k in inner.values}
    return {**inner.values, **paths}


def _pairing(table: Table) -> dict[str, Any]:
    k = table.values.get("k", 1)
    return {
        "mode": _take_mode(table, REFERENCE),
        "k": table.take("k", str if k == "all" else int, 1, least=None if k == "all" else 1),
        "exclude": table.take("exclude", str, None),
    }


def _take_mode(table: Table, default: str | None) -> str | None:
    text = table.take("mode", str, default)
    try:
        return None if text is None else mode_name(text)
    except ValueError as error:
        raise table.error("mode", f"{text!r} is not known; {nearest(text, MODES)}") from error


def _read_candidate(
    name: str,
    table: Table,
    heads: Mapping[str, Mapping[str, Any]],
    extractors: Mapping[str, ExtractorSpec],
) -> Candidate:
    given = table.values.get("embedder", REQUIRED)
    several = list(given) if isinstance(given, list) else [given]
    table.take("embedder", type(given) if isinstance(given, (list, dict)) else str)
    if not several:
        raise table.error("embedder", "the list is empty")
    embedders = tuple(_read_embedder(table, one, extractors) for one in several)
    align = _read_aligner(table, _usual_crops(table, embedders, extractors))
    normalize = table.take("normalize", str, "embeddings", choices=NORMALIZATIONS)
    head = table.values.get("detector", "GaussianMixtureDetector")
    table.take("detector", dict if isinstance(head, dict) else str, "")
    candidate = Candidate(
        name=name,
        embedders=embedders,
        align=align,
        operator=table.take("operator", str, "squared", choices=OPERATORS),
        normalize=None if normalize == "none" else normalize,
        detector=read_head(table, "detector", head, heads),
    )
    table.close()
    return candidate


def _usual_crops(
    table: Table,
    embedders: Sequence[Mapping[str, Any]],
    extractors: Mapping[str, ExtractorSpec],
) -> Any:
    """Return the crops that the extractors of a candidate learned from; True without any."""
    used = [extractors[params["extractor"]] for params in embedders if "extractor" in params]
    if not used or "align" in table.values:
        return True
    first = used[0].align
    if any(spec.align != first for spec in used):
        problem = "is missing; the extractors learned from different crops, so say which to cut"
        raise table.error("align", problem)
    return False if first is None else first


def _read_embedder(
    table: Table, given: Any, extractors: Mapping[str, ExtractorSpec]
) -> dict[str, Any]:
    if isinstance(given, dict):
        inner = Table(given, table.file, f"{table.name}.embedder")
    else:
        inner = Table({"backbone": table.check("embedder", given, str)}, table.file, table.name)
    params = {
        "backbone": inner.take("backbone", str),
        "weights": inner.take("weights", str, None),
        "dtype": inner.take("dtype", str, "float32", choices=("float32", "float16", "bfloat16")),
        "mirror": inner.take("mirror", bool, False),
        "scales": inner.take_list("scales", float, ONE_SCALE, most=1),
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


def _read_aligner(table: Table, usual: Any = True) -> dict[str, Any] | None:
    """Read the key ``align``; None stands for crops that are aligned already."""
    given = table.values.get("align", usual)
    table.take("align", dict if isinstance(given, dict) else bool, usual)
    if given is False:
        return None
    params: dict[str, Any] = {} if given is True else dict(given)
    inner = Table(params, table.file, f"{table.name}.align")
    known = ("size", "margin", "select", "min_face_size", "min_probability", "max_size")
    for key in params:
        if key not in (*known, "on_missing"):
            raise inner.error(key, f"unknown key; {nearest(key, (*known, 'on_missing'))}")
    try:
        FaceAligner(**params)._validate_params()
    except (ValueError, TypeError) as error:
        raise table.error("align", str(error)) from error
    if params.get("select") == "match":
        raise inner.error("select", "'match' compares the pictures of a pair; a benchmark aligns "
                          "each picture once, for all pairs")  # fmt: skip
    return {"on_missing": "crop", **params}
