"""Combine the p-values of a clip and of its windows of frames into one valid p-value.

If only some frames of a clip are altered, the mean over all frames may hide it. So windows of
consecutive frames are tested, besides all frames together. P-values of one clip depend strongly on
each other, and no assumption is made about this dependence:

- for `w` windows, ``w`` times the smallest p-value is a p-value (Bonferroni);
- for the whole clip and the worst window, twice the smaller p-value is a p-value (Bonferroni again,
  the case ``r = -inf`` of the means of p-values in [1]_; no symmetric rule of that family is better
  for small p-values without an assumption on dependence).

Both need individually valid p-values, such as conformal ones [2]_. The more similar the windows of
genuine clips are, the fewer of them are rejected, never more than the level.

References
----------
.. [1] V. Vovk, R. Wang, "Combining p-values via Averaging", Biometrika 107(4), 2020,
   arXiv:1212.4966.
.. [2] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", 2005.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SHORTEST = 3  # frames of a window, at least, by default
_WINDOWS_OF_CLIP = 6  # windows of the default length in a clip, without overlap


class ClipPValue(NamedTuple):
    """The combined p-value of a clip.

    Parameters
    ----------
    p_value : float in (0, 1]
        P-value of the clip.
    p_worst : float in (0, 1], or None
        P-value of the worst window, corrected for the number of windows; None if windows were not
        tested.
    decided_by : {"whole", "window"}
        Which of the two p-values is smaller.
    level_whole : float in (0, 1)
        Level of ``p_whole`` alone: the level of the clip, or half of it if windows were tested.
    """

    p_value: float
    p_worst: float | None
    decided_by: Literal["whole", "window"]
    level_whole: float

    @property
    def windows_tested(self) -> bool:
        """Whether windows were tested."""
        return self.p_worst is not None


def most_windows(n: int, level: float) -> int:
    """Return the largest number of windows of which a single one can still be rejected.

    Parameters
    ----------
    n : int
        Number of calibration people (or pairs) of the category of windows.
    level : float in (0, 1)
        Level of the clip.

    Returns
    -------
    most : int
        The largest `w` with ``2 * w / (n + 1) <= level``; may be 0.
    """
    return math.floor(round(level * (n + 1) / 2, 9))


def windows_of(
    n_frames: int, *, length: int | None = None, max_windows: int | None = None
) -> NDArray[np.int64]:
    """Split the frames of a clip into half-overlapping windows.

    Parameters
    ----------
    n_frames : int
        Number of usable frames.
    length : int, default=None
        Frames of a window; None is ``max(3, ceil(n_frames / 6))``.
    max_windows : int, default=None
        Largest number of windows; windows get longer if there would be more. None is no limit.
        Must not depend on scores.

    Returns
    -------
    windows : ndarray of shape (w, 2), int64
        First frame of each window, and the frame after its last. The last window ends with the
        clip. ``w == 0`` if a window would hold all frames, which is the test of the whole clip,
        or if `max_windows` is below two.

    Raises
    ------
    ValueError
        If a number is negative, or `length` is not positive.
    """
    if (
        n_frames < 0
        or (length is not None and length < 1)
        or (max_windows is not None and max_windows < 0)
    ):
        raise ValueError(
            "n_frames and max_windows must not be negative, and length must be at least 1, got "
            f"n_frames={n_frames}, length={length}, max_windows={max_windows}"
        )
    size = max(_SHORTEST, math.ceil(n_frames / _WINDOWS_OF_CLIP)) if length is None else length
    starts = _starts(n_frames, size)
    while max_windows is not None and len(starts) > max_windows:
        size += 1
        starts = _starts(n_frames, size)
    if len(starts) < 2:
        return np.empty((0, 2), dtype=np.int64)
    return np.array([(start, start + size) for start in starts], dtype=np.int64)


def _starts(n_frames: int, size: int) -> list[int]:
    """Return the first frames of windows of a size; none if a window would hold all frames."""
    if n_frames <= size:
        return []
    last = n_frames - size
    return [*range(0, last, math.ceil(size / 2)), last]


def combine(p_whole: float, window_p: ArrayLike, n: int, level: float) -> ClipPValue:
    """Combine the p-values of a whole clip and of its windows.

    Parameters
    ----------
    p_whole : float in (0, 1]
        P-value of all frames together.
    window_p : array-like of shape (w,)
        P-value of each window; may be empty.
    n : int
        Number of calibration people (or pairs) of the category of windows.
    level : float in (0, 1)
        Level of the clip.

    Returns
    -------
    combined : ClipPValue
        Windows are tested only if ``2 * w / (n + 1) <= level``. Otherwise even the smallest
        possible p-value of a window could not be rejected, and half of the level would be lost.
        The decision depends only on numbers, not on p-values.

    Raises
    ------
    ValueError
        If a p-value is not above 0 and at most 1.
    """
    windows = np.asarray(window_p, dtype=np.float64).ravel()
    values = np.append(windows, p_whole)
    if not ((values > 0) & (values <= 1)).all():
        raise ValueError(f"p-values must be above 0 and at most 1, got {values.tolist()}")
    if not 0 < len(windows) <= most_windows(n, level):
        return ClipPValue(float(p_whole), None, "whole", level)
    p_worst = min(1.0, round(len(windows) * float(windows.min()), 12))
    decided_by: Any = "window" if p_worst < p_whole else "whole"
    p_value = min(1.0, round(2 * min(p_worst, float(p_whole)), 12))
    return ClipPValue(p_value, p_worst, decided_by, level / 2)


def fraction_below(frame_p: ArrayLike, level: float) -> float:
    """Return the fraction of frames whose p-value is at most a level.

    This is a description, not a test: for a genuine clip it may exceed the level.

    Parameters
    ----------
    frame_p : array-like of shape (n_frames,)
        P-value of each usable frame.
    level : float in (0, 1)

    Returns
    -------
    fraction : float in [0, 1]
        NaN without a frame.
    """
    p = np.asarray(frame_p, dtype=np.float64)
    return float(np.mean(p <= level)) if p.size else math.nan


def longest_interval(
    frame_p: ArrayLike, times: ArrayLike, level: float
) -> tuple[float, float] | None:
    """Return the longest run of consecutive frames whose p-values are at most a level.

    Parameters
    ----------
    frame_p, times : array-like of shape (n_frames,)
        P-value of each usable frame, and its time in seconds, ascending.
    level : float in (0, 1)

    Returns
    -------
    interval : tuple of (float, float), or None
        Times of the first and the last frame of the run with the longest duration; of equal ones,
        the run with the most frames, then the first. None if no p-value is at most the level.

    Raises
    ------
    ValueError
        If the numbers of p-values and times differ.
    """
    p, seconds = np.asarray(frame_p, dtype=np.float64), np.asarray(times, dtype=np.float64)
    if p.shape != seconds.shape or p.ndim != 1:
        raise ValueError(
            f"times must have one value for each frame, {p.shape}, got {seconds.shape}"
        )
    edges = np.diff(np.concatenate([[0], (p <= level).astype(int), [0]]))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    if not len(first):
        return None
    runs = list(zip(seconds[last] - seconds[first], last - first, -first, strict=True))
    best = runs.index(max(runs))
    return float(seconds[first[best]]), float(seconds[last[best]])
