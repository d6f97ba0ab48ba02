"""The protocol ``cross-dataset``: learn from one dataset, judge another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._jobs import Job, Rows, Step
from sklearn_diffake.benchmark._scores import POOLED, FinishedJob, Scores, Tables
from sklearn_diffake.benchmark._settings import ProtocolSpec
from sklearn_diffake.benchmark._toml import Table
from sklearn_diffake.benchmark.protocols._base import (
    Ints,
    Protocol,
    ReadContext,
    candidate_jobs,
    genuine_rows,
    has_both_classes,
    held_out_steps,
    transferred_thresholds,
    within_dataset_jobs,
)
from sklearn_diffake.benchmark.protocols._registry import register
from sklearn_diffake.benchmark.report._figures import Drawing, heat_map
from sklearn_diffake.benchmark.report._markdown import Markup, escape
from sklearn_diffake.benchmark.report._markdown import table as markdown_table
from sklearn_diffake.benchmark.report._tables import (
    COUNTS,
    NONE,
    Grid,
    Row,
    format_rate,
    full_table,
    group_by,
    matrix,
)
from sklearn_diffake.model_selection import LeaveOneDatasetOut, check_no_leakage

ALL_OTHERS = "all others"
_DEFAULT_BPCER = 0.05


@register
class CrossDataset(Protocol):
    """Learn from each dataset, and from all but one together; judge the others."""

    name = "cross-dataset"
    rank = 30
    has_split = False
    pools_worst = True

    def read_options(self, table: Table, context: ReadContext) -> dict[str, Any]:
        """Read where a threshold is set, what is learned from, and whether modes may be mixed."""
        options = {
            "bpcer": table.get("bpcer", float, _DEFAULT_BPCER, minimum=0, maximum=0.5),
            "fit": table.get_list("fit", str, ()),
            "mixed_modes": table.get("mixed_modes", bool, False),
        }
        for name in options["fit"]:
            if name not in context.datasets:
                raise table.error("fit", f"{name!r} is no dataset of this protocol")
        return options

    def datasets(self, spec: ProtocolSpec, tables: Tables) -> Tables:
        """Return at least two datasets of one mode; genuine pairs are enough to learn from."""
        names = spec.datasets or tuple(tables)
        if len(names) < 2:
            raise ValueError(f"datasets: needs two datasets at least, there is {names[0]!r}")
        if not any(has_both_classes(tables[name]) for name in names):
            raise ValueError("datasets: no dataset has both genuine pairs and deepfakes")
        chosen_tables = {name: tables[name] for name in names}
        if not spec.options.get("mixed_modes"):
            _check_modes(chosen_tables)
        return chosen_tables

    def jobs(self, spec: ProtocolSpec, tables: Tables, seed: int) -> Iterator[Job]:
        """Yield for each dataset with both classes the jobs that judge it."""
        learned_from = spec.options.get("fit") or tuple(tables)
        for test, table in tables.items():
            if not has_both_classes(table):
                continue
            other_names = [name for name in learned_from if name != test]
            fits = {name: [name] for name in other_names}
            if len(other_names) > 1:
                fits[ALL_OTHERS] = other_names
            if test in learned_from:
                yield from within_dataset_jobs(spec, table, seed)
            for fit, names in fits.items():
                usable = _rows_of_other_people(table, [tables[name] for name in names])
                genuine = tuple(Rows(t.name, genuine_rows(t, rows)) for t, rows in usable)
                steps = [Step(genuine, Rows(test, np.arange(len(table))))]
                if len(usable) == 1:
                    steps += held_out_steps(spec, *usable[0], seed)
                yield from candidate_jobs(spec, steps, fit=fit, test=test)

    def threshold_errors(
        self,
        folds: Sequence[FinishedJob],
        scores: Scores,
        tables: Tables,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Set thresholds on held-out people of the dataset that was learned from."""
        if len(folds[0][0].steps) < 2:
            return {}
        bpcer = options.get("bpcer", _DEFAULT_BPCER)
        return transferred_thresholds(folds, scores, tables, bpcer=bpcer)

    def section(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield for each candidate the areas, the full table, and the thresholds."""
        for candidate, of_candidate in group_by(rows, "candidate").items():
            pooled = [row for row in of_candidate if row["technique"] == POOLED]
            yield f"### {escape(candidate)}\n"
            yield "AUC, learned from the datasets down, judged on those across:\n"
            yield from matrix(Grid.from_rows(pooled, "fit", "test"), "learned from")
            names = {"fit": "learned from", "test": "judged on", "mode": "mode"}
            yield from full_table(pooled, names)
            transferred = [row for row in pooled if "transfer_bpcer" in row]
            if transferred:
                yield from _threshold_table(transferred)

    def drawings(
        self, rows: Sequence[Row], finished: Sequence[FinishedJob], tables: Tables
    ) -> Iterator[Drawing]:
        """Yield a heat map for each candidate."""
        for candidate, of_candidate in group_by(rows, "candidate").items():
            pooled = [row for row in of_candidate if row["technique"] == POOLED]
            grid = Grid.from_rows(pooled, "fit", "test")
            yield heat_map(candidate, grid, xlabel="judged on", ylabel="learned from")


def _check_modes(tables: Tables) -> None:
    """Refuse to learn from pairs of one mode and to judge those of the other."""
    by_mode = {table.mode: name for name, table in tables.items()}
    if len(by_mode) > 1:
        (mode, name), (second_mode, second_name) = by_mode.items()
        raise ValueError(
            f"datasets: {name!r} has pairs of the {mode} mode, {second_name!r} of the "
            f"{second_mode} mode, and what is natural in one says nothing about the other. List "
            "datasets of one mode, or say mixed_modes = true to compare them all the same, "
            "labeled as such"
        )


def _rows_of_other_people(
    test: PairTable, tables: Sequence[PairTable]
) -> list[tuple[PairTable, Ints]]:
    """Return the rows of some datasets that share no person with the dataset that is judged."""
    all_tables = [test, *tables]
    width = max(table.groups.shape[1] for table in all_tables)
    padded = [np.pad(t.groups, ((0, 0), (0, width - t.groups.shape[1])), constant_values="")
              for t in all_tables]  # fmt: skip
    names = np.repeat(["held out", *["others"] * len(tables)], [len(table) for table in all_tables])
    groups = np.column_stack([names.astype(object), np.concatenate(padded)])
    target = np.concatenate([table.target for table in all_tables])
    splitter = LeaveOneDatasetOut(0, one_class="keep")
    train = next(splitter.split(np.zeros(len(target)), target, groups))[0]  # "held out" is first
    check_no_leakage([(train, np.arange(len(test)))], groups[:, 1:])
    start, usable = len(test), []
    for table in tables:
        rows = train[(train >= start) & (train < start + len(table))] - start
        usable.append((table, rows))
        start += len(table)
    return usable


def _threshold_table(rows: Sequence[Row]) -> Iterator[str]:
    yield (
        "Thresholds fixed on held-out people of the dataset learned from, where a given fraction "
        "of genuine pairs is rejected, or where both error rates are equal; and what they do "
        "elsewhere:\n"
    )
    header = ["learned from", "judged on", "mode", "APCER", "BPCER", "APCER, equal",
              "BPCER, equal", *COUNTS.values()]  # fmt: skip
    lines = []
    for row in rows:
        rates = [
            Markup(format_rate(errors[rate])) if errors else NONE
            for errors in (row["transfer_bpcer"], row.get("transfer_eer"))
            for rate in ("apcer", "bpcer")
        ]
        counts = (row[name] for name in COUNTS)
        lines.append([row["fit"], row["test"], row["mode"], *rates, *counts])
    yield from markdown_table(header, lines, 3)
