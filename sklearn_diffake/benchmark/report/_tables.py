"""Tables of figures, of which the protocols build their sections of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sklearn_diffake.benchmark._scores import FIGURES
from sklearn_diffake.benchmark.report._markdown import Markup, escape, table
from sklearn_diffake.utils._numbers import fraction, percent

Row = Mapping[str, Any]  # of the summary
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


def distinct(rows: Iterable[Row], key: str) -> list[Any]:
    """List the values of a key, in order of appearance."""
    return list(dict.fromkeys(row[key] for row in rows))


def first_row(rows: Iterable[Row], **values: Any) -> Row | None:
    """Return the first row that has some values, None if no row has them."""
    for row in rows:
        if all(row[key] == value for key, value in values.items()):
            return row
    return None


def matrix(
    down: Sequence[Any],
    across: Sequence[Any],
    find_row: Callable[[Any, Any], Row | None],
    corner: str,
    figure: str = "auc",
) -> Iterator[str]:
    """Write a table of one figure.

    Parameters
    ----------
    down, across : sequence
        Names of the lines and of the columns.
    find_row : callable
        Returns the row of the summary for a line and a column; None leaves a gap.
    corner : str
        Header of the names of the lines.
    figure : str, default="auc"

    Yields
    ------
    str
        The lines of the table.
    """
    lines = []
    for name in down:
        rows = [find_row(name, column) for column in across]
        texts = (format_figure(row, figure, interval=False) for row in rows)
        lines.append([name, *texts, *counts(rows)])
    yield from table([corner, *across, *COUNTS.values()], lines)


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
