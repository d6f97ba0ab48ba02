"""The protocol ``within-dataset``: learn from some people of a dataset, judge the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sklearn_diffake.benchmark._scores import POOLED, FinishedJob, Tables
from sklearn_diffake.benchmark.protocols._base import Protocol
from sklearn_diffake.benchmark.protocols._registry import register
from sklearn_diffake.benchmark.report._figures import Drawing, heat_map
from sklearn_diffake.benchmark.report._tables import FIGURE_TITLES, Grid, Row, matrix


@register
class WithinDataset(Protocol):
    """Learn from some people of each dataset, judge the others of the same dataset."""

    name = "within-dataset"
    rank = 10
    pools_worst = True
    pools_techniques = True

    def section(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield a table of areas, one of error rates, and the full tables."""
        pooled = [row for row in rows if row["technique"] == POOLED]
        for figure in ("auc", "eer"):
            yield f"{FIGURE_TITLES[figure]} on people of the dataset who were not learned from:\n"
            yield from matrix(Grid.from_rows(pooled, "candidate", "test"), "candidate", figure)
        yield from super().section(rows)

    def drawings(
        self, rows: Sequence[Row], finished: Sequence[FinishedJob], tables: Tables
    ) -> Iterator[Drawing]:
        """Yield a heat map of candidates and datasets."""
        pooled = [row for row in rows if row["technique"] == POOLED]
        if pooled:
            grid = Grid.from_rows(pooled, "candidate", "test")
            yield heat_map("", grid, xlabel="dataset", ylabel="candidate")
