"""Evidence of a clip: windows of frames, and one p-value that is valid for all of them.

A clip that is altered in a part of it must not hide behind the mean of its frames. So besides all
frames together, windows of consecutive frames are tested. Nothing is assumed about how p-values of
one clip depend on each other, which is strongly:

- of `w` windows, ``w`` times the smallest p-value is a p-value (Bonferroni);
- of the whole clip and the worst window, twice the smaller one is (Bonferroni again, the case
  ``r = -inf`` of the means of p-values in [1]_; no symmetric rule of that family is better at the
  small end without an assumption on dependence).

Both need p-values that are valid one by one, as conformal ones are [2]_. The more alike the
windows of genuine clips are, the fewer of them are rejected: never more than the level.

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

_SHORTEST = 3  # frames of a window by default
_WINDOWS_OF_CLIP = 6  # windows of the default length that fit side by side


class ClipPValue(NamedTuple):
    """What frames of a clip say together.

    Parameters
    ----------
    p_value : float in (0, 1]
        Of the clip.
    p_worst : float in (0, 1], or None
        Of the worst window, its multiplicity accounted for; None if windows were not tested.
    decided_by : {"whole", "window"}
        Which of the two is smaller.
    level_whole : float in (0, 1)
        ``p_whole`` of at most this is rejected by itself: the level, or half of it if windows were
        tested.
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
    """Return how many windows may be tested, so that one of them alone can be rejected.

    Parameters
    ----------
    n : int
        Calibration people (or pairs) of the category in which windows are judged.
    level : float in (0, 1)
        Level of the clip.

    Returns
    -------
    most : int
        The largest `w` with ``2 * w / (n + 1) <= level``; perhaps 0.
    """
    return math.floor(round(level * (n + 1) / 2, 9))


def windows_of(
    n_frames: int, *, length: int | None = None, most: int | None = None
) -> NDArray[np.int64]:
    """Cut the frames of a clip into half-overlapping windows.

    Parameters
    ----------
    n_frames : int
        Usable frames, in their order.
    length : int, default=None
        Frames of a window; None is ``max(3, ceil(n_frames / 6))``.
    most : int, default=None
        Number of windows that there may be: longer ones are cut where there would be more. None
        is no limit. Must not depend on scores.

    Returns
    -------
    windows : ndarray of shape (w, 2), int64
        First frame and the one after the last of each window. The last window ends with the clip.
        None (``w == 0``) where a window would hold all frames: that is the test of the whole clip;
        or where `most` allows fewer than two.

    Raises
    ------
    ValueError
        If a number is negative, or `length` is not positive.
    """
    if n_frames < 0 or (length is not None and length < 1) or (most is not None and most < 0):
        raise ValueError(
            f"n_frames={n_frames}, length={length}, most={most}: expected no negative numbers, "
            "and a length of 1 or more"
        )
    size = max(_SHORTEST, math.ceil(n_frames / _WINDOWS_OF_CLIP)) if length is None else length
    starts = _starts(n_frames, size)
    while most is not None and len(starts) > most:
        size += 1
        starts = _starts(n_frames, size)
    if len(starts) < 2:
        return np.empty((0, 2), dtype=np.int64)
    return np.array([(start, start + size) for start in starts], dtype=np.int64)


def _starts(n_frames: int, size: int) -> list[int]:
    """Return the first frames of windows of a size; none if there are no more frames than that."""
    if n_frames <= size:
        return []
    last = n_frames - size
    return [*range(0, last, math.ceil(size / 2)), last]


def combine(p_whole: float, window_p: ArrayLike, n: int, level: float) -> ClipPValue:
    """Combine the p-values of a whole clip and of its windows into one.

    Parameters
    ----------
    p_whole : float in (0, 1]
        Of all frames together.
    window_p : array-like of shape (w,)
        Of each window by itself; empty where there is none.
    n : int
        Calibration people (or pairs) of the category in which windows are judged.
    level : float in (0, 1)
        Level of the clip.

    Returns
    -------
    combined : ClipPValue
        Windows are tested only if ``2 * w / (n + 1) <= level``: otherwise not even the least
        p-value of a window could be rejected, and half of the level would be lost. This depends on
        numbers alone, not on the p-values.

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
    """Return the fraction of frames whose own p-value is at most a level.

    A description, not a test: of a genuine clip this may be more than the level.

    Parameters
    ----------
    frame_p : array-like of shape (n_frames,)
        Of each usable frame.
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
    """Return the longest run of consecutive frames whose own p-values are at most a level.

    Parameters
    ----------
    frame_p, times : array-like of shape (n_frames,)
        P-value of each usable frame, and its time in seconds, ascending.
    level : float in (0, 1)

    Returns
    -------
    interval : tuple of (float, float), or None
        Times of the first and the last frame of the run that spans most seconds, of equal ones
        that with most frames, then the first; None if no frame is below.

    Raises
    ------
    ValueError
        If there is not one time for each p-value.
    """
    p, seconds = np.asarray(frame_p, dtype=np.float64), np.asarray(times, dtype=np.float64)
    if p.shape != seconds.shape or p.ndim != 1:
        raise ValueError(f"{p.shape} p-values and {seconds.shape} times, expected one for each")
    edges = np.diff(np.concatenate([[0], (p <= level).astype(int), [0]]))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    if not len(first):
        return None
    runs = list(zip(seconds[last] - seconds[first], last - first, -first, strict=True))
    best = runs.index(max(runs))
    return float(seconds[first[best]]), float(seconds[last[best]])
