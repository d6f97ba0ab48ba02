"""Every image of a benchmark becomes a vector, once."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._images import Images, parts_of
from sklearn_diffake.benchmark._pipelines import Feature, digest_of
from sklearn_diffake.benchmark._workers import in_parallel
from sklearn_diffake.embedding import EmbeddingStore
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.read import read_image
from sklearn_diffake.utils._progress import progress_bar

_MATRICES = 8  # of embeddings held in memory

View = tuple[str, Degradation | None]  # a dataset's images, as they are or degraded
Masks = Mapping[tuple[View, str], NDArray[np.bool_]]  # of images, by view and namespace


class Part(NamedTuple):
    """Those images of a batch that one feature is wanted of.

    Parameters
    ----------
    namespace : str
        Of the feature.
    digests : list of bytes
    places : list of int
        Positions in the batch.
    """

    namespace: str
    digests: list[bytes]
    places: list[int]


class Batch(NamedTuple):
    """Images of one view that are aligned together.

    Parameters
    ----------
    view : (str, Degradation or None)
    sources : list of int
        Their positions in the dataset.
    parts : list of Part
    """

    view: View
    sources: list[int]
    parts: list[Part]


def embed(
    sources: Sequence[Any],
    degradation: Degradation | None,
    aligner: Any,
    jobs: Sequence[tuple[Any, Sequence[int]]],
) -> list[list[bytes | str]]:
    """Turn images into vectors, or say what is wrong with them.

    Parameters
    ----------
    sources : sequence of path or ndarray
    degradation : Degradation or None
        What is done to them first.
    aligner : FaceAligner or None
    jobs : sequence of (FaceEmbedder, places)
        Networks, and the positions in `sources` of what each is to embed.

    Returns
    -------
    values : list of list of bytes or str
        For each job and place: 1 where a face was found (or not looked for) and 0 where not, and
        the vector, as float32.
    """
    try:
        images = [read_image(source) for source in sources]
        if degradation is not None:
            images = [degradation.apply(image) for image in images]
        found = np.ones((len(images), 1), dtype=np.float32)
        crops = images
        if aligner is not None:
            faces = aligner.align(images)
            crops = list(faces.crops)
            found[faces.is_missing] = 0
        values: list[list[bytes | str]] = []
        for embedder, places in jobs:
            vectors = embedder.transform([crops[i] for i in places])
            rows = np.hstack([found[places], vectors]).astype(np.float32)
            values.append([row.tobytes() for row in rows])
        return values
    except Exception as error:  # an image that cannot be used, or a network that breaks down
        if len(sources) == 1 and len(jobs) > 1:
            return [embed(sources, degradation, aligner, [job])[0] for job in jobs]
        if len(sources) == 1:
            name = "" if isinstance(error, ImageError) else f"{type(error).__name__}: "
            return [[f"{name}{error}"]]
    alone = [
        embed([source], degradation, aligner, [(e, [0]) for e, places in jobs if i in places])
        for i, source in enumerate(sources)
    ]  # for each image what its jobs gave
    left = [iter(given) for given in alone]
    return [[next(left[i])[0] for i in places] for _, places in jobs]


@dataclass
class Embeddings:
    """Vectors of the images of some datasets, in a store.

    Parameters
    ----------
    images : dict of str to Images
        Those of each dataset.
    store : EmbeddingStore
    problems : dict of (namespace, bytes) to str
        Why an image has no vector.
    """

    images: Mapping[str, Images]
    store: EmbeddingStore
    problems: dict[tuple[str, bytes], str] = field(default_factory=dict)
    _matrices: OrderedDict[Any, NDArray[np.float32]] = field(default_factory=OrderedDict)

    def compute(
        self,
        wanted: Masks,
        needed: Masks,
        features: Mapping[str, Feature],
        *,
        batch_size: int,
        verbose: bool = False,
    ) -> dict[str, int]:
        """Embed what is not in the store yet.

        Images go through the networks in batches of a fixed make-up, that depends on all that is
        wanted and not on what there is already: so an interrupted run goes on with the same
        numbers.

        Parameters
        ----------
        wanted : dict of (view, namespace) to mask
            Which images of each view the whole benchmark needs, by which feature.
        needed : dict of (view, namespace) to mask
            Which of these are needed now.
        features : dict of namespace to Feature
        batch_size : int
        verbose : bool, default=False
            Show a progress bar.

        Returns
        -------
        counts : dict of str to int
            ``wanted``: distinct images, degraded or not, times features; ``embedded``: those
            that went through a network now; ``failed``: those that could not.
        """
        counts = {"wanted": 0, "embedded": 0, "failed": 0}
        batches = list(self._batches(wanted, needed, features, batch_size, counts))
        total = sum(len(part.digests) for batch in batches for part in batch.parts)
        tasks = (self._task(number, batch, features) for number, batch in enumerate(batches))
        with progress_bar(total=total, desc="embedding", unit="image", verbose=verbose) as bar:
            for number, values in in_parallel(_embed_batch, tasks):
                for part, found in zip(batches[number].parts, values, strict=True):
                    self._keep(part, found, counts)
                    bar.update(len(found))
        return counts

    def _task(self, number: int, batch: Batch, features: Mapping[str, Feature]) -> tuple[Any, ...]:
        name, degradation = batch.view
        sources = [self.images[name].sources[i] for i in batch.sources]
        jobs = [(features[part.namespace].embedder, part.places) for part in batch.parts]
        return number, sources, degradation, features[batch.parts[0].namespace].aligner, jobs

    def _keep(self, part: Part, values: Sequence[bytes | str], counts: dict[str, int]) -> None:
        results = dict(zip(part.digests, values, strict=True))
        good = {digest: value for digest, value in results.items() if isinstance(value, bytes)}
        self.store.put_many(part.namespace, good)
        for digest, value in results.items():
            if isinstance(value, str):
                self.problems[part.namespace, digest] = value
        counts["embedded"] += len(good)
        counts["failed"] += len(results) - len(good)

    def _batches(
        self,
        wanted: Masks,
        needed: Masks,
        features: Mapping[str, Feature],
        batch_size: int,
        counts: dict[str, int],
    ) -> Iterator[Batch]:
        """Yield what is missing, batch by batch; features of one aligner go together."""
        now: dict[str, set[bytes]] = {name: set() for name in features}
        for (view, namespace), mask in needed.items():
            now[namespace].update(self._known(view, mask))
        seen: dict[str, set[bytes]] = {name: set() for name in features}
        for view, names in _together(wanted, features):
            known = {name: self._known(view, wanted[view, name]) for name in names}
            fresh = {name: set(known[name]) - seen[name] for name in names}
            for name in names:
                seen[name] |= fresh[name]
                counts["wanted"] += len(fresh[name])
            places = {d: place for one in known.values() for d, place in one.items()}
            order = sorted(set().union(*fresh.values()), key=places.__getitem__)
            for digests in parts_of(order, batch_size):
                parts = [
                    part
                    for name in names
                    if (part := self._part(name, digests, fresh[name], now[name])) is not None
                ]
                if parts:
                    yield Batch(view, [places[digest] for digest in digests], parts)

    def _part(
        self, namespace: str, digests: Sequence[bytes], fresh: set[bytes], now: set[bytes]
    ) -> Part | None:
        """Return which images of a batch are missing, if one of them is needed now."""
        mine = [digest for digest in digests if digest in fresh]
        if now.isdisjoint(mine):
            return None
        there = self.store.get_many(namespace, mine)
        left = [i for i, d in enumerate(digests) if d in fresh and d not in there]
        return Part(namespace, [digests[i] for i in left], left) if left else None

    def _known(self, view: View, mask: NDArray[np.bool_]) -> dict[bytes, int]:
        """Return digest and first place of those images of a view that can be read."""
        known: dict[bytes, int] = {}
        for place in np.flatnonzero(mask).tolist():
            if (digest := self._digest(view, place)) is not None:
                known.setdefault(digest, place)
        return known

    def _digest(self, view: View, place: int) -> bytes | None:
        """Return what an image of a view is known by; None if it cannot be read."""
        name, degradation = view
        digest = self.images[name].digests[place]
        if digest is None or degradation is None:
            return digest
        return hashlib.blake2b(digest + str(degradation).encode(), digest_size=20).digest()

    def matrix(self, view: View, feature: Feature) -> NDArray[np.float32]:
        """Return the vectors of a view's images, NaN where there is none.

        Parameters
        ----------
        view : (str, Degradation or None)
        feature : Feature

        Returns
        -------
        vectors : ndarray of shape (n_images, 1 + width), float32
            In column 0 whether a face was found.
        """
        key = (view, feature.namespace)
        if key in self._matrices:
            self._matrices.move_to_end(key)
            return self._matrices[key]
        digests = [self._digest(view, i) for i in range(len(self.images[view[0]].sources))]
        there = self.store.get_many(feature.namespace, [d for d in digests if d is not None])
        vectors = np.full((len(digests), 1 + feature.width), np.nan, dtype=np.float32)
        for place, digest in enumerate(digests):
            if digest in there:
                vectors[place] = np.frombuffer(there[digest], dtype=np.float32)
        self._matrices[key] = vectors
        if len(self._matrices) > _MATRICES:
            self._matrices.popitem(last=False)
        return vectors

    def why_missing(self, view: View, feature: Feature, place: int) -> str:
        """Say which image has no vector, and why."""
        images = self.images[view[0]]
        source = images.sources[place]
        name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else f"image {place}"
        if place in images.problems:
            return f"{name}: {images.problems[place]}"
        digest = self._digest(view, place)
        problem = self.problems.get((feature.namespace, digest or b""), "it is not in the store")
        return f"{name}: {problem}"


def _together(wanted: Masks, features: Mapping[str, Feature]) -> Iterator[tuple[View, list[str]]]:
    """Yield each view with the features that look at the same crops of it."""
    groups: dict[Any, list[str]] = {}
    for view, namespace in wanted:
        crops = digest_of(features[namespace].description["align"])
        groups.setdefault((view, crops), []).append(namespace)
    for (view, _), names in groups.items():
        yield view, names


def _embed_batch(number: int, *task: Any) -> tuple[int, list[list[bytes | str]]]:
    return number, embed(*task)


def merge_masks(
    masks: Iterable[tuple[tuple[View, str], NDArray[np.int64], int]],
) -> dict[tuple[View, str], NDArray[np.bool_]]:
    """Join sets of places into one mask for each view and feature.

    Parameters
    ----------
    masks : iterable of ((view, namespace), places, n_images)

    Returns
    -------
    merged : dict of (view, namespace) to ndarray of shape (n_images,), bool
        In the order of their first occurrence.
    """
    merged: dict[tuple[View, str], NDArray[np.bool_]] = {}
    for key, places, size in masks:
        merged.setdefault(key, np.zeros(size, dtype=bool))[places] = True
    return merged
