"""Read delimited text files as spreadsheets write them: one reader for all tables."""

from __future__ import annotations

import codecs
import csv
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from itertools import chain
from typing import IO, Any, NamedTuple

_SEPARATORS = ",;\t"
_DECLARED = re.compile(r'^"?sep=(.)"?$', re.IGNORECASE)  # the first line of a file from Excel
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_STDIN = "-"


class TableError(ValueError):
    r"""A table that cannot be used.

    Its text is composed once, from the attributes: ``pairs.csv, line 3: message``.

    Parameters
    ----------
    message : str
        What is wrong, without file and line.
    path : str or path-like, default=None
        The file.
    line : int, default=None
        Line of the file, from 1, on which the row ends; of a row that cannot be split into cells,
        the line on which it begins.
    column : str, default=None
        Name of the column.

    Attributes
    ----------
    message : str
        As given.
    path : str or None
        The file.
    line : int or None
        As given.
    column : str or None
        As given.

    See Also
    --------
    load_pairs : Reads a table of pairs.
    sklearn_diffake.datasets.load_video_table : Reads a table of videos.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.pairs import TableError, load_pairs
    >>> _ = Path("bad.csv").write_text("reference,probe,label\na.jpg,b.jpg,0\n")
    >>> try:
    ...     load_pairs("bad.csv")
    ... except TableError as error:
    ...     print(error)
    bad.csv, line 2: label must be 1 (genuine) or -1 (deepfake), got '0'
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | os.PathLike[str] | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        self.message = message
        self.path = None if path is None else os.fspath(path)
        self.line = line
        self.column = column
        location = [] if self.path is None else [self.path]
        location += [] if line is None else [f"line {line}"]
        super().__init__(f"{', '.join(location)}: {message}" if location else message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.message, self.path, self.line, self.column)


def _restore(message: str, path: str | None, line: int | None, column: str | None) -> TableError:
    return TableError(message, path=path, line=line, column=column)


class Row(NamedTuple):
    """One row of a table.

    Attributes
    ----------
    line : int
        Line of the file on which it ends, from 1.
    cells : list of str
        One for each column, without blanks around them.
    """

    line: int
    cells: list[str]


class DelimitedTable(NamedTuple):
    """A table that is being read.

    Attributes
    ----------
    path : str
        As given.
    header : Row
        Names of the columns, as written.
    rows : iterator of Row
        All rows that are not blank; each has as many cells as the header.
    """

    path: str
    header: Row
    rows: Iterator[Row]

    def error(self, message: str, line: int | None = None, column: str | None = None) -> TableError:
        """Return an error about a line of this table."""
        return TableError(message, path=self.path, line=line, column=column)


@contextmanager
def open_table(path: str | os.PathLike[str]) -> Iterator[DelimitedTable]:
    """Open a delimited text file; rows are read one by one, in bounded memory.

    Parameters
    ----------
    path : str or path-like
        The file; ``"-"`` is standard input. Commas, semicolons or tabs separate the cells, as the
        header or a line ``sep=;`` before it shows. The text is UTF-8, or UTF-16 with a byte order
        mark.

    Yields
    ------
    DelimitedTable
        Header and rows.

    Raises
    ------
    TableError
        If the file is empty or not such a table; it has the attributes `path` and `line`.
    OSError
        If it cannot be read.
    """
    path = os.fspath(path)
    with _open_bytes(path) as file:
        text = _decode(file)
        try:
            yield _start(path, _text_lines(path, text))
        finally:
            text.detach()


def resolve(table: str | os.PathLike[str], name: str) -> str:
    """Return a path that a table names; a relative one begins at the folder of the table.

    Parameters
    ----------
    table : str or path-like
        The table; for standard input, ``"-"``, the folder is the current one.
    name : str
        What its cell says.

    Returns
    -------
    path : str
        Absolute, unless the table is standard input.
    """
    if os.fspath(table) == _STDIN:
        return name
    return os.path.join(os.path.dirname(os.path.abspath(table)), name)


def plain_name(column: str) -> str:
    """Return the name of a column as it is compared: in lower case, without blanks around it."""
    return column.strip().casefold()


def read_columns(
    path: str | os.PathLike[str], required: Sequence[str] = (), *, max_columns: int | None = None
) -> dict[str, list[str]]:
    """Read a whole table as columns.

    Parameters
    ----------
    path : str or path-like
        As for :func:`open_table`.
    required : sequence of str
        Columns that must exist, without an empty cell.
    max_columns : int, default=None
        Largest number of columns.

    Returns
    -------
    columns : dict of str to list of str
        By the names of the header, in lower case.

    Raises
    ------
    TableError
        If it is not such a table, or has no rows.
    """
    with open_table(path) as table:
        names = [plain_name(name) for name in table.header.cells]
        if max_columns is not None and len(names) > max_columns:
            raise table.error(f"a table must have at most {max_columns} columns, got {len(names)}")
        for name in required:
            if name not in names:
                raise table.error(f"it has no column {name!r}; it has {names}")
        positions = [(name, names.index(name)) for name in required]
        rows = []
        for line, cells in table.rows:
            for name, position in positions:
                if not cells[position]:
                    raise table.error(f"{name} is empty", line, name)
            rows.append(cells)
        if not rows:
            raise table.error("it has a header and no rows")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


@contextmanager
def _open_bytes(path: str) -> Iterator[IO[bytes]]:
    if path == _STDIN:
        yield sys.stdin.buffer
        return
    with open(path, "rb") as file:
        yield file


def _decode(file: IO[bytes]) -> TextIOWrapper:
    """Return the text of a file, by its byte order mark; bytes that are not UTF-8 are kept."""
    buffered = file if isinstance(file, BufferedReader) else BufferedReader(file)  # type: ignore
    if buffered.peek(2)[:2] in _WIDE_MARKS:
        return TextIOWrapper(buffered, "utf-16", errors="surrogatepass", newline="")
    return TextIOWrapper(buffered, "utf-8-sig", errors="surrogateescape", newline="")


def _text_lines(path: str, text: TextIOWrapper) -> Iterator[str]:
    """Yield the lines of a file; what is not text raises an error that names the line."""
    number = 1
    try:
        for line in text:
            if not line.isascii():
                line.encode()  # bytes that are not UTF-8 fail here
            if "\0" in line:
                raise ValueError("it holds a zero byte")
            yield line
            number += 1
    except ValueError as error:
        if isinstance(error, TableError):  # raised by the code that reads the yielded lines
            raise
        raise TableError(
            f"this is not a text file in UTF-8 or UTF-16 ({_reason(error)}); in Excel, save it as "
            "'CSV UTF-8'",
            path=path,
            line=number,
        ) from error


def _reason(error: ValueError) -> str:
    """Name the byte that is not UTF-8, which `_decode` has kept as a surrogate."""
    if isinstance(error, UnicodeEncodeError):
        code = ord(error.object[error.start])
        if 0xDC80 <= code <= 0xDCFF:
            return f"byte 0x{code - 0xDC00:02x} is not UTF-8"
        return f"the surrogate 0x{code:04x} is no character"
    return str(error)


def _start(path: str, lines: Iterator[str]) -> DelimitedTable:
    """Read the header, and how cells are separated."""
    n_before, first = 1, next(lines, "")
    while first and not first.strip():
        n_before, first = n_before + 1, next(lines, "")
    declared = _DECLARED.match(first.rstrip("\r\n"))
    if declared:
        separator, n_before = declared[1], n_before + 1
    else:
        separator, lines = _find_separator(first), chain([first], lines)
    rows = _split(path, lines, separator, n_before - 1)
    header = next(rows, None)
    if header is None:
        raise TableError("is empty: expected a header and rows", path=path)
    while header.cells and not header.cells[-1]:
        header.cells.pop()
    names = Counter(plain_name(name) for name in header.cells if name)
    for name, count in names.items():
        if count > 1:
            raise TableError(
                f"{count} columns are named {name!r}", path=path, line=header.line, column=name
            )
    return DelimitedTable(path, header, _aligned(path, header, rows))


def _find_separator(header: str) -> str:
    """Return the separator that splits a header into the most cells."""
    try:
        return max(
            _SEPARATORS,
            key=lambda character: len(next(csv.reader([header], delimiter=character), [])),
        )
    except csv.Error:  # the reader of the rows names the line
        return _SEPARATORS[0]


def _split(path: str, lines: Iterator[str], separator: str, n_before: int) -> Iterator[Row]:
    """Yield every row that is not blank."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    first_line = 1
    try:
        for cells in reader:
            first_line = reader.line_num + 1
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield Row(n_before + reader.line_num, stripped)
    except csv.Error as error:
        message = _explain(str(error), first_line, reader.line_num, n_before)
        raise TableError(message, path=path, line=n_before + first_line) from error


def _explain(message: str, first_line: int, last_line: int, n_before: int) -> str:
    """Say what is wrong with a row that `csv` cannot split; often it has swallowed others."""
    if message == "unexpected end of data":
        return "a quotation mark is opened here and not closed up to the end of the file"
    if last_line > first_line:
        return (
            f"{message}: the row that begins here goes on to line {n_before + last_line}, as a "
            "quotation mark in it is not closed"
        )
    return message


def _aligned(path: str, header: Row, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield rows with as many cells as the header has; empty ones at the end do not count."""
    width = len(header.cells)
    for line, cells in rows:
        while len(cells) > width and not cells[-1]:
            cells.pop()
        if len(cells) != width:
            raise TableError(
                f"{len(cells)} cells, where the header has {width} (a path that contains the "
                "separator must be put in quotes)",
                path=path,
                line=line,
            )
        yield Row(line, cells)
