"""The distinct images of a dataset, and what they are known by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._workers import in_parallel
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.read import file_key, image_digest, read_image
from sklearn_diffake.images.table import image_table
from sklearn_diffake.store import EmbeddingStore
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
        By content; None for what cannot be read.
    problems : dict of int to str
        Why.
    """

    sources: list[Any]
    index: NDArray[np.int64]
    digests: list[bytes | None]
    problems: dict[int, str]

    def fingerprint(self, table: PairTable) -> str:
        """Return 32 hexadecimal digits that depend on the images and all that is known of them."""
        content = hashlib.sha256()
        for row, pair in enumerate(self.index.tolist()):
            known = [values[row] for values in table.columns.values()]
            about = [int(table.target[row]), *known, *table.groups[row]]
            content.update(repr(([self.digests[i] for i in pair], about)).encode())
        return content.hexdigest()[:32]


def find_images(table: PairTable, store: EmbeddingStore, *, verbose: bool = False) -> Images:
    """Find the distinct images of a dataset, and what they are known by.

    Files that the store knows and that are unchanged are not read.

    Parameters
    ----------
    table : PairTable
    store : EmbeddingStore
        Remembers the digests of files.
    verbose : bool, default=False
        Show a progress bar.

    Returns
    -------
    images : Images
    """
    found = image_table(table.data)
    keys = {i: key for i, source in enumerate(found.sources) if (key := file_key(source))}
    known = store.get_file_digests(list(keys.values()))
    results: dict[int, bytes | str] = {i: known[k] for i, k in keys.items() if k in known}
    left = [i for i in range(len(found.sources)) if i not in results]
    files = [i for i in left if isinstance(found.sources[i], (str, os.PathLike))]
    pictures = sorted(set(left) - set(files))
    parts = [files[part] for part in gen_batches(len(files), _FILES_PER_TASK)] if files else []
    tasks = [(part, [found.sources[i] for i in part]) for part in parts]
    with progress_bar(
        total=len(left), desc=f"reading {table.name}", unit="image", verbose=verbose
    ) as bar:
        for i in pictures:  # here, as sending them would take longer
            results.update(_digests([i], [found.sources[i]]))
            bar.update(1)
        for digests in in_parallel(_digests, tasks):
            read = {keys[i]: d for i, d in digests.items() if i in keys and isinstance(d, bytes)}
            store.put_file_digests(read)
            results.update(digests)
            bar.update(len(digests))
    problems = {i: value for i, value in results.items() if isinstance(value, str)}
    digests = [None if i in problems else results[i] for i in range(len(found.sources))]
    return Images(found.sources, found.index, digests, problems)


def _digests(positions: Sequence[int], sources: Sequence[Any]) -> dict[int, bytes | str]:
    """Return the digest of every image, or what is wrong with it."""
    found: dict[int, bytes | str] = {}
    for position, source in zip(positions, sources, strict=True):
        try:
            found[position] = image_digest(read_image(source))
        except ImageError as error:
            found[position] = str(error)
    return found
