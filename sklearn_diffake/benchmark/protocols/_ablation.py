"""The protocol ``ablation``: vary operator, normalization and detector of one candidate."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_diffake.benchmark._candidates import NORMALIZATIONS, OPERATORS, read_detector
from sklearn_diffake.benchmark._scores import FinishedJob, Tables
from sklearn_diffake.benchmark._settings import Candidate
from sklearn_diffake.benchmark._toml import Table
from sklearn_diffake.benchmark.protocols._base import Protocol, ReadContext
from sklearn_diffake.benchmark.protocols._registry import register
from sklearn_diffake.benchmark.report._figures import Drawing
from sklearn_diffake.benchmark.report._tables import Row, dataset_title, full_table, group_by
from sklearn_diffake.utils._colors import BLUE, GRAY, LIGHT_GRAY

_DETECTORS = (
    "GaussianMixtureDetector",
    "MahalanobisDetector",
    "IsolationForest",
    "OneClassSVM",
    "pyod.ECOD",
    "pyod.KNN",
)

Choices = Mapping[str, Sequence[tuple[str, Any]]]  # label and value, by the varied attribute


@register
class Ablation(Protocol):
    """Compare variants of one candidate on held-out people of each dataset."""

    name = "ablation"
    rank = 60
    has_candidates = False

    def read_options(self, table: Table, context: ReadContext) -> dict[str, Any]:
        """Read the candidate and the choices; return the variants as ``candidates``."""
        candidates, detectors = context.candidates, context.detectors
        base = candidates[table.get("base", str, next(iter(candidates)), choices=candidates)]
        operators = table.get_list("operators", str, OPERATORS, choices=OPERATORS)
        normalizations = table.get_list(
            "normalizations", str, NORMALIZATIONS, choices=NORMALIZATIONS
        )
        specs = table.get("detectors", list, list(detectors or _DETECTORS))
        choices: Choices = {
            "operator": [(name, name) for name in operators],
            "normalize": [(name, None if name == "none" else name) for name in normalizations],
            "detector": [
                (_label(spec), read_detector(table, "detectors", spec, detectors)) for spec in specs
            ],
        }
        if table.get("product", bool, False):
            return {"candidates": tuple(_all_combinations(base, choices))}
        return {"candidates": (base, *_single_changes(base, choices))}

    def section(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield for each dataset the full table of the variants."""
        for of_dataset in group_by(rows, "test").values():
            yield dataset_title(of_dataset)
            yield from full_table(of_dataset, {"candidate": "variant"})

    def drawings(
        self, rows: Sequence[Row], finished: Sequence[FinishedJob], tables: Tables
    ) -> Iterator[Drawing]:
        """Yield for each dataset the AUC of the variants, with intervals."""
        for dataset, of_dataset in group_by(rows, "test").items():
            yield _variant_drawing(dataset, of_dataset)


def _label(spec: Any) -> str:
    """Return a label of a detector of the list: its name and its parameters."""
    if not isinstance(spec, dict):
        return str(spec)
    params = ", ".join(f"{key}={value}" for key, value in spec.items() if key != "name")
    return f"{spec.get('name')}({params})"


def _all_combinations(base: Candidate, choices: Choices) -> Iterator[Candidate]:
    for combination in itertools.product(*choices.values()):
        labels, values = zip(*combination, strict=True)
        changes = dict(zip(choices, values, strict=True))
        yield replace(base, name=" / ".join(labels), **changes)


def _single_changes(base: Candidate, choices: Choices) -> Iterator[Candidate]:
    for attribute, values in choices.items():
        for label, value in values:
            if value != getattr(base, attribute):
                changes: dict[str, Any] = {attribute: value}
                yield replace(base, name=f"{attribute}: {label}", **changes)


def _variant_drawing(dataset: str, rows: Sequence[Row]) -> Drawing:
    def paint(figure: Any) -> None:
        ax, heights = figure.subplots(), np.arange(len(rows))
        areas = [row["figures"]["auc"] for row in rows]
        values, low, high = np.array(
            [[area[0] if value is None else value for value in area] for area in areas]
        ).T
        error = np.maximum([values - low, high - values], 0)
        ax.errorbar(values, heights, xerr=error, fmt="o", color=BLUE, capsize=2)
        ax.axvline(values[0], color=GRAY, linestyle=":", linewidth=1)
        ax.set_yticks(heights, [row["candidate"] for row in rows])
        ax.invert_yaxis()
        ax.set(xlabel="AUC")
        ax.grid(axis="x", color=LIGHT_GRAY, linewidth=0.6)

    return Drawing(dataset, (7, 1 + 0.3 * len(rows)), paint)
