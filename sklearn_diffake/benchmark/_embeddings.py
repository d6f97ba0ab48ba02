"""Embed every image of a benchmark once."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._crops import Crop, Vectors, embed
from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._images import Images
from sklearn_diffake.benchmark._pipelines import Feature, digest_of, refuses_missing_faces
from sklearn_diffake.benchmark._workers import in_parallel
from sklearn_diffake.store import EmbeddingStore
from sklearn_diffake.utils._batches import batches_of
from sklearn_diffake.utils._progress import progress_bar

_MATRICES = 8  # of embeddings held in memory

View = tuple[str, Degradation | None]  # a dataset's images, degraded or not
Masks = Mapping[tuple[View, str], NDArray[np.bool_]]  # of images, by view and key of a feature
CropKey = tuple[bool, bytes]  # whether a picture shows a face, and the digest of its crop


class MissingVectors(NamedTuple):
    """The images of a batch for which a feature has no vector yet.

    Parameters
    ----------
    feature : str
        Its key.
    positions : list of int
        Positions of the images in the batch.
    """

    feature: str
    positions: list[int]


class Batch(NamedTuple):
    """Images of one view that are aligned together.

    Parameters
    ----------
    view : (str, Degradation or None)
    sources : list of int
        Their positions in the dataset.
    digests : list of bytes
    missing : list of MissingVectors
    """

    view: View
    sources: list[int]
    digests: Sequence[bytes]
    missing: list[MissingVectors]


@dataclass
class Embeddings:
    """Vectors of the images of some datasets, in a store.

    They are stored as `FaceEmbedder` stores them: by the digest of a crop. The digest of the crop
    of a picture is stored, too, by the digest of the picture and its degradation, so that no crop
    is cut again only to find its vector.

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
        masks: Masks,
        pending_masks: Masks,
        features: Mapping[str, Feature],
        *,
        batch_size: int,
        verbose: bool = False,
    ) -> dict[str, int]:
        """Embed the images that are not in the store yet.

        The batches that go through the networks depend on all images of the benchmark, and not on
        what is stored already, because numbers depend on the batch in their last digits: so an
        interrupted run goes on with the same numbers.

        Parameters
        ----------
        masks : dict of (view, key of a feature) to mask
            Which images of each view the whole benchmark needs, by which feature.
        pending_masks : dict of (view, key of a feature) to mask
            Which of these the jobs need that are not finished.
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
        batches = list(self._batches(masks, pending_masks, features, batch_size, counts))
        total = sum(len(missing.positions) for batch in batches for missing in batch.missing)
        tasks = (self._task(number, batch, features) for number, batch in enumerate(batches))
        with progress_bar(total=total, desc="embedding", unit="image", verbose=verbose) as bar:
            for number, crops, vectors in in_parallel(_embed_batch, tasks):
                batch = batches[number]
                for missing, values in zip(batch.missing, vectors, strict=True):
                    self._store_vectors(
                        batch, missing, crops, values, features[missing.feature], counts
                    )
                    bar.update(len(missing.positions))
                self._store_crops(batch, crops, features[batch.missing[0].feature])
        return counts

    def _task(self, number: int, batch: Batch, features: Mapping[str, Feature]) -> tuple[Any, ...]:
        name, degradation = batch.view
        aligner = features[batch.missing[0].feature].aligner
        sources = [self.images[name].sources[i] for i in batch.sources]
        faces: list[Any] = [None] * len(sources)
        if aligner is not None:
            stored_faces = aligner._stored_faces(self.store)
            by_digest = {**stored_faces.get_many(batch.digests), **stored_faces.without_crops}
            faces = [by_digest.get(digest) for digest in batch.digests]
        jobs = [
            (features[missing.feature].embedder, missing.positions) for missing in batch.missing
        ]
        return number, sources, faces, degradation, aligner, jobs

    def _store_vectors(
        self,
        batch: Batch,
        missing: MissingVectors,
        crops: Sequence[Crop | str],
        vectors: Vectors,
        feature: Feature,
        counts: dict[str, int],
    ) -> None:
        new = {}
        for position, value in zip(missing.positions, vectors.values, strict=True):
            crop, digest = crops[position], batch.digests[position]
            if isinstance(value, str) or isinstance(crop, str):
                self.problems[missing.feature, digest] = str(value)
                counts["failed"] += 1
            else:
                new[crop.digest or digest] = value
        counts["embedded"] += vectors.n_computed
        if feature.embedder.cache is None:  # else it has stored them itself
            feature.embedder._stored_embeddings(self.store).put_many(new)

    def _store_crops(self, batch: Batch, crops: Sequence[Crop | str], feature: Feature) -> None:
        new_crops = {
            digest: crop
            for digest, crop in zip(batch.digests, crops, strict=True)
            if isinstance(crop, Crop) and crop.digest is not None
        }
        new_faces = {
            d: crop.new_faces for d, crop in new_crops.items() if crop.new_faces is not None
        }
        if new_faces:
            feature.aligner._stored_faces(self.store).put_detections(new_faces)
        keys = {d: bytes([crop.has_face]) + (crop.digest or b"") for d, crop in new_crops.items()}
        self.store.put_many(feature.crop_namespace, keys)

    def _crop_keys(
        self, view: View, feature: Feature, digests: Iterable[bytes]
    ) -> dict[bytes, CropKey]:
        """Return the key of the crop of each image of a view, where it is stored."""
        if view[1] is None and feature.aligner is None:
            return {digest: (True, digest) for digest in digests}
        values = self.store.get_many(feature.crop_namespace, digests)
        return {digest: (bool(value[0]), value[1:]) for digest, value in values.items()}

    def _stored_vectors(
        self, view: View, feature: Feature, digests: Sequence[bytes]
    ) -> dict[bytes, tuple[bool, NDArray[np.float32]]]:
        """Return face flag and vector of those images of a view that have a vector."""
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
        masks: Masks,
        pending_masks: Masks,
        features: Mapping[str, Feature],
        batch_size: int,
        counts: dict[str, int],
    ) -> Iterator[Batch]:
        """Yield the batches with an image to embed; features of one aligner go together."""
        pending: dict[str, set[bytes]] = {name: set() for name in features}
        for (view, name), mask in pending_masks.items():
            pending[name].update(self._first_positions(view, mask))
        counted: dict[str, set[bytes]] = {name: set() for name in features}
        for view, names in _views(masks, features):
            first = {name: self._first_positions(view, masks[view, name]) for name in names}
            new = {name: set(first[name]) - counted[name] for name in names}
            for name in names:
                counted[name] |= new[name]
                counts["wanted"] += len(new[name])
            positions = {
                d: position for by_digest in first.values() for d, position in by_digest.items()
            }
            order = sorted(set().union(*new.values()), key=positions.__getitem__)
            for digests in batches_of(order, batch_size):
                missing = [
                    MissingVectors(name, rows)
                    for name in names
                    if (
                        rows := self._to_embed(
                            view, features[name], digests, new[name], pending[name]
                        )
                    )
                ]
                if missing:
                    yield Batch(view, [positions[digest] for digest in digests], digests, missing)

    def _to_embed(
        self,
        view: View,
        feature: Feature,
        digests: Sequence[bytes],
        new: set[bytes],
        pending: set[bytes],
    ) -> list[int]:
        """Return which images of a batch have no vector, if a pending job needs one of them."""
        of_feature = [digest for digest in digests if digest in new]
        if pending.isdisjoint(of_feature):
            return []
        vectors = self._stored_vectors(view, feature, of_feature)
        return [i for i, d in enumerate(digests) if d in new and d not in vectors]

    def _first_positions(self, view: View, mask: NDArray[np.bool_]) -> dict[bytes, int]:
        """Return digest and first position of those images of a view that can be read."""
        positions: dict[bytes, int] = {}
        for position in np.flatnonzero(mask).tolist():
            if (digest := self._digest(view, position)) is not None:
                positions.setdefault(digest, position)
        return positions

    def _digest(self, view: View, position: int) -> bytes | None:
        """Return the digest of an image of a view; None if it cannot be read."""
        name, degradation = view
        digest = self.images[name].digests[position]
        if digest is None or degradation is None:
            return digest
        return hashlib.blake2b(digest + str(degradation).encode(), digest_size=20).digest()

    def matrix(self, view: View, feature: Feature) -> NDArray[np.float32]:
        """Return the vectors of a view's images, NaN where one is missing.

        Parameters
        ----------
        view : (str, Degradation or None)
        feature : Feature

        Returns
        -------
        vectors : ndarray of shape (n_images, 1 + width), float32
            Column 0 is 1 where a face was found, else 0.
        """
        key = (view, feature.key)
        if key in self._matrices:
            self._matrices.move_to_end(key)
            return self._matrices[key]
        digests = [self._digest(view, i) for i in range(len(self.images[view[0]].sources))]
        stored_vectors = self._stored_vectors(view, feature, [d for d in digests if d is not None])
        vectors = np.full((len(digests), 1 + feature.width), np.nan, dtype=np.float32)
        for position, digest in enumerate(digests):
            if digest is not None and digest in stored_vectors:
                vectors[position, 0], vectors[position, 1:] = stored_vectors[digest]
        self._matrices[key] = vectors
        if len(self._matrices) > _MATRICES:
            self._matrices.popitem(last=False)
        return vectors

    def why_missing(self, view: View, feature: Feature, position: int) -> str:
        """Return which image has no vector, and why."""
        images = self.images[view[0]]
        source = images.sources[position]
        name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else f"image {position}"
        if position in images.problems:
            return f"{name}: {images.problems[position]}"
        digest = self._digest(view, position)
        problem = self.problems.get((feature.key, digest or b""), "it is not in the store")
        return f"{name}: {problem}"


def _views(masks: Masks, features: Mapping[str, Feature]) -> Iterator[tuple[View, list[str]]]:
    """Yield each view with the features that use the same crops of it."""
    groups: dict[Any, list[str]] = {}
    for view, name in masks:
        crops = digest_of(features[name].description["align"])
        groups.setdefault((view, crops), []).append(name)
    for (view, _), names in groups.items():
        yield view, names


def _embed_batch(number: int, *task: Any) -> tuple[int, list[Crop | str], list[Vectors]]:
    return number, *embed(*task)


def merge_masks(
    masks: Iterable[tuple[tuple[View, str], NDArray[np.int64], int]],
) -> dict[tuple[View, str], NDArray[np.bool_]]:
    """Merge sets of positions into one mask for each view and feature.

    Parameters
    ----------
    masks : iterable of ((view, key of a feature), positions, n_images)

    Returns
    -------
    merged : dict of (view, key of a feature) to ndarray of shape (n_images,), bool
        In the order of their first occurrence.
    """
    merged: dict[tuple[View, str], NDArray[np.bool_]] = {}
    for key, positions, size in masks:
        merged.setdefault(key, np.zeros(size, dtype=bool))[positions] = True
    return merged
