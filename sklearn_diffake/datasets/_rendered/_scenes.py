"""Looks: the poses, lights, backdrops and cameras of a dataset."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.datasets._rendered._head_model import Color, Expression, Person
from sklearn_diffake.datasets._rendered._rendering import Backdrop, Light, Pose, Scene
from sklearn_diffake.generation._camera import Camera

Range = tuple[float, float]


class Look(NamedTuple):
    """Ranges from which the shots of a dataset are drawn."""

    turn: tuple[float, float, float]  # deviation of yaw, pitch and roll, degrees
    scale: Range
    distance: Range
    azimuth: float
    elevation: Range
    key: Range
    ambient: Range
    key_colors: tuple[Color, Color]
    ambient_colors: tuple[Color, Color]
    backdrops: tuple[Color, Color]
    clutter: Range
    cells: tuple[int, int]
    sharp: bool
    exposure: Range
    tint: float
    blur: Range  # pixels of a picture of side 160
    noise: Range  # levels
    quality: tuple[int, int]  # of the JPEG


LOOKS = {
    "studio": Look(
        turn=(11, 6, 4), scale=(0.33, 0.38), distance=(5, 8), azimuth=45, elevation=(10, 45),
        key=(0.6, 0.85), ambient=(0.35, 0.5), key_colors=((1, 0.97, 0.93), (1, 1, 1)),
        ambient_colors=((0.97, 0.98, 1), (1, 1, 1)),
        backdrops=((0.05, 0.06, 0.08), (0.6, 0.6, 0.6)), clutter=(0, 0.05), cells=(5, 8),
        sharp=False, exposure=(0.9, 1.1), tint=0.02, blur=(0.25, 0.5), noise=(0.8, 2),
        quality=(88, 96),
    ),
    "webcam": Look(
        turn=(13, 8, 5), scale=(0.31, 0.38), distance=(3.2, 4.5), azimuth=60, elevation=(-15, 35),
        key=(0.45, 0.8), ambient=(0.25, 0.45), key_colors=((0.8, 0.92, 1), (1, 0.82, 0.6)),
        ambient_colors=((1, 0.85, 0.68), (0.9, 0.95, 1)),
        backdrops=((0.06, 0.05, 0.04), (0.45, 0.42, 0.36)), clutter=(0.2, 0.6), cells=(4, 9),
        sharp=True, exposure=(0.85, 1.15), tint=0.05, blur=(0.45, 0.8), noise=(2, 4.5),
        quality=(50, 75),
    ),
    "street": Look(
        turn=(17, 8, 7), scale=(0.27, 0.36), distance=(6, 12), azimuth=80, elevation=(5, 60),
        key=(0.5, 1.1), ambient=(0.3, 0.55), key_colors=((1, 0.9, 0.75), (1, 0.98, 0.95)),
        ambient_colors=((0.8, 0.9, 1), (0.95, 0.98, 1)),
        backdrops=((0.05, 0.08, 0.05), (0.5, 0.55, 0.65)), clutter=(0.3, 0.7), cells=(8, 22),
        sharp=False, exposure=(0.8, 1.25), tint=0.04, blur=(0.3, 0.8), noise=(1.5, 4),
        quality=(70, 90),
    ),
}  # fmt: skip


class Shot(NamedTuple):
    """A frame of a video, or the state that its frames vary."""

    scene: Scene
    camera: Camera
    look: str


def _mix_colors(rng: np.random.Generator, ends: tuple[Color, Color]) -> Color:
    weight = rng.random()
    return tuple(float(a + (b - a) * weight) for a, b in zip(*ends, strict=True))


def draw_shot(rng: np.random.Generator, person: Person, name: str) -> Shot:
    """Draw a video: its camera, light and backdrop, and how the head is held."""
    look = LOOKS[name]
    yaw, pitch, roll = (float(s * z) for s, z in zip(look.turn, _normal(rng, 3), strict=True))
    pose = Pose(
        0.9 * yaw, 0.8 * pitch, 0.8 * roll,
        x=float(rng.uniform(0.46, 0.54)), y=float(rng.uniform(0.46, 0.52)),
        scale=float(rng.uniform(*look.scale)), distance=float(rng.uniform(*look.distance)),
    )  # fmt: skip
    light = Light(
        azimuth=float(rng.uniform(-look.azimuth, look.azimuth)),
        elevation=float(rng.uniform(*look.elevation)),
        key=float(rng.uniform(*look.key)),
        ambient=float(rng.uniform(*look.ambient)),
        key_color=_mix_colors(rng, look.key_colors),
        ambient_color=_mix_colors(rng, look.ambient_colors),
    )
    backdrop = Backdrop(
        colors=(_mix_colors(rng, look.backdrops), _mix_colors(rng, look.backdrops)),
        clutter=float(rng.uniform(*look.clutter)),
        cells=int(rng.integers(*look.cells)),
        sharp=look.sharp,
        clothes=tuple(rng.uniform(0.02, 0.5, 3).tolist()),
        seed=int(rng.integers(2**32)),
    )
    level = np.mean(person.skin) * (0.6 * light.key + light.ambient)
    camera = Camera(
        exposure=float(rng.uniform(*look.exposure) * (0.28 / level) ** 0.25),
        tint=tuple(rng.uniform(1 - look.tint, 1 + look.tint, 3).tolist()),
        blur=float(rng.uniform(*look.blur)),
        noise=float(rng.uniform(*look.noise)),
        qualities=(int(rng.integers(*look.quality)),),
        seed=0,
    )
    rest_expression = Expression(
        smile=float(rng.uniform(-0.1, 0.5)), brows=float(0.3 * rng.normal())
    )
    return Shot(Scene(person, rest_expression, pose, light, backdrop), camera, name)


def draw_frame(rng: np.random.Generator, shot: Shot) -> Shot:
    """Draw a frame of a video: pose, expression, a flicker of the light, noise."""
    look = LOOKS[shot.look]
    scene = shot.scene
    yaw, pitch, roll = (float(0.3 * s * z) for s, z in zip(look.turn, _normal(rng, 3), strict=True))
    x, y = rng.normal(0, 0.008, 2)
    pose = scene.pose._replace(
        yaw=scene.pose.yaw + yaw, pitch=scene.pose.pitch + pitch, roll=scene.pose.roll + roll,
        x=scene.pose.x + float(x), y=scene.pose.y + float(y),
        scale=scene.pose.scale * float(1 + 0.02 * _normal(rng, 1)[0]),
    )  # fmt: skip
    light = scene.light._replace(
        key=scene.light.key * float(rng.uniform(0.95, 1.05)),
        azimuth=scene.light.azimuth + float(rng.uniform(-4, 4)),
    )
    backdrop = scene.backdrop._replace(shift=float(rng.uniform(0, 0.6)))
    camera = shot.camera._replace(seed=int(rng.integers(2**32)))
    expression = draw_expression(rng, scene.expression)
    return Shot(Scene(scene.person, expression, pose, light, backdrop), camera, shot.look)


def draw_expression(rng: np.random.Generator, rest_expression: Expression) -> Expression:
    """Draw an expression around a mood."""
    talking, blinking = rng.random() < 0.35, rng.random() < 0.06
    return Expression(
        smile=float(np.clip(rest_expression.smile + rng.normal(0, 0.3), -0.4, 1)),
        jaw=float(rng.uniform(0.05, 0.7) if talking else 0),
        brows=float(np.clip(rest_expression.brows + rng.normal(0, 0.4), -1, 1)),
        lids=float(rng.uniform(0.1, 0.5) if blinking else rng.uniform(0.8, 1.15)),
        gaze_x=float(np.clip(rng.normal(0, 0.3), -1, 1)),
        gaze_y=float(np.clip(rng.normal(0, 0.25), -1, 1)),
    )


def _normal(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return np.clip(rng.standard_normal(n), -2, 2)
