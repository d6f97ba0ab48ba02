"""Read pairs of photographs from a CSV file."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """One pair of photographs.

    Attributes
    ----------
    reference, probe : str
        As the user wrote them.
    paths : tuple of (str, str)
        The two files.
    label : int or None
        +1 genuine, -1 deepfake, None where it is unknown.
    line : int
        Line of the CSV file on which the pair ends; 0 for a pair from the command line.
    """

    reference: str
    probe: str
    paths: tuple[str, str]
    label: int | None = None
    line: int = 0


def read_pairs(path: str, *, labelled: bool = False) -> list[Pair]:
    """Read a table of pairs.

    Parameters
    ----------
    path : str
        A CSV file in UTF-8 with a header, separated by commas, semicolons or tabs. Columns are
        found by the names ``reference``, ``probe`` and ``label``, in any case; if the first two
        are not there, the first two other columns take their place. Relative paths start at the
        folder of the file.
    labelled : bool, default=False
        Whether, if there is a column of labels, every pair must have one.

    Returns
    -------
    list of Pair
        At least one.

    Raises
    ------
    ValueError
        If the file is not such a table; the message names the line.
    OSError
        If it cannot be read.
    """
    rows = _read_rows(path)
    if not rows:
        raise ValueError(f"{path} is empty: expected a header and pairs")
    header = rows[0][1]
    columns = _find_columns(path, header)
    pairs = [_make_pair(path, line, row, header, columns) for line, row in rows[1:]]
    if not pairs:
        raise ValueError(f"{path} has a header and no pairs")
    if labelled and columns[2] is not None:
        for pair in pairs:
            if pair.label is None:
                raise ValueError(
                    f"{path}, line {pair.line}: the label is empty; expected 1 (genuine) or "
                    "-1 (deepfake)"
                )
    return pairs


def _read_rows(path: str) -> list[tuple[int, list[str]]]:
    """Return line number and cells of every row that is not blank."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from error
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines)
    try:
        separator = _find_separator(text.lstrip().partition("\n")[0])
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
    return [row for row in rows if any(row[1])]


def _find_separator(header: str) -> str:
    """Return the mark that cuts a header into the most cells."""
    return max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


def _find_columns(path: str, header: list[str]) -> tuple[int, int, int | None]:
    """Return where reference, probe and label are."""
    names = [name.lower() for name in header]
    label = names.index("label") if "label" in names else None
    if "reference" in names and "probe" in names:
        return names.index("reference"), names.index("probe"), label
    for name, other in (("reference", "probe"), ("probe", "reference")):
        if name in names:
            raise ValueError(f"{path} has a column {name!r} but none named {other!r}: {header}")
    others = [i for i in range(len(names)) if i != label]
    if len(others) < 2:
        raise ValueError(f"{path} has the columns {header}; expected reference and probe")
    if all(os.path.isfile(_resolve(path, header[i])) for i in others[:2]):
        raise ValueError(
            f"{path}, line 1: this is a pair of files, where a header such as reference,probe is "
            "expected"
        )
    return others[0], others[1], label


def _make_pair(
    path: str,
    line: int,
    row: list[str],
    header: list[str],
    columns: tuple[int, int, int | None],
) -> Pair:
    where = f"{path}, line {line}"
    if len(row) != len(header):
        raise ValueError(
            f"{where}: {len(row)} cells, where the header has {len(header)} (a path that contains "
            "the separator must be put in quotes)"
        )
    reference, probe = row[columns[0]], row[columns[1]]
    for cell, column in ((reference, columns[0]), (probe, columns[1])):
        if not cell:
            raise ValueError(f"{where}: {header[column]} is empty")
    label = None if columns[2] is None else _read_label(row[columns[2]], where)
    return Pair(reference, probe, (_resolve(path, reference), _resolve(path, probe)), label, line)


def _read_label(cell: str, where: str) -> int | None:
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = 0.0
    if value not in (1, -1):
        raise ValueError(f"{where}: label {cell!r}; expected 1 (genuine) or -1 (deepfake)")
    return int(value)


def _resolve(table: str, cell: str) -> str:
    return os.path.join(os.path.dirname(os.path.abspath(table)), cell)
