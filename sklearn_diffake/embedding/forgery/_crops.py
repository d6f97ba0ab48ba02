"""Crops to train on: the genuine ones of a table, the held-out people, batches with fakes.

Loads torch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from sklearn_diffake.base import genuine_mask, warn_of_missing
from sklearn_diffake.embedding.backbones._views import resize
from sklearn_diffake.images.engine import ComputeOnce
from sklearn_diffake.images.missing import MissingFace
from sklearn_diffake.images.read import image_digest
from sklearn_diffake.images.table import ImageTable, image_table
from sklearn_diffake.utils._groups import connected_rows, group_codes, value_codes
from sklearn_diffake.utils._progress import progress_bar


@dataclass(frozen=True)
class GenuineCrops:
    """Every image of the genuine rows of a table, once.

    Attributes
    ----------
    images : ndarray of shape (m, size, size, 3), uint8
        The distinct images.
    people : ndarray of shape (m,), intp
        Images that share a row or a group, directly or through others, have the same number.
    rows : ndarray of shape (n,), intp
        The number of each row's people, -1 for rows that are not trained on.
    """

    images: NDArray[np.uint8]
    people: NDArray[np.intp]
    rows: NDArray[np.intp]


def genuine_crops(
    X: Any, y: Any, groups: Any, size: int, *, n_jobs: int | None, verbose: int
) -> GenuineCrops:
    """Read the images of the genuine rows, and number the people in them.

    Parameters
    ----------
    X : table of n pairs or of n single images
    y : array-like of shape (n,) or None
        Rows labeled -1 are not even read.
    groups : array-like of shape (n,) or None
        The person in each row.
    size : int
        Images are resized to this height and width.
    n_jobs : int or None
        Threads that read them.
    verbose : int
        Show a progress bar.

    Returns
    -------
    GenuineCrops
    """
    pictures = image_table(X, templates=True)
    labels = _group_numbers(groups, len(pictures.index))
    is_training_row = genuine_mask(y, len(pictures.index)) & _has_faces(pictures)
    if not is_training_row.any():
        raise ValueError("No genuine row to learn from: none of them has a face.")
    table, rows, items = _restricted(pictures, is_training_row)
    read = ComputeOnce(
        lambda images, digests: np.stack(images),
        dtype=(np.uint8, (size, size, 3)),
        prepare=lambda image: resize(image, (size, size)),
        n_jobs=n_jobs,
    )
    total = len(table.sources)
    with progress_bar(total=total, desc="reading", unit="image", verbose=verbose) as bar:
        images = read(table, bar).values
    first, distinct_index = _distinct(images)
    row_people, people = _components(
        rows, distinct_index[items], labels, is_training_row, len(first)
    )
    distinct_images = images if len(first) == len(images) else images[first]
    return GenuineCrops(distinct_images, people, row_people)


def _has_faces(table: ImageTable) -> NDArray[np.bool_]:
    """Return a mask of the rows without a placeholder for a missing face; warn of the others."""
    missing = [i for i, item in enumerate(table.sources) if isinstance(item, MissingFace)]
    is_missing = np.isin(table.index.reshape(len(table.index), -1), missing)
    missing_rows = np.asarray(is_missing.any(axis=1))
    warn_of_missing(missing_rows)
    return ~missing_rows


def _restricted(
    table: ImageTable, is_training_row: NDArray[np.bool_]
) -> tuple[ImageTable, NDArray[np.intp], NDArray[np.intp]]:
    """Return a table with the sources of some rows only, and the row of each of its sources.

    Rows keep their number in the complete table.
    """
    index = table.index.reshape(len(table.index), -1)
    rows, items = [], []
    for row in np.flatnonzero(is_training_row).tolist():
        for template in index[row].tolist():
            members = table.template(template)
            rows.append(np.full(len(members), row))
            items.append(members)
    source_numbers, inverse = np.unique(np.concatenate(items), return_inverse=True)
    new_numbers = np.full(len(table.sources), -1)
    new_numbers[source_numbers] = np.arange(len(source_numbers))
    sources = [table.sources[i] for i in source_numbers]
    if table.offsets is None or table.members is None:
        new_index = np.where(is_training_row[:, None], new_numbers[index], -1)
        restricted = ImageTable(sources, new_index.reshape(table.index.shape))
    else:
        new_index = np.where(is_training_row[:, None], index, -1)
        restricted = ImageTable(
            sources, new_index.reshape(table.index.shape), table.offsets, new_numbers[table.members]
        )
    return restricted, np.concatenate(rows), inverse


def hold_out(
    crops: GenuineCrops, fraction: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split the images so that no person is on both sides.

    Parameters
    ----------
    crops : GenuineCrops
    fraction : float in [0, 1)
        Smallest fraction of the images to hold out. All images of a person are on one side; people
        are drawn in random order, and of four or more, at least two are on each side.
    rng : numpy.random.Generator

    Returns
    -------
    train, valid : ndarray of intp
        Positions in ``crops.images``.

    Raises
    ------
    ValueError
        If no person can be held out, or there are too few images.
    """
    n, counts = len(crops.images), np.bincount(crops.people)
    if n < 2:
        raise ValueError(
            "the genuine rows hold 1 distinct image; at least 2 are needed to train on, and "
            "hundreds of people for a useful detector."
        )
    if not fraction:
        return np.arange(n), np.arange(0)
    if len(counts) < 2:
        raise ValueError(
            f"all {n} distinct images of the genuine rows belong together (one identity in groups, "
            f"or rows chained by shared images), so that validation_fraction={fraction:g} of the "
            "people cannot be held out. Give rows of several people, or set "
            "validation_fraction=0 to train without validation."
        )
    order = rng.permutation(len(counts))[:-1]  # one person remains to train on
    n_before = np.cumsum(counts[order]) - counts[order]
    n_people = int(np.count_nonzero(n_before < math.ceil(fraction * n)))
    if len(counts) >= 4:
        n_people = min(max(n_people, 2), len(order) - 1)  # a blend needs two people
    held_out = np.isin(crops.people, order[:n_people])
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _group_numbers(groups: Any, n_rows: int) -> NDArray[np.intp]:
    if groups is None:
        return np.full(n_rows, -1)
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise ValueError(
            f"groups has shape {values.shape}, expected one label for each row, ({n_rows},)"
        )
    return group_codes(values.tolist())


def _distinct(images: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first position of each distinct image, and the number of each image's."""
    codes = value_codes(image_digest(image) for image in images)
    return np.unique(codes, return_index=True)[1], codes


def _components(
    rows: NDArray[np.intp],
    images: NDArray[np.intp],
    labels: NDArray[np.intp],
    is_training_row: NDArray[np.bool_],
    n_images: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the people of rows and of images: rows linked by images or groups are one.

    Row ``rows[i]`` has image ``images[i]``; rows that are not trained on get -1.
    """
    row_numbers = np.cumsum(is_training_row) - 1
    has_group = is_training_row & (labels >= 0)
    items = np.concatenate([images, n_images + labels[has_group]])
    linked_rows = np.concatenate([row_numbers[rows], row_numbers[has_group]])
    components = connected_rows(linked_rows, items, int(is_training_row.sum()))
    image_people = np.empty(n_images, dtype=components.dtype)
    image_people[images] = components[row_numbers[rows]]  # every image is in some row
    row_people = np.full(len(is_training_row), -1)
    row_people[is_training_row] = components
    return row_people, image_people


#: Part of the data ("train" or "valid"), epoch, number of the crop.
Key = tuple[str, int, int]


class FakeDataset(Dataset):
    """Pairs of a real crop and its fake, by part of the data, epoch and number.

    A fake depends on its key alone, so that it is the same in every process, and a process can
    continue from epoch to epoch.

    Parameters
    ----------
    datasets : dict of str to Dataset
        By part of the data; each has ``set_epoch(epoch)`` and returns (real, fake), two (S, S, 3)
        uint8 arrays.
    """

    def __init__(self, datasets: dict[str, Any]) -> None:
        self.datasets = datasets

    def __getitem__(self, key: Key) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        name, epoch, i = key
        dataset = self.datasets[name]
        dataset.set_epoch(epoch)
        return dataset[i]


class BatchLoader:
    """Yields planned batches, made in processes beside the training, and measures the waits.

    Parameters
    ----------
    fakes : FakeDataset
    n_processes : int
        0 makes the fakes in this process, when a batch is requested.
    pin_memory : bool
        Whether batches are to be copied to a GPU.

    Attributes
    ----------
    seconds_waiting, seconds_training : float
        Time spent waiting for batches, and between them.
    """

    def __init__(self, fakes: FakeDataset, n_processes: int, *, pin_memory: bool) -> None:
        self.plan: list[list[Key]] = []
        self.seconds_waiting = self.seconds_training = 0.0
        self.loader = DataLoader(
            fakes,
            batch_sampler=self.plan,
            num_workers=n_processes,
            persistent_workers=n_processes > 0,
            prefetch_factor=4 if n_processes else None,
            collate_fn=real_and_fake,
            pin_memory=pin_memory,
            generator=torch.Generator(),  # no fake depends on it; torch's own is not advanced
        )

    def __call__(self, plan: Sequence[list[Key]]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield one batch for each list of keys."""
        self.plan[:] = plan
        start = time.perf_counter()
        for batch in self.loader:
            ready = time.perf_counter()
            self.seconds_waiting += ready - start
            yield batch
            start = time.perf_counter()
            self.seconds_training += start - ready

    @property
    def waiting_fraction(self) -> float:
        """Fraction of the time that was spent waiting for batches."""
        return self.seconds_waiting / max(self.seconds_waiting + self.seconds_training, 1e-9)


class EpochBatches(Dataset):
    """The iterable of one epoch for skorch: the crops of one part of the data, in batches.

    Parameters
    ----------
    loader : BatchLoader
    name : {"train", "valid"}
        Part of the data.
    n_crops : int
        Number of crops in it.
    batch_size : int
        Most real crops in a batch; batches of an epoch differ by one at most, so that none is
        too small for batch normalization.
    seed : int or None
        Draws the order of each epoch; None keeps the order and the fakes of the first epoch.
    n_per_epoch : int, default=None
        Crops in an epoch, the first in its order; None for all.
    """

    def __init__(
        self,
        loader: BatchLoader,
        name: str,
        n_crops: int,
        batch_size: int,
        seed: int | None,
        n_per_epoch: int | None = None,
    ) -> None:
        self.loader, self.name, self.n_crops, self.seed = loader, name, n_crops, seed
        self.n_per_epoch = n_crops if n_per_epoch is None else n_per_epoch
        self.n_batches = math.ceil(self.n_per_epoch / batch_size)
        self.epoch = 0

    def __len__(self) -> int:
        return self.n_per_epoch

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = np.arange(self.n_crops)
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, self.epoch])
            order = rng.permutation(self.n_crops)[: self.n_per_epoch]
        return self.loader(
            [
                [(self.name, self.epoch, int(i)) for i in batch]
                for batch in np.array_split(order, self.n_batches)
            ]
        )

    @staticmethod
    def as_iterator(batches: EpochBatches, **_: Any) -> EpochBatches:
        """Return the batches, where skorch expects a class of iterators."""
        return batches


def real_and_fake(
    pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack real crops, then their fakes; the target is 1 for real, 0 for fake."""
    crops = np.stack([pair[0] for pair in pairs] + [pair[1] for pair in pairs])
    return torch.from_numpy(crops), torch.arange(len(crops)).lt(len(pairs)).float()
