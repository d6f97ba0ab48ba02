"""Find the most similar faces of both templates of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.utils._arrays import unit_rows

_EQUAL = 1e-6  # similarities that differ by less are equal


class Candidates(NamedTuple):
    """The faces of one template.

    Attributes
    ----------
    pictures : ndarray of shape (m,), int
        Position in the template of the picture of each face.
    faces : ndarray of shape (m,), int
        Number of each face in its picture.
    embeddings : ndarray of shape (m, d), float
        Of L2 norm 1.
    sizes : ndarray of shape (m,), float
        Areas of the faces.
    contents : ndarray of shape (m,), int
        Equal for faces of pictures with equal pixels, in both templates.
    """

    pictures: NDArray[np.intp]
    faces: NDArray[np.intp]
    embeddings: NDArray[np.float64]
    sizes: NDArray[np.float64]
    contents: NDArray[np.intp]


class Match(NamedTuple):
    """The chosen face of one picture.

    Attributes
    ----------
    picture : int
        Position in the template.
    face : int
        Number in the picture.
    similarity : float
        Cosine similarity to the chosen face of the other template; in further pictures of a
        template, to the mean of both faces.
    """

    picture: int
    face: int
    similarity: float


def embed_crops(matcher: Any, crops: Sequence[np.ndarray]) -> NDArray[np.float64]:
    """Return the unit embedding of each crop.

    Parameters
    ----------
    matcher : transformer
        An unfitted matcher is cloned and fitted on the crops.
    crops : sequence of m ndarrays of shape (S, S, 3), uint8

    Returns
    -------
    ndarray of shape (m, d), float64
        Of L2 norm 1; zeros stay zeros.

    Raises
    ------
    ImageError
        If a crop has no finite embedding; its `row` is the position of the crop.
    ValueError
        If the number of embeddings differs from that of crops.
    """
    images = np.stack(crops)
    try:
        check_is_fitted(matcher)
    except NotFittedError:
        matcher = clone(matcher).fit(images)
    embeddings = np.asarray(matcher.transform(images), dtype=np.float64)
    if embeddings.shape[:1] != (len(crops),) or embeddings.ndim != 2:
        raise ValueError(
            f"the output of matcher must have the shape ({len(crops)}, d), one embedding per crop, "
            f"got {embeddings.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(bad):
        raise ImageError("its embedding is not finite", row=int(bad[0]))
    return unit_rows(embeddings)[0]


def match_faces(templates: Sequence[Candidates]) -> list[list[Match]]:
    """Choose one face in each picture of two templates.

    The two faces, one of each template, with the most similar embeddings are the seeds. In every
    other picture, the face most similar to both seeds is chosen. Of equally similar faces the
    larger one is chosen. A picture in both templates is not compared with itself, if there are
    other pictures.

    Parameters
    ----------
    templates : sequence of two Candidates
        Each has at least one face.

    Returns
    -------
    list of two lists of Match
        For each template the pictures with a face, in their order.
    """
    first, second = templates
    similarity = first.embeddings @ second.embeddings.T
    identical = np.equal.outer(first.contents, second.contents)
    if not identical.all():
        similarity[identical] = -np.inf
    sizes = np.add.outer(first.sizes, second.sizes)
    seeds = np.unravel_index(_best(similarity.ravel(), sizes.ravel()), similarity.shape)
    top = float(similarity[seeds])
    mean = first.embeddings[seeds[0]] + second.embeddings[seeds[1]]
    length = np.linalg.norm(mean)
    mean = mean / length if length else mean
    return [
        _choose(template, int(seed), top, template.embeddings @ mean)
        for template, seed in zip(templates, seeds, strict=True)
    ]


def _choose(
    template: Candidates, seed: int, top: float, similarity: NDArray[np.float64]
) -> list[Match]:
    matches = []
    for picture in np.unique(template.pictures).tolist():
        if picture == template.pictures[seed]:
            matches.append(Match(picture, int(template.faces[seed]), top))
            continue
        rows = np.flatnonzero(template.pictures == picture)
        best = rows[_best(similarity[rows], template.sizes[rows])]
        matches.append(Match(picture, int(template.faces[best]), float(similarity[best])))
    return matches


def _best(similarity: NDArray[np.float64], sizes: NDArray[np.float64]) -> int:
    """Return the position of the highest similarity; of equal ones, that of the largest face."""
    equal = np.flatnonzero(similarity >= similarity.max() - _EQUAL)
    return int(equal[np.argmax(sizes[equal])])
