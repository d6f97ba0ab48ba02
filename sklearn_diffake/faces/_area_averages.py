"""Averages over rectangles of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class AreaAverages:
    """Shrink an image, or windows of it, so that each new pixel is the average of an area.

    All come from one table of sums, so their cost does not depend on the size of the windows. Sums
    of 8-bit pixels are exact, so averages equal those of ``torch.nn.functional.interpolate`` with
    ``mode="area"`` bit for bit, up to windows whose pixels sum to 2**24.

    Parameters
    ----------
    image : ndarray of shape (H, W, C), uint8
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        height, width, channels = image.shape
        self._sums = np.zeros((height + 1, width + 1, channels), np.uint32)
        inner = self._sums[1:, 1:]
        np.cumsum(image, axis=0, dtype=np.uint32, out=inner)
        np.cumsum(inner, axis=1, out=inner)

    def resized(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the image in another size, of shape (height, width, C)."""
        rows, columns = self._sums.shape[0] - 1, self._sums.shape[1] - 1
        top, bottom = _edges(np.zeros(1, np.int64), np.array([rows]), height)
        left, right = _edges(np.zeros(1, np.int64), np.array([columns]), width)
        bands = self._sums[bottom[0]] - self._sums[top[0]]
        sums = bands[:, right[0]] - bands[:, left[0]]
        heights, widths = (bottom - top)[0], (right - left)[0]
        return _quotients(sums, heights[:, None, None], widths[None, :, None])

    def windows(self, boxes: NDArray[np.int64], side: int) -> NDArray[np.float32]:
        """Return windows of the image as squares, of shape (k, side, side, C).

        Parameters
        ----------
        boxes : ndarray of shape (k, 4), int64
            Left, top, right, bottom: pixels inside of the image, the latter two one beyond the
            last.
        side : int
            Of the squares, in pixels.
        """
        left, top, right, bottom = boxes.T
        tops, bottoms = _edges(top, bottom, side)
        lefts, rights = _edges(left, right, side)
        sums = self._corners(bottoms, rights) + self._corners(tops, lefts)
        sums -= self._corners(tops, rights)  # unsigned: wraps around, and back
        sums -= self._corners(bottoms, lefts)
        heights, widths = bottoms - tops, rights - lefts
        return _quotients(sums, heights[:, :, None, None], widths[:, None, :, None])

    def _corners(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.uint32]:
        table = self._sums.reshape(-1, self._sums.shape[2])
        return table[rows[:, :, None] * self._sums.shape[1] + columns[:, None, :]]


def _edges(
    start: NDArray[np.int64], stop: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide ranges of pixels into `n` that cover them, and may share pixels at their ends."""
    extent = (stop - start)[:, None]
    i = np.arange(n)
    first, last = i * extent // n, -(-(i + 1) * extent // n)
    return start[:, None] + first, start[:, None] + last


def _quotients(
    sums: NDArray[np.uint32], heights: NDArray[np.int64], widths: NDArray[np.int64]
) -> NDArray[np.float32]:
    averages = sums.astype(np.float32, order="C")
    averages /= heights.astype(np.float32)
    averages /= widths.astype(np.float32)
    return averages
