"""The protocol ``cross-manipulation``: figures of every technique, and of unseen ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._jobs import Job, Rows, Step
from sklearn_diffake.benchmark._scores import POOLED, WORST, FinishedJob, Scores, Tables
from sklearn_diffake.benchmark._settings import ProtocolSpec
from sklearn_diffake.benchmark._toml import Table
from sklearn_diffake.benchmark.protocols._base import (
    Protocol,
    ReadContext,
    candidate_jobs,
    genuine_rows,
    held_out_steps,
    transferred_thresholds,
    within_dataset_jobs,
)
from sklearn_diffake.benchmark.protocols._registry import register
from sklearn_diffake.benchmark.report._figures import Drawing, heat_map
from sklearn_diffake.benchmark.report._markdown import table as markdown_table
from sklearn_diffake.benchmark.report._tables import (
    COUNTS,
    Grid,
    Row,
    dataset_title,
    distinct,
    format_figure,
    format_rate,
    full_table,
    group_by,
    matrix,
)
from sklearn_diffake.metrics import DetectionErrorDisplay, detection_error_curve
from sklearn_diffake.model_selection import LeaveOneTechniqueOut, check_no_leakage
from sklearn_diffake.utils._numbers import fraction

CALIBRATED = "calibrated without"  # the condition of jobs with a technique left out


@register
class CrossManipulation(Protocol):
    """Judge every technique by itself; other techniques may choose candidate and threshold."""

    name = "cross-manipulation"
    rank = 20
    pools_worst = True
    pools_techniques = True

    def read_options(self, table: Table, context: ReadContext) -> dict[str, Any]:
        """Read whether candidates and thresholds are chosen with a technique left out."""
        return {"calibrate": table.get("calibrate", bool, True)}

    def jobs(self, spec: ProtocolSpec, tables: Tables, seed: int) -> Iterator[Job]:
        """Yield the jobs of each dataset, then those with a technique left out."""
        for table in tables.values():
            yield from within_dataset_jobs(spec, table, seed)
            if spec.options["calibrate"]:
                yield from _left_out_jobs(spec, table, seed)

    def threshold_errors(
        self,
        folds: Sequence[FinishedJob],
        scores: Scores,
        tables: Tables,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Set a threshold on the other techniques, where one was left out."""
        has_held_out = len(folds[0][0].steps) > 1
        return transferred_thresholds(folds, scores, tables) if has_held_out else {}

    def compare_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Mark the candidate that deepfakes of other techniques choose for each technique."""
        best: dict[tuple[str, str], dict[str, Any]] = {}
        for row in rows:
            if row["condition"][:1] == [CALIBRATED] and row["technique"] == POOLED:
                row["chosen"] = False
                name = (row["test"], row["condition"][1])
                if name not in best or row["held_out_auc"] > best[name]["held_out_auc"]:
                    best[name] = row
        for row in best.values():
            row["chosen"] = True

    def section(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield for each dataset the areas of every technique, and the tables."""
        for of_dataset in group_by(rows, "test").values():
            plain = [row for row in of_dataset if not row["condition"]]
            yield dataset_title(of_dataset)
            techniques = distinct(plain, "technique")
            order = [name for name in techniques if name not in (POOLED, WORST)]
            order += [name for name in (POOLED, WORST) if name in techniques]
            yield "AUC of every technique by itself, and of all together:\n"
            grid = Grid.from_rows(plain, "candidate", "technique", columns=order)
            yield from matrix(grid, "candidate")
            yield "All techniques together, and the worst:\n"
            pooled = [row for row in plain if row["technique"] in (POOLED, WORST)]
            yield from full_table(pooled, {"candidate": "candidate", "technique": "technique"})
            left_out_rows = [row for row in of_dataset if row["condition"][:1] == [CALIBRATED]]
            if left_out_rows:
                yield from _left_out_table(left_out_rows)

    def drawings(
        self, rows: Sequence[Row], finished: Sequence[FinishedJob], tables: Tables
    ) -> Iterator[Drawing]:
        """Yield for each dataset a heat map of techniques, and the DET curves."""
        plain = [row for row in rows if not row["condition"]]
        for dataset, of_dataset in group_by(plain, "test").items():
            names = [
                name for name in distinct(of_dataset, "technique") if name not in (POOLED, WORST)
            ]
            lines = [*names, POOLED]
            grid = Grid.from_rows(of_dataset, "technique", "candidate", lines=lines)
            yield heat_map(
                dataset,
                grid,
                names=[*names, "all"],
                xlabel="candidate",
                ylabel="technique",
                height=0.4,
            )
            yield _det_drawing(dataset, grid.columns, finished, tables)


def _left_out_jobs(spec: ProtocolSpec, table: PairTable, seed: int) -> Iterator[Job]:
    """Leave a technique out: deepfakes of the others may choose a candidate and its threshold."""
    if len(set(table.columns["technique"][table.target == -1])) < 2:
        return  # there are no deepfakes of another technique
    groups = np.column_stack([table.columns["technique"], table.groups])
    splitter = LeaveOneTechniqueOut(0, n_folds=spec.folds, shuffle=True, random_state=seed)
    X = np.zeros(len(table))
    names = splitter.held_out(X, table.target, groups)
    folds = list(splitter.split(X, table.target, groups))
    check_no_leakage(folds, table.groups)
    for technique, (train, test) in zip(names, folds, strict=True):
        main = Step((Rows(table.name, genuine_rows(table, train)),), Rows(table.name, test))
        steps = (main, *held_out_steps(spec, table, train, seed))
        condition = (CALIBRATED, technique)
        yield from candidate_jobs(spec, steps, fit=table.name, test=table.name, condition=condition)


def _left_out_table(rows: Sequence[Row]) -> Iterator[str]:
    """Show the candidates that other techniques choose, and the errors of their thresholds."""
    yield (
        "One technique left out: the candidate is chosen, by its AUC, and its threshold fixed, "
        "where both error rates are equal, on deepfakes of the other techniques and other "
        "people; then it is judged on the technique left out:\n"
    )
    header = ["technique left out", "chosen", "AUC it was chosen by", "AUC", "APCER", "BPCER",
              *COUNTS.values()]  # fmt: skip
    lines = [
        [
            row["condition"][1],
            row["candidate"],
            fraction(row["held_out_auc"]),
            format_figure(row, "auc"),
            *(format_rate(row["transfer_eer"][rate]) for rate in ("apcer", "bpcer")),
            *(row[name] for name in COUNTS),
        ]
        for row in rows
        if row["chosen"]
    ]
    yield from markdown_table(header, lines, 2)


def _det_drawing(
    dataset: str, candidates: Sequence[str], finished: Sequence[FinishedJob], tables: Tables
) -> Drawing:
    def paint(figure: Any) -> None:
        ax = figure.subplots()
        for candidate in candidates:
            plot_det_curves(ax, candidate, dataset, finished, tables)

    return Drawing(f"{dataset}-det", (6.5, 6.5), paint)


def plot_det_curves(
    ax: Any, candidate: str, dataset: str, finished: Sequence[FinishedJob], tables: Tables
) -> None:
    """Plot the DET curve of every fold of a candidate that has both classes."""
    curves = []
    for job, record in finished:
        if (job.candidate, job.test) != (candidate, dataset) or CALIBRATED in job.condition:
            continue
        y = tables[dataset].target[job.judged_rows.rows]
        if len(np.unique(y)) == 2:
            curves.append(detection_error_curve(y, record["decisions"][0]))
    if curves:
        DetectionErrorDisplay(curves, name=candidate).plot(ax)
