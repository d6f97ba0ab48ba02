"""Templates of verdicts: the images of one side, embedded and pooled."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.embedding._pooling import pool_embeddings
from sklearn_diffake.faces._aligned import VideoDamage
from sklearn_diffake.faces._matching import embed_crops
from sklearn_diffake.images.read import image_digest
from sklearn_diffake.verdict._evidence import ImageEvidence
from sklearn_diffake.verdict._face_images import FaceImage, find_faces
from sklearn_diffake.verdict._inputs import Side
from sklearn_diffake.verdict._model import JudgingModel

_STILL = 2.0  # gray levels

#: Why a copy is not used: it adds no evidence, and must not count as one more picture.
DUPLICATE = "the same pixels as an earlier picture of this side"
#: Why a frame is not used in same-video mode, where frames are compared with each other.
DUPLICATE_FRAME = "the same picture as an earlier frame of the clip"

#: Templates of references by model, number of frames and sources; those used last come last.
TemplateMemory = dict[Any, "Template"]


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
        Source of the images; None for a reference that was loaded from a file.
    files : frozenset of (int, int)
        Device and inode of each file.
    video_damages : dict of int to VideoDamage
        Of the clips that are damaged, by number of the source.
    matching_embeddings : ndarray of shape (n_used, d), float64, or None
        For models that choose faces by comparison: unit embeddings of the used images, with which
        the faces of the other side are compared.
    """

    images: tuple[ImageEvidence, ...]
    sources: NDArray[np.intp]
    embeddings: tuple[NDArray[np.float32], ...]
    digests: tuple[bytes | None, ...]
    matrices: NDArray[np.float64]
    side: Side | None
    files: frozenset[tuple[int, int]] = frozenset()
    video_damages: dict[int, VideoDamage] = field(default_factory=dict)
    matching_embeddings: NDArray[np.float64] | None = None

    @property
    def used_positions(self) -> NDArray[np.intp]:
        """Positions of the images that are used."""
        return np.flatnonzero([image.used for image in self.images])

    @property
    def n_sources(self) -> int:
        """Sources of which at least one image is used: a clip counts once."""
        return len(np.unique(self.sources[self.used_positions]))

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
            positions = self.used_positions
        numbers = self.sources[positions]
        frames = [positions[numbers == number] for number in np.unique(numbers)]
        sources = [np.arange(len(frames))]
        return [
            pool_groups(pool_groups(embeddings, frames), sources)[0]
            for embeddings in self.embeddings
        ]


#: The reference in same-video mode.
EMPTY = Template((), np.arange(0), (), (), np.empty((0, 2, 3)), None)


def pool_groups(embeddings: NDArray[np.float32], groups: Sequence[Any]) -> NDArray[np.float32]:
    """Pool embeddings as `FaceEmbedder` pools templates.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d)
    groups : sequence of m sequences of int
        Positions of the embeddings of each group. A group of one keeps its embedding.

    Returns
    -------
    ndarray of shape (m, d)
    """
    pooled = np.empty((len(groups), embeddings.shape[1]), dtype=embeddings.dtype)
    for number, group in enumerate(groups):
        is_single = len(group) == 1
        pooled[number] = embeddings[group[0]] if is_single else pool_embeddings(embeddings[group])
    return pooled


def gather_templates(
    model: JudgingModel,
    pairs: Sequence[tuple[Side | Template, Side]],
    n_frames: int,
    memory: TemplateMemory,
) -> list[tuple[Template, Template]]:
    """Return the templates of both sides of pairs; each picture is computed once.

    Parameters
    ----------
    model : JudgingModel
    pairs : sequence of (Side or Template, Side)
        Reference and probe.
    n_frames : int
        Frames of a clip.
    memory : dict
        Templates of references of earlier calls, to which those of this call are added. Where
        faces are chosen by comparison, only references that leave no choice are remembered.

    Returns
    -------
    list of (Template, Template)
    """
    keys = [
        (id(model), n_frames, reference.key()) if isinstance(reference, Side) else None
        for reference, _ in pairs
    ]
    references = [
        reference if isinstance(reference, Template) else memory.get(key)
        for (reference, _), key in zip(pairs, keys, strict=True)
    ]
    faces = _find_missing_faces(model, pairs, references, n_frames)
    sides: list[tuple[Side, list[FaceImage]]] = []
    for (reference, probe), template, images in zip(pairs, references, faces, strict=True):
        if template is None and isinstance(reference, Side):
            sides.append((reference, images[0]))
        sides.append((probe, images[1]))
    embedded = iter(embed_templates(model, sides))
    templates = []
    for template, key, images in zip(references, keys, faces, strict=True):
        if template is None:
            template = next(embedded)
            if template.is_fixed or not model.matches:
                memory[key] = with_matching_embeddings(model, template, images[0])
        elif key is not None:
            memory[key] = memory.pop(key)  # the last of all
        templates.append((template, next(embedded)))
    return templates


def _find_missing_faces(
    model: JudgingModel,
    pairs: Sequence[tuple[Side | Template, Side]],
    references: Sequence[Template | None],
    n_frames: int,
) -> list[tuple[list[FaceImage], list[FaceImage]]]:
    """Find faces: of both sides, or of the probe alone if there is a template of the reference."""
    faces: dict[int, tuple[list[FaceImage], list[FaceImage]]] = {}
    sides: dict[int, tuple[Side, Side]] = {}
    for i, ((reference, probe), template) in enumerate(zip(pairs, references, strict=True)):
        if template is not None and model.matches:
            faces[i] = find_faces(model, [(probe, probe)], n_frames, template.matching_embeddings)[
                0
            ]
        else:
            is_new = template is None and isinstance(reference, Side)
            sides[i] = (reference if is_new else probe, probe)  # type: ignore[assignment]
    faces |= zip(sides, find_faces(model, list(sides.values()), n_frames), strict=True)
    return [faces[i] for i in range(len(pairs))]


def embed_templates(
    model: JudgingModel, sides: Sequence[tuple[Side, list[FaceImage]]]
) -> list[Template]:
    """Embed the crops of several sides, each once, in one pass for each network.

    Parameters
    ----------
    model : JudgingModel
    sides : sequence of (Side, list of FaceImage)

    Returns
    -------
    list of Template
        An image at which a network breaks down has a reason, and is not used; so has a copy of
        an earlier picture of its side, and in same-video mode a copy of an earlier frame.
    """
    crops = [image.crop for _, images in sides for image in images if image.crop is not None]
    results = [branch.embed_each(crops) for branch in model.pipeline.branches]
    templates, start = [], 0
    for side, images in sides:
        stop = start + sum(image.crop is not None for image in images)
        values = [embeddings[start:stop] for embeddings, _ in results]
        failures = {
            row - start: reason
            for _, reasons in results
            for row, reason in reasons.items()
            if start <= row < stop
        }
        templates.append(_make_template(model, side, images, values, failures))
        start = stop
    return templates


def _make_template(
    model: JudgingModel,
    side: Side,
    images: Sequence[FaceImage],
    values: Sequence[NDArray[np.float32]],
    failures: dict[int, str],
) -> Template:
    """Put the images of a side together with the embeddings of its crops."""
    positions = [i for i, image in enumerate(images) if image.crop is not None]
    digests = tuple(None if i.crop is None else image_digest(i.crop) for i in images)
    reasons = {positions[row]: reason for row, reason in failures.items()}
    reasons |= dict.fromkeys(_duplicate_positions(digests, images), DUPLICATE)
    if model.mode == "same-video":
        reasons |= dict.fromkeys(still_frames([image.crop for image in images]), DUPLICATE_FRAME)
    embeddings = []
    for rows in values:
        array = np.full((len(images), rows.shape[1]), np.nan, dtype=rows.dtype)
        array[positions] = rows
        array[list(reasons)] = np.nan
        embeddings.append(array)
    return Template(
        tuple(
            dataclasses.replace(image.evidence, reason=reasons.get(i, image.evidence.reason))
            for i, image in enumerate(images)
        ),
        np.array([image.source for image in images], dtype=np.intp),
        tuple(embeddings),
        digests,
        np.stack([image.matrix for image in images]),
        side,
        _file_identities(side),
        {i.source: i.video_damage for i in images if i.video_damage is not None},
    )


def _duplicate_positions(digests: Sequence[bytes | None], images: Sequence[FaceImage]) -> list[int]:
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
    distinct: list[NDArray[np.int16]] = []
    still = []
    for position, crop in enumerate(crops):
        if crop is None:
            continue
        pixels = crop.astype(np.int16)
        if any(
            pixels.shape == earlier.shape and np.abs(pixels - earlier).mean() <= _STILL
            for earlier in distinct
        ):
            still.append(position)
        else:
            distinct.append(pixels)
    return still


def with_matching_embeddings(
    model: JudgingModel, template: Template, images: Sequence[FaceImage]
) -> Template:
    """Add the embeddings that faces of the other side are compared with.

    Parameters
    ----------
    model : JudgingModel
    template : Template
    images : sequence of FaceImage
        Of the template.

    Returns
    -------
    Template
        Unchanged if the model does not choose faces by comparison.
    """
    if not model.matches or not len(template.used_positions):
        return template
    crops = [crop for i in template.used_positions if (crop := images[i].crop) is not None]
    assert model.pipeline.aligner is not None
    matched = embed_crops(model.pipeline.aligner.matcher, crops)
    return dataclasses.replace(template, matching_embeddings=matched)


def _file_identities(side: Side) -> frozenset[tuple[int, int]]:
    files = set()
    for source in side.sources:
        if source.path is not None:
            with contextlib.suppress(OSError, ValueError):
                status = os.stat(source.path)
                files.add((status.st_dev, status.st_ino))
    return frozenset(files)
