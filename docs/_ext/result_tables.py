"""Tables of the pages, as declared in ``docs/tables.toml``: results become reStructuredText.

A declaration names a file of results, its rows, and for each column a format string of a row. What
a format string cannot say is computed by the functions of `MODULES`.
"""

import importlib
import json
import string
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
DECLARATIONS = ROOT / "docs" / "tables.toml"
MODULES = ("quality_rows", "reliability_rows")
NOT_MEASURED = "Not measured yet.\n"
DASH = "\N{EN DASH}"


class Column(NamedTuple):
    """A column: its title, its part of the width, and a format string of a row."""

    title: str
    width: int
    cell: str


class Table(NamedTuple):
    """A table as declared; a call is a function's name, as `call`, and its options."""

    name: str
    columns: list | dict  # of columns, or a call
    source: str | None = None
    rows: str | dict = "rows"  # the key in the result, or a call
    before: dict | None = None  # a call
    after: str = ""


# --- formats of cells --------------------------------------------------------------------------


def show_rate(values, digits=1):
    """Show a rate and its interval."""
    estimate, low, high = (f"{100 * value:.{digits}f}" for value in values)
    return f"{estimate} % ({low}-{high})"


def show_area(values):
    """Show an area and its interval, or an area alone; a dash if there is none."""
    if values is None:
        return DASH
    if not isinstance(values, list):
        return f"{values:.3f}"
    return "{:.3f} ({:.3f}-{:.3f})".format(*values)


def show_number(value):
    """Show three digits; nothing if there is no number."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


FORMATS = {
    "area": show_area,
    "milliseconds": lambda seconds: f"{1000 * seconds:.1f}",
    "number": show_number,
    "percent": lambda fraction: f"{100 * fraction:.1f} %",
    "percent or nothing": lambda value: "" if value is None else f"{100 * value:.1f} %",
    "rate": show_rate,
    "whole percent": lambda values: f"{100 * values[0]:.0f} %",
    "whole rate": lambda values: show_rate(values, 0),
    "zero": lambda count: f"**{count:,}**" if count else "0",
}


class CellFormatter(string.Formatter):
    """Format strings with `FORMATS` beside those of Python; a key that is absent is None."""

    def get_value(self, key, args, kwargs):
        """Return the value of a key."""
        return kwargs.get(key)

    def format_field(self, value, format_spec):
        """Show a value."""
        if format_spec in FORMATS:
            return FORMATS[format_spec](value)
        if value is None:
            raise ValueError(f"a cell has no value to show (format {format_spec!r})")
        return super().format_field(value, format_spec)


FORMATTER = CellFormatter()


# --- tables ------------------------------------------------------------------------------------


def read_tables():
    """Read the declarations."""
    declared = tomllib.loads(DECLARATIONS.read_text(encoding="utf-8"))
    return [Table(name, **fields) for name, fields in declared.items()]


def call(declaration, result):
    """Call a function of the modules with the result and the declared options."""
    options = dict(declaration)
    name = options.pop("call")
    modules = map(importlib.import_module, MODULES)
    function = next(getattr(module, name) for module in modules if hasattr(module, name))
    return function(result, **options)


def list_table(header, rows, widths):
    """Write a table in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [header, *rows]:
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def render_rows(columns, rows):
    """Write the rows of a table by its columns."""
    titles, widths, templates = zip(*columns, strict=True)
    cells = [[FORMATTER.vformat(cell, (), row) for cell in templates] for row in rows]
    return list_table(titles, cells, " ".join(map(str, widths)))


def render(table, result):
    """Write a table with the text before and after it."""
    is_called = isinstance(table.columns, dict)
    columns = call(table.columns, result) if is_called else table.columns
    rows = result[table.rows] if isinstance(table.rows, str) else call(table.rows, result)
    before = call(table.before, result) if table.before else ""
    return before + render_rows(columns, rows) + table.after


def read_result(name):
    """Read a file of results; None where it does not exist yet."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def write_page(app, name, page):
    """Write what a page includes, unless it is there already."""
    file = Path(app.srcdir) / "generated" / f"{name}.rst"
    file.parent.mkdir(exist_ok=True)
    if not file.exists() or file.read_text() != page:
        file.write_text(page)


def write_tables(app):
    """Write all declared tables, and pages and figures of several."""
    for table in read_tables():
        result = read_result(table.source) if table.source else {}
        write_page(app, table.name, NOT_MEASURED if result is None else render(table, result))
    for module in map(importlib.import_module, MODULES):
        for name, page in module.PAGES.items():
            write_page(app, name, page())
        for name, draw in module.FIGURES.items():
            draw(Path(app.srcdir) / "generated" / name)


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
