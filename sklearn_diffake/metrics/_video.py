"""Pool the scores of pairs or frames to one score per video."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_diffake.base import check_finite
from sklearn_diffake.metrics._checks import check_rows
from sklearn_diffake.utils._groups import name_codes
from sklearn_diffake.utils._labels import check_labels
from sklearn_diffake.utils._names import is_missing
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, validate_params

#: How scores of a video become one.
Pooling = Literal["mean", "median", "trimmed", "min", "max"]


class VideoScores(NamedTuple):
    """One score per video.

    Parameters
    ----------
    score : ndarray of shape (n_videos,), float64
        Higher means more genuine.
    video : ndarray of shape (n_videos,)
        Names of the videos, sorted.
    y_true : ndarray of shape (n_videos,), int64, or None
        Labels of the videos; None without labels.
    first_row : ndarray of shape (n_videos,), int64
        First row of each video: ``technique[first_row]`` is its technique.
    """

    score: NDArray[np.float64]
    video: NDArray[Any]
    y_true: NDArray[np.int64] | None
    first_row: NDArray[np.int64]


@validate_params(
    {
        "score": ["array-like"],
        "video": ["array-like"],
        "how": [StrOptions({"mean", "median", "trimmed", "min", "max"})],
        "y_true": ["array-like", None],
        "trim": [Interval(Real, 0, 0.5, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def video_level(
    score: ArrayLike,
    video: ArrayLike,
    how: Pooling = "mean",
    *,
    y_true: ArrayLike | None = None,
    trim: float = 0.1,
) -> VideoScores:
    """Pool the scores of pairs or frames into one score per video.

    Parameters
    ----------
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    video : array-like of shape (n_samples,)
        Name of the video that each row is from.
    how : {"mean", "median", "trimmed", "min", "max"}, default="mean"
        ``"min"`` is the score of the most suspicious row, ``"max"`` that of the most genuine row.
        ``"trimmed"`` is the mean without the lowest and the highest fraction `trim` of the rows.
    y_true : array-like of shape (n_samples,), default=None
        +1 for genuine, -1 for deepfake; the same for all rows of a video.
    trim : float in [0, 0.5), default=0.1
        Fraction removed at each end, rounded down to whole rows. Only with ``how="trimmed"``.

    Returns
    -------
    pooled : VideoScores
        ``(score, video, y_true, first_row)``, sorted by video.

    Raises
    ------
    ValueError
        If lengths differ, a score is not finite, a row has no video, a label is neither +1 nor
        -1, or a video has rows of both classes.

    See Also
    --------
    sklearn_diffake.pairs.make_same_video_pairs : Pairs frames of one video with each other.
    sklearn_diffake.verify : Judges a clip by the p-values of its frames.

    Examples
    --------
    >>> from sklearn_diffake.metrics import equal_error_rate, video_level
    >>> y, video = [1, 1, 1, -1, -1], ["a", "a", "b", "c", "c"]
    >>> pooled = video_level([5.0, 1.0, 2.0, 0.0, 1.5], video, y_true=y)
    >>> pooled.score
    array([3.  , 2.  , 0.75])
    >>> equal_error_rate(pooled.y_true, pooled.score)
    0.0
    """
    values = np.asarray(score, dtype=np.float64)
    values = check_rows(values, len(values), name="score")
    check_finite(values, name="score")
    names = check_rows(video, len(values), name="video")
    for row, name in enumerate(names.tolist()):
        if is_missing(name):
            raise ValueError(f"Row {row} has no video ({name!r}).")
    coded = name_codes(names.tolist(), kind="video")
    first = np.unique(coded.codes, return_index=True)[1]
    order = _sorted_order(coded.names)
    code = np.argsort(order)[coded.codes]
    first_row, videos = first[order], _array(coded.names, names.dtype)[order]
    scores_by_video = np.split(
        values[np.argsort(code, kind="stable")], np.cumsum(np.bincount(code))
    )[:-1]
    pool = _pool(how, trim)
    pooled = np.array([pool(scores) for scores in scores_by_video], dtype=np.float64)
    labels = None if y_true is None else _labels(y_true, code, names)[first_row]
    return VideoScores(pooled, videos, labels, first_row)


def _sorted_order(names: list[Any]) -> NDArray[np.int64]:
    """Return the order that sorts names; names of types without an order are sorted as text."""
    try:
        order = sorted(range(len(names)), key=names.__getitem__)
    except TypeError:
        order = sorted(range(len(names)), key=lambda i: str(names[i]))
    return np.array(order, dtype=np.int64)


def _array(names: list[Any], dtype: Any) -> NDArray[Any]:
    """Return names as an array of their original type."""
    if dtype.kind == "U":
        return np.array(names)  # of a new width: normalized names may be longer
    array = np.empty(len(names), dtype=dtype)
    array[:] = names
    return array


def _pool(method: str, trim: float) -> Callable[[NDArray[np.float64]], float]:
    def trimmed(scores: NDArray[np.float64]) -> float:
        cut = int(trim * len(scores))
        return float(np.mean(np.sort(scores)[cut : len(scores) - cut]))

    pools: dict[str, Callable[..., Any]] = {
        "mean": np.mean,
        "median": np.median,
        "min": np.min,
        "max": np.max,
    }
    return pools.get(method, trimmed)


def _labels(y_true: ArrayLike, code: NDArray[np.int64], names: NDArray[Any]) -> NDArray[np.int64]:
    """Return the labels; raise an error if they differ within a video."""
    labels = check_labels(check_rows(y_true, len(code), name="y_true"), name="y_true")
    genuine = np.bincount(code, weights=labels == 1)
    mixed = np.flatnonzero((genuine > 0) & (genuine < np.bincount(code)))
    if mixed.size:
        rows = np.flatnonzero(code == mixed[0])
        good, bad = rows[labels[rows] == 1][0], rows[labels[rows] == -1][0]
        name = names.tolist()[good]
        raise ValueError(
            f"Video {name!r} is genuine (+1) in row {good} and deepfake (-1) in row {bad}; "
            "all rows of a video must have one label."
        )
    return labels
