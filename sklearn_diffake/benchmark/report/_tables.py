"""Tables of figures, of which the protocols build their sections of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sklearn_diffake.benchmark._scores import FIGURES
from sklearn_diffake.benchmark.report._markdown import Markup, escape, table
from sklearn_diffake.utils._numbers import fraction, percent

Row = Mapping[str, Any]  # of the summary
Key = str | Callable[[Row], Any]  # of a row, or a function of it
#: Shown in a table for a missing value.
NONE = Markup("-")

#: Columns of every table: pairs judged without a face, and videos that were not judged.
COUNTS = {"n_faceless": "pairs without a face", "n_skipped_videos": "videos skipped"}
FIGURE_TITLES = {
    "auc": "AUC",
    "eer": "EER",
    "ap_fake": "AP, fake positive",
    "bpcer10": "BPCER10",
    "bpcer20": "BPCER20",
    "bpcer100": "BPCER100",
    "apcer": "APCER",
    "bpcer": "BPCER",
}


def format_figure(row: Row | None, name: str, *, interval: bool = True) -> Markup:
    """Return a figure as text: areas as fractions, error rates as percentages."""
    if row is None:
        return NONE
    values = row["figures"][name]
    is_area = name in ("auc", "ap_fake")
    text = [NONE if v is None else fraction(v) if is_area else percent(v, sign="") for v in values]
    if interval and values[1] is not None:
        return Markup(f"{text[0]} [{text[1]}, {text[2]}]")
    return Markup(text[0])


def format_rate(rate: float) -> str:
    """Return an error rate as a percentage without its sign."""
    return percent(rate, sign="")


def counts(rows: Iterable[Row | None]) -> list[int]:
    """Count faceless pairs and skipped videos over the datasets and conditions of some rows."""
    faceless: dict[Any, int] = {}
    skipped: dict[Any, int] = {}
    for row in rows:
        if row is not None:
            condition = (row["test"], *row["condition"])
            faceless[condition] = max(faceless.get(condition, 0), row["n_faceless"])
            skipped[row["test"]] = row["n_skipped_videos"]
    return [sum(faceless.values()), sum(skipped.values())]


def group_by(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    """Group rows by the value of a key, in order of appearance."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def distinct(rows: Iterable[Row], key: Key) -> list[Any]:
    """List the values of a key, in order of appearance."""
    return list(dict.fromkeys(_value(row, key) for row in rows))


def _value(row: Row, key: Key) -> Any:
    return row[key] if isinstance(key, str) else key(row)


class Grid(NamedTuple):
    """Rows of the summary, arranged in lines and columns.

    Parameters
    ----------
    lines, columns : list
        The values that they stand for.
    cells : list of list
        The first row with both values; None leaves a gap.
    """

    lines: list[Any]
    columns: list[Any]
    cells: list[list[Row | None]]

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Row],
        down: Key,
        across: Key,
        *,
        lines: list[Any] | None = None,
        columns: list[Any] | None = None,
    ) -> Grid:
        """Arrange rows by two keys, or functions of a row; the values are in order of appearance.

        Lines and columns may be given instead, to choose and order them.
        """
        first: dict[Any, Row] = {}
        for row in rows:
            first.setdefault((_value(row, down), _value(row, across)), row)
        lines = distinct(rows, down) if lines is None else lines
        columns = distinct(rows, across) if columns is None else columns
        return cls(lines, columns, [[first.get((a, b)) for b in columns] for a in lines])


def matrix(grid: Grid, corner: str, figure: str = "auc") -> Iterator[str]:
    """Write a table of one figure; `corner` is the header of its lines."""
    lines = []
    for name, rows in zip(grid.lines, grid.cells, strict=True):
        texts = (format_figure(row, figure, interval=False) for row in rows)
        lines.append([name, *texts, *counts(rows)])
    yield from table([corner, *grid.columns, *COUNTS.values()], lines)


def full_table(rows: Sequence[Row], names: Mapping[str, str]) -> Iterator[str]:
    """Write all figures of some rows; `names` has the keys and headers of the first columns."""
    header = [*names.values(), *FIGURE_TITLES.values(), *COUNTS.values()]
    lines = [
        [
            *(row[name] for name in names),
            *(format_figure(row, figure) for figure in FIGURES),
            *(row[name] for name in COUNTS),
        ]
        for row in rows
    ]
    yield from table(header, lines, len(names))


def dataset_title(rows: Sequence[Row], *names: str) -> str:
    """Return a heading: the dataset of some rows, the mode of its pairs, and names."""
    mode = " and ".join(sorted({escape(row["mode"]) for row in rows})) + " mode"
    return f"### {', '.join([escape(rows[0]['test']), mode, *map(escape, names)])}\n"
