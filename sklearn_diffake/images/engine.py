"""Compute a result for every picture of a table, once for each distinct picture."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray

from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.missing import MissingFace
from sklearn_diffake.images.read import file_key, image_digest, read_image
from sklearn_diffake.images.results import FrameResult, Results, ResultStore
from sklearn_diffake.images.table import ImageTable
from sklearn_diffake.store import EmbeddingStore, FileKey
from sklearn_diffake.utils._batches import batches_of

__all__ = ["ComputeOnce", "ReadFrames"]

_logger = logging.getLogger(__name__)
_POLL_SECONDS = 0.05
_END: Any = object()

#: Yields number, time and pixels of each frame of a source.
ReadFrames = Callable[[Any], Iterator[tuple[int, float, np.ndarray]]]


class _Picture(NamedTuple):
    slot: int  # position of its result
    source: int
    digest: bytes
    image: Any  # an array, or None to save memory
    file: FileKey | None = None


class ComputeOnce:
    """Apply a function to every distinct picture of a table, and store the results.

    Pictures are duplicates if their decoded pixels are equal. Stored results are not computed
    again, and unchanged files with stored results are not decoded. Results that another process is
    computing are awaited. Threads decode pictures one batch ahead, so memory holds about three
    batches, however long the table is. Videos are decoded one at a time.

    Parameters
    ----------
    compute : callable
        Takes a list of prepared pictures and the list of their digests, returns one result for
        each: an item of `dtype`, or an ImageError with the reason why there is none.
    dtype : numpy.dtype
        Type of one result; may have a shape, as ``np.dtype((np.float32, 512))``, or be object.
    prepare : callable, optional
        Applied to each decoded picture, in the decoding threads.
    results : ResultStore, optional
        Stores results for other calls, processes and runs.
    store : EmbeddingStore, optional
        Stores the digests of files.
    batch_size : int, default=32
        Pictures per call of `compute`.
    n_jobs : int, optional
        Decoding threads, as joblib counts them.
    read_frames : callable, optional
        Reads the frames of a video; required for videos.
    frames_key : str, default=""
        Settings that determine which frames are read; a key of the store.
    is_complete : callable, optional
        Called after a video was read: whether no frame of it was missing. The frames of other
        videos are not stored, so that the next call reads them, and warns, again.
    is_video : callable, optional
        Whether a source is a video.
    """

    def __init__(
        self,
        compute: Callable[[list[np.ndarray], list[bytes]], Sequence[Any] | NDArray[Any]],
        *,
        dtype: Any,
        prepare: Callable[[np.ndarray], np.ndarray] | None = None,
        results: ResultStore | None = None,
        store: EmbeddingStore | None = None,
        batch_size: int = 32,
        n_jobs: int | None = None,
        read_frames: ReadFrames | None = None,
        frames_key: str = "",
        is_complete: Callable[[Any], bool] | None = None,
        is_video: Callable[[Any], bool] | None = None,
    ) -> None:
        self.compute = compute
        self.dtype = np.dtype(dtype)
        self.prepare = prepare
        self.results = results
        self.store = store
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.read_frames = read_frames
        self.frames_key = frames_key
        self.is_complete = is_complete
        self.is_video = is_video

    def __call__(
        self, table: ImageTable, bar: Any, *, errors: Literal["raise", "return"] = "raise"
    ) -> Results:
        """Compute the results of ``table.sources``.

        Parameters
        ----------
        table : ImageTable
        bar : object
            A progress bar; its ``update`` is called with the number of new results.
        errors : {"raise", "return"}, default="raise"
            Whether to raise the first error, or to return all errors in the results.

        Returns
        -------
        Results

        Raises
        ------
        ImageError
            If a source cannot be used, and `errors` is ``"raise"``.
        """
        return _Pass(self, table, bar, errors).run()


class _Pass:
    """The state of one call of `ComputeOnce`."""

    def __init__(self, job: ComputeOnce, table: ImageTable, bar: Any, errors: str) -> None:
        self.job, self.table, self.bar, self.errors = job, table, bar, errors
        self.out = Results(np.empty(len(table.sources), dtype=job.dtype))
        self.extra: list[Any] = []  # results of frames; the slots after those of the sources
        self.slots: dict[int, list[tuple[int, int, float]]] = {}  # video -> slot, number, time
        self.first: dict[bytes, int] = {}  # digest -> slot of its result
        self.duplicates: dict[
            int, tuple[int, int]
        ] = {}  # slot -> first slot with its pixels, source
        self.failed: dict[int, ImageError] = {}  # slot -> reason why it has no result

    def run(self) -> Results:
        size = self.job.batch_size
        batch: list[_Picture] = []
        waiting: list[_Picture] = []
        with ThreadPoolExecutor(effective_n_jobs(self.job.n_jobs)) as pool:
            for pictures in _one_ahead(self._read_all(self._recall_files(), pool)):
                batch += self._new(pictures)
                while len(batch) >= size:
                    waiting += self._compute(batch[:size])
                    batch = batch[size:]
            waiting += self._compute(batch)
        self._await(waiting)
        self._finish()
        return self.out

    def _finish(self) -> None:
        """Copy the results of duplicates, and collect those of each video."""
        for slot, (original, source) in self.duplicates.items():
            if original in self.failed:
                self._fail(source, self.failed[original], slot)
            else:
                self._set(slot, self._get(original))
        for source, frames in self.slots.items():
            self.out.frames[source] = [
                FrameResult(number, seconds, self._get(slot)) for slot, number, seconds in frames
            ]
        videos = sum(map(len, self.slots.values())) - len(self.slots)
        self.out.n_pictures = len(self.table.sources) + videos

    def _read_all(
        self, sources: Sequence[int], pool: ThreadPoolExecutor
    ) -> Iterator[list[_Picture]]:
        """Decode sources: pictures in batches in threads, videos one by one."""
        is_video = self.job.is_video
        videos: list[int] = []
        pictures = list(sources)
        if is_video is not None:
            videos = [i for i in sources if is_video(self.table.sources[i])]
            pictures = sorted(set(sources) - set(videos))
        for batch in batches_of(pictures, self.job.batch_size):
            decoded = pool.map(self._decode, batch)
            yield [picture for picture in decoded if picture is not None]
        for source in videos:
            yield from self._decode_video(source)

    def _recall_files(self) -> list[int]:
        """Fill in stored results of files; return the remaining sources."""
        indices = range(len(self.table.sources))
        if self.job.store is None or self.job.results is None:
            return list(indices)
        keys = {i: key for i in indices if (key := file_key(self.table.sources[i]))}
        digests = self.job.store.get_file_digests(list(keys.values()))
        known_digests = {i: digests[key] for i, key in keys.items() if key in digests}
        recalled = self._recall(known_digests.items())
        return [i for i in indices if i not in recalled]

    def _recall(self, pictures: Iterable[tuple[int, bytes]]) -> set[int]:
        """Fill in the stored results of (slot, digest) pairs; return their slots."""
        if self.job.results is None:
            return set()
        slots: dict[bytes, list[int]] = {}
        for slot, digest in pictures:
            slots.setdefault(digest, []).append(slot)
        recalled: set[int] = set()
        for digest, value in self.job.results.get_many(list(slots)).items():
            for slot in slots[digest]:
                self._set(slot, value)
                self.first.setdefault(digest, slot)
                recalled.add(slot)
        _logger.debug("the store had %d images", len(recalled))
        self.bar.update(len(recalled))
        return recalled

    def _decode(self, source: int) -> _Picture | None:
        item = self.table.sources[source]
        try:
            if isinstance(item, MissingFace):
                raise item.error()
            file = file_key(item) if self.job.store is not None else None
            image = read_image(item)
            return self._picture(source, source, image)._replace(file=file)
        except ImageError as error:
            self._fail(source, error)
            return None

    def _picture(self, slot: int, source: int, image: np.ndarray) -> _Picture:
        digest = image_digest(image)
        return _Picture(
            slot, source, digest, self.job.prepare(image) if self.job.prepare else image
        )

    def _decode_video(self, source: int) -> Iterator[list[_Picture]]:
        """Decode the frames of a video, unless the results of all frames are stored."""
        file = file_key(self.table.sources[source])
        cached = self._stored_frames(source, file)
        if cached is not None:
            yield cached
            return
        assert self.job.read_frames is not None
        slots: list[tuple[int, int, float]] = []
        digests = []
        batch: list[_Picture] = []
        try:
            for number, seconds, image in self.job.read_frames(self.table.sources[source]):
                slots.append((self._new_slot(), number, seconds))
                batch.append(self._picture(slots[-1][0], source, image))
                digests.append(batch[-1].digest)
                if len(batch) == self.job.batch_size:
                    yield batch
                    batch = []
        except ImageError as error:
            self._fail(source, error)
            return
        self.slots[source] = slots
        if self.job.is_complete is None or self.job.is_complete(self.table.sources[source]):
            self._keep_frames(file, slots, digests)
        yield batch

    def _frames_name(self) -> str:
        return f"frames:1:{self.job.frames_key}"

    def _stored_frames(self, source: int, file: FileKey | None) -> list[_Picture] | None:
        """Fill in the results of all frames of a video; return None if one is not stored."""
        if file is None or self.job.store is None or self.job.results is None:
            return None
        key = _file_digest(file)
        value = self.job.store.get_many(self._frames_name(), [key]).get(key)
        if value is None:
            return None
        frames = np.frombuffer(value, _FRAME)
        digests = [bytes(digest) for digest in frames["digest"]]
        values = self.job.results.get_many(digests)
        if not all(digest in values for digest in digests):
            return None
        slots = []
        for frame, digest in zip(frames, digests, strict=True):
            slot = self._new_slot()
            self._set(slot, values[digest])
            self.first.setdefault(digest, slot)
            slots.append((slot, int(frame["number"]), float(frame["time"])))
        self.slots[source] = slots
        self.bar.update(1)
        return []

    def _keep_frames(
        self, file: FileKey | None, slots: list[tuple[int, int, float]], digests: list[bytes]
    ) -> None:
        if file is None or self.job.store is None:
            return
        frames = np.empty(len(slots), _FRAME)
        frames["number"] = [number for _, number, _ in slots]
        frames["time"] = [seconds for *_, seconds in slots]
        frames["digest"] = np.array([list(digest) for digest in digests], dtype=np.uint8)
        self.job.store.put_many(self._frames_name(), {_file_digest(file): frames.tobytes()})

    def _new(self, pictures: Sequence[_Picture]) -> list[_Picture]:
        """Return the pictures that are neither duplicates in this call nor in the store."""
        if self.job.store is not None:
            self.job.store.put_file_digests({p.file: p.digest for p in pictures if p.file})
        new = []
        for picture in pictures:
            original = self.first.setdefault(picture.digest, picture.slot)
            if original == picture.slot:
                new.append(picture)
            else:
                self.duplicates[picture.slot] = original, picture.source
                self.bar.update(1)
        recalled = self._recall((p.slot, p.digest) for p in new)
        return [p for p in new if p.slot not in recalled]

    def _compute(self, batch: list[_Picture]) -> list[_Picture]:
        """Compute a batch except the pictures that another process computes; return these."""
        results = self.job.results
        if results is None:
            self._fill(batch)
            return []
        claimed = results.claim([p.digest for p in batch])
        try:
            pictures = [p for p in batch if p.digest in claimed]
            pictures = [q for p in pictures if (q := self._with_image(p)) is not None]
            self._fill(pictures)
            results.put_many(
                {p.digest: self._get(p.slot) for p in pictures if p.slot not in self.failed}
            )
        finally:
            results.release(claimed)
        # the pixels of frames stay in memory, because reading one frame again is slow
        return [
            p._replace(image=None) if p.slot == p.source else p
            for p in batch
            if p.digest not in claimed
        ]

    def _with_image(self, picture: _Picture) -> _Picture | None:
        return picture if picture.image is not None else self._decode(picture.source)

    def _fill(self, batch: list[_Picture]) -> None:
        if not batch:
            return
        values = self.job.compute([p.image for p in batch], [p.digest for p in batch])
        _logger.debug("computed a batch of %d images", len(batch))
        for picture, value in zip(batch, values, strict=True):
            if isinstance(value, ImageError):
                self._fail(picture.source, value, picture.slot)
            elif self.job.dtype.base.kind == "f" and not np.isfinite(value).all():
                error = ImageError("the network returned NaN or infinity for this image")
                self._fail(picture.source, error, picture.slot)
            else:
                self._set(picture.slot, value)
                self.out.n_computed += 1
        self.bar.update(len(batch))

    def _await(self, waiting: list[_Picture]) -> None:
        """Wait for results of other processes; compute those that they do not deliver."""
        while waiting:
            recalled = self._recall((p.slot, p.digest) for p in waiting)
            waiting = [p for p in waiting if p.slot not in recalled]
            batch, later = waiting[: self.job.batch_size], waiting[self.job.batch_size :]
            waiting = later + self._compute(batch)
            if waiting and not recalled:
                time.sleep(_POLL_SECONDS)

    def _fail(self, source: int, error: ImageError, slot: int | None = None) -> None:
        """Raise or record an error with its location; an error of a placeholder is never raised."""
        located = error.at(**self.table.location(source))
        if self.errors == "raise" and not isinstance(self.table.sources[source], MissingFace):
            raise located from error
        self.out.errors.setdefault(source, located)
        self.failed[source if slot is None else slot] = error

    def _new_slot(self) -> int:
        self.extra.append(None)
        return len(self.table.sources) + len(self.extra) - 1

    def _get(self, slot: int) -> Any:
        n = len(self.table.sources)
        return self.out.values[slot] if slot < n else self.extra[slot - n]

    def _set(self, slot: int, value: Any) -> None:
        n = len(self.table.sources)
        if slot < n:
            self.out.values[slot] = value
        else:
            self.extra[slot - n] = value


_FRAME = np.dtype([("number", np.int64), ("time", np.float64), ("digest", np.uint8, (20,))])


def _file_digest(file: FileKey) -> bytes:
    return image_digest(np.frombuffer(repr(file).encode(errors="surrogateescape"), np.uint8))


def _one_ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Yield the items of an iterator while a thread prepares the next one."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(next, items, _END)
        while (item := future.result()) is not _END:
            future = thread.submit(next, items, _END)
            yield item
