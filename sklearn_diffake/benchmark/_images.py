"""The distinct images of a dataset, and their digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._workers import in_parallel
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.read import file_key, image_digest, read_image
from sklearn_diffake.images.table import image_table
from sklearn_diffake.store import EmbeddingStore
from sklearn_diffake.utils._batches import batches_of
from sklearn_diffake.utils._progress import progress_bar

_FILES_PER_TASK = 64


@dataclass(frozen=True)
class Images:
    """The distinct images of a dataset.

    Attributes
    ----------
    sources : list
        Paths or arrays.
    index : ndarray of shape (n, 2), int
        Position in `sources` of both images of every pair.
    digests : list of bytes or None
        Of their pixels; None for an image that cannot be read.
    problems : dict of int to str
        Why an image cannot be read, by its position in `sources`.
    """

    sources: list[Any]
    index: NDArray[np.int64]
    digests: list[bytes | None]
    problems: dict[int, str]

    def fingerprint(self, table: PairTable) -> str:
        """Return 32 hexadecimal digits that depend on the images and all that is stated of them."""
        content = hashlib.sha256()
        for row, pair in enumerate(self.index.tolist()):
            names = [values[row] for values in table.columns.values()]
            facts = [int(table.target[row]), *names, *table.groups[row]]
            content.update(repr(([self.digests[i] for i in pair], facts)).encode())
        return content.hexdigest()[:32]


def find_images(table: PairTable, store: EmbeddingStore, *, verbose: bool = False) -> Images:
    """Find the distinct images of a dataset, and their digests.

    Files whose digests are stored and that are unchanged are not read.

    Parameters
    ----------
    table : PairTable
    store : EmbeddingStore
        Holds the digests of files that were read before.
    verbose : bool, default=False
        Show a progress bar.

    Returns
    -------
    images : Images
    """
    images = image_table(table.data)
    sources = images.sources
    keys = {i: key for i, source in enumerate(sources) if (key := file_key(source))}
    stored_digests = store.get_file_digests(list(keys.values()))
    results: dict[int, bytes | str] = {
        i: stored_digests[key] for i, key in keys.items() if key in stored_digests
    }
    unread = [i for i in range(len(sources)) if i not in results]
    files = [i for i in unread if isinstance(sources[i], (str, os.PathLike))]
    arrays = sorted(set(unread) - set(files))
    tasks = [(batch, [sources[i] for i in batch]) for batch in batches_of(files, _FILES_PER_TASK)]
    with progress_bar(
        total=len(unread), desc=f"reading {table.name}", unit="image", verbose=verbose
    ) as bar:
        for i in arrays:  # in this process, as sending them to another would take longer
            results.update(_digests([i], [sources[i]]))
            bar.update(1)
        for digests in in_parallel(_digests, tasks):
            new = {keys[i]: d for i, d in digests.items() if i in keys and isinstance(d, bytes)}
            store.put_file_digests(new)
            results.update(digests)
            bar.update(len(digests))
    problems = {i: value for i, value in results.items() if isinstance(value, str)}
    digests = [None if i in problems else results[i] for i in range(len(sources))]
    return Images(sources, images.index, digests, problems)


def _digests(positions: Sequence[int], sources: Sequence[Any]) -> dict[int, bytes | str]:
    """Return the digest of every image, or what is wrong with it."""
    digests: dict[int, bytes | str] = {}
    for position, source in zip(positions, sources, strict=True):
        try:
            digests[position] = image_digest(read_image(source))
        except ImageError as error:
            digests[position] = str(error)
    return digests
