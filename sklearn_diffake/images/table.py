"""Read tables of pictures in all supported forms: pairs of templates, or one picture per row."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.images.errors import ImageError, describe_place

__all__ = [
    "ONE_PAIR",
    "PAIR_COLUMNS",
    "ImageTable",
    "find_pair_columns",
    "image_table",
    "pair_rows",
]

#: Hint for users who pass the pictures of one pair as rows.
ONE_PAIR = "one pair is written [(reference, probe)]"
#: Names of the two columns of pairs, in this order.
PAIR_COLUMNS = ("reference", "probe")
_FORMS = (
    "X must be pairs, as a DataFrame, list or array with two cells in each row or an array of "
    "shape (n, 2, H, W, 3), or single pictures, as a list or an array of shape (n, H, W, 3)"
)


@dataclass(frozen=True)
class ImageTable:
    """The distinct pictures of a table, and the cells that hold them.

    A cell holds a template: one picture, or several pictures of one person. If every cell holds one
    picture, templates are sources, and `offsets` and `members` are None.

    Attributes
    ----------
    sources : list
        Distinct paths (of pictures or videos), PIL images and arrays.
    index : ndarray of shape (n,) or (n, 2), intp
        Template of every cell, as a position in `sources` or, if there are `offsets`, in these;
        two columns for pairs.
    offsets : ndarray of shape (n_templates + 1,), intp, or None
        Start and end of each template in `members`. The first ``len(sources)`` templates are single
        sources, whether a cell holds them or not.
    members : ndarray of shape (offsets[-1],), intp, or None
        Positions in `sources` of the pictures of all templates, template by template.
    """

    sources: list[Any]
    index: NDArray[np.intp]
    offsets: NDArray[np.intp] | None = None
    members: NDArray[np.intp] | None = None

    @property
    def is_pairs(self) -> bool:
        """Whether a row holds two templates."""
        return self.index.ndim == 2

    @property
    def n_templates(self) -> int:
        """Number of distinct templates."""
        return len(self.sources) if self.offsets is None else len(self.offsets) - 1

    def template(self, number: int) -> NDArray[np.intp]:
        """Return the positions in `sources` of the pictures of a template."""
        if self.offsets is None or self.members is None:
            return np.array([number], dtype=np.intp)
        return self.members[self.offsets[number] : self.offsets[number + 1]]

    def location(self, source: int) -> dict[str, Any]:
        """Return the first location of ``sources[source]``, as keywords of `ImageError.at`.

        Parameters
        ----------
        source : int
            Position in `sources`.

        Returns
        -------
        where : dict
            ``row``, ``column`` (None for single pictures) and ``path`` (None for objects).
        """
        template, _ = self._first_template(source)
        cell = np.argwhere(self.index == template)[0].tolist()
        item = self.sources[source]
        return {
            "row": cell[0],
            "column": cell[1] if self.is_pairs else None,
            "path": os.fspath(item) if isinstance(item, (str, os.PathLike)) else None,
        }

    def describe_source(self, source: int) -> str:
        """Describe row, column, file and position in a template of a source's first occurrence."""
        location = describe_place(**self.location(source))
        position = self._first_template(source)[1]
        return location if position is None else f"{location}, picture {position} of the template"

    def name(self, source: int) -> str:
        """Return the file of ``sources[source]`` for a message, or its location if it has none."""
        path = self.location(source)["path"]
        return self.describe_source(source) if path is None else describe_place(path=path)

    def _first_template(self, source: int) -> tuple[int, int | None]:
        """Return the template of the first cell that holds a source, and its position in it."""
        if self.offsets is None or self.members is None:
            return source, None
        positions = np.flatnonzero(self.members == source)
        holders = np.searchsorted(self.offsets, positions, side="right") - 1
        first = int(np.argmax(np.isin(self.index.ravel(), holders)))
        template = int(self.index.ravel()[first])
        if len(self.template(template)) == 1:
            return template, None
        return template, int(positions[holders == template][0] - self.offsets[template])


def image_table(X: Any, *, templates: bool = False) -> ImageTable:
    """Parse a table of pictures, without reading the pictures.

    Parameters
    ----------
    X : DataFrame, Series, array or list
        Pairs: a DataFrame (pandas, polars or arrow) with the columns ``reference`` and ``probe``,
        in any case and among others, or with two columns; an (n, 2) array or a list of n rows of
        two cells; or an (n, 2, H, W, C) array. Single pictures: a Series, array or list of n of
        them, a DataFrame with one column, or an (n, H, W, C) array.

        A cell is a path (of a picture or a video), a PIL image or an array; or a template of
        several pictures of one person: a list, tuple or one-dimensional array of these, or a
        (k, H, W, C) array. In a list, a row of two is a pair, so a template is possible only within
        a row. A tuple is a pair or a template, never a table.
    templates : bool, default=False
        Whether the caller can handle templates of several pictures.

    Returns
    -------
    ImageTable
        Its `index` has shape (n, 2) for pairs and (n,) for single pictures.

    Raises
    ------
    ImageError
        If X is none of these, is empty, a row does not hold two cells, or a template is empty,
        nested, or not expected.
    """
    rows = _read_rows(X)
    if isinstance(rows, ImageTable):
        return rows
    builder = _Builder(templates)
    builder.add_all(rows)
    return builder.table()


def find_pair_columns(names: Sequence[Any]) -> tuple[int, int]:
    """Return the positions of the columns reference and probe.

    Parameters
    ----------
    names : sequence
        Names of all columns; names that are not text are ignored.

    Returns
    -------
    reference, probe : int
        Columns of these names, ignoring case and surrounding blanks; 0 and 1 if there are two
        columns and neither has such a name.

    Raises
    ------
    ValueError
        If a name occurs twice, or without the other name, or there are not exactly two columns
        without these names.
    """
    plain = _plain_names(names)
    counts = [plain.count(name) for name in PAIR_COLUMNS]
    if counts == [1, 1]:
        return plain.index(PAIR_COLUMNS[0]), plain.index(PAIR_COLUMNS[1])
    for name, count in zip(PAIR_COLUMNS, counts, strict=True):
        if count > 1:
            raise ValueError(f"{count} columns are named {name!r}: {list(names)}")
    if any(counts):
        present, absent = PAIR_COLUMNS if counts[0] else PAIR_COLUMNS[::-1]
        raise ValueError(f"there is a column {present!r} but none named {absent!r}: {list(names)}")
    if len(names) != 2:
        raise ValueError(
            "the columns must be named reference and probe, or be two in this order, got "
            f"{list(names)}"
        )
    return 0, 1


def pair_rows(X: Any) -> Iterable[Any]:
    """Return the rows of a table of pairs, without checking their cells.

    Parameters
    ----------
    X : DataFrame or iterable
        A DataFrame (pandas, polars or arrow) with the columns ``reference`` and ``probe``, or with
        two columns; or anything that yields rows.

    Returns
    -------
    iterable
        Of tuples (reference, probe); X itself if it is not a DataFrame.

    Raises
    ------
    ImageError
        If it is a DataFrame without these columns.
    TypeError
        If it cannot be iterated over.
    """
    frame = _as_frame(X)
    if isinstance(frame, nw.DataFrame):
        return _frame_rows(frame)
    if isinstance(X, (str, bytes, os.PathLike)) or not isinstance(X, Iterable):
        raise TypeError(f"pairs must be rows of two, got a {type(X).__name__}; {ONE_PAIR}")
    return X


class _Builder:
    """Collects the distinct sources and templates, in order of appearance."""

    def __init__(self, templates: bool) -> None:
        self.templates = templates
        self.sources: list[Any] = []
        self.index: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self.positions: dict[Any, int] = {}  # path, or id of an object -> position in sources
        # Sources of a template -> -1, -2, ...
        self.template_numbers: dict[tuple[int, ...], int] = {}

    def add_all(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Fill the index; templates of several pictures get negative numbers at first."""
        numbers = array("q")  # 8 bytes per cell, and faster to append to than numpy
        width = 0
        positions = self.positions
        for i, row in enumerate(rows):
            width = width or len(row)
            if len(row) != width:
                raise ImageError(
                    f"it has {len(row)} picture(s), row 0 has {width}: every row must be a pair "
                    f"(two pictures), or every row a single picture; {ONE_PAIR}",
                    row=i,
                )
            for j, cell in enumerate(row):
                position = positions.get(cell) if type(cell) is str else None
                numbers.append(self._add_cell(cell, i, j) if position is None else position)
        index = np.frombuffer(numbers, dtype=np.int64).astype(np.intp)
        self.index = index if width == 1 else index.reshape(-1, width)

    def table(self) -> ImageTable:
        """Return the table; templates of one picture are first, so their numbers do not change."""
        if not self.template_numbers:
            return ImageTable(self.sources, self.index)
        single = np.arange(len(self.sources), dtype=np.intp)
        lengths = [1] * len(single) + [len(members) for members in self.template_numbers]
        members = [single, *(np.array(members, dtype=np.intp) for members in self.template_numbers)]
        index = np.where(self.index < 0, len(single) - 1 - self.index, self.index)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
        return ImageTable(self.sources, index, offsets, np.concatenate(members))

    def _add_cell(self, cell: Any, row: int, column: int) -> int:
        if _is_picture(cell):
            return self._add_source(cell)
        pictures = list(cell)
        location: dict[str, Any] = {"row": row, "column": column}
        if not pictures:
            raise ImageError("a template must hold at least one picture, got none", **location)
        if not all(_is_picture(picture) for picture in pictures):
            raise ImageError(
                "a template must be a list of pictures, got a template in it", **location
            )
        members = tuple(self._add_source(picture) for picture in pictures)
        if len(members) == 1:
            return members[0]
        if not self.templates:
            raise ImageError(
                f"this must be one picture, got a template of {len(members)}", **location
            )
        return self.template_numbers.setdefault(members, -1 - len(self.template_numbers))

    def _add_source(self, item: Any) -> int:
        token = os.fspath(item) if isinstance(item, (str, os.PathLike)) else id(item)
        position = self.positions.setdefault(token, len(self.sources))
        if position == len(self.sources):
            self.sources.append(item)
        return position


def _read_rows(X: Any) -> ImageTable | Iterator[tuple[Any, ...]]:
    """Return the rows of X, or the table if X is a dense array, which has no duplicates."""
    if isinstance(X, tuple):
        raise ImageError(f"X must be a table, such as a list, got a tuple of {len(X)}; {ONE_PAIR}")
    X = _as_frame(X, allow_series=True)
    if not _is_table(X):
        raise ImageError(f"{_FORMS}, got a single {type(X).__name__}; {ONE_PAIR}")
    if len(X) == 0:
        raise ImageError(f"{_FORMS}, got 0 rows; {ONE_PAIR}")
    if isinstance(X, nw.DataFrame) and _holds_single_pictures(X.columns):
        X = X[X.columns[0]]  # as ColumnTransformer selects it by a list of one name
    if isinstance(X, nw.DataFrame):
        return _frame_rows(X)
    if isinstance(X, np.ndarray) and X.dtype.kind not in "OUST":
        return _from_dense(X)
    if isinstance(X, nw.Series) or (isinstance(X, np.ndarray) and X.dtype.kind in "UT"):
        X = X.to_list() if isinstance(X, nw.Series) else X.tolist()
    return (_row_cells(row, i) for i, row in enumerate(X))


def _plain_names(names: Sequence[Any]) -> list[str | None]:
    """Return names of columns in lower case, without blanks; None for what is no text."""
    return [name.strip().casefold() if isinstance(name, str) else None for name in names]


def _holds_single_pictures(names: Sequence[Any]) -> bool:
    """Return whether a DataFrame has one column, which is not half of a table of pairs."""
    return len(names) == 1 and _plain_names(names)[0] not in PAIR_COLUMNS


def _as_frame(X: Any, allow_series: bool = False) -> Any:
    """Return X as a DataFrame of narwhals, or X itself if it is none."""
    if isinstance(X, (list, tuple, np.ndarray)):
        return X  # for these, narwhals would first look for plugins in all installed packages
    try:
        return nw.from_native(X, allow_series=allow_series, eager_only=True, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise ImageError(f"X is a DataFrame whose columns share a name: {error}") from error


def _is_table(X: Any) -> bool:
    """Return whether X has rows in a defined order."""
    if isinstance(X, (nw.DataFrame, nw.Series)):
        return True
    if isinstance(X, (str, bytes, os.PathLike, Mapping, Set)) or not hasattr(X, "__len__"):
        return False
    return np.ndim(X) > 0 if hasattr(X, "__array__") else True


def _frame_rows(frame: Any) -> Iterator[tuple[Any, ...]]:
    """Return the cells of the columns reference and probe of a DataFrame."""
    try:
        names = frame.columns
        columns = [frame[names[i]].to_list() for i in find_pair_columns(names)]
    except ValueError as error:
        raise ImageError(f"X is a DataFrame, and {error}") from error
    return zip(*columns, strict=True)


def _from_dense(X: NDArray[Any]) -> ImageTable:
    if X.ndim == 5 and X.shape[1] == 2:
        sources = [image for pair in X for image in pair]
        return ImageTable(sources, np.arange(len(sources)).reshape(-1, 2))
    if X.ndim == 4 and X.shape[-1] in (1, 3, 4):
        return ImageTable(list(X), np.arange(len(X)))
    raise ImageError(f"{_FORMS}, got an array of shape {X.shape}; {ONE_PAIR}")


def _is_picture(item: Any) -> bool:
    """Return whether an item is one picture (or an invalid item), not several."""
    if isinstance(item, np.ndarray):
        return item.dtype.kind not in "OUST" and item.ndim != 4
    return not isinstance(item, (list, tuple))


def _row_cells(row: Any, i: int) -> tuple[Any, ...]:
    if type(row) is tuple and len(row) == 2:
        return row
    if _is_picture(row):
        return (row,)
    cells = tuple(row)
    if len(cells) != 2:
        raise ImageError(
            f"it has {len(cells)} picture(s), a pair has two: (reference, probe) or two frames of "
            f"one video; several pictures of one person are a list within a pair; {ONE_PAIR}",
            row=i,
        )
    return cells
