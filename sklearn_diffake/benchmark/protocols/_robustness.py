"""The protocol ``robustness``: judge degraded pictures, learn from pictures as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sklearn_diffake.benchmark._degrade import STRENGTHS, UNITS
from sklearn_diffake.benchmark._jobs import Condition, Job, Rows, Step
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
from sklearn_diffake.benchmark.report._figures import Drawing
from sklearn_diffake.benchmark.report._markdown import table as markdown_table
from sklearn_diffake.benchmark.report._tables import (
    COUNTS,
    Grid,
    Row,
    counts,
    dataset_title,
    format_figure,
    group_by,
)
from sklearn_diffake.utils._colors import LIGHT_GRAY, line_style


@register
class Robustness(Protocol):
    """Judge the same pairs degraded in several ways."""

    name = "robustness"
    rank = 50

    def read_options(self, table: Table, context: ReadContext) -> dict[str, Any]:
        """Read the kinds and strengths of degradations, and the images they are applied to."""
        kinds = table.get_list("kinds", str, tuple(STRENGTHS), choices=STRENGTHS)
        by_kind = {kind: read_degradations(table, kind, STRENGTHS[kind]) for kind in STRENGTHS}
        degrade = table.get("degrade", str, "probe", choices=("probe", "both"))
        return {
            "degrade": degrade,
            "degradations": tuple(d for kind in kinds for d in by_kind[kind]),
        }

    def jobs(self, spec: ProtocolSpec, tables: Tables, seed: int) -> Iterator[Job]:
        """Yield a job for each fold and each degradation, and for none."""
        degrades_reference = spec.options["degrade"] == "both"
        for name, table in tables.items():
            for split, fit, test in splits(spec, table, seed):
                for degradation in (None, *spec.options["degradations"]):
                    condition = Condition(degradation if degrades_reference else None, degradation)
                    step = Step((Rows(name, fit),), Rows(name, test, condition))
                    label = (degradation.kind, degradation.amount) if degradation else ("none", "")
                    yield from candidate_jobs(
                        spec, [step], fit=name, test=name, split=split, condition=label
                    )

    def section(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield for each dataset a table of degradations and candidates."""
        for of_dataset in group_by(rows, "test").values():
            yield dataset_title(of_dataset)
            yield "AUC where the pictures judged are degraded, and those learned from are not:\n"
            grid = Grid.from_rows(of_dataset, lambda row: tuple(row["condition"]), "candidate")
            lines = []
            for (kind, strength), line in zip(grid.lines, grid.cells, strict=True):
                label = f"{UNITS[kind][0]} {strength}" if strength else "as they are"
                lines.append([label, *(format_figure(row, "auc") for row in line), *counts(line)])
            yield from markdown_table(["condition", *grid.columns, *COUNTS.values()], lines)

    def drawings(
        self, rows: Sequence[Row], finished: Sequence[FinishedJob], tables: Tables
    ) -> Iterator[Drawing]:
        """Yield for each dataset the decline of the AUC with the strength of each kind."""
        for dataset, of_dataset in group_by(rows, "test").items():
            kinds = [kind for kind in UNITS if any(r["condition"][0] == kind for r in of_dataset)]
            yield _decline_drawing(dataset, of_dataset, kinds)


def _decline_drawing(dataset: str, rows: Sequence[Row], kinds: Sequence[str]) -> Drawing:
    def paint(figure: Any) -> None:
        axes = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
        for ax, kind in zip(axes, kinds, strict=True):
            _plot_decline(ax, rows, kind)
        figure.axes[0].set_ylabel("AUC")
        figure.axes[0].legend(fontsize="small")

    return Drawing(dataset, (3.2 * len(kinds) + 0.6, 3.4), paint)


def _plot_decline(ax: Any, rows: Sequence[Row], kind: str) -> None:
    """Plot the AUC of each candidate against the strength of one kind of degradation."""
    for place, (candidate, of_candidate) in enumerate(group_by(rows, "candidate").items()):
        steps = [row for row in of_candidate if row["condition"][0] in ("none", kind)]
        values, low, high = (
            [row["figures"]["auc"][i] or row["figures"]["auc"][0] for row in steps]
            for i in range(3)
        )
        style = line_style(place)
        ax.plot(range(len(steps)), values, marker="o", label=candidate, **style)
        ax.fill_between(range(len(steps)), low, high, color=style["color"], alpha=0.15)
        ax.set_xticks(range(len(steps)), [row["condition"][1] or "none" for row in steps])
    ax.set(xlabel=UNITS[kind][0])
    ax.grid(color=LIGHT_GRAY, linewidth=0.6)
