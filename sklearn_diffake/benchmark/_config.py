"""Read a benchmark's configuration from a TOML file, and check it before anything runs."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sklearn_diffake.benchmark._candidates import read_candidates, read_detectors, read_extractors
from sklearn_diffake.benchmark._registry import find_loader
from sklearn_diffake.benchmark._settings import Config, DatasetSpec
from sklearn_diffake.benchmark._toml import ConfigError, Table
from sklearn_diffake.benchmark.protocols import read_protocols
from sklearn_diffake.utils._imports import untrusted_references
from sklearn_diffake.utils._messages import nearest
from sklearn_diffake.utils._modes import MODES, REFERENCE, mode_name

_PATHS = ("root", "table", "data_home", "cache")  # arguments of loaders that are paths
_SECTIONS = ("datasets", "detectors", "extractors", "candidates", "protocols")
_OPTIONAL = ("detectors", "extractors")
_SOURCES = ("loader", "images", "pairs")
_MAX_DEPTH = 200  # of nested tables


def read_config(path: str | os.PathLike[str], *, trusted: Sequence[str] = ()) -> Config:
    """Read a benchmark's configuration, and check it before anything is computed.

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
        The settings of the file, and defaults for all that it does not set.

    Raises
    ------
    ConfigError
        A ``ValueError`` that names table and key: not a TOML file, an unknown or missing key, a
        value of the wrong type, an unknown loader, detector, protocol, dataset or candidate.
    FileNotFoundError
        If there is no such file.

    See Also
    --------
    plan_benchmark : Lists the jobs of a configuration, without doing any.
    run_benchmark : Does the jobs of a configuration.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.benchmark import read_config
    >>> _ = Path("small.toml").write_text('''
    ... bootstrap = 10
    ... datasets.faces.loader = "make_face_pairs"
    ... datasets.faces.arguments = { n_pairs = 24, size = 64, techniques = ["swap", "splice"] }
    ... candidates.one.embedder = "difffake-lite0-identity"
    ... candidates.one.align = false
    ... candidates.one.detector = "MahalanobisDetector"
    ... protocols.cross-manipulation.folds = 2
    ... ''')
    >>> config = read_config("small.toml")
    >>> config.protocols[0].name, config.protocols[0].folds
    ('cross-manipulation', 2)
    """
    file = Path(path).absolute()
    values = _parse(file, str(path))
    _refuse_code(values, file, trusted)
    top = Table(values, file)
    output = Path(top.path(top.get("output", str, "benchmark-results")))
    cache = top.get("cache", str, None)
    settings = {
        "seed": top.get("seed", int, 0, minimum=0, maximum=2**31 - 1),
        "device": top.get("device", str, "auto"),
        "batch_size": top.get("batch_size", int, 16, minimum=1),
        "bootstrap": top.get("bootstrap", int, 200, minimum=1),
        "level": top.get("level", str, "pairs", choices=("pairs", "videos")),
        "confidence": top.get("confidence", float, 0.95, minimum=0.5, maximum=0.999),
    }
    sections = {name: top.tables(name) for name in _SECTIONS}
    top.close()
    for name, tables in sections.items():
        if not tables and name not in _OPTIONAL:
            raise top.error(name, f"is missing; expected tables [{name}.NAME]")
    datasets = tuple(_read_dataset(name, t) for name, t in sections["datasets"].items())
    names = [dataset.name for dataset in datasets]
    detectors = read_detectors(sections["detectors"])
    extractors = read_extractors(sections["extractors"], names)
    candidates = read_candidates(sections["candidates"], detectors, extractors)
    return Config(
        file=file,
        values=values,
        output=output,
        cache=Path(top.path(cache)) if cache else output / "cache",
        datasets=datasets,
        protocols=read_protocols(sections["protocols"], names, candidates, detectors),
        extractors=tuple(extractors.values()),
        **settings,
    )


def _parse(file: Path, name: str) -> dict[str, Any]:
    """Return the content of a TOML file, which may be anything."""
    if not file.is_file():
        raise FileNotFoundError(f"There is no configuration {name!r}.")
    try:
        text = file.read_text(encoding="utf-8")
        if max(chunk.count(".") for chunk in re.split("[=,\n]", text)) > _MAX_DEPTH:
            # tomllib takes minutes for such a key
            raise ValueError(f"a key has more than {_MAX_DEPTH} dots")
        values = tomllib.loads(text)
        if _largest(values) >= 2**63:
            raise ValueError("an integer has more than 64 bits")
    except (ValueError, RecursionError) as error:  # of a wrong syntax, encoding, number or depth
        raise ConfigError(f"not a TOML file: {error}", file=file) from error
    return values


def _refuse_code(values: Mapping[str, Any], file: Path, trusted: Sequence[str]) -> None:
    """Refuse names of code that the caller does not trust; paths of files are not code."""
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
    sources = [key for key in _SOURCES if table.get(key, str, None) is not None]
    if len(sources) != 1:
        problem = f"expected one of loader, images and pairs, got {' and '.join(sources) or 'none'}"
        raise table.error(sources[0] if sources else "loader", problem)
    source, value = sources[0], table.values[sources[0]]
    if source == "loader":
        arguments = _loader_arguments(table, value)
    else:
        value = table.path(value)
        if not os.path.isfile(value):
            raise table.error(source, f"there is no file {value}")
        arguments = _pairing(table) if source == "images" else {"mode": _read_mode(table, None)}
    groups = table.get_list("groups", str, ())
    spec = DatasetSpec(
        name=name,
        source=source,
        value=value,
        arguments=arguments,
        groups=groups or None,
        distinct_people=table.get("distinct_people", bool, False),
        limit=table.get("limit", int, None, minimum=2),
    )
    table.close()
    return spec


def _loader_arguments(table: Table, name: str) -> dict[str, Any]:
    try:
        accepted = find_loader(name)[1]
    except ConfigError as error:
        raise table.error_at("", error) from error
    inner = table.table("arguments")
    for key in inner.values:
        if key not in accepted:
            raise inner.error(key, f"{name} has no such argument; {nearest(key, accepted)}")
    paths = {k: inner.path(inner.get(k, str)) for k in _PATHS if k in inner.values}
    return {**inner.values, **paths}


def _pairing(table: Table) -> dict[str, Any]:
    k = table.values.get("k", 1)
    return {
        "mode": _read_mode(table, REFERENCE),
        "k": table.get("k", str if k == "all" else int, 1, minimum=None if k == "all" else 1),
        "exclude": table.get("exclude", str, None),
    }


def _read_mode(table: Table, default: str | None) -> str | None:
    text = table.get("mode", str, default)
    try:
        return None if text is None else mode_name(text)
    except ValueError as error:
        raise table.error("mode", f"{text!r} is not known; {nearest(text, MODES)}") from error
