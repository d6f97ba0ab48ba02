"""The work of a worker process: cut crops from pictures, and embed them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._pipelines import refuses_missing_faces
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.read import image_digest, read_image
from sklearn_diffake.images.table import image_table

NO_FACE_FOUND = "no face was found"


class Crop(NamedTuple):
    """The crop of one picture, as an embedder gets it.

    Parameters
    ----------
    has_face : bool
        Whether a face was found; True without an aligner.
    digest : bytes or None
        Of its pixels; None if the crop is the file itself.
    image : path or ndarray or None
        None in the answer of a worker.
    new_faces : PictureFaces or None
        Faces that this worker detected, without crops.
    """

    has_face: bool
    digest: bytes | None
    image: Any
    new_faces: Any = None


class Vectors(NamedTuple):
    """The vectors of the crops of one network.

    Parameters
    ----------
    values : list of ndarray or str
        Embeddings, and reasons why there is none.
    n_computed : int
        Number of embeddings that were computed; the others were stored.
    """

    values: list[Any]
    n_computed: int


def embed(
    sources: Sequence[Any],
    stored_faces: Sequence[Any],
    degradation: Degradation | None,
    aligner: Any,
    networks: Sequence[tuple[Any, Sequence[int]]],
) -> tuple[list[Crop | str], list[Vectors]]:
    """Turn pictures into vectors, or into the reasons why that is impossible.

    Parameters
    ----------
    sources : sequence of path or ndarray
    stored_faces : sequence of PictureFaces or None
        The stored faces of each picture, if any; perhaps with crops.
    degradation : Degradation or None
        Applied to the pictures first.
    aligner : FaceAligner or None
    networks : sequence of (FaceEmbedder, positions)
        Each with the positions in `sources` that it embeds.

    Returns
    -------
    crops : list of Crop or str
        For each picture, or why there is none.
    vectors : list of Vectors
        For each network.
    """
    crops = _make_crops(sources, stored_faces, degradation, aligner)
    usable = [_without_face_refused(crop, aligner) for crop in crops]
    vectors = [
        _embed_crops(embedder, [usable[i] for i in positions]) for embedder, positions in networks
    ]
    return [c if isinstance(c, str) else c._replace(image=None) for c in crops], vectors


def _without_face_refused(crop: Crop | str, aligner: Any) -> Crop | str:
    if isinstance(crop, str) or crop.has_face or not refuses_missing_faces(aligner):
        return crop
    return NO_FACE_FOUND


def _make_crops(
    sources: Sequence[Any], stored_faces: Sequence[Any], degradation: Any, aligner: Any
) -> list[Crop | str]:
    """Read, degrade and align pictures; a failure concerns one picture only."""
    if aligner is None and degradation is None:
        return [Crop(True, None, source) for source in sources]

    def open_all(pictures: Sequence[tuple[Any, Any]]) -> list[Any]:
        return [_open(source, faces, degradation, aligner) for source, faces in pictures]

    def align_all(pictures: Sequence[tuple[Any, Any]]) -> list[Any]:
        return _align(aligner, pictures)

    opened = apply_or_split(open_all, list(zip(sources, stored_faces, strict=True)))
    good = [i for i, image in enumerate(opened) if not isinstance(image, str)]
    if aligner is None:
        new_crops: list[Any] = [Crop(True, image_digest(opened[i]), opened[i]) for i in good]
    else:
        new_crops = apply_or_split(align_all, [(opened[i], stored_faces[i]) for i in good])
    crops = dict(zip(good, new_crops, strict=True))
    return [crops.get(i, image) for i, image in enumerate(opened)]


def _open(source: Any, faces: Any, degradation: Degradation | None, aligner: Any) -> Any:
    """Return the pixels of a picture; None if they are not needed, as its crop is stored."""
    if faces is not None and aligner._chosen_face(faces) in faces.crops:
        return None
    image = read_image(source)
    return image if degradation is None else degradation.apply(image)


def _align(aligner: Any, pictures: Sequence[tuple[Any, Any]]) -> list[Crop]:
    """Detect the faces of pictures unless stored, and cut the crop of the selected face."""
    images, stored_faces = zip(*pictures, strict=True)
    crops = []
    all_faces = aligner._find_faces(list(images), list(stored_faces))
    for earlier, faces in zip(stored_faces, all_faces, strict=True):
        crop = faces.crops[aligner._chosen_face(faces)]
        new_faces = replace(faces, crops={}) if earlier is None else None
        crops.append(Crop(faces.n_faces > 0, image_digest(crop), crop, new_faces))
    return crops


def _embed_crops(embedder: Any, crops: Sequence[Crop | str]) -> Vectors:
    """Embed crops; a failure concerns one crop only."""
    n_computed = 0

    def embed_all(images: Sequence[Any]) -> list[Any]:
        nonlocal n_computed
        table = image_table(list(images))
        results = embedder._embed_pictures(table, errors="return")
        n_computed += results.n_computed
        return [
            results.errors[i].message if i in results.errors else results.values[i]
            for i in table.index.tolist()
        ]

    values: list[Any] = [crop if isinstance(crop, str) else None for crop in crops]
    positions = [i for i, crop in enumerate(crops) if isinstance(crop, Crop)]
    images = [crop.image for crop in crops if isinstance(crop, Crop)]
    for i, value in zip(positions, apply_or_split(embed_all, images), strict=True):
        values[i] = value
    return Vectors(values, n_computed)


def apply_or_split(
    function: Callable[[Sequence[Any]], list[Any]], items: Sequence[Any]
) -> list[Any]:
    """Apply a function to all items; if it fails, to each item separately, to find which one fails.

    Parameters
    ----------
    function : callable
        Returns one result for each item.
    items : sequence

    Returns
    -------
    results : list
        For an item that fails, the reason as text.
    """
    if not items:
        return []
    try:
        return function(items)
    except Exception as error:  # a bad image, or an error in a network
        if len(items) == 1:
            return [_describe(error)]
    return [result for item in items for result in apply_or_split(function, [item])]


def _describe(error: Exception) -> str:
    """Return what is wrong with an image, without its name; or which error was raised."""
    return error.message if isinstance(error, ImageError) else f"{type(error).__name__}: {error}"
