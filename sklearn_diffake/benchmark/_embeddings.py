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
from sklearn.utils import gen_batches

from sklearn_diffake.benchmark._crops import (
    Crop,
    Vectors,
    embed,
    refuses_missing_faces,
)
from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._images import Images
from sklearn_diffake.benchmark._pipelines import Feature, digest_of
from sklearn_diffake.benchmark._workers import in_parallel
from sklearn_diffake.store import EmbeddingStore
from sklearn_diffake.utils._progress import progress_bar

_MATRICES = 8  # of embeddings held in memory

View = tuple[str, Degradation | None]  # a dataset's images, as they are or degraded
Masks = Mapping[tuple[View, str], NDArray[np.bool_]]  # of images, by view and key of a feature
CropKey = tuple[bool, bytes]  # whether a picture shows a face, and the digest of its crop


class Part(NamedTuple):
    """Those images of a batch that one feature is missing of.

    Parameters
    ----------
    feature : str
        Its key.
    places : list of int
        Positions in the batch.
    """

    feature: str
    places: list[int]


class Batch(NamedTuple):
    """Images of one view that are aligned together.

    Parameters
    ----------
    view : (str, Degradation or None)
    sources : list of int
        Their positions in the dataset.
    digests : list of bytes
    parts : list of Part
    """

    view: View
    sources: list[int]
    digests: list[bytes]
    parts: list[Part]


@dataclass
class Embeddings:
    """Vectors of the images of some datasets, in a store.

    They lie where `FaceEmbedder` stores them: by the digest of a crop. Which crop a picture has
    is stored, too, by the digest of the picture and what is done to it, so that neither is made
    again to find its vector.

    Parameters
    ----------
    images : dict of str to Images
        Those of each dataset.
    store : EmbeddingStore
    problems : dict of (str, bytes) to str
        Why an image has no vector, by the key of the feature and the digest of the image.
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
        wanted : dict of (view, key of a feature) to mask
            Which images of each view the whole benchmark needs, by which feature.
        needed : dict of (view, key of a feature) to mask
            Which of these are needed now.
        features : dict of str to Feature
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
        total = sum(len(part.places) for batch in batches for part in batch.parts)
        tasks = (self._task(number, batch, features) for number, batch in enumerate(batches))
        with progress_bar(total=total, desc="embedding", unit="image", verbose=verbose) as bar:
            for number, crops, vectors in in_parallel(_embed_batch, tasks):
                batch = batches[number]
                for part, values in zip(batch.parts, vectors, strict=True):
                    self._keep_vectors(batch, part, crops, values, features[part.feature], counts)
                    bar.update(len(part.places))
                self._keep_crops(batch, crops, features[batch.parts[0].feature])
        return counts

    def _task(self, number: int, batch: Batch, features: Mapping[str, Feature]) -> tuple[Any, ...]:
        name, degradation = batch.view
        aligner = features[batch.parts[0].feature].aligner
        sources = [self.images[name].sources[i] for i in batch.sources]
        faces: list[Any] = [None] * len(sources)
        if aligner is not None:
            stored = aligner._stored_faces(self.store)
            known = {**stored.get_many(batch.digests), **stored.without_crops}
            faces = [known.get(digest) for digest in batch.digests]
        jobs = [(features[part.feature].embedder, part.places) for part in batch.parts]
        return number, sources, faces, degradation, aligner, jobs

    def _keep_vectors(
        self,
        batch: Batch,
        part: Part,
        crops: Sequence[Crop | str],
        vectors: Vectors,
        feature: Feature,
        counts: dict[str, int],
    ) -> None:
        new = {}
        for place, value in zip(part.places, vectors.values, strict=True):
            crop, digest = crops[place], batch.digests[place]
            if isinstance(value, str) or isinstance(crop, str):
                self.problems[part.feature, digest] = str(value)
                counts["failed"] += 1
            else:
                new[crop.digest or digest] = value
        counts["embedded"] += vectors.n_computed
        if feature.embedder.cache is None:  # else it has stored them itself
            feature.embedder._stored_embeddings(self.store).put_many(new)

    def _keep_crops(self, batch: Batch, crops: Sequence[Crop | str], feature: Feature) -> None:
        made = {
            digest: crop
            for digest, crop in zip(batch.digests, crops, strict=True)
            if isinstance(crop, Crop) and crop.digest is not None
        }
        new_faces = {d: crop.new_faces for d, crop in made.items() if crop.new_faces is not None}
        if new_faces:
            feature.aligner._stored_faces(self.store).put_detections(new_faces)
        keys = {d: bytes([crop.has_face]) + (crop.digest or b"") for d, crop in made.items()}
        self.store.put_many(feature.crop_namespace, keys)

    def _crop_keys(
        self, view: View, feature: Feature, digests: Iterable[bytes]
    ) -> dict[bytes, CropKey]:
        """Return which crop each image of a view has, where that is stored."""
        if view[1] is None and feature.aligner is None:
            return {digest: (True, digest) for digest in digests}
        stored = self.store.get_many(feature.crop_namespace, digests)
        return {digest: (bool(value[0]), value[1:]) for digest, value in stored.items()}

    def _stored(
        self, view: View, feature: Feature, digests: Sequence[bytes]
    ) -> dict[bytes, tuple[bool, NDArray[np.float32]]]:
        """Return for images of a view whether a face was found, and the vector, if stored."""
        keys = self._crop_keys(view, feature, digests)
        if refuses_missing_faces(feature.aligner):
            keys = {digest: key for digest, key in keys.items() if key[0]}
        crops = sorted({crop for _, crop in keys.values()})
        vectors = feature.embedder._stored_embeddings(self.store).get_many(crops)
        return {
            digest: (has_face, vectors[crop])
            for digest, (has_face, crop) in keys.items()
            if crop in vectors
        }

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
        for (view, name), mask in needed.items():
            now[name].update(self._known(view, mask))
        seen: dict[str, set[bytes]] = {name: set() for name in features}
        for view, names in _together(wanted, features):
            known = {name: self._known(view, wanted[view, name]) for name in names}
            fresh = {name: set(known[name]) - seen[name] for name in names}
            for name in names:
                seen[name] |= fresh[name]
                counts["wanted"] += len(fresh[name])
            places = {d: place for one in known.values() for d, place in one.items()}
            order = sorted(set().union(*fresh.values()), key=places.__getitem__)
            batches = gen_batches(len(order), batch_size) if order else ()
            for batch in batches:
                digests = order[batch]
                parts = []
                for name in names:
                    left = self._missing(view, features[name], digests, fresh[name], now[name])
                    if left:
                        parts.append(Part(name, left))
                if parts:
                    yield Batch(view, [places[digest] for digest in digests], digests, parts)

    def _missing(
        self,
        view: View,
        feature: Feature,
        digests: Sequence[bytes],
        fresh: set[bytes],
        now: set[bytes],
    ) -> list[int]:
        """Return which images of a batch have no vector, if one of its images is needed now."""
        mine = [digest for digest in digests if digest in fresh]
        if now.isdisjoint(mine):
            return []
        there = self._stored(view, feature, mine)
        return [i for i, d in enumerate(digests) if d in fresh and d not in there]

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
        key = (view, feature.key)
        if key in self._matrices:
            self._matrices.move_to_end(key)
            return self._matrices[key]
        digests = [self._digest(view, i) for i in range(len(self.images[view[0]].sources))]
        there = self._stored(view, feature, [d for d in digests if d is not None])
        vectors = np.full((len(digests), 1 + feature.width), np.nan, dtype=np.float32)
        for place, digest in enumerate(digests):
            if digest is not None and digest in there:
                vectors[place, 0], vectors[place, 1:] = there[digest]
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
        problem = self.problems.get((feature.key, digest or b""), "it is not in the store")
        return f"{name}: {problem}"


def _together(wanted: Masks, features: Mapping[str, Feature]) -> Iterator[tuple[View, list[str]]]:
    """Yield each view with the features that look at the same crops of it."""
    groups: dict[Any, list[str]] = {}
    for view, name in wanted:
        crops = digest_of(features[name].description["align"])
        groups.setdefault((view, crops), []).append(name)
    for (view, _), names in groups.items():
        yield view, names


def _embed_batch(number: int, *task: Any) -> tuple[int, list[Crop | str], list[Vectors]]:
    return number, *embed(*task)


def merge_masks(
    masks: Iterable[tuple[tuple[View, str], NDArray[np.int64], int]],
) -> dict[tuple[View, str], NDArray[np.bool_]]:
    """Join sets of places into one mask for each view and feature.

    Parameters
    ----------
    masks : iterable of ((view, key of a feature), places, n_images)

    Returns
    -------
    merged : dict of (view, key of a feature) to ndarray of shape (n_images,), bool
        In the order of their first occurrence.
    """
    merged: dict[tuple[View, str], NDArray[np.bool_]] = {}
    for key, places, size in masks:
        merged.setdefault(key, np.zeros(size, dtype=bool))[places] = True
    return merged
