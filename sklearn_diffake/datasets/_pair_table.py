"""The table that describes pairs of frames, one row per pair."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_diffake.datasets._tree import GENUINE

_PROBE_COLUMNS = (
    "dataset", "technique", "compression", "split", "identity", "video", "original"
)  # fmt: skip


def describe_pairs(images: Any, pairs: Bunch) -> dict[str, NDArray[Any]]:
    """Return the columns of a table of pairs: the probe's video, and the numbers of both frames.

    Parameters
    ----------
    images : DataFrame or dict of str to ndarray
        Columns with one row per frame.
    pairs : Bunch
        `index` and `target`, as `make_reference_pairs` and `make_same_video_pairs` return.

    Returns
    -------
    dict of str to ndarray
        With templates, videos and numbers of references are tuples.
    """
    _, reference, probe = flat_rows(pairs)
    columns = {name: np.asarray(images[name], dtype=object)[probe] for name in _PROBE_COLUMNS}
    columns["technique"] = np.where(pairs.target == -1, columns["technique"], GENUINE)
    for name, column in (("video", "reference_video"), ("number", "reference_frame")):
        columns[column] = values_by_pair(np.asarray(images[name])[reference], pairs)
    columns["probe_frame"] = np.asarray(images["number"])[probe]
    columns["label"] = pairs.target
    return columns


def person_names(columns: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Name the person of each pair, or where the person is not known, the genuine video."""
    scene = np.where(columns["original"] != "", columns["original"], columns["video"])
    return np.where(columns["identity"] != "", columns["identity"], scene)


def flat_rows(pairs: Bunch) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the pair of each reference, the row of each reference, the row of each probe."""
    references, probe = pairs.index.T
    lengths = template_sizes(pairs)
    if lengths is None:
        return np.arange(len(probe)), references, probe
    flat = np.concatenate([np.array(rows, dtype=np.intp) for rows in references])
    return np.repeat(np.arange(len(probe)), lengths), flat, probe.astype(np.intp)


def template_sizes(pairs: Bunch) -> list[int] | None:
    """Return how many references each template has; None if there are no templates."""
    return [len(rows) for rows in pairs.index[:, 0]] if pairs.index.dtype == object else None


def values_by_pair(values: NDArray[Any], pairs: Bunch) -> NDArray[Any]:
    """Return one value of each reference, of a template a tuple of them."""
    lengths = template_sizes(pairs)
    if lengths is None:
        return values
    tuples = np.empty(len(lengths), dtype=object)
    tuples[:] = [
        tuple(values_of_pair.tolist())
        for values_of_pair in np.split(values, np.cumsum(lengths)[:-1])
    ]
    return tuples
