"""Tables of the pages, declared: a file of results, its rows, and what a column shows of a row.

Before a build, each `Table` of the modules named in `DECLARED` is written to
``docs/generated/NAME.rst``, which a page includes. To add one, add its declaration there.
"""

import importlib
import json
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
DECLARED = (
    "catalog_tables",
    "performance_tables",
    "quality_tables",
    "reliability_tables",
    "same_video_tables",
)
NOT_MEASURED = "Not measured yet.\n"


def nothing(result):
    """Write no text."""
    return ""


class Column(NamedTuple):
    """A column: its title, its share of the width, and what it shows of a row."""

    title: str
    width: int
    show: Callable


class Table(NamedTuple):
    """A table of the rows of a result; all functions but those of columns get the whole result.

    Where the columns depend on the result, they are a function of it.
    """

    name: str
    source: str | None
    columns: tuple | Callable
    rows: Callable = itemgetter("rows")
    before: Callable = nothing
    after: Callable = nothing


def list_table(header, rows, widths):
    """Write a table in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [header, *rows]:
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def render_rows(columns, rows):
    """Write the rows of a table by its columns."""
    titles, widths = ([column[i] for column in columns] for i in (0, 1))
    cells = [[column.show(row) for column in columns] for row in rows]
    return list_table(titles, cells, " ".join(map(str, widths)))


def render(table, result):
    """Write a table with what stands before and after it."""
    columns = table.columns(result) if callable(table.columns) else table.columns
    body = render_rows(columns, table.rows(result))
    return table.before(result) + body + table.after(result)


def read_result(name):
    """Read a file of results; None where it does not exist yet."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def per_cent(values):
    """Show a rate and its interval."""
    estimate, low, high = (100 * value for value in values)
    return f"{estimate:.1f} % ({low:.1f}-{high:.1f})"


def area(values):
    """Show an area and its interval, or an area alone; a dash stands for none."""
    if values is None:
        return "\u2013"
    if not isinstance(values, list):
        return f"{values:.3f}"
    return "{:.3f} ({:.3f}-{:.3f})".format(*values)


def text(title, width, key):
    """Declare a column that shows a value as it is."""
    return Column(title, width, itemgetter(key))


def code(title, width, key):
    """Declare a column of names of the code."""
    return Column(title, width, lambda row: f"``{row[key]}``")


def count(title, width, key):
    """Declare a column of whole numbers."""
    return Column(title, width, lambda row: f"{row[key]:,}")


def rate(title, width, key):
    """Declare a column of rates with intervals."""
    return Column(title, width, lambda row: per_cent(row[key]))


def area_of(title, width, key):
    """Declare a column of areas under a curve."""
    return Column(title, width, lambda row: area(row.get(key)))


def milliseconds(title, width, key):
    """Declare a column of times that are given in seconds."""
    return Column(title, width, lambda row: f"{1000 * row[key]:.1f}")


def write_page(app, name, page):
    """Write what a page includes, unless it is there already."""
    file = Path(app.srcdir) / "generated" / f"{name}.rst"
    file.parent.mkdir(exist_ok=True)
    if not file.exists() or file.read_text() != page:
        file.write_text(page)


def write_tables(app):
    """Write all declared tables, and pages and figures of several."""
    for module in map(importlib.import_module, DECLARED):
        for table in module.TABLES:
            result = read_result(table.source) if table.source else {}
            page = NOT_MEASURED if result is None else render(table, result)
            write_page(app, table.name, page)
        for name, page in getattr(module, "PAGES", {}).items():
            write_page(app, name, page())
        for name, draw in getattr(module, "FIGURES", {}).items():
            draw(Path(app.srcdir) / "generated" / name)


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
