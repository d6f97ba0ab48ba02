"""Divide items into batches. No other module computes the bounds of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def batch_slices(n_items: int, batch_size: int) -> Iterator[slice]:
    """Yield the slices of consecutive batches.

    `sklearn.utils.gen_batches` does the same, but refuses 0 items and validates in every call.

    Parameters
    ----------
    n_items : int
        0 yields nothing.
    batch_size : int
        At least 1. The last batch may be smaller.

    Yields
    ------
    slice
        Ends at `n_items` at the latest.
    """
    for start in range(0, n_items, batch_size):
        yield slice(start, min(start + batch_size, n_items))


def batches_of(items: Sequence[Item], batch_size: int) -> Iterator[Sequence[Item]]:
    """Yield consecutive batches of a sequence, of the bounds of `batch_slices`.

    Parameters
    ----------
    items : sequence
    batch_size : int
        At least 1.

    Yields
    ------
    sequence
        A slice of `items`.
    """
    for batch in batch_slices(len(items), batch_size):
        yield items[batch]


def size_within(limit: int, item_size: int) -> int:
    """Return how many items of a size fit into a limit; at least 1.

    Parameters
    ----------
    limit : int
        Such as the bytes that a batch may occupy.
    item_size : int
        Of one item, in the same unit.

    Returns
    -------
    batch_size : int
    """
    return max(1, limit // max(1, item_size))
