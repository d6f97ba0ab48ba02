"""The faces in the pictures and clips of both sides, with their evidence, before embedding."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.faces import AlignedFaces
from sklearn_diffake.faces._aligned import VideoDamage
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.missing import MissingFace
from sklearn_diffake.images.read import read_image
from sklearn_diffake.verdict._evidence import ImageEvidence
from sklearn_diffake.verdict._gates import estimate_yaw, measure_crop
from sklearn_diffake.verdict._inputs import SIDES, Side, Source
from sklearn_diffake.verdict._model import JudgingModel

_NO_MATRIX = np.full((2, 3), np.nan)


@dataclass
class FaceImage:
    """One picture or frame, before it is embedded.

    Attributes
    ----------
    evidence : ImageEvidence
    source : int
        Number of its source.
    crop : ndarray of shape (S, S, 3), uint8, or None
        What is embedded; None if there is no face.
    matrix : ndarray of shape (2, 3)
        Affine map from the picture to the crop; NaN without an aligner.
    video_damage : VideoDamage or None
        Of the clip that a frame is from.
    """

    evidence: ImageEvidence
    source: int
    crop: NDArray[np.uint8] | None
    matrix: NDArray[np.float64]
    video_damage: VideoDamage | None = None


def find_faces(
    model: JudgingModel,
    pairs: Sequence[tuple[Side, Side]],
    n_frames: int,
    opposite: NDArray[np.float64] | None = None,
) -> list[tuple[list[FaceImage], list[FaceImage]]]:
    """Find the faces of both sides of pairs, every picture once.

    Parameters
    ----------
    model : JudgingModel
    pairs : sequence of (Side, Side)
        The same object twice if only one side is needed.
    n_frames : int
        Frames of a clip.
    opposite : ndarray of shape (n, d), default=None
        Unit embeddings that the faces of `pairs` are compared with, if the model chooses faces by
        comparison; None compares the faces of both sides.

    Returns
    -------
    list of (list of FaceImage, list of FaceImage)
    """
    if not pairs:
        return []
    sides = {id(side): side for pair in pairs for side in pair}
    aligner = model.aligner(n_frames)
    with contextlib.ExitStack() as stack:
        cells = {
            key: [stack.enter_context(source.opened()) for source in side.sources]
            for key, side in sides.items()
        }
        if aligner is None:
            read = functools.partial(_read_crops, n_frames=n_frames)
            return [(read(a, cells[id(a)], 0), read(b, cells[id(b)], 1)) for a, b in pairs]
        table = [(cells[id(a)], cells[id(b)]) for a, b in pairs]
        faces = aligner.align(table, errors="return", opposite=opposite)
    images = functools.partial(_images_of_cell, faces, margin=aligner.margin)
    return [
        (images(row, 0, a.sources), images(row, 1, b.sources)) for row, (a, b) in enumerate(pairs)
    ]


def _images_of_cell(
    faces: AlignedFaces, row: int, column: int, sources: Sequence[Source], margin: float
) -> list[FaceImage]:
    """Return the images of one cell of a table of aligned faces."""
    lines = np.flatnonzero((faces.row == row) & (faces.column == column)).tolist()
    cell = faces.crops[row, column]
    crops = [] if isinstance(cell, MissingFace) else cell if isinstance(cell, list) else [cell]
    remaining = iter(crops)
    images: list[FaceImage] = []
    numbers = _source_numbers(faces, lines, sources)
    for line, number in zip(lines, numbers, strict=True):
        reason = faces.reason[line]
        crop = None if reason is not None else next(remaining)
        path = sources[number].path
        evidence = _evidence(faces, line, column, path, crop, margin)
        video_damage = faces.damages.get(faces.path[line]) if faces.frame[line] >= 0 else None
        images.append(FaceImage(evidence, number, crop, faces.matrix[line], video_damage))
    return images


def _source_numbers(
    faces: AlignedFaces, lines: Sequence[int], sources: Sequence[Source]
) -> list[int]:
    """Return the source of each line: a picture has one line, a clip one for each frame."""
    numbers: list[int] = []
    for previous, line in zip([None, *lines[:-1]], lines, strict=True):
        if previous is None:
            numbers.append(0)
            continue
        continues = (
            faces.path[line] == faces.path[previous]
            and faces.frame[line] > faces.frame[previous] >= 0
            and sources[numbers[-1]].is_clip
        )
        numbers.append(numbers[-1] + (not continues))
    return numbers


def _evidence(
    faces: AlignedFaces, line: int, column: int, path: str | None, crop: Any, margin: float
) -> ImageEvidence:
    frame = int(faces.frame[line])
    fields: dict[str, Any] = {
        "side": SIDES[column],
        "path": path,
        "frame": frame if frame >= 0 else None,
        "time": float(faces.time[line]) if frame >= 0 else None,
        "reason": faces.reason[line],
    }
    if crop is None:
        readable = frame >= 0 or faces.reason[line] == "no face was found"
        return ImageEvidence(**fields, n_faces=int(faces.n_faces[line]) if readable else None)
    box = tuple(float(value) for value in faces.box[line])
    quality = measure_crop(crop, margin)
    left, top, right, bottom = box
    landmarks = faces.landmarks[line]
    return ImageEvidence(
        **fields,
        box=(left, top, right, bottom),
        face_size=float(np.sqrt((right - left) * (bottom - top))),
        eye_distance=float(np.linalg.norm(landmarks[0] - landmarks[1])),
        probability=float(faces.probability[line]),
        n_faces=int(faces.n_faces[line]),
        sharpness=quality.sharpness,
        brightness=quality.brightness,
        yaw=estimate_yaw(landmarks),
    )


def _read_crops(side: Side, cells: Sequence[Any], column: int, *, n_frames: int) -> list[FaceImage]:
    """Read pictures, and frames of clips, that are crops already."""
    from sklearn_diffake.images.video import sample_frames

    images: list[FaceImage] = []
    sources = side.sources

    def add(number: int, crop: Any, reason: str | None, **position: Any) -> None:
        quality = {} if crop is None else measure_crop(crop, 0.0)._asdict()
        path = sources[number].path
        evidence = ImageEvidence(SIDES[column], path=path, reason=reason, **position, **quality)
        images.append(FaceImage(evidence, number, crop, _NO_MATRIX))

    for number, (source, cell) in enumerate(zip(sources, cells, strict=True)):
        try:
            if source.is_clip:
                for frame in sample_frames(cell, n_frames, on_damage="skip"):
                    add(number, frame.image, None, frame=frame.number, time=frame.time)
            else:
                add(number, read_image(cell), None)
        except ImageError as error:
            add(number, None, error.message)
    return images
