"""Detect, crop and store the faces of single pictures, independently of other pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
from joblib import effective_n_jobs

from sklearn_diffake.faces._aligned import VideoDamage
from sklearn_diffake.faces._detection import Faces, detect_faces
from sklearn_diffake.faces._geometry import template, warp
from sklearn_diffake.faces._stored_faces import (
    NO_FACE,
    PictureFaces,
    StoredFaces,
    crop_matrix,
    largest_first,
)
from sklearn_diffake.images._damage import DamageAccount, OnDamage
from sklearn_diffake.images.engine import ComputeOnce
from sklearn_diffake.images.formats import is_video
from sklearn_diffake.store import EmbeddingStore, as_store
from sklearn_diffake.utils._device import resolve_device
from sklearn_diffake.utils._threads import thread_map

_DECIMALS = 2  # of landmarks, in pixels


class FaceFinder:
    """The operations of `FaceAligner` on a single picture, with its parameters."""

    size: int
    margin: float
    landmarks: Any
    select: str
    min_face_size: float
    min_probability: float
    max_size: int
    n_frames: int
    on_missing: str
    device: str
    batch_size: int
    cache: Any
    n_jobs: int | None

    @property
    def _detections_namespace(self) -> str:
        names = ("min_face_size", "min_probability", "max_size")
        settings = tuple(getattr(self, name) for name in names)
        return f"faces:1:mtcnn-{version('facenet-pytorch')}:{settings}"

    @property
    def _namespace(self) -> str:
        crop = f"{self._detections_namespace}:crop:1:{(self.size, self.margin)}"
        return crop if self.landmarks is None else f"{crop}:{self._target.tolist()}"

    @property
    def _target(self) -> np.ndarray:
        """Positions of the five landmarks in a crop, in pixels."""
        return template(self.size, self.margin, self.landmarks)

    def _engine(self, pairs: bool, video_damage: dict[str, VideoDamage]) -> ComputeOnce:
        """Return the engine that finds the faces of each distinct picture of a table.

        Parameters
        ----------
        pairs : bool
            Whether the table holds pairs, in which a video is a template of its frames.
        video_damage : dict of str to VideoDamage
            Filled with the damage of each damaged video, by path.

        Returns
        -------
        ComputeOnce
            Its results are `PictureFaces`.
        """
        store = as_store(self.cache)
        stored_faces = None if store is None else self._stored_faces(store)
        on_damage: OnDamage = "raise" if self.on_missing == "raise" else "skip"

        def read_frames(path: Any) -> Iterator[tuple[int, float, np.ndarray]]:
            from sklearn_diffake.images import video

            account = DamageAccount(on_damage)
            yield from video.read_accounted(path, video.evenly_spaced(self.n_frames), account)
            if account.describe():
                n_lost = len(account.skipped) + account.n_refused
                video_damage[os.fspath(path)] = VideoDamage(n_lost, account.describe())
                video.warn_of_damage(path, account)

        def compute(images: list[np.ndarray], digests: list[bytes]) -> list[PictureFaces]:
            detected = {} if stored_faces is None else stored_faces.without_crops
            return self._find_faces(images, [detected.get(digest) for digest in digests])

        return ComputeOnce(
            compute,
            dtype=object,
            results=stored_faces,
            store=store,
            batch_size=self.batch_size,
            n_jobs=self.n_jobs,
            read_frames=read_frames,
            frames_key=f"{self.n_frames}:{on_damage}",
            is_complete=lambda path: os.fspath(path) not in video_damage,
            is_video=_is_video_file if pairs else None,
        )

    @property
    def _crops_namespace(self) -> str:
        """Text that identifies all settings that determine the crop of a picture."""
        return f"{self._namespace}:{self.select}"

    def _stored_faces(self, store: EmbeddingStore) -> StoredFaces:
        """Return the stored detections and crops for these parameters.

        Parameters
        ----------
        store : EmbeddingStore

        Returns
        -------
        StoredFaces
        """
        names = (self._detections_namespace, self._namespace)
        return StoredFaces(store, *names, self.size, self._required_faces)

    def _find_faces(
        self, images: list[np.ndarray], detected: list[PictureFaces | None]
    ) -> list[PictureFaces]:
        """Detect the faces of pictures that have no detections yet, and cut the required crops.

        Parameters
        ----------
        images : list of ndarray of shape (H, W, 3), uint8
        detected : list of PictureFaces or None
            Faces that are detected already, some with crops.

        Returns
        -------
        list of PictureFaces
            Items of `detected` are the same objects.
        """
        undetected = [i for i, faces in enumerate(detected) if faces is None]
        n_jobs = effective_n_jobs(self.n_jobs)
        detections = detect_faces(
            [images[i] for i in undetected],
            min_face_size=self.min_face_size,
            min_probability=self.min_probability,
            max_size=self.max_size,
            device=resolve_device(self.device),
            n_jobs=n_jobs,
        )
        pictures = list(detected)
        for i, faces in zip(undetected, detections, strict=True):
            # coarser than differences between batch sizes on a GPU
            points = np.round(faces.landmarks, _DECIMALS)
            shape = images[i].shape[0], images[i].shape[1]
            pictures[i] = largest_first(Faces(faces.boxes, faces.probabilities, points), shape)
        complete = [picture for picture in pictures if picture is not None]
        thread_map(self._cut, images, complete, n_jobs=n_jobs)
        return complete

    def _cut(self, image: np.ndarray, picture: PictureFaces) -> None:
        """Cut the required crops of a picture, and add them to its faces."""
        for number in self._required_faces(picture):
            if number not in picture.crops:
                matrix = crop_matrix(picture, number, self._target, self.size)
                picture.crops[number] = warp(image, matrix, self.size)

    def _required_faces(self, picture: PictureFaces) -> list[int]:
        """Return the numbers of the faces whose crops are required."""
        if picture.n_faces == 0:
            return [NO_FACE]
        if self.select == "match":
            return list(range(len(picture.faces.boxes)))
        return [self._chosen_face(picture)]

    def _chosen_face(self, picture: PictureFaces) -> int:
        """Return the number of the face to take if faces are not compared.

        Parameters
        ----------
        picture : PictureFaces

        Returns
        -------
        int
            -1 for the center of a picture without a face.
        """
        if picture.n_faces == 0:
            return NO_FACE
        select = "largest" if self.select == "match" else self.select
        return picture.faces.choose(select, picture.shape)


def _is_video_file(source: Any) -> bool:
    return isinstance(source, (str, os.PathLike)) and is_video(source)
