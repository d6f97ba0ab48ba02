"""Templates of verdicts: the images of one side, found, embedded and pooled."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..embedding._pooling import pool_embeddings
from ..faces import AlignedFaces
from ..faces._aligned import VideoDamage
from ..faces._matching import embed_crops
from ..images.errors import ImageError
from ..images.missing import MissingFace
from ..images.read import image_digest, read_image
from ..inspection._parts import Branch
from ._evidence import ImageEvidence
from ._gates import estimate_yaw, measure_crop
from ._model import JudgingModel
from ._sides import Side, Source

_SIDES: tuple[Literal["reference", "probe"], ...] = ("reference", "probe")
_STILL = 2.0  # gray levels
_NO_MATRIX = np.full((2, 3), np.nan)

#: Why a copy is not used: it tells nothing new, and must not count as one more picture.
DUPLICATE = "the same pixels as an earlier picture of this side"
#: Why a frame is not used in same-video mode, where frames are compared with each other.
DUPLICATE_FRAME = "the same picture as an earlier frame of the clip"


@dataclass
class FoundImage:
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
    damage : VideoDamage or None
        Of the clip that a frame is from.
    """

    evidence: ImageEvidence
    source: int
    crop: NDArray[np.uint8] | None
    matrix: NDArray[np.float64]
    damage: VideoDamage | None = None


@dataclass(frozen=True, eq=False)
class Template:
    """The images of one side.

    Attributes
    ----------
    images : tuple of ImageEvidence, length n
        In the order of sources and frames.
    sources : ndarray of shape (n,), int
        Source of each image.
    embeddings : tuple of ndarray of shape (n, d)
        For each branch of the model; NaN for images that are not used.
    digests : tuple of (bytes or None), length n
        Of the crops.
    matrices : ndarray of shape (n, 2, 3)
        Affine maps from pictures to crops; NaN where there are none.
    side : Side or None
        Where the images come from; None if that was not kept.
    files : frozenset of (int, int)
        Device and inode of each file.
    damages : dict of int to VideoDamage
        Of the clips that are damaged, by number of the source.
    matched : ndarray of shape (n_used, d), float64, or None
        For models that choose faces by comparison: what the faces of the other side are compared
        with, unit embeddings of the used images.
    """

    images: tuple[ImageEvidence, ...]
    sources: NDArray[np.intp]
    embeddings: tuple[NDArray[np.float32], ...]
    digests: tuple[bytes | None, ...]
    matrices: NDArray[np.float64]
    side: Side | None
    files: frozenset[tuple[int, int]] = frozenset()
    damages: dict[int, VideoDamage] = field(default_factory=dict)
    matched: NDArray[np.float64] | None = None

    @property
    def used(self) -> NDArray[np.intp]:
        """Positions of the images that are used."""
        return np.flatnonzero([image.used for image in self.images])

    @property
    def n_sources(self) -> int:
        """Sources of which at least one image is used: a clip counts once."""
        return len(np.unique(self.sources[self.used]))

    @property
    def is_fixed(self) -> bool:
        """Whether no other face could have been chosen, whatever is on the other side."""
        return all(image.n_faces is None or image.n_faces < 2 for image in self.images)

    def pooled(self, positions: NDArray[np.intp] | None = None) -> list[NDArray[np.float32]]:
        """Pool the embeddings of images, each source counting equally.

        Parameters
        ----------
        positions : ndarray of int, default=None
            Images; None is all that are used.

        Returns
        -------
        list of ndarray of shape (d,)
            For each branch.
        """
        if positions is None:
            positions = self.used
        return [_pool(part[positions], self.sources[positions]) for part in self.embeddings]


#: In place of the reference in same-video mode.
EMPTY = Template((), np.arange(0), (), (), np.empty((0, 2, 3)), None)


def _pool(embeddings: NDArray[np.float32], sources: NDArray[np.intp]) -> NDArray[np.float32]:
    """Pool frames within their clip, then the sources."""
    if len(embeddings) == 1:
        return embeddings[0]
    groups = [embeddings[sources == source] for source in np.unique(sources)]
    rows = [
        group[0] if len(group) == 1 else pool_embeddings(group).astype(group.dtype)
        for group in groups
    ]
    return rows[0] if len(rows) == 1 else pool_embeddings(np.stack(rows)).astype(rows[0].dtype)


def find_faces(
    model: JudgingModel,
    pairs: Sequence[tuple[Side, Side]],
    n_frames: int,
    opposite: Template | None = None,
) -> list[tuple[list[FoundImage], list[FoundImage]]]:
    """Find the faces of both sides of pairs, every picture once.

    Parameters
    ----------
    model : JudgingModel
    pairs : sequence of (Side, Side)
        The same object twice if only one side is needed.
    n_frames : int
        Frames of a clip.
    opposite : Template, default=None
        With which the faces of `pairs` are compared, if the model chooses them so, instead of with
        each other.

    Returns
    -------
    list of (list of FoundImage, list of FoundImage)
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
        embeddings = None if opposite is None else opposite.matched
        faces = aligner.align(table, errors="return", opposite=embeddings)
    both = []
    for row, (a, b) in enumerate(pairs):
        first = _found_images(faces, row, 0, a.sources, aligner.margin)
        both.append((first, _found_images(faces, row, 1, b.sources, aligner.margin)))
    return both


def _found_images(
    faces: AlignedFaces, row: int, column: int, sources: Sequence[Source], margin: float
) -> list[FoundImage]:
    """Take the images of one cell out of what the aligner found."""
    lines = np.flatnonzero((faces.row == row) & (faces.column == column)).tolist()
    cell = faces.crops[row, column]
    crops = [] if isinstance(cell, MissingFace) else cell if isinstance(cell, list) else [cell]
    remaining = iter(crops)
    images: list[FoundImage] = []
    numbers = _source_numbers(faces, lines, sources)
    for line, number in zip(lines, numbers, strict=True):
        reason = faces.reason[line]
        crop = None if reason is not None else next(remaining)
        path = sources[number].path
        evidence = _evidence(faces, line, column, path, crop, margin)
        damage = faces.damages.get(faces.path[line]) if faces.frame[line] >= 0 else None
        images.append(FoundImage(evidence, number, crop, faces.matrix[line], damage))
    return images


def _source_numbers(
    faces: AlignedFaces, lines: Sequence[int], sources: Sequence[Source]
) -> list[int]:
    """Return the source of each line: a picture has one line, a clip one for each frame."""
    numbers: list[int] = []
    for before, line in zip([None, *lines[:-1]], lines, strict=True):
        if before is None:
            numbers.append(0)
            continue
        continues = (
            faces.path[line] == faces.path[before]
            and faces.frame[line] > faces.frame[before] >= 0
            and sources[numbers[-1]].is_clip
        )
        numbers.append(numbers[-1] + (not continues))
    return numbers


def _evidence(
    faces: AlignedFaces, line: int, column: int, path: str | None, crop: Any, margin: float
) -> ImageEvidence:
    frame = int(faces.frame[line])
    fields: dict[str, Any] = {
        "side": _SIDES[column],
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


def _read_crops(
    side: Side, cells: Sequence[Any], column: int, *, n_frames: int
) -> list[FoundImage]:
    """Read pictures, and frames of clips, that are crops already."""
    from ..images.video import sample_frames

    images: list[FoundImage] = []
    sources = side.sources

    def add(number: int, crop: Any, reason: str | None, **where: Any) -> None:
        quality = {} if crop is None else measure_crop(crop, 0.0)._asdict()
        path = sources[number].path
        evidence = ImageEvidence(_SIDES[column], path=path, reason=reason, **where, **quality)
        images.append(FoundImage(evidence, number, crop, _NO_MATRIX))

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


def embed_templates(
    model: JudgingModel, sides: Sequence[tuple[Side, list[FoundImage]]]
) -> list[Template]:
    """Embed the crops of several sides, each once, in one pass for each network.

    Parameters
    ----------
    model : JudgingModel
    sides : sequence of (Side, list of FoundImage)

    Returns
    -------
    list of Template
        An image at which a network breaks down has a reason, and is not used; so has a copy of
        an earlier picture of its side, and in same-video mode a copy of an earlier frame.
    """
    places = [
        (number, position)
        for number, (_, images) in enumerate(sides)
        for position, image in enumerate(images)
        if image.crop is not None
    ]
    crops = [sides[number][1][position].crop for number, position in places]
    parts = [_embed(branch, crops) for branch in model.parts.branches]
    reasons = {places[i]: reason for _, failed in parts for i, reason in failed.items()}
    templates = []
    for number, (side, images) in enumerate(sides):
        digests = tuple(None if i.crop is None else image_digest(i.crop) for i in images)
        copies = _copies(digests, images)
        reasons |= {(number, position): DUPLICATE for position in copies}
        if model.mode == "same-video":
            still = still_frames([image.crop for image in images])
            reasons |= {(number, position): DUPLICATE_FRAME for position in still}
            copies += still
        rows = [i for i, place in enumerate(places) if place[0] == number]
        positions = [places[i][1] for i in rows]
        embeddings = []
        for values, _ in parts:
            array = np.full((len(images), values.shape[1]), np.nan, dtype=values.dtype)
            array[positions] = values[rows]
            array[copies] = np.nan
            embeddings.append(array)
        evidence = [
            dataclasses.replace(image.evidence, reason=reasons[number, position])
            if (number, position) in reasons
            else image.evidence
            for position, image in enumerate(images)
        ]
        templates.append(
            Template(
                tuple(evidence),
                np.array([image.source for image in images], dtype=np.intp),
                tuple(embeddings),
                digests,
                np.stack([image.matrix for image in images]),
                side,
                _files_of(side),
                {i.source: i.damage for i in images if i.damage is not None},
            )
        )
    return templates


def _copies(digests: Sequence[bytes | None], images: Sequence[FoundImage]) -> list[int]:
    """Return the positions of images whose crop an earlier source has: not of still frames."""
    owners: dict[bytes, int] = {}
    return [
        position
        for position, (digest, image) in enumerate(zip(digests, images, strict=True))
        if digest is not None and owners.setdefault(digest, image.source) != image.source
    ]


def still_frames(crops: Sequence[NDArray[np.uint8] | None]) -> list[int]:
    """Return the positions of crops that show the same picture as an earlier one.

    Parameters
    ----------
    crops : sequence of (ndarray of shape (S, S, 3), uint8, or None)
        Of the frames of a clip.

    Returns
    -------
    list of int
        Those whose mean absolute difference from an earlier crop is at most two gray levels: the
        same frame again, also where a codec refined it in between. On real clips, frames that are
        half a second apart differ by four or more.
    """
    kept: list[NDArray[np.int16]] = []
    still = []
    for position, crop in enumerate(crops):
        if crop is None:
            continue
        pixels = crop.astype(np.int16)
        if any(
            pixels.shape == other.shape and np.abs(pixels - other).mean() <= _STILL
            for other in kept
        ):
            still.append(position)
        else:
            kept.append(pixels)
    return still


def with_matched(model: JudgingModel, template: Template, images: Sequence[FoundImage]) -> Template:
    """Let the faces of other sides be compared with those of a template.

    Parameters
    ----------
    model : JudgingModel
    template : Template
    images : sequence of FoundImage
        Those it was made of.

    Returns
    -------
    Template
        The same if the model does not choose faces by comparison.
    """
    if not model.matches or not len(template.used):
        return template
    crops = [crop for i in template.used if (crop := images[i].crop) is not None]
    assert model.parts.aligner is not None
    matched = embed_crops(model.parts.aligner.matcher, crops)
    return dataclasses.replace(template, matched=matched)


def _embed(branch: Branch, crops: Sequence[Any]) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Return one embedding for each crop, and why some have none."""
    if not crops:
        return np.empty((0, branch.embedder.backbone_info_["width"]), np.float32), {}
    return branch.embed_each(crops)


def _files_of(side: Side) -> frozenset[tuple[int, int]]:
    files = set()
    for source in side.sources:
        if source.path is not None:
            with contextlib.suppress(OSError, ValueError):
                status = os.stat(source.path)
                files.add((status.st_dev, status.st_ino))
    return frozenset(files)
