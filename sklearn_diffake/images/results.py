"""Results of pictures, as the engine returns them and as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.store import EmbeddingStore
from sklearn_diffake.utils._batches import batches_of, size_within

__all__ = ["ArrayResults", "FrameResult", "ResultStore", "Results"]

_READ_BYTES = 64 * 2**20  # stored results are read in portions of this size


class ResultStore(Protocol):
    """Interface of a store of results, keyed by the digest of the picture."""

    def get_many(self, digests: Sequence[bytes]) -> dict[bytes, Any]:
        """Return the stored results of the given digests."""

    def put_many(self, results: Mapping[bytes, Any]) -> None:
        """Store results."""

    def claim(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return the digests that the caller must compute, because no other process does."""

    def release(self, digests: Iterable[bytes]) -> None:
        """Release claims."""


class ArrayResults:
    """Results of one fixed type, as bytes in an `EmbeddingStore`.

    Parameters
    ----------
    store : EmbeddingStore
    namespace : str
        Name of the computation, which separates its results from others.
    dtype : numpy.dtype
        Type of one result; may have a shape, as ``np.dtype((np.float32, 512))``.
    """

    def __init__(self, store: EmbeddingStore, namespace: str, dtype: Any) -> None:
        self.store, self.dtype = store, np.dtype(dtype)
        self.namespace = (
            f"{namespace}:{self.dtype.itemsize}"  # a value of another size has another key
        )

    def get_many(self, digests: Sequence[bytes]) -> dict[bytes, Any]:
        """Return the stored results of the given digests."""
        results: dict[bytes, Any] = {}
        batch_size = size_within(_READ_BYTES, self.dtype.itemsize)
        for batch in batches_of(digests, batch_size):
            for digest, value in self.store.get_many(self.namespace, batch).items():
                flat = np.frombuffer(value, self.dtype.base)
                results[digest] = flat.reshape(self.dtype.shape)
        return results

    def put_many(self, results: Mapping[bytes, Any]) -> None:
        """Store results."""
        base = self.dtype.base
        values = {key: np.asarray(value, base).tobytes() for key, value in results.items()}
        self.store.put_many(self.namespace, values)

    def claim(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return the digests that the caller must compute, because no other process does."""
        return self.store.claim(self.namespace, digests)

    def release(self, digests: Iterable[bytes]) -> None:
        """Release claims."""
        self.store.release(self.namespace, digests)


class FrameResult(NamedTuple):
    """Result of one frame of a video.

    Attributes
    ----------
    number : int
        Position in the video.
    time : float
        Seconds since its first frame.
    value : object
        The result.
    """

    number: int
    time: float
    value: Any


@dataclass
class Results:
    """Results of the sources of a table.

    Attributes
    ----------
    values : ndarray of shape (n_sources, ...)
        Result of each picture; None (of type object) for videos and for sources with an error.
    frames : dict of int to list of FrameResult
        Results of the frames of each source that is a video.
    errors : dict of int to ImageError
        Why a source has no result, with row, column and file. Always holds the errors of
        placeholders (`MissingFace`); other errors only if they are returned.
    n_pictures : int
        Number of all pictures and frames.
    n_computed : int
        Number of computed results; the other pictures were duplicates, were in the store, or have
        no result.
    """

    values: NDArray[Any]
    frames: dict[int, list[FrameResult]] = field(default_factory=dict)
    errors: dict[int, ImageError] = field(default_factory=dict)
    n_pictures: int = 0
    n_computed: int = 0
