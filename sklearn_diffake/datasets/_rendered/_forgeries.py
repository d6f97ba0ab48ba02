"""Techniques of forgery: each makes a source, which a mask blends into the face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.datasets._rendered._head_model import Expression, Person
from sklearn_diffake.datasets._rendered._rendering import Picture, landmarks_of, render
from sklearn_diffake.datasets._rendered._scenes import Shot
from sklearn_diffake.faces._geometry import fit_similarity
from sklearn_diffake.generation._artifacts import draw_upsampling_grid
from sklearn_diffake.generation._camera import photograph
from sklearn_diffake.generation._edits import (
    blend,
    lose_detail,
    match_colors,
    move_image,
    paint_mask,
    rebuild_by_decoder,
    retouch_skin,
    warp_by_points,
)
from sklearn_diffake.generation._masks import outlines

Image8 = NDArray[np.uint8]
_INNER = slice(17, 68)  # the landmarks without the jaw
_NOMINAL = 160  # lengths in pixels are those of a picture of this side
# A morph changes the face alone.
_FIXED_TRAITS = {"hair_length", "hair_volume", "hairline", "beard", "moustache", "seed"}
_FEATURES = {"eyes": (0, 1), "nose": (2,), "mouth": (3,)}  # of the mask family "components"


class Forgery(NamedTuple):
    """How a face is manipulated: plain numbers, drawn before anything is computed."""

    technique: str
    family: str  # of the mask: one of `generation`, or a part of the face
    feather: float  # softness of the seam, pixels
    ratio: float  # weight of the source inside
    match: float = 0.0  # by how much the source's colors are brought to the face's, 0 to 1
    coarse: float = 1.0  # detail of the source lost: it is scaled down by this and up again
    shift: tuple[float, float] = (0.0, 0.0)  # misplacement, pixels
    amount: float = 0.0  # its meaning depends on the technique
    expression: Expression | None = None  # to warp the face to
    grid: dict[str, Any] | None = None  # of an upsampling decoder
    donor: Shot | None = None


class _Technique(NamedTuple):
    source: Callable[[Picture, Shot, Forgery], Picture]
    families: tuple[str, ...]
    feather: tuple[float, float]
    match: tuple[float, float] = (0.0, 0.0)
    coarse: tuple[float, float] = (1.0, 1.0)
    amount: tuple[float, float] = (0.0, 0.0)
    shift: float = 0.0
    needs_donor: bool = True


def draw_forgery(rng: np.random.Generator, technique: str, donor: Shot) -> Forgery:
    """Draw the parameters that all frames of a forged video share.

    Parameters
    ----------
    rng : numpy.random.Generator
    technique : str
        One of `TECHNIQUES`.
    donor : Shot
        A picture of another person.
    """
    ranges = TECHNIQUES[technique]
    return Forgery(
        technique,
        family=str(rng.choice(ranges.families)),
        feather=float(rng.uniform(*ranges.feather)),
        ratio=float(rng.uniform(0.85, 1)),
        match=float(rng.uniform(*ranges.match)),
        coarse=float(rng.uniform(*ranges.coarse)),
        amount=float(rng.uniform(*ranges.amount)),
        grid=draw_upsampling_grid(rng) if technique == "resampling" else None,
        donor=donor if ranges.needs_donor else None,
    )


def vary_forgery(rng: np.random.Generator, forgery: Forgery, shot: Shot) -> Forgery:
    """Draw the deviation of one frame of a forged video: forgeries flicker."""
    dx, dy = rng.normal(0, TECHNIQUES[forgery.technique].shift, 2)
    feather, ratio, coarse, amount, match = rng.uniform(0, 1, 5).tolist()
    changes: dict[str, Any] = {
        "shift": (float(dx), float(dy)),
        "feather": forgery.feather * (0.85 + 0.3 * feather),
        "ratio": forgery.ratio * (0.75 + 0.25 * ratio),
        "amount": forgery.amount * (0.8 + 0.4 * amount),
    }
    if forgery.coarse > 1:
        changes["coarse"] = max(1.0, forgery.coarse * (0.8 + 0.4 * coarse))
    if forgery.match:
        changes["match"] = min(max(forgery.match + 0.3 * (match - 0.5), 0.0), 1.0)
    if forgery.grid:
        changes["grid"] = draw_upsampling_grid(rng)
    if forgery.technique == "reenactment":
        changes["expression"] = _draw_different_expression(rng, shot.scene.expression)
    return forgery._replace(**changes)


def _draw_different_expression(rng: np.random.Generator, current: Expression) -> Expression:
    """Draw an expression that differs clearly from that of a frame."""
    smile, jaw = current.smile, current.jaw
    smile = smile + 0.7 if smile < 0.3 else smile - 0.9
    if jaw > 0.2:
        jaw = float(np.clip(jaw + rng.choice([-1, 1]) * 0.3, 0, 0.9))
    brows = float(current.brows - np.copysign(rng.uniform(0.6, 1.2), current.brows))
    return current._replace(smile=smile, jaw=jaw, brows=brows)


def forge(picture: Picture, shot: Shot, forgery: Forgery) -> tuple[Image8, Image8]:
    """Manipulate a rendered picture.

    Parameters
    ----------
    picture : Picture
        The rendering of the scene of `shot`, before it is photographed.
    shot : Shot
        The frame.
    forgery : Forgery

    Returns
    -------
    image : ndarray of shape (S, S, 3), uint8
        Equal to the picture where the mask is 0.
    mask : ndarray of shape (S, S), uint8
        Weight of the source, 255 for all of it.
    """
    source, landmarks = TECHNIQUES[forgery.technique].source(picture, shot, forgery)
    mask = _paint_mask(picture, landmarks, forgery)
    box = _nonzero_slice(mask.max(1)), _nonzero_slice(mask.max(0))
    source, face, weight = source[box], picture.image[box], mask[box]
    if forgery.coarse > 1:
        source = lose_detail(source, forgery.coarse)
    if forgery.match:
        source = match_colors(source, face, weight > 127, forgery.match)
    image = picture.image.copy()
    image[box] = blend(face, source, weight)
    return image, mask


def _nonzero_slice(lines: NDArray[np.uint8]) -> slice:
    """Return where a mask's rows or columns are not all 0; everything if all are."""
    painted = lines > 0
    return slice(int(painted.argmax()), len(painted) - int(painted[::-1].argmax()))


def _paint_mask(picture: Picture, source: NDArray, forgery: Forgery) -> Image8:
    """Paint a part of the face, or the inner face as far as it lies in both faces."""
    size = len(picture.image)
    zoom = size / _NOMINAL
    target = _shrink_jaw(picture.landmarks) + np.multiply(forgery.shift, zoom)
    if forgery.family in _FEATURES:
        pieces = outlines("components", target)
        faces = [[pieces[k] for k in _FEATURES[forgery.family]]]
    else:
        faces = [outlines(forgery.family, face) for face in (target, _shrink_jaw(source))]
    return paint_mask(faces, (size, size), feather=forgery.feather * zoom, ratio=forgery.ratio)


def _shrink_jaw(landmarks: NDArray) -> NDArray[np.float64]:
    """Pull the jaw in, so that a soft mask stays within the face."""
    points = landmarks.astype(np.float64)
    points[:17] += 0.14 * (points[27:36].mean(0) - points[:17])
    return points


def _move_face(source: Picture, target: Picture, forgery: Forgery) -> Picture:
    """Move a face over another, as its landmarks say."""
    matrix = fit_similarity(source.landmarks[_INNER], target.landmarks[_INNER])
    matrix[:, 2] += np.multiply(forgery.shift, len(target.image) / _NOMINAL)
    landmarks = np.einsum("ij,kj->ki", matrix[:, :2], source.landmarks) + matrix[:, 2]
    return Picture(move_image(source.image, matrix), landmarks.astype(np.float32))


def _swap(picture: Picture, shot: Shot, forgery: Forgery) -> Picture:
    """Render the donor's face in this pose, light and expression."""
    scene = shot.scene._replace(person=_donor(forgery).scene.person)
    return _move_face(render(scene, len(picture.image)), picture, forgery)


def _splice(picture: Picture, shot: Shot, forgery: Forgery) -> Picture:
    """Take the face of a photograph of the donor, with its own pose and light."""
    donor = _donor(forgery)
    source = render(donor.scene, len(picture.image))
    photo = source._replace(image=photograph(source.image, donor.camera))
    return _move_face(photo, picture, forgery)


def _morph(picture: Picture, shot: Shot, forgery: Forgery) -> Picture:
    """Render the face between the two persons."""
    person = mix_persons(shot.scene.person, _donor(forgery).scene.person, forgery.amount)
    scene = shot.scene._replace(person=person)
    return _move_face(render(scene, len(picture.image)), picture, forgery)


def _donor(forgery: Forgery) -> Shot:
    assert forgery.donor is not None
    return forgery.donor


def mix_persons(first: Person, second: Person, weight: float) -> Person:
    """Mix two persons; hair and beard stay those of the first."""
    start, end = first._asdict(), second._asdict()
    mixed: dict[str, Any] = {}
    for name in set(start) - _FIXED_TRAITS:
        value = np.add(start[name], weight * np.subtract(end[name], start[name]))
        mixed[name] = tuple(value.tolist()) if value.ndim else float(value)
    return first._replace(**mixed)


def _reenact(picture: Picture, shot: Shot, forgery: Forgery) -> Picture:
    """Warp the picture so that the landmarks go where another expression has them."""
    assert forgery.expression is not None
    size = len(picture.image)
    targets = landmarks_of(shot.scene._replace(expression=forgery.expression), size)
    moves, width = targets - picture.landmarks, 7 * size / _NOMINAL
    return picture._replace(image=warp_by_points(picture.image, targets, moves, width))


def _resample(picture: Picture, shot: Shot, forgery: Forgery) -> Picture:
    """Rebuild the face as an upsampling decoder does."""
    assert forgery.grid is not None
    return picture._replace(image=rebuild_by_decoder(picture.image, forgery.grid, strength=0.6))


def _smooth(picture: Picture, shot: Shot, forgery: Forgery) -> Picture:
    """Retouch the skin: faint detail goes, strong edges stay."""
    sigma = 2.5 * len(picture.image) / _NOMINAL
    return picture._replace(image=retouch_skin(picture.image, sigma, forgery.amount))


TECHNIQUES = {
    "swap": _Technique(
        _swap, ("hull", "extended_brow"), (2, 5), match=(0.5, 0.95), coarse=(1, 1.8), shift=0.8
    ),
    "splice": _Technique(_splice, ("hull", "parts"), (0.6, 2), match=(0, 0.5), shift=1.0),
    "morph": _Technique(
        _morph, ("hull", "extended_brow"), (3, 6), match=(0.6, 1), amount=(0.45, 0.65), shift=0.5
    ),
    "attribute": _Technique(
        _swap, tuple(_FEATURES), (1, 3), match=(0.4, 0.9), coarse=(1, 1.4), shift=0.6
    ),
    "reenactment": _Technique(_reenact, ("hull", "extended_brow"), (3, 6), needs_donor=False),
    "resampling": _Technique(_resample, ("hull", "extended_brow"), (2, 5), needs_donor=False),
    "smoothing": _Technique(
        _smooth, ("hull", "extended_brow"), (3, 6), amount=(10, 20), needs_donor=False
    ),
}
