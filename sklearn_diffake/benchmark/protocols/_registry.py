"""The tables ``[protocols.*]`` of a configuration."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sklearn_diffake.benchmark._degrade import STRENGTHS, UNITS, Degradation
from sklearn_diffake.benchmark._heads import Head, read_head
from sklearn_diffake.benchmark._specs import Candidate, Protocol
from sklearn_diffake.benchmark._toml import ConfigError, Table
from sklearn_diffake.pairs import PairDifference
from sklearn_diffake.utils._messages import nearest

_CHOICES = PairDifference._parameter_constraints
OPERATORS = tuple(sorted(_CHOICES["operator"][0].options))
NORMALIZATIONS = ("none", *sorted(_CHOICES["normalize"][0].options))
_HEADS = (
    "GaussianMixtureDetector",
    "MahalanobisDetector",
    "IsolationForest",
    "OneClassSVM",
    "pyod.ECOD",
    "pyod.KNN",
)

Read = Callable[[Table, Mapping[str, Candidate], Mapping[str, Head]], dict[str, Any]]


def read_protocols(
    tables: Mapping[str, Table],
    datasets: Sequence[str],
    candidates: Mapping[str, Candidate],
    heads: Mapping[str, Head],
) -> tuple[Protocol, ...]:
    """Read the protocols, in the order in which they are listed in `PROTOCOLS`.

    Parameters
    ----------
    tables : mapping of str to Table
        By name.
    datasets : sequence of str
        Names of the datasets.
    candidates, heads : mapping
        Candidates and detectors by name.

    Returns
    -------
    protocols : tuple of Protocol

    Raises
    ------
    ConfigError
        If a table is not as it should be.
    """
    for name, table in tables.items():
        if name not in PROTOCOLS:
            raise ConfigError(
                f"{table.file}: [{table.name}]: there is no such protocol; "
                f"{nearest(name, PROTOCOLS)}"
            )
    read = []
    for name in PROTOCOLS:
        if name in tables:
            read.append(_read_protocol(name, tables[name], datasets, candidates, heads))
    return tuple(read)


def _read_protocol(
    name: str,
    table: Table,
    datasets: Sequence[str],
    candidates: Mapping[str, Candidate],
    heads: Mapping[str, Head],
) -> Protocol:
    chosen = table.take_list("datasets", str, (), choices=datasets)
    judged: tuple[str, ...] = ()
    if name != "ablation":  # which makes its own
        judged = table.take_list("candidates", str, tuple(candidates), choices=candidates)
    split = "identities"
    if name != "cross-dataset":
        split = table.take("split", str, split, choices=("identities", "official"))
    folds = table.take("folds", int, 3, least=2)
    options = PROTOCOLS[name](table, candidates, heads)
    made = options.pop("candidates", tuple(candidates[key] for key in judged))
    for learned in options.get("fit", ()):
        if learned not in (chosen or datasets):
            raise table.error("fit", f"{learned!r} is no dataset of this protocol")
    table.close()
    return Protocol(name, chosen, made, folds, split, options)


def _within_dataset(table: Table, *_: Any) -> dict[str, Any]:
    return {}


def _cross_manipulation(table: Table, *_: Any) -> dict[str, Any]:
    return {"calibrate": table.take("calibrate", bool, True)}


def _cross_dataset(table: Table, *_: Any) -> dict[str, Any]:
    return {
        "bpcer": table.take("bpcer", float, 0.05, least=0, most=0.5),
        "fit": table.take_list("fit", str, ()),
        "mixed_modes": table.take("mixed_modes", bool, False),
    }


def _compression(table: Table, *_: Any) -> dict[str, Any]:
    levels = table.take_list("levels", str, ())
    if levels and "jpeg" in table.values:
        raise table.error("jpeg", "give levels of the datasets or JPEG qualities, not both")
    return {"levels": levels, "jpeg": _strengths(table, "jpeg", (90, 60, 30))}


def _robustness(table: Table, *_: Any) -> dict[str, Any]:
    kinds = table.take_list("kinds", str, tuple(STRENGTHS), choices=STRENGTHS)
    found = {kind: _strengths(table, kind, STRENGTHS[kind]) for kind in STRENGTHS}
    degrade = table.take("degrade", str, "probe", choices=("probe", "both"))
    return {"degrade": degrade, "degradations": tuple(d for kind in kinds for d in found[kind])}


def _strengths(table: Table, kind: str, default: Sequence[float]) -> tuple[Degradation, ...]:
    _, least, most = UNITS[kind]
    number: type = int if kind == "jpeg" else float
    values = table.take_list(kind, number, default, least=least, most=most)
    return tuple(Degradation(kind, value) for value in values)


def _ablation(
    table: Table, candidates: Mapping[str, Candidate], heads: Mapping[str, Head]
) -> dict[str, Any]:
    """Vary operator, normalisation and head of one candidate, each by itself or all together."""
    base = candidates[table.take("base", str, next(iter(candidates)), choices=candidates)]
    operators = table.take_list("operators", str, OPERATORS, choices=OPERATORS)
    scalings = table.take_list("normalizations", str, NORMALIZATIONS, choices=NORMALIZATIONS)
    given = table.take("detectors", list, list(heads or _HEADS))
    axes: dict[str, list[tuple[str, Any]]] = {
        "operator": [(one, one) for one in operators],
        "normalize": [(one, None if one == "none" else one) for one in scalings],
        "detector": [(_label(one), read_head(table, "detectors", one, heads)) for one in given],
    }
    if table.take("product", bool, False):
        made = [
            replace(base, name=" / ".join(labels), **dict(zip(axes, values, strict=True)))
            for labels, values in (
                zip(*chosen, strict=True) for chosen in itertools.product(*axes.values())
            )
        ]
    else:
        made = [base] + [
            replace(base, name=f"{axis}: {label}", **{axis: value})
            for axis, choices in axes.items()
            for label, value in choices
            if value != getattr(base, axis)
        ]
    return {"candidates": tuple(made)}


def _label(given: Any) -> str:
    """Name a detector of the list: by its name and what is particular about it."""
    if not isinstance(given, dict):
        return str(given)
    params = ", ".join(f"{key}={value}" for key, value in given.items() if key != "name")
    return f"{given.get('name')}({params})"


#: How to read what only this protocol has; results are given in this order.
PROTOCOLS: dict[str, Read] = {
    "within-dataset": _within_dataset,
    "cross-manipulation": _cross_manipulation,
    "cross-dataset": _cross_dataset,
    "compression": _compression,
    "robustness": _robustness,
    "ablation": _ablation,
}
