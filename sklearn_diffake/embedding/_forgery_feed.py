"""Batches of real crops and their fakes, made in processes beside the training. Loads torch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

Key = tuple[str, int, int]


class Fakes(Dataset):
    """Pairs of a real crop and its fake, by part, epoch and number.

    A fake depends on its key alone, so that it is the same whichever process makes it, and a
    process can live on from epoch to epoch.

    Parameters
    ----------
    parts : dict of str to Dataset
        Each has ``set_epoch(epoch)`` and gives (real, fake), two (S, S, 3) uint8 arrays.
    """

    def __init__(self, parts: dict[str, Any]) -> None:
        self.parts = parts

    def __getitem__(self, key: Key) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        name, epoch, i = key
        part = self.parts[name]
        part.set_epoch(epoch)
        return part[i]


class Feed:
    """Yields batches as they are planned, and measures how long it was waited for.

    Parameters
    ----------
    fakes : Fakes
    n_processes : int
        0 makes the fakes in this process, when they are asked for.
    pin_memory : bool
        Whether batches are to be copied to a GPU.

    Attributes
    ----------
    waited, worked : float
        Seconds spent waiting for batches, and between them.
    """

    def __init__(self, fakes: Fakes, n_processes: int, *, pin_memory: bool) -> None:
        self.plan: list[list[Key]] = []
        self.waited = self.worked = 0.0
        self.loader = DataLoader(
            fakes,
            batch_sampler=self.plan,
            num_workers=n_processes,
            persistent_workers=n_processes > 0,
            prefetch_factor=4 if n_processes else None,
            collate_fn=real_and_fake,
            pin_memory=pin_memory,
            generator=torch.Generator(),  # its seeds reach no fake; torch's own is left alone
        )

    def __call__(self, plan: Sequence[list[Key]]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield one batch for each list of keys."""
        self.plan[:] = plan
        before = time.perf_counter()
        for batch in self.loader:
            ready = time.perf_counter()
            self.waited += ready - before
            yield batch
            before = time.perf_counter()
            self.worked += before - ready

    @property
    def waiting(self) -> float:
        """Share of the time that was spent waiting for batches."""
        return self.waited / max(self.waited + self.worked, 1e-9)


class Part(Dataset):
    """What skorch goes through in one epoch: all images of a part, in batches.

    Parameters
    ----------
    feed : Feed
    name : str
        Which part of the feed's `Fakes`.
    n : int
        Number of images in it.
    batch_size : int
        Most real images in a batch; batches of an epoch differ by one at most, so that none is
        too small for batch normalisation.
    seed : int or None
        Draws the order of each epoch; None keeps the order, and shows the same fakes every time.
    n_shown : int, default=None
        Images in an epoch, the first in its order; None for all.
    """

    def __init__(
        self,
        feed: Feed,
        name: str,
        n: int,
        batch_size: int,
        seed: int | None,
        n_shown: int | None = None,
    ) -> None:
        self.feed, self.name, self.n, self.seed = feed, name, n, seed
        self.n_shown = n if n_shown is None else n_shown
        self.n_batches = math.ceil(self.n_shown / batch_size)
        self.epoch = 0

    def __len__(self) -> int:
        return self.n_shown

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = np.arange(self.n)
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, self.epoch])
            order = rng.permutation(self.n)[: self.n_shown]
        return self.feed(
            [
                [(self.name, self.epoch, int(i)) for i in batch]
                for batch in np.array_split(order, self.n_batches)
            ]
        )

    @staticmethod
    def itself(part: Part, **_: Any) -> Part:
        """Return a part, where skorch asks for an iterator over it."""
        return part


def real_and_fake(
    pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the real crops first and their fakes after them; the target is 1 for real, 0 for fake."""
    crops = np.stack([pair[0] for pair in pairs] + [pair[1] for pair in pairs])
    return torch.from_numpy(crops), torch.arange(len(crops)).lt(len(pairs)).float()
