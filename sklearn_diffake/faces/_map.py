"""Compute something from every image of a table, once for each distinct image."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs

from ..images.errors import ImageError
from ..images.read import file_key, image_digest, read_image
from ..images.table import ImageTable
from ..utils._store import EmbeddingStore, FileKey

_logger = logging.getLogger(__name__)
_RECALL_BYTES = 64 * 2**20  # stored results are read in portions of this size
_POLL_SECONDS = 0.05
_END: Any = object()


class _Decoded(NamedTuple):
    source: int
    file: FileKey | None
    digest: bytes
    image: Any  # an array, or None to save memory


class ImageMap:
    """Apply a function to every distinct image of a table, and remember the results.

    Images are the same when their decoded pixels are. What the store holds is not computed, an
    unchanged file that the store knows is not even decoded, and what another process is
    computing at this moment is waited for. Images are decoded in threads, one batch ahead, so
    that about three batches of them are in memory however long the table is.

    Parameters
    ----------
    compute : callable
        Takes a list of prepared images, returns an array with one item of `dtype` for each.
    dtype : numpy.dtype
        Type of one result; may have a shape, as ``np.dtype((np.float32, 512))``.
    namespace : str
        What is computed: results in the store are kept apart by it.
    prepare : callable, optional
        Applied to each decoded image, in the decoding threads.
    store : EmbeddingStore, optional
        Keeps results on disk, for other calls, processes and runs.
    batch_size : int, default=32
        Images per call of `compute`.
    n_jobs : int, optional
        Decoding threads, as joblib counts them.

    Attributes
    ----------
    n_computed : int
        Images that were computed so far; the others were repeated or in the store.
    """

    def __init__(
        self,
        compute: Callable[[list[np.ndarray]], np.ndarray],
        *,
        dtype: Any,
        namespace: str,
        prepare: Callable[[np.ndarray], np.ndarray] | None = None,
        store: EmbeddingStore | None = None,
        batch_size: int = 32,
        n_jobs: int | None = None,
    ) -> None:
        self.compute = compute
        self.dtype = np.dtype(dtype)
        self.namespace = f"{namespace}:{self.dtype.itemsize}"  # a value of another size is no hit
        self.prepare = prepare
        self.store = store
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.n_computed = 0

    def __call__(self, table: ImageTable, bar: Any) -> np.ndarray:
        """Return one result for each of ``table.sources``, moving `bar` on as they come."""
        return _Pass(self, table, bar).run()


class _Pass:
    """One table on its way through an `ImageMap`."""

    def __init__(self, job: ImageMap, table: ImageTable, bar: Any) -> None:
        self.job, self.table, self.bar, self.store = job, table, bar, job.store
        self.results = np.empty(len(table.sources), dtype=job.dtype)
        self.first: dict[bytes, int] = {}  # digest -> the source its result is kept for
        self.same: dict[int, int] = {}  # source -> the source with the same pixels

    def run(self) -> np.ndarray:
        size = self.job.batch_size
        batch: list[_Decoded] = []
        waiting: list[_Decoded] = []
        with ThreadPoolExecutor(effective_n_jobs(self.job.n_jobs)) as pool:
            todo = self._recall_files()
            chunks = (todo[i : i + size] for i in range(0, len(todo), size))
            for decoded in _one_ahead(list(pool.map(self._decode, chunk)) for chunk in chunks):
                batch += self._fresh(decoded)
                if len(batch) >= size:
                    waiting += self._compute(batch[:size])
                    batch = batch[size:]
            waiting += self._compute(batch)
        self._await(waiting)
        for source, original in self.same.items():
            self.results[source] = self.results[original]
        return self.results

    def _recall_files(self) -> list[int]:
        """Fill in results of files that the store knows; return the sources that are left."""
        everything = range(len(self.table.sources))
        if self.store is None:
            return list(everything)
        keys = {i: key for i in everything if (key := file_key(self.table.sources[i]))}
        digests = self.store.get_file_digests(list(keys.values()))
        known = {i: digests[key] for i, key in keys.items() if key in digests}
        found = self._recall(known.items())
        return [i for i in everything if i not in found]

    def _recall(self, known: Iterable[tuple[int, bytes]]) -> set[int]:
        """Fill in results that the store has for (source, digest) pairs."""
        if self.store is None:
            return set()
        places: dict[bytes, list[int]] = {}
        for source, digest in known:
            places.setdefault(digest, []).append(source)
        digests = list(places)
        step = max(1, _RECALL_BYTES // self.job.dtype.itemsize)
        found: set[int] = set()
        for i in range(0, len(digests), step):
            part = self.store.get_many(self.job.namespace, digests[i : i + step])
            for digest, value in part.items():
                for source in places[digest]:
                    self._set(source, np.frombuffer(value, self.results.dtype))
                    self.first.setdefault(digest, source)
                    found.add(source)
        _logger.debug("the store had %d images", len(found))
        self.bar.update(len(found))
        return found

    def _decode(self, source: int) -> _Decoded:
        item = self.table.sources[source]
        file = file_key(item) if self.store is not None else None
        try:
            image = read_image(item)
            digest = image_digest(image)
            return _Decoded(
                source, file, digest, self.job.prepare(image) if self.job.prepare else image
            )
        except ImageError as error:
            raise error.at(**self.table.where(source)) from error

    def _fresh(self, decoded: Sequence[_Decoded]) -> list[_Decoded]:
        """Keep the images that were not met before, neither in this pass nor in the store."""
        if self.store is not None:
            self.store.put_file_digests({d.file: d.digest for d in decoded if d.file})
        new = []
        for item in decoded:
            original = self.first.setdefault(item.digest, item.source)
            if original == item.source:
                new.append(item)
            else:
                self.same[item.source] = original
                self.bar.update(1)
        found = self._recall((d.source, d.digest) for d in new)
        return [d for d in new if d.source not in found]

    def _compute(self, batch: list[_Decoded]) -> list[_Decoded]:
        """Compute a batch, but for what another process is at; return the latter."""
        store, namespace = self.store, self.job.namespace
        if store is None:
            self._fill(batch)
            return []
        mine = store.claim(namespace, [d.digest for d in batch])
        try:
            own = [d for d in batch if d.digest in mine]
            own = [d if d.image is not None else self._decode(d.source) for d in own]
            self._fill(own)
            kept = {d.digest: self.results[d.source].tobytes() for d in own}
            store.put_many(namespace, kept)
        finally:
            store.release(namespace, mine)
        return [d._replace(image=None) for d in batch if d.digest not in mine]

    def _fill(self, batch: list[_Decoded]) -> None:
        if not batch:
            return
        results = self.job.compute([d.image for d in batch])
        self.job.n_computed += len(batch)
        _logger.debug("computed a batch of %d images", len(batch))
        for item, result in zip(batch, results, strict=True):
            if self.results.dtype.kind == "f" and not np.isfinite(result).all():
                raise ImageError(
                    "the network returned NaN or infinity for this image",
                    **self.table.where(item.source),
                )
            self.results[item.source] = result
        self.bar.update(len(batch))

    def _await(self, waiting: list[_Decoded]) -> None:
        """Take over what other processes compute, or compute it if they do not deliver."""
        while waiting:
            found = self._recall((d.source, d.digest) for d in waiting)
            waiting = [d for d in waiting if d.source not in found]
            batch, rest = waiting[: self.job.batch_size], waiting[self.job.batch_size :]
            waiting = rest + self._compute(batch)
            if waiting and not found:
                time.sleep(_POLL_SECONDS)

    def _set(self, source: int, value: np.ndarray) -> None:
        self.results[source : source + 1] = value.reshape(1, *self.results.shape[1:])


def _one_ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Yield the items of an iterator while a thread prepares the next one."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(next, items, _END)
        while (item := future.result()) is not _END:
            future = thread.submit(next, items, _END)
            yield item
