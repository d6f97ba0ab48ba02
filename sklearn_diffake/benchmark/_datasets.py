"""Load the pairs of a dataset from a loader or a table, with names of people and techniques."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._registry import find_loader
from sklearn_diffake.benchmark._settings import DatasetSpec
from sklearn_diffake.model_selection import connected_groups
from sklearn_diffake.pairs import TableError, make_reference_pairs, make_same_video_pairs
from sklearn_diffake.pairs import load_pairs as read_pair_table
from sklearn_diffake.utils._delimited import plain_name, read_columns, resolve
from sklearn_diffake.utils._groups import name_codes
from sklearn_diffake.utils._labels import parse_label
from sklearn_diffake.utils._modes import MIXED, REFERENCE
from sklearn_diffake.utils._names import is_missing

GENUINE = "genuine"
#: Names that describe a pair; "" where one is missing.
COLUMNS = ("technique", "compression", "split", "identity", "video", "original")
_GROUP_COLUMNS = ("identity", "video", "original", "reference_video")
_PATHS = ("reference", "probe")
# Names of one kind are compared across columns: an identity of one row may be a donor in another.
_KINDS = {
    **dict.fromkeys(("identity", "donor"), "person"),
    **dict.fromkeys(("video", "original", "reference_video"), "video"),
    **dict.fromkeys(_PATHS, "file"),
}


@dataclass(frozen=True)
class PairTable:
    """Pairs of images, and the names that describe them.

    Attributes
    ----------
    name : str
        Name of the dataset in the configuration.
    data : ndarray of shape (n, 2) or (n, 2, H, W, 3)
        Paths or arrays.
    target : ndarray of shape (n,), int64
        +1 genuine, -1 deepfake.
    columns : dict of str to ndarray of shape (n,), object
        Those of `COLUMNS`, as strings.
    groups : ndarray of shape (n, k), object
        Names of people and videos that a split must not separate.
    mode : {"reference", "same-video"}
        How the pairs were formed.
    skipped_videos : int
        Videos without a pair, because they are missing, corrupt or show no face.
    """

    name: str
    data: NDArray[Any]
    target: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]
    groups: NDArray[Any]
    mode: str = REFERENCE
    skipped_videos: int = 0

    def __len__(self) -> int:
        return len(self.target)

    def select(self, rows: NDArray[np.int64]) -> PairTable:
        """Return a table of some of the pairs."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(
            self,
            data=self.data[rows],
            target=self.target[rows],
            columns=columns,
            groups=self.groups[rows],
        )


class _Loaded(NamedTuple):
    """The pairs of a source.

    Parameters
    ----------
    data : ndarray
    target : array-like of int
    columns : mapping of str to sequence
        Names that describe the pairs, by column.
    mode : str
    skipped_videos : int
    """

    data: Any
    target: Any
    columns: Mapping[str, Any]
    mode: str
    skipped_videos: int = 0


def load_pairs(spec: DatasetSpec, *, seed: int) -> PairTable:
    """Load a dataset as the configuration describes it.

    Parameters
    ----------
    spec : DatasetSpec
    seed : int
        Seed of the draw of pairs, and of their selection if there is a limit.

    Returns
    -------
    table : PairTable

    Raises
    ------
    ValueError
        If it cannot be read; the message names the dataset's table in the configuration.
    """
    try:
        read = {"loader": _from_loader, "images": _from_images, "pairs": _from_pairs}
        loaded = read[spec.source](spec, seed)
        n_rows = len(loaded.target)
        table = PairTable(
            name=spec.name,
            data=loaded.data,
            target=np.asarray(loaded.target, dtype=np.int64),
            columns={name: _texts(loaded.columns, name, n_rows) for name in COLUMNS},
            groups=_groups(spec, loaded.columns, n_rows),
            mode=loaded.mode,
            skipped_videos=loaded.skipped_videos,
        )
        return table if spec.limit is None else _limit(table, spec.limit, seed)
    except (ValueError, TypeError, OSError, ImportError) as error:
        kind = next((k for k in (OSError, ImportError) if isinstance(error, k)), ValueError)
        key = "arguments" if spec.source == "loader" else spec.source
        raise kind(f"[datasets.{spec.name}] {key}: {error}") from error


def _from_loader(spec: DatasetSpec, seed: int) -> _Loaded:
    loader, accepted = find_loader(spec.value)
    arguments = dict(spec.arguments)
    if "random_state" in accepted:
        arguments.setdefault("random_state", seed)
    bunch = loader(**arguments)
    data = np.asarray(bunch.data)
    return _Loaded(data, bunch.target, bunch.frame, bunch.mode, int(bunch.n_broken))


def _from_images(spec: DatasetSpec, seed: int) -> _Loaded:
    """Pair the images of a table, one a row."""
    images: dict[str, Any] = read_columns(spec.value, ("path",))
    images["path"] = [resolve(spec.value, path) for path in images["path"]]
    labels = [_label(cell, row) for row, cell in enumerate(images.get("label", []))]
    table = {**images, "label": labels or [1] * len(images["path"])}
    options = dict(spec.arguments)
    mode, exclude = options.pop("mode"), options.pop("exclude")
    if mode == REFERENCE:
        pairs = make_reference_pairs(table, exclude=exclude, random_state=seed, **options)
    else:
        frame = "frame" if "frame" in images else None
        pairs = make_same_video_pairs(table, frame=frame, random_state=seed, **options)
    probes = pairs.index[:, 1]
    columns = {name: [values[row] for row in probes] for name, values in images.items()}
    columns["technique"] = _techniques(columns, pairs.target)
    return _Loaded(pairs.data, pairs.target, columns, mode)


def _label(cell: str, row: int) -> int:
    """Read the label of an image; it must not be empty if there is such a column."""
    try:
        label = parse_label(cell)
    except ValueError as error:
        raise ValueError(f"row {row}: {error}") from error
    if label is None:
        raise ValueError(
            f"row {row}: the label must be 1 (genuine) or -1 (deepfake), got an empty cell"
        )
    return label


def _from_pairs(spec: DatasetSpec, seed: int) -> _Loaded:
    """Read a table of pairs, one a row; without a column of labels all are genuine."""
    pairs = read_pair_table(spec.value)
    for line, paths in zip(pairs.lines.tolist(), pairs.data, strict=True):
        if any(isinstance(cell, tuple) for cell in paths):
            raise TableError(
                "templates of several pictures are not compared yet", path=spec.value, line=line
            )
    target = np.ones(len(pairs.data), dtype=np.int64) if pairs.target is None else pairs.target
    unlabeled = np.flatnonzero(np.isnan(target))
    if unlabeled.size:
        line = int(pairs.lines[unlabeled[0]])
        raise TableError("the label is empty", path=spec.value, line=line, column="label")
    columns: dict[str, Any] = {
        plain_name(name): list(values) for name, values in pairs.extra.items()
    }
    columns |= {side: list(pairs.data[:, i]) for i, side in enumerate(_PATHS)}
    if pairs.groups is not None:
        columns["identity"] = ["" if person is None else person for person in pairs.groups]
    columns["technique"] = _techniques(columns, target)
    return _Loaded(pairs.data, target, columns, _mode_of_table(spec, pairs.mode))


def _mode_of_table(spec: DatasetSpec, of_pairs: str | None) -> str:
    """Return the mode of a table of pairs; that of the configuration if the table has none."""
    configured: str | None = spec.arguments.get("mode")
    if of_pairs == MIXED:
        raise ValueError("it has pairs of the reference mode and of the same-video mode: split it")
    if configured is not None and of_pairs not in (None, configured):
        raise ValueError(
            f"its pairs are of the {of_pairs} mode, the configuration says {configured!r}"
        )
    return configured or of_pairs or REFERENCE


def _techniques(columns: Mapping[str, Any], labels: NDArray[np.int64]) -> list[str]:
    """Return the techniques, "deepfake" where that of a deepfake is missing."""
    names = columns.get("technique", [""] * len(labels))
    defaults = {1: GENUINE, -1: "deepfake"}
    return [name or defaults[label] for name, label in zip(names, labels.tolist(), strict=True)]


def _texts(columns: Mapping[str, Any], name: str, n_rows: int) -> NDArray[Any]:
    """Return a column of names as text, each in one spelling; "" where one is missing."""
    values = list(columns[name]) if name in columns else [""] * n_rows
    names = name_codes(values, kind=f"column {name!r}").values(values)
    return np.array(["" if is_missing(v) else str(v) for v in names], dtype=object)


def _groups(spec: DatasetSpec, columns: Mapping[str, Any], n_rows: int) -> NDArray[Any]:
    """Return the names that a split must not separate, with their kind as a prefix."""
    if isinstance(columns, dict):  # of a file, where names are compared in lower case
        spec = replace(spec, groups=tuple(map(plain_name, spec.groups or ())))
    for name in spec.groups or ():
        if name not in columns:
            raise ValueError(f"groups: there is no column {name!r}; there are {list(columns)}")
    names = list(spec.groups or [name for name in _GROUP_COLUMNS if name in columns])
    table = {name: _texts(columns, name, n_rows) for name in names}
    table = {name: values for name, values in table.items() if (values != "").any()}
    if not table:  # a file is the only name of a person
        if any(side not in columns for side in _PATHS):
            raise ValueError(f"groups: no column of {list(columns)} says what to keep apart")
        table = {side: _texts(columns, side, n_rows) for side in _PATHS}
    prefix = f"{spec.name}:" if spec.distinct_people else ""
    prefixed = [
        [f"{_KINDS.get(name, name)}:{prefix}{value}" if value else "" for value in values]
        for name, values in table.items()
    ]
    return np.array(prefixed, dtype=object).T


def _limit(table: PairTable, maximum: int, seed: int) -> PairTable:
    """Keep some of the pairs: all of a group, group by group in random order."""
    group = connected_groups(table.groups)
    sizes = np.bincount(group)
    order = np.random.default_rng(seed).permutation(len(sizes))
    fits = order[np.cumsum(sizes[order]) <= maximum]
    rows = np.flatnonzero(np.isin(group, fits))
    if not len(rows):
        raise ValueError(
            f"limit = {maximum} is fewer than the {sizes.min()} pairs of any one group"
        )
    return table.select(rows)
