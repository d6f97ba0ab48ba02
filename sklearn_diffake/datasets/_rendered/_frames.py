"""From a planned frame to its pixels."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.datasets._rendered._forgeries import (
    TECHNIQUES,
    draw_forgery,
    forge,
    vary_forgery,
)
from sklearn_diffake.datasets._rendered._head_model import Person, draw_person
from sklearn_diffake.datasets._rendered._plan import RECOMPRESSED, Frame, split_members_except
from sklearn_diffake.datasets._rendered._rendering import render
from sklearn_diffake.datasets._rendered._scenes import Shot, draw_frame, draw_shot
from sklearn_diffake.datasets._tree import GENUINE
from sklearn_diffake.generation._camera import photograph

COMPRESSIONS: dict[str, tuple[int, int] | None] = {"raw": None, "c23": (60, 76), "c40": (18, 29)}
_STRONG = (10, 20)
_N_CANDIDATES = 3  # the donor is the one with the most similar skin


class Settings(NamedTuple):
    """Parameters of all frames of a dataset."""

    seed: int
    dataset: str
    look: str
    n_identities: int
    size: int
    masks: bool  # whether they are returned

    def generator(self, name: str, *numbers: int) -> np.random.Generator:
        """Return the generator of one draw, which is independent of all other draws.

        The name seeds it: another name gives other pictures for the same `random_state`.
        """
        checksums = [zlib.crc32(text.encode()) for text in (self.dataset, name)]
        return np.random.default_rng([self.seed, *checksums, *numbers])


class RenderedFrame(NamedTuple):
    """A frame of the dataset."""

    image: NDArray[np.uint8]  # (S, S, 3)
    mask: NDArray[np.uint8] | None  # (S, S), where it is manipulated
    landmarks: NDArray[np.float32]  # (68, 2)
    properties: dict[str, Any]


@lru_cache(maxsize=256)
def _draw_person(settings: Settings, person: int) -> Person:
    return draw_person(settings.generator("person", person))


@lru_cache(maxsize=256)
def _draw_video(settings: Settings, person: int, video: int) -> Shot:
    rng = settings.generator("video", person, video)
    return draw_shot(rng, _draw_person(settings, person), settings.look)


def draw_genuine_frame(settings: Settings, person: int, video: int, number: int) -> Shot:
    """Draw a frame of a genuine video."""
    shot = _draw_video(settings, person, video)
    return draw_frame(settings.generator("frame", person, video, number), shot)


def draw_donor(settings: Settings, frame: Frame) -> tuple[int, Shot]:
    """Choose the person whose face is put into a video, and a picture of this person."""
    rng = settings.generator("donor", frame.person, frame.video, _technique_index(frame.technique))
    people = split_members_except(frame.person, settings.n_identities)
    candidates = rng.permutation(people)[:_N_CANDIDATES].tolist()
    skins = np.log([_draw_person(settings, person).skin for person in (frame.person, *candidates)])
    donor = candidates[int(np.abs(skins[1:] - skins[0]).sum(1).argmin())]
    return donor, draw_genuine_frame(settings, donor, frame.video, int(rng.integers(2**31)))


def make_frame(settings: Settings, frame: Frame) -> RenderedFrame:
    """Render a frame, manipulate it if it is a deepfake, and photograph it."""
    person, video, number, technique = frame[:4]
    shot = draw_genuine_frame(settings, person, video, number)
    picture = render(shot.scene, settings.size)
    image, mask = picture.image, np.zeros(picture.image.shape[:2], np.uint8)
    donor = -1
    if technique != GENUINE:
        index = _technique_index(technique)
        donor, donor_shot = draw_donor(settings, frame)
        rng = settings.generator("forgery", person, video, index)
        forgery = draw_forgery(rng, technique, donor_shot)
        rng = settings.generator("slip", person, video, index, number)
        image, mask = forge(picture, shot, vary_forgery(rng, forgery, shot))
        donor = donor if forgery.donor else -1
    qualities = _qualities(settings, frame)
    camera = shot.camera._replace(qualities=(*shot.camera.qualities, *qualities))
    pose, light = shot.scene.pose._asdict(), shot.scene.light._asdict()
    properties = {"donor": donor, **pose, **shot.scene.expression._asdict()}
    properties |= {name: light[name] for name in ("azimuth", "elevation", "key", "ambient")}
    properties |= {name: getattr(camera, name) for name in ("exposure", "blur", "noise")}
    properties["quality"] = min(camera.qualities)
    photo = photograph(image, camera)
    return RenderedFrame(photo, mask if settings.masks else None, picture.landmarks, properties)


def _technique_index(technique: str) -> int:
    return list(TECHNIQUES).index(technique)


def _qualities(settings: Settings, frame: Frame) -> list[int]:
    """Draw the qualities of the JPEGs that come after the camera's own."""
    rng = settings.generator(f"compression {frame.compression}", frame.person, frame.video)
    ranges: list[tuple[int, int] | None] = [COMPRESSIONS[frame.compression]]
    if frame.condition == RECOMPRESSED:
        ranges.append(_STRONG)
    return [int(rng.integers(*ends)) for ends in ranges if ends]


def make_frames(settings: Settings, frames: Sequence[Frame]) -> list[RenderedFrame]:
    """Make several frames."""
    return [make_frame(settings, frame) for frame in frames]
