"""Rows for the training of Deep SVDD, and batches of them. Loads torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from sklearn_diffake.novelty._standardize import standardize
from sklearn_diffake.utils._batches import batch_slices


class Rows(Dataset):
    """Standardized rows on a device; uint8 is standardized when sliced.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
    location, scale : ndarray
    device : str
    """

    def __init__(
        self, X: NDArray[Any], location: NDArray[Any], scale: NDArray[Any], device: str
    ) -> None:
        self.scaling = None
        if X.dtype == np.uint8:
            self.X = torch.tensor(X, device=device)
            self.scaling = [
                torch.tensor(value, dtype=torch.float32, device=device)
                for value in (location, scale)
            ]
        else:
            self.X = torch.from_numpy(standardize(X, location, scale, np.float32)).to(device)

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return self.pair(self.X[rows])

    def pair(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return standardized rows as input and as target."""
        if self.scaling is not None:
            batch = (batch - self.scaling[0]) / self.scaling[1]
        return batch, batch


class Batches:
    """Iterate over slices of `Rows`, which is faster than collating single rows.

    Shuffled rows are copied to one buffer for all passes, to avoid repeated allocation. So a
    batch must be copied if it is used after the next one.

    Parameters
    ----------
    dataset : Rows
    batch_size : int
        Rows in a batch. If the last batch has one row, the row before it is added, because batch
        normalization needs at least two.
    generator : torch.Generator, optional
        Draws a new order of the rows in every pass.

    Attributes
    ----------
    largest_batch : int
        Number of rows in a batch, at most.
    """

    def __init__(
        self, dataset: Rows, batch_size: int, generator: torch.Generator | None = None
    ) -> None:
        self.dataset, self.batch_size, self.generator = dataset, batch_size, generator
        self.largest_batch = min(len(dataset), batch_size)
        self._buffer = dataset.X.new_empty(self.largest_batch, *dataset.X.shape[1:])

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if self.generator is None:
            yield from (self.dataset[rows] for rows in self._slices())
            return
        X = self.dataset.X
        order = torch.randperm(len(X), generator=self.generator, device=self.generator.device)
        for rows in self._slices():
            selected = order[rows]
            batch = torch.index_select(X, 0, selected, out=self._buffer[: len(selected)])
            yield self.dataset.pair(batch)

    def _slices(self) -> Iterator[slice]:
        n = len(self.dataset)
        for rows in batch_slices(n, self.batch_size):
            is_single_row = rows.start == n - 1 and self.largest_batch > 1
            yield slice(rows.start - is_single_row, rows.stop)
