"""The faces of a picture; detections and crops are stored separately."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sklearn_diffake.faces._detection import Faces
from sklearn_diffake.faces._geometry import center_square, fit_similarity
from sklearn_diffake.images.results import ArrayResults
from sklearn_diffake.store import EmbeddingStore

MOST_FACES = 16  # the largest faces of a picture are kept
NO_FACE = -1  # number of the crop that shows the center of a picture

_DETECTION = np.dtype(
    [
        ("n_faces", np.int32),
        ("height", np.int32),
        ("width", np.int32),
        ("boxes", np.float32, (MOST_FACES, 4)),
        ("probabilities", np.float32, (MOST_FACES,)),
        ("landmarks", np.float32, (MOST_FACES, 5, 2)),
    ]
)


@dataclass(frozen=True)
class PictureFaces:
    """All faces of one picture, and the crops of some.

    Attributes
    ----------
    shape : tuple of (int, int)
        Height and width of the picture.
    faces : Faces
        Up to `MOST_FACES`: the largest ones, the most confident and the most central one, by
        falling size.
    n_faces : int
        Number of all faces.
    crops : dict of int to ndarray
        Crop of each required face, by number; `NO_FACE` is the center of the picture.
    """

    shape: tuple[int, int]
    faces: Faces
    n_faces: int
    crops: dict[int, np.ndarray]

    @functools.cached_property
    def content(self) -> int:
        """A number that equal pictures share: a hash of the landmarks and of one crop."""
        crop = self.crops[min(self.crops)] if self.crops else np.empty(0)
        return hash((self.shape, self.faces.landmarks.tobytes(), crop.tobytes()))


#: Returns the numbers of the faces of a picture whose crops are required.
RequiredFaces = Callable[[PictureFaces], list[int]]


class StoredFaces:
    """Stores detections by picture, and crops by picture and face.

    Detections do not depend on the choice of the face, so another choice needs no new detection.

    Parameters
    ----------
    store : EmbeddingStore
    detections : str
        Namespace of detections: their settings.
    crops : str
        Namespace of crops: the settings of detections and crops.
    size : int
        Side of the crop.
    needed : callable
    """

    def __init__(
        self, store: EmbeddingStore, detections: str, crops: str, size: int, required: RequiredFaces
    ) -> None:
        self.store, self.required = store, required
        self.detections = ArrayResults(store, detections, _DETECTION)
        self.crops = ArrayResults(store, crops, (np.uint8, (size, size, 3)))
        self.without_crops: dict[bytes, PictureFaces] = {}

    def get_many(self, digests: Sequence[bytes]) -> dict[bytes, PictureFaces]:
        """Return the pictures whose detections and required crops are stored.

        Pictures with stored detections but not all required crops go to `without_crops`.
        """
        detected = {
            digest: _from_record(record)
            for digest, record in self.detections.get_many(digests).items()
        }
        numbers = {digest: self.required(faces) for digest, faces in detected.items()}
        keys = [_crop_key(digest, i) for digest, required in numbers.items() for i in required]
        crops = self.crops.get_many(keys)
        complete = {}
        for digest, faces in detected.items():
            stored_crops = {i: crops.get(_crop_key(digest, i)) for i in numbers[digest]}
            faces.crops.update({i: crop for i, crop in stored_crops.items() if crop is not None})
            if len(faces.crops) == len(stored_crops):
                complete[digest] = faces
            else:
                self.without_crops[digest] = faces
        return complete

    def put_many(self, results: Mapping[bytes, PictureFaces]) -> None:
        """Store detections and crops."""
        new = {key: faces for key, faces in results.items() if key not in self.without_crops}
        self.put_detections(new)
        self.crops.put_many(
            {
                _crop_key(digest, i): crop
                for digest, faces in results.items()
                for i, crop in faces.crops.items()
            }
        )
        for digest in results:
            self.without_crops.pop(digest, None)

    def put_detections(self, results: Mapping[bytes, PictureFaces]) -> None:
        """Store detections alone."""
        self.detections.put_many({key: _to_record(faces) for key, faces in results.items()})

    def claim(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return the pictures that the caller must compute, because no other process does."""
        claimed = self.crops.claim(digests)
        complete = self.get_many(sorted(claimed))  # stored by another process since the last lookup
        self.release(complete)
        return claimed - complete.keys()

    def release(self, digests: Iterable[bytes]) -> None:
        """Release claims."""
        self.crops.release(digests)


def largest_first(faces: Faces, shape: tuple[int, int]) -> PictureFaces:
    """Sort the faces of a picture by size, and keep `MOST_FACES` of them.

    The most confident and the most central face are kept, because they may be chosen.
    """
    left, top, right, bottom = faces.boxes.T
    order = np.argsort(-(right - left) * (bottom - top), kind="stable")
    if len(order) > MOST_FACES:
        special = [faces.choose(select, shape) for select in ("confident", "central")]
        small = [i for i in order[MOST_FACES:] if i in special]
        order = order[np.isin(order, [*order[: MOST_FACES - len(small)], *small])]
    sorted_faces = Faces(*(array[order] for array in faces))
    return PictureFaces(shape, sorted_faces, len(faces.boxes), {})


def crop_matrix(picture: PictureFaces, number: int, target: np.ndarray, size: int) -> np.ndarray:
    """Return the affine map from a picture to the crop of a face, or of the center."""
    if number == NO_FACE:
        return center_square(picture.shape, size)
    return fit_similarity(picture.faces.landmarks[number], target)


def _crop_key(digest: bytes, face: int) -> bytes:
    return hashlib.blake2b(digest + face.to_bytes(2, "big", signed=True), digest_size=20).digest()


def _to_record(picture: PictureFaces) -> np.ndarray:
    record = np.zeros((), _DETECTION)
    record["n_faces"] = picture.n_faces
    record["height"], record["width"] = picture.shape
    k = len(picture.faces.boxes)
    for name in ("boxes", "probabilities", "landmarks"):
        record[name][:k] = getattr(picture.faces, name)
    return record


def _from_record(record: np.ndarray) -> PictureFaces:
    k = min(int(record["n_faces"]), MOST_FACES)
    arrays = (record[name][:k].copy() for name in ("boxes", "probabilities", "landmarks"))
    shape = int(record["height"]), int(record["width"])
    return PictureFaces(shape, Faces(*arrays), int(record["n_faces"]), {})
