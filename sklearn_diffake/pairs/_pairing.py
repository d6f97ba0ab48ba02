"""Form pairs of images: probes with trusted references, or frames of one video."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch, check_random_state

from sklearn_diffake.utils._groups import name_codes, value_codes
from sklearn_diffake.utils._labels import CONVENTION, LabelError, check_labels
from sklearn_diffake.utils._modes import REFERENCE, SAME_VIDEO
from sklearn_diffake.utils._names import is_missing, name_key, natural_key
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, validate_params

_NEVER = np.iinfo(np.int64).max  # a position that no row has
_K = [Interval(Integral, 1, None, closed="left"), StrOptions({"all"})]


@validate_params(
    {
        "path": [str],
        "identity": [str],
        "label": [str, None],
        "k": _K,
        "templates": ["boolean"],
        "exclude": [str, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_reference_pairs(
    table: Any,
    *,
    path: str = "path",
    identity: str = "identity",
    label: str | None = "label",
    k: int | Literal["all"] = 1,
    templates: bool = False,
    exclude: str | None = None,
    random_state: int | RandomState | None = None,
) -> Bunch:
    """Pair every image, as a probe, with `k` genuine references of the same identity.

    Every row of the table is a probe once; the references are drawn without replacement from the
    genuine rows of its identity, never from rows that name the probe's own file.

    Parameters
    ----------
    table : DataFrame, dict of columns, or structured array
        One row per image.
    path : str, default="path"
        Column of image paths.
    identity : str, default="identity"
        Column of real or claimed identities. Spellings that look the same are one name, as in
        :func:`~sklearn_diffake.model_selection.connected_groups`.
    label : str or None, default="label"
        Column of labels, +1 genuine and -1 deepfake. With None, or if a table has no column
        ``"label"``, all rows are genuine.
    k : int or "all", default=1
        References per probe; ``"all"`` takes all.
    templates : bool, default=False
        If True, the `k` references of a probe are one template in one pair; otherwise each
        reference is in a pair of its own.
    exclude : str, default=None
        Column with, for each probe, a file that must not be its reference: the photograph or
        video from which a fake was made. Matched on the file name without folder, with or
        without extension, whatever the encoding of accents; empty or missing values exclude
        nothing.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. Pass an int for the same pairs on every call.

    Returns
    -------
    pairs : :class:`~sklearn.utils.Bunch`
        With the fields

        data : ndarray of shape (n, 2), object
            Paths: the reference in column 0, the probe in column 1; ordered by probe. With
            `templates`, column 0 holds tuples of paths.
        target : ndarray of shape (n,), int
            Label of the probe.
        mode : str
            ``"reference"``.
        groups : ndarray of shape (n,)
            Identity of the pair.
        index : ndarray of shape (n, 2), int
            Row numbers of both images in `table`. With `templates`, of shape (n, 2) and type
            object, with tuples of row numbers in column 0.
        n_skipped : int
            Number of rows not used as a probe, because they have fewer than `k` references.

    Raises
    ------
    ValueError
        If a column is missing, columns differ in length, a label is neither +1 nor -1, an
        identity is missing, or no pair can be formed.

    Warns
    -----
    UserWarning
        If rows are skipped because their identity has too few genuine images, if an identity is
        spelled in several ways, or if identities differ in case alone.

    See Also
    --------
    make_same_video_pairs : Pairs without a trusted image.

    Examples
    --------
    >>> from sklearn_diffake.pairs import make_reference_pairs
    >>> table = {"path": ["a1.png", "a2.png", "fake.png"], "identity": ["a", "a", "a"],
    ...          "label": [1, 1, -1], "source": ["", "", "a2.mp4"]}
    >>> pairs = make_reference_pairs(table, exclude="source", random_state=0)
    >>> pairs.data.tolist()
    [['a2.png', 'a1.png'], ['a1.png', 'a2.png'], ['a1.png', 'fake.png']]
    >>> pairs.target
    array([ 1,  1, -1])
    >>> pairs = make_reference_pairs(table, k="all", templates=True)
    >>> pairs.data.tolist()
    [[('a2.png',), 'a1.png'], [('a1.png',), 'a2.png'], [('a1.png', 'a2.png'), 'fake.png']]
    """
    paths, labels, identities = _read(table, path, label, identity)
    group, identities = _names(identities, identity)
    files = value_codes(paths)
    pool = _Pool.from_groups(group, labels == 1)
    blocked = [pool.positions(group, files, files)]
    if exclude is not None:
        excluded = ["" if is_missing(value) else str(value) for value in _column(table, exclude)]
        stems = [name_key(_stem(str(value))) for value in paths]
        for shorten in (_stem, _name):
            codes = value_codes([*stems, *(name_key(shorten(value)) for value in excluded)])
            blocked.append(pool.positions(group, codes[: len(stems)], codes[len(stems) :]))
    index, skipped = _partners(pool, group, np.hstack(blocked), k, random_state)
    _report(skipped, paths, k, "genuine references of their identity")
    if templates:
        return _template_bunch(paths, labels, identities, index, len(skipped))
    return _bunch(paths, labels[index[:, 1]], REFERENCE, identities, index, len(skipped))


@validate_params(
    {
        "path": [str],
        "video": [str],
        "label": [str, None],
        "k": _K,
        "frame": [str, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_same_video_pairs(
    table: Any,
    *,
    path: str = "path",
    video: str = "video",
    label: str | None = "label",
    k: int | Literal["all"] = 1,
    frame: str | None = None,
    random_state: int | RandomState | None = None,
) -> Bunch:
    """Pair frames of one video with each other.

    Parameters
    ----------
    table : DataFrame, dict of columns, or structured array
        One row per frame.
    path : str, default="path"
        Column of image paths.
    video : str, default="video"
        Column with the video of each frame. Spellings that look the same are one name, as in
        :func:`~sklearn_diffake.model_selection.connected_groups`.
    label : str or None, default="label"
        Column of labels, +1 genuine and -1 deepfake. With None, or if a table has no column
        ``"label"``, all rows are genuine.
    k : int or "all", default=1
        Every frame is paired with `k` other frames of its video, drawn at random; ``"all"`` forms
        every pair. Pairs have no order: two frames that draw each other are one pair.
    frame : str, default=None
        Column to sort by, such as the number or file name of the frame: the earlier frame is
        column 0. Numbers in names are sorted by value: ``"frame_2.png"`` is before
        ``"frame_10.png"``. None keeps the order of the table.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. Pass an int for the same pairs on every call.

    Returns
    -------
    pairs : :class:`~sklearn.utils.Bunch`
        With the fields

        data : ndarray of shape (n, 2), object
            Paths of the earlier and the later frame. At most `k` pairs per frame of the table.
        target : ndarray of shape (n,), int
            -1 if either frame is a deepfake, else +1.
        mode : str
            ``"same-video"``.
        groups : ndarray of shape (n,)
            Video of the pair.
        index : ndarray of shape (n, 2), int
            Row numbers of both frames in `table`.
        n_skipped : int
            Number of frames not used, because their video has fewer than `k` other frames.

    Raises
    ------
    ValueError
        If a column is missing, columns differ in length, a label is neither +1 nor -1, a video
        is missing, or no pair can be formed.

    Warns
    -----
    UserWarning
        If frames are skipped because their video has too few frames, if a video is spelled in
        several ways, or if videos differ in case alone.

    See Also
    --------
    make_reference_pairs : Pairs with a trusted image.

    Examples
    --------
    >>> from sklearn_diffake.pairs import make_same_video_pairs
    >>> table = {"path": ["v/0.png", "v/1.png", "v/2.png"], "video": ["v", "v", "v"]}
    >>> make_same_video_pairs(table, k="all").index.tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    paths, labels, videos = _read(table, path, label, video)
    group, videos = _names(videos, video)
    files = value_codes(paths)
    pool = _Pool.from_groups(group, np.ones(len(group), dtype=bool))
    index, skipped = _partners(pool, group, pool.positions(group, files, files), k, random_state)
    _report(skipped, paths, k, "other frames in their video")
    index = _unordered(index, np.arange(len(group)) if frame is None else _column(table, frame))
    return _bunch(paths, labels[index].min(axis=1), SAME_VIDEO, videos, index, len(skipped))


class _Pool(NamedTuple):
    """Rows that may be partners, sorted by group; positions count from the start of a group."""

    rows: NDArray[np.int64]
    group: NDArray[np.int64]  # group of each of these rows
    start: NDArray[np.int64]  # start of each group in `rows`
    size: NDArray[np.int64]  # number of rows of each group

    @classmethod
    def from_groups(cls, group: NDArray[np.int64], usable: NDArray[np.bool_]) -> _Pool:
        rows = np.flatnonzero(usable)
        rows = rows[np.argsort(group[rows], kind="stable")]
        size = np.bincount(group[rows], minlength=group.max() + 1)
        return cls(rows, group[rows], np.cumsum(size) - size, size)

    def positions(
        self, group: NDArray[np.int64], pool_codes: NDArray[np.int64], codes: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Find, for every row, the pool's positions in its group with ``have == wanted[row]``.

        Returns an array of shape (n_rows, most hits of a row), padded with `_NEVER`.
        """
        base = max(pool_codes.max(), codes.max()) + 1
        keys = self.group * base + pool_codes[self.rows]
        order = np.argsort(keys, kind="stable")
        first = np.searchsorted(keys[order], group * base + codes, side="left")
        last = np.searchsorted(keys[order], group * base + codes, side="right")
        hits = first[:, np.newaxis] + np.arange((last - first).max())
        is_hit = hits < last[:, np.newaxis]
        hits[~is_hit] = 0
        position = (order - self.start[self.group[order]])[hits]
        return np.where(is_hit, position, _NEVER)


def _partners(
    pool: _Pool,
    group: NDArray[np.int64],
    blocked: NDArray[np.int64],
    k: int | Literal["all"],
    random_state: int | RandomState | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (partner, row) for every row, and the rows that have too few partners."""
    excluded = np.sort(blocked, axis=1)
    excluded[:, 1:][excluded[:, 1:] == excluded[:, :-1]] = _NEVER
    excluded.sort(axis=1)
    free = pool.size[group] - (excluded != _NEVER).sum(axis=1)
    enough = free >= (1 if k == "all" else k)
    rows = np.flatnonzero(enough)
    if k == "all":
        row, position = _enumerate(pool.size[group[rows]], excluded[rows])
    else:
        row, position = _draw(free[rows], excluded[rows], k, check_random_state(random_state))
    probe = rows[row]
    partner = pool.rows[pool.start[group[probe]] + position]
    return np.column_stack([partner, probe]), np.flatnonzero(~enough)


def _enumerate(
    size: NDArray[np.int64], excluded: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all positions below `size` that are not `excluded`, as (row, position)."""
    row = np.repeat(np.arange(len(size)), size)
    position = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    free = np.ones(len(row), dtype=bool)
    for column in excluded.T:
        free &= column[row] != position
    return row[free], position[free]


def _draw(
    free: NDArray[np.int64], excluded: NDArray[np.int64], k: int, rng: RandomState
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw `k` distinct positions per row that are not `excluded`, as (row, position).

    Draw a number below the count of free positions, and skip the excluded positions in ascending
    order. Each drawn position is then excluded, too.
    """
    draws = np.empty((len(free), k), dtype=np.int64)
    for j in range(k):
        position = rng.randint(free - j, dtype=np.int64) if len(free) else free
        for column in excluded.T:
            position += column <= position
        draws[:, j] = position
        excluded = np.sort(np.column_stack([excluded, position]), axis=1)
    return np.repeat(np.arange(len(free)), k), draws.ravel()


def _unordered(index: NDArray[np.int64], order_by: ArrayLike) -> NDArray[np.int64]:
    """Sort the rows of each pair, remove duplicate pairs, and sort pairs by row."""
    values = np.asarray(order_by)
    if values.dtype.kind in "biuf":
        order = np.argsort(values, kind="stable")
    else:  # names of frames: 2 goes before 10
        keys = [natural_key(value) for value in values.tolist()]
        order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    first, second = index.T
    swap = rank[first] > rank[second]
    keys = np.where(swap, second, first) * len(order) + np.where(swap, first, second)
    return np.column_stack(np.divmod(np.unique(keys), len(order)))


def _bunch(
    paths: list[Any],
    target: NDArray[np.int64],
    mode: str,
    groups: list[Any],
    index: NDArray[np.int64],
    n_skipped: int,
) -> Bunch:
    objects = np.empty(len(paths), dtype=object)
    objects[:] = paths
    return Bunch(
        data=objects[index],
        target=target,
        mode=mode,
        groups=np.asarray(groups)[index[:, 1]],
        index=index,
        n_skipped=n_skipped,
    )


def _template_bunch(
    paths: list[Any],
    labels: NDArray[np.int64],
    groups: list[Any],
    index: NDArray[np.int64],
    n_skipped: int,
) -> Bunch:
    """Join the references of each probe, in consecutive pairs, into one template."""
    starts = np.flatnonzero(np.diff(index[:, 1], prepend=-1))
    probes = index[starts, 1]
    data, rows = (np.empty((len(probes), 2), dtype=object) for _ in range(2))
    for i, references in enumerate(np.split(index[:, 0], starts[1:])):
        rows[i] = tuple(references.tolist()), int(probes[i])
        data[i] = tuple(paths[j] for j in references.tolist()), paths[probes[i]]
    return Bunch(
        data=data,
        target=labels[probes],
        mode=REFERENCE,
        groups=np.asarray(groups)[probes],
        index=rows,
        n_skipped=n_skipped,
    )


def _report(skipped: NDArray[np.int64], paths: list[Any], k: int | str, partners: str) -> None:
    n_required = 1 if k == "all" else k
    if len(skipped) == len(paths):
        raise ValueError(
            f"Nothing to pair: none of the {len(paths)} rows has {n_required} {partners}."
        )
    if len(skipped):
        warnings.warn(
            f"{len(skipped)} of {len(paths)} rows are skipped: they have fewer than {n_required} "
            f"{partners}; the first is row {skipped[0]} ({paths[skipped[0]]}).",
            UserWarning,
            stacklevel=4,
        )


def _read(
    table: Any, path: str, label: str | None, group: str
) -> tuple[list[Any], NDArray[np.int64], list[Any]]:
    """Return the checked paths, labels and groups of a table."""
    paths, groups = _column(table, path), _column(table, group)
    if not paths:
        raise ValueError("Nothing to pair: the table has no rows.")
    if label is None or (label == "label" and label not in _column_names(table)):
        labels = [1] * len(paths)
    else:
        labels = _column(table, label)
    for name, values in ((group, groups), (label, labels)):
        if len(values) != len(paths):
            raise ValueError(
                f"Columns differ in length: {len(paths)} in {path!r}, {len(values)} in {name!r}."
            )
    for row, value in enumerate(groups):
        if is_missing(value):
            raise ValueError(f"Row {row} ({paths[row]}) has no value in column {group!r}.")
    try:
        return paths, check_labels(labels, name=f"column {label!r}"), groups
    except LabelError as error:
        raise ValueError(
            f"Row {error.row} ({paths[error.row]}): the label must be {CONVENTION}, got "
            f"{error.value!r}."
        ) from error


def _column_names(table: Any) -> list[str]:
    if isinstance(table, np.ndarray):
        return list(table.dtype.names or ())
    return list(getattr(table, "columns", table))


def _column(table: Any, name: str) -> list[Any]:
    """Return one column as a list of Python objects."""
    names = _column_names(table)
    if name not in names:
        raise ValueError(f"The table has no column {name!r}; it has {names}.")
    values = table[name]
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _names(values: list[Any], column: str) -> tuple[NDArray[np.int64], list[Any]]:
    """Return the number of each name, and the names in one spelling."""
    coded = name_codes(values, kind=f"column {column!r}")
    return coded.codes, coded.values(values)


def _name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _stem(path: str) -> str:
    name = _name(path)
    stem, dot, _ = name.rpartition(".")
    return stem if dot else name
