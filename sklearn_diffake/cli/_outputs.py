"""The options ``--output`` and ``--report``: verdicts in a table, JSON lines or a page."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from sklearn_diffake.cli._pairs import Pair
from sklearn_diffake.cli._parser import PROGRAM
from sklearn_diffake.cli._verdict_rows import INPUT_COLUMNS, RESULT_COLUMNS, flat_row, full_row
from sklearn_diffake.utils._atomic_files import atomic_open, check_writable, line_file
from sklearn_diffake.utils._json import json_text
from sklearn_diffake.utils._messages import printable
from sklearn_diffake.utils._optional import import_extra

if TYPE_CHECKING:
    from sklearn_diffake.verdict import Verdict

Write = Callable[[Pair, "Verdict"], None]
_TABLE_SUFFIXES = (".csv", ".parquet", ".jsonl")
_PAGE_SUFFIXES = (".html", ".htm")


def check_output_option(path: str | None, inputs: Sequence[str]) -> None:
    """Find a wrong ``--output`` before any photograph is read.

    Parameters
    ----------
    path : str or None
        The argument.
    inputs : sequence of str
        Files that it must not replace.

    Raises
    ------
    ValueError
        If the file is of another type, cannot be written or is an input.
    ImportError
        If pyarrow is needed and not installed.
    """
    if path is None:
        return
    if _suffix(path) not in _TABLE_SUFFIXES:
        raise ValueError(f"--output must end in {', '.join(_TABLE_SUFFIXES)}, got {path!r}")
    check_writable(path, inputs=inputs)
    if _suffix(path) == ".parquet":
        _import_pyarrow()


@contextlib.contextmanager
def open_output(path: str | None, inputs: Sequence[str]) -> Iterator[Write]:
    """Open the file of ``--output``.

    Lines of JSON are written one by one, and stay when the work is interrupted; the other types
    appear when all is done.

    Parameters
    ----------
    path : str or None
        None writes nothing.
    inputs : sequence of str
        Files that it must not replace.

    Yields
    ------
    callable
        Takes a pair and its verdict.
    """
    if path is None:
        yield lambda pair, verdict: None
    elif _suffix(path) == ".jsonl":
        with line_file(path, inputs=inputs) as write_line:
            yield lambda pair, verdict: write_line(json_text(full_row(pair, verdict)))
    else:
        rows: list[dict[str, Any]] = []
        yield lambda pair, verdict: rows.append(flat_row(pair, verdict))
        write_rows(path, rows, INPUT_COLUMNS | RESULT_COLUMNS, inputs)


def write_rows(
    path: str,
    rows: Sequence[dict[str, Any]],
    types: dict[str, type],
    inputs: Sequence[str],
) -> None:
    """Write a whole table: CSV, Parquet or lines of JSON, by the end of its name.

    Parameters
    ----------
    path : str
        Replaced atomically.
    rows : sequence of dict
        At least one, all with the same keys.
    types : dict of str to type
        Of the columns; others hold text.
    inputs : sequence of str
        Files that it must not replace.
    """
    with atomic_open(path, inputs=inputs) as file:
        if _suffix(path) == ".csv":
            _write_csv(rows, file)
        elif _suffix(path) == ".parquet":
            _write_parquet(rows, types, file)
        else:
            file.writelines(json_text(row).encode() + b"\n" for row in rows)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _write_csv(rows: Sequence[dict[str, Any]], file: IO[bytes]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    text.detach()


def _write_parquet(rows: Sequence[dict[str, Any]], types: dict[str, type], file: IO[bytes]) -> None:
    pyarrow, parquet = _import_pyarrow()
    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(name, kinds[types.get(name, str)]) for name in rows[0]])
    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), file)


def _import_pyarrow() -> tuple[Any, Any]:
    parquet = import_extra("pyarrow.parquet", "parquet", "Parquet files")
    return import_extra("pyarrow", "parquet", "Parquet files"), parquet


def check_report_option(
    args: argparse.Namespace, pairs: Sequence[Pair], inputs: Sequence[str]
) -> None:
    """Find a wrong ``--report`` before any photograph is read.

    Parameters
    ----------
    args : argparse.Namespace
    pairs : sequence of Pair
        Which are to be judged.
    inputs : sequence of str
        Files that the report must not replace.

    Raises
    ------
    ValueError
        If there is not one pair, or the file is no page, cannot be written or is an input.
    """
    if args.report is None:
        if args.case is not None:
            raise ValueError("--case is shown in the report: give --report FILE.html too")
        return
    if len(pairs) != 1:
        raise ValueError(f"--report shows one pair, there are {len(pairs)}: give one PROBE")
    if _suffix(args.report) not in _PAGE_SUFFIXES:
        raise ValueError(
            f"--report must end in .html, got {args.report!r}; a browser prints it to PDF"
        )
    if args.output is not None and os.path.abspath(args.output) == os.path.abspath(args.report):
        raise ValueError(f"--report and --output name the same file, {args.report!r}")
    check_writable(args.report, inputs=inputs)


def write_report(args: argparse.Namespace, verdict: Verdict) -> None:
    """Write the page on one verdict.

    Parameters
    ----------
    args : argparse.Namespace
    verdict : Verdict
        Of any outcome.
    """
    verdict.report(args.report, command=[PROGRAM, *args.command_line], case=args.case)
    if not args.quiet:
        sys.stdout.flush()
        print(f"report: {printable(args.report)}", file=sys.stderr)
