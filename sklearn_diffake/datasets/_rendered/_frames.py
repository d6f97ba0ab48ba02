"""From a planned frame to its pixels."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...generation._camera import photograph
from .._tree import GENUINE
from ._forgeries import TECHNIQUES, draw_forgery, draw_slip, forge
from ._head_model import Person, draw_person
from ._plan import RECOMPRESSED, Frame, others_in_split
from ._rendering import render
from ._scenes import Shot, draw_frame, draw_shot

COMPRESSIONS: dict[str, tuple[int, int] | None] = {"raw": None, "c23": (60, 76), "c40": (18, 29)}
_STRONG = (10, 20)
_CANDIDATES = 3  # of whom the donor is the one whose skin is most alike


class World(NamedTuple):
    """What all frames of a dataset depend on."""

    seed: int
    dataset: str
    look: str
    n_identities: int
    size: int
    masks: bool  # whether they are kept

    def generator(self, what: str, *numbers: int) -> np.random.Generator:
        """Return the generator of one thing: the same, whatever else is drawn."""
        names = [zlib.crc32(name.encode()) for name in (self.dataset, what)]
        return np.random.default_rng([self.seed, *names, *numbers])


class Made(NamedTuple):
    """A frame of the dataset."""

    image: NDArray[np.uint8]  # (S, S, 3)
    mask: NDArray[np.uint8] | None  # (S, S), where it is manipulated
    landmarks: NDArray[np.float32]  # (68, 2)
    facts: dict[str, Any]


@lru_cache(maxsize=256)
def _person(world: World, person: int) -> Person:
    return draw_person(world.generator("person", person))


@lru_cache(maxsize=256)
def _video(world: World, person: int, video: int) -> Shot:
    who = _person(world, person)
    return draw_shot(world.generator("video", person, video), who, world.look)


def shoot(world: World, person: int, video: int, number: int) -> Shot:
    """Draw a frame of a genuine video."""
    shot = _video(world, person, video)
    return draw_frame(world.generator("frame", person, video, number), shot)


def find_donor(world: World, frame: Frame) -> tuple[int, Shot]:
    """Choose whose face is put into a video, and the picture it is taken from."""
    rng = world.generator("donor", frame.person, frame.video, _number(frame.technique))
    others = others_in_split(frame.person, world.n_identities)
    chosen = rng.permutation(others)[:_CANDIDATES].tolist()
    skins = np.log([_person(world, who).skin for who in (frame.person, *chosen)])
    donor = chosen[int(np.abs(skins[1:] - skins[0]).sum(1).argmin())]
    return donor, shoot(world, donor, frame.video, int(rng.integers(2**31)))


def make_frame(world: World, frame: Frame) -> Made:
    """Render a frame, manipulate it if it is a deepfake, and photograph it."""
    person, video, number, technique = frame[:4]
    shot = shoot(world, person, video, number)
    picture = render(shot.scene, world.size)
    image, mask = picture.image, np.zeros(picture.image.shape[:2], np.uint8)
    donor = -1
    if technique != GENUINE:
        which = _number(technique)
        donor, other = find_donor(world, frame)
        rng = world.generator("forgery", person, video, which)
        forgery = draw_forgery(rng, technique, other)
        rng = world.generator("slip", person, video, which, number)
        image, mask = forge(picture, shot, draw_slip(rng, forgery, shot))
        donor = donor if forgery.donor else -1
    qualities = _qualities(world, frame)
    camera = shot.camera._replace(qualities=(*shot.camera.qualities, *qualities))
    pose, light = shot.scene.pose._asdict(), shot.scene.light._asdict()
    facts = {"donor": donor, **pose, **shot.scene.expression._asdict()}
    facts |= {name: light[name] for name in ("azimuth", "elevation", "key", "ambient")}
    facts |= {name: getattr(camera, name) for name in ("exposure", "blur", "noise")}
    facts["quality"] = min(camera.qualities)
    kept = mask if world.masks else None
    return Made(photograph(image, camera), kept, picture.landmarks, facts)


def _number(technique: str) -> int:
    return list(TECHNIQUES).index(technique)


def _qualities(world: World, frame: Frame) -> list[int]:
    """Draw the qualities of the JPEGs that come after the camera's own."""
    rng = world.generator(f"compression {frame.compression}", frame.person, frame.video)
    ranges: list[tuple[int, int] | None] = [COMPRESSIONS[frame.compression]]
    if frame.condition == RECOMPRESSED:
        ranges.append(_STRONG)
    return [int(rng.integers(*ends)) for ends in ranges if ends]


def make_frames(world: World, frames: Sequence[Frame]) -> list[Made]:
    """Make several frames."""
    return [make_frame(world, frame) for frame in frames]
