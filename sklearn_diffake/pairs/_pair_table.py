"""Read pairs from a delimited text file, such as a CSV file of a spreadsheet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_diffake.images.formats import is_video
from sklearn_diffake.images.table import PAIR_COLUMNS, find_pair_columns
from sklearn_diffake.utils._delimited import (
    DelimitedTable,
    Row,
    TableError,
    open_table,
    plain_name,
    resolve,
)
from sklearn_diffake.utils._labels import parse_label
from sklearn_diffake.utils._modes import SAME_VIDEO, Mode, common_mode, mode_of_columns

_TEMPLATE_MARK = "|"
_LABEL = "label"
_PEOPLE = ("person", "identity")

PathCell = str | tuple[str, ...]


class PairRow(NamedTuple):
    """One pair of a table.

    Attributes
    ----------
    reference, probe : str
        The cells, as text.
    paths : tuple of (str or tuple of str, str or tuple of str)
        The files of both cells; a tuple is a template of several pictures.
    label : int or None
        +1 genuine, -1 deepfake, None if unknown.
    line : int
        Line of the file on which the row ends, from 1.
    person : str or None
        Real or claimed identity; None if unknown.
    extra : dict of str to str
        All other columns, by their names as written.
    mode : {"reference", "same-video"} or None
        As the columns tell; None where they do not.
    """

    reference: str
    probe: str
    paths: tuple[PathCell, PathCell]
    label: int | None
    line: int
    person: str | None
    extra: dict[str, str]
    mode: Mode | None = None


class _Layout(NamedTuple):
    """Positions of the columns of a table; None for a missing column."""

    sides: tuple[int, int]
    label: int | None
    person: int | None
    extra: dict[str, int]
    names: list[str]


def iter_pairs(table: DelimitedTable, *, keep_empty: bool = False) -> Iterator[PairRow]:
    """Yield the pairs of an open table, one by one.

    Parameters
    ----------
    table : DelimitedTable
        From :func:`open_table`; see :func:`load_pairs` for the columns.
    keep_empty : bool, default=False
        Whether an empty cell becomes an empty path instead of an error, for callers that need a
        result for each row.

    Yields
    ------
    PairRow
        One row.

    Raises
    ------
    TableError
        If the columns are not those of pairs, or a cell is not as expected; it has the attributes
        `path`, `line` and `column`.
    """
    layout = _find_layout(table)
    for row in table.rows:
        yield _read_row(table, layout, row, keep_empty)


def load_pairs(path: str | os.PathLike[str]) -> Bunch:
    r"""Read a table of pairs from a CSV file.

    Parameters
    ----------
    path : str or path-like
        A text file with a header and one pair per line; ``"-"`` is standard input. Columns
        are separated by commas, semicolons or tabs, which is recognized by the header or Excel's
        line ``sep=;``. The encoding is UTF-8, with or without a byte order mark, or UTF-16 with
        one. Columns are identified by name, in any case and order:

        - ``reference`` and ``probe``: paths of pictures or videos. Relative paths start at the
          folder of the table. Several paths, separated by ``|``, are a template: several pictures
          of one person. If neither column exists, the two columns that are not listed below are
          reference and probe, in this order.
        - ``label``, optional: ``1``, ``+1``, ``1.0``, ``genuine`` or ``bona fide``; ``-1``,
          ``-1.0``, ``deepfake`` or ``fake``; empty if unknown.
        - ``person`` (or ``identity``), optional: real or claimed identity.

        - ``mode``, optional: ``reference``, or ``same-video`` for two pictures of the video under
          suspicion. Without it, a pair in which ``video`` and ``reference_video`` are the same, or
          both cells are one video file, is of the same-video mode.

        All other columns, and this one, are returned in `extra`.

    Returns
    -------
    pairs : :class:`~sklearn.utils.Bunch`
        With the fields

        data : ndarray of shape (n, 2), object
            Paths: the reference in column 0, the probe in column 1; tuples of paths for templates.
        target : ndarray of shape (n,), or None
            +1 genuine, -1 deepfake, int64; float64 with NaN if some labels are unknown; None if all
            are unknown.
        mode : {"reference", "same-video", "mixed"} or None
            The mode of all pairs; None where the table does not tell it.
        groups : ndarray of shape (n,), object, or None
            The person of each pair, None if unknown; None without such a column.
        extra : dict of str to ndarray of shape (n,), object
            The other columns, as texts.
        lines : ndarray of shape (n,), int64
            Line of the file on which each row ends, from 1.

    Raises
    ------
    TableError
        If the file is not such a table, or has no pairs: a ValueError with the attributes `path`,
        `line` and `column`.
    OSError
        If it cannot be read.

    See Also
    --------
    make_reference_pairs : Form pairs from a table of single pictures.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.pairs import load_pairs
    >>> _ = Path("pairs.csv").write_text(
    ...     "id;Probe;Reference;Label\n7;/new/a.mp4;/old/a1.jpg|/old/a2.jpg;1.0\n"
    ... )
    >>> pairs = load_pairs("pairs.csv")
    >>> pairs.data.tolist()
    [[('/old/a1.jpg', '/old/a2.jpg'), '/new/a.mp4']]
    >>> pairs.target, pairs.extra["id"].tolist()
    (array([1]), ['7'])
    """
    with open_table(path) as table:
        rows = list(iter_pairs(table))
        if not rows:
            raise table.error("it has a header and no pairs")
        has_person = _find_layout(table).person is not None
    data = np.empty((len(rows), 2), dtype=object)
    for i, row in enumerate(rows):
        data[i, 0], data[i, 1] = row.paths
    return Bunch(
        data=data,
        target=_target([row.label for row in rows]),
        mode=common_mode(row.mode for row in rows),
        groups=_texts([row.person for row in rows]) if has_person else None,
        extra={name: _texts([row.extra[name] for row in rows]) for name in rows[0].extra},
        lines=np.array([row.line for row in rows], dtype=np.int64),
    )


def _find_layout(table: DelimitedTable) -> _Layout:
    """Find the columns of a table by the names in its header."""
    names = table.header.cells
    plain = [plain_name(name) for name in names]
    label = plain.index(_LABEL) if _LABEL in plain else None
    person = next((plain.index(name) for name in _PEOPLE if name in plain), None)
    try:
        if any(name in plain for name in PAIR_COLUMNS):
            sides = find_pair_columns(names)
        else:
            candidates = [i for i in range(len(names)) if i not in (label, person)]
            first, second = find_pair_columns([names[i] for i in candidates])
            sides = candidates[first], candidates[second]
            _refuse_files_as_header(table, [names[i] for i in sides])
    except TableError:
        raise
    except ValueError as error:
        raise table.error(str(error), table.header.line) from error
    used_columns = {*sides, label, person}
    extra = {name or f"column {i + 1}": i for i, name in enumerate(names) if i not in used_columns}
    return _Layout(sides, label, person, extra, names)


def _refuse_files_as_header(table: DelimitedTable, names: Sequence[str]) -> None:
    if all(os.path.isfile(resolve(table.path, name)) for name in names):
        raise table.error(
            "this is a pair of files, where a header such as reference,probe is expected",
            table.header.line,
        )


def _read_row(table: DelimitedTable, layout: _Layout, row: Row, keep_empty: bool) -> PairRow:
    cells = row.cells
    reference, probe = (cells[i] for i in layout.sides)
    paths = tuple(
        "" if keep_empty and not cells[i] else _read_paths(table, row, i, layout.names[i])
        for i in layout.sides
    )
    label = None
    if layout.label is not None:
        try:
            label = parse_label(cells[layout.label])
        except ValueError as error:
            raise table.error(str(error), row.line, layout.names[layout.label]) from error
    person = None if layout.person is None else cells[layout.person] or None
    extra = {name: cells[i] for name, i in layout.extra.items()}
    mode = _read_mode(table, layout, row, extra, paths)
    return PairRow(reference, probe, (paths[0], paths[1]), label, row.line, person, extra, mode)


def _read_mode(
    table: DelimitedTable,
    layout: _Layout,
    row: Row,
    extra: dict[str, str],
    paths: Sequence[PathCell],
) -> Mode | None:
    """Return the mode of a pair, by its columns or as both cells are one video."""
    try:
        mode = mode_of_columns({plain_name(name): cell for name, cell in extra.items()})
    except ValueError as error:
        column = next(name for name in layout.extra if plain_name(name) == "mode")
        raise table.error(str(error), row.line, column) from error
    reference, probe = paths
    if mode is None and reference == probe and isinstance(probe, str) and is_video(probe):
        return SAME_VIDEO
    return mode


def _read_paths(table: DelimitedTable, row: Row, position: int, column: str) -> PathCell:
    """Return the path in a cell, or the paths of a template."""
    cell = row.cells[position]
    if not cell:
        raise table.error(f"{column} is empty", row.line, column)
    if _TEMPLATE_MARK not in cell:
        return resolve(table.path, cell)
    names = [name.strip() for name in cell.split(_TEMPLATE_MARK)]
    if not all(names):
        raise table.error(
            f"{column} has an empty path between the marks {_TEMPLATE_MARK!r}", row.line, column
        )
    return tuple(resolve(table.path, name) for name in names)


def _target(labels: list[int | None]) -> NDArray[Any] | None:
    if all(label is None for label in labels):
        return None
    if any(label is None for label in labels):
        return np.array([np.nan if label is None else label for label in labels])
    return np.array(labels, dtype=np.int64)


def _texts(values: list[Any]) -> NDArray[Any]:
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts


__all__ = ["PairRow", "TableError", "iter_pairs", "load_pairs"]
