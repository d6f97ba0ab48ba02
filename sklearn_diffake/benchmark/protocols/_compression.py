"""The protocol ``compression``: learn from pictures of one level of compression, judge another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._jobs import NOT_DEGRADED, Condition, Job, Rows, Step
from sklearn_diffake.benchmark._scores import FinishedJob, Tables
from sklearn_diffake.benchmark._settings import ProtocolSpec
from sklearn_diffake.benchmark._toml import Table
from sklearn_diffake.benchmark.protocols._base import (
    Protocol,
    ReadContext,
    candidate_jobs,
    read_degradations,
    splits,
)
from sklearn_diffake.benchmark.protocols._registry import register
from sklearn_diffake.benchmark.report._figures import Drawing, heat_map
from sklearn_diffake.benchmark.report._tables import (
    Grid,
    Row,
    dataset_title,
    distinct,
    group_by,
    matrix,
)

_QUALITIES = (90, 60, 30)  # of JPEG


@register
class Compression(Protocol):
    """Cross the levels of compression that a dataset has, or that are made of it."""

    name = "compression"
    rank = 40

    def read_options(self, table: Table, context: ReadContext) -> dict[str, Any]:
        """Read the levels of the datasets, or the JPEG qualities that make levels."""
        levels = table.get_list("levels", str, ())
        if levels and "jpeg" in table.values:
            raise table.error("jpeg", "give levels of the datasets or JPEG qualities, not both")
        return {"levels": levels, "jpeg": read_degradations(table, "jpeg", _QUALITIES)}

    def jobs(self, spec: ProtocolSpec, tables: Tables, seed: int) -> Iterator[Job]:
        """Yield a job for each fold and each pair of levels."""
        for name, table in tables.items():
            levels = _levels(spec, table)
            for split, fit, test in splits(spec, table, seed):
                for level, (fit_mask, fit_condition) in levels.items():
                    fit_rows = Rows(name, fit[fit_mask[fit]], fit_condition)
                    for test_level, (test_mask, test_condition) in levels.items():
                        if not len(fit_rows.rows):
                            raise ValueError(
                                f"dataset {name!r} has no pairs of level {level!r} to learn from"
                            )
                        score_rows = Rows(name, test[test_mask[test]], test_condition)
                        yield from candidate_jobs(
                            spec,
                            [Step((fit_rows,), score_rows)],
                            fit=name,
                            test=name,
                            split=split,
                            condition=(level, test_level),
                        )

    def section(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield a table of levels for each dataset and candidate."""
        for of_dataset in group_by(rows, "test").values():
            for candidate, of_candidate in group_by(of_dataset, "candidate").items():
                yield dataset_title(of_candidate, candidate)
                yield "AUC, learned from the levels down, judged on those across:\n"
                yield from matrix(_grid(of_candidate), "learned from")

    def drawings(
        self, rows: Sequence[Row], finished: Sequence[FinishedJob], tables: Tables
    ) -> Iterator[Drawing]:
        """Yield a heat map of levels for each dataset and candidate."""
        for dataset, of_dataset in group_by(rows, "test").items():
            for candidate, of_candidate in group_by(of_dataset, "candidate").items():
                label, grid = f"{dataset}-{candidate}", _grid(of_candidate)
                yield heat_map(label, grid, xlabel="judged on", ylabel="learned from", width=1.1)


def _levels(spec: ProtocolSpec, table: PairTable) -> dict[str, tuple[NDArray[np.bool_], Condition]]:
    """Return rows and condition of each level: levels of the dataset, or JPEG qualities."""
    row_levels = table.columns["compression"]
    existing = sorted(set(row_levels) - {""})
    level_names = spec.options["levels"]
    if not level_names and len(existing) < 2:
        all_rows = np.ones(len(table), dtype=bool)
        levels = {"as it is": (all_rows, NOT_DEGRADED)}
        for degradation in spec.options["jpeg"]:
            levels[str(degradation)] = (all_rows, Condition(degradation, degradation))
        return levels
    for level in level_names:
        if level not in existing:
            raise ValueError(
                f"levels: dataset {table.name!r} has no compression {level!r}, but {existing}"
            )
    return {level: (row_levels == level, NOT_DEGRADED) for level in level_names or existing}


def _grid(rows: Sequence[Row]) -> Grid:
    levels = distinct(rows, lambda row: row["condition"][0])
    return Grid.from_rows(
        rows, lambda row: row["condition"][0], lambda row: row["condition"][1], columns=levels
    )
