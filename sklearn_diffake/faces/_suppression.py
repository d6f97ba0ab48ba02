"""Drop boxes that overlap a more confident box (non-maximum suppression)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256  # boxes that are compared with one another at once

_Overlap = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]


def suppress_by_union(boxes: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """Drop boxes whose overlap with a more confident one is too large a fraction of their union.

    Parameters
    ----------
    boxes : ndarray of shape (n, 5 or more)
        Left, top, right, bottom, confidence.
    threshold : float
        Largest fraction.

    Returns
    -------
    ndarray of shape (m,), int64
        Positions of the boxes that remain, most confident first; equal ones in their order.
    """
    order = np.argsort(-boxes[:, 4], kind="stable")
    return _suppress(boxes[:, :4].astype(np.float64), order, threshold, _of_union)


def suppress_by_smaller(boxes: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """Drop boxes whose overlap with a more confident one is too large a fraction of the smaller.

    Parameters and results are those of `suppress_by_union`; here edges count as a pixel.
    """
    order = np.argsort(boxes[:, 4])[::-1]
    return _suppress(boxes[:, :4], order, threshold, _of_smaller)


def _suppress(
    corners: NDArray[Any], order: NDArray[np.int64], threshold: float, overlap: _Overlap
) -> NDArray[np.int64]:
    kept: list[int] = []
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        if kept:
            block = block[~(overlap(corners[kept], corners[block]) > threshold).any(axis=0)]
        excludes = overlap(corners[block], corners[block]) > threshold
        alive = np.ones(len(block), dtype=bool)
        for i, position in enumerate(block):
            if alive[i]:
                kept.append(int(position))
                alive &= ~excludes[i]
    return np.array(kept, dtype=np.int64)


def _of_union(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    shared = _shared(first, second, 0)
    union = _areas(first, 0)[:, None] + _areas(second, 0) - shared
    with np.errstate(invalid="ignore", divide="ignore"):
        return shared / union


def _of_smaller(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    smaller = np.minimum(_areas(first, 1)[:, None], _areas(second, 1))
    return _shared(first, second, 1) / smaller


def _areas(corners: NDArray[Any], edge: int) -> NDArray[Any]:
    return (corners[:, 2] - corners[:, 0] + edge) * (corners[:, 3] - corners[:, 1] + edge)


def _shared(first: NDArray[Any], second: NDArray[Any], edge: int) -> NDArray[Any]:
    """Return the areas that boxes of one array share with boxes of another."""
    sides = [
        np.minimum(first[:, None, 2 + axis], second[:, 2 + axis])
        - np.maximum(first[:, None, axis], second[:, axis])
        + edge
        for axis in (0, 1)
    ]
    shared: NDArray[Any] = sides[0].clip(min=0) * sides[1].clip(min=0)
    return shared
