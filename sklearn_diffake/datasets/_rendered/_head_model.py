"""A parametric head: its surface and its colors, as maps over the directions from its center.

The surface is an ellipsoid whose radius varies with the direction; the maps lie in the equal-area
azimuthal projection of Lambert around the tip of the nose. Lengths are in units of half the height
of an average head, x to the right of the image, y down, z out of the face; a place on the face is
named by the direction in which it lies, (0.68 times its x, its y). Colors are reflectances.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.floating]
Color = tuple[float, ...]  # red, green, blue

REACH = 1.27  # of a map, in units of the projection: 1 is straight to the side
WIDTH = 0.68  # of an average head, over its height
SAMPLES = 1.0  # of a map per pixel of the picture


class Person(NamedTuple):
    """The constant traits of a person; see `_TRAITS` for the numbers."""

    width: float
    height: float
    depth: float
    squareness: float
    jaw: float
    chin: float
    cheekbones: float
    cheeks: float
    brow_ridge: float
    brow_y: float
    brow_thickness: float
    brow_slant: float
    brow_arch: float
    brow_density: float
    eye_x: float
    eye_y: float
    eye_width: float
    eye_height: float
    eye_slant: float
    eye_depth: float
    nose_length: float
    nose_width: float
    nose_height: float
    nose_bridge: float
    nose_tip: float
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    ears: float
    hairline: float
    widow_peak: float
    hair_volume: float
    hair_length: float
    beard: float
    moustache: float
    stubble: float
    freckles: float
    ruddiness: float
    lip_color: float
    folds: float
    skin: Color
    hair: Color
    iris: Color
    seed: int


class Expression(NamedTuple):
    """An expression of a face: 0 is at rest."""

    smile: float = 0.0  # -0.5 to 1
    jaw: float = 0.0  # 0 closed, 1 wide open
    brows: float = 0.0  # -1 lowered, 1 raised
    lids: float = 1.0  # 0 closed, 1 open
    gaze_x: float = 0.0  # -1 to 1
    gaze_y: float = 0.0


# Mean and standard deviation of each trait over people.
_TRAITS = {
    "width": (0.675, 0.032),
    "height": (1.0, 0.04),
    "depth": (0.82, 0.03),
    "squareness": (2.7, 0.25),
    "jaw": (0.0, 0.05),
    "chin": (0.11, 0.035),
    "cheekbones": (0.03, 0.018),
    "cheeks": (0.0, 0.03),
    "brow_ridge": (0.025, 0.014),
    "brow_y": (-0.2, 0.022),
    "brow_thickness": (0.03, 0.009),
    "brow_slant": (-0.05, 0.12),
    "brow_arch": (0.02, 0.014),
    "brow_density": (0.75, 0.15),
    "eye_x": (0.282, 0.018),
    "eye_y": (-0.01, 0.018),
    "eye_width": (0.145, 0.011),
    "eye_height": (0.066, 0.01),
    "eye_slant": (0.012, 0.012),
    "eye_depth": (0.05, 0.014),
    "nose_length": (0.318, 0.026),
    "nose_width": (0.115, 0.018),
    "nose_height": (0.17, 0.03),
    "nose_bridge": (0.32, 0.12),
    "nose_tip": (0.035, 0.014),
    "mouth_y": (0.545, 0.02),
    "mouth_width": (0.212, 0.022),
    "upper_lip": (0.045, 0.014),
    "lower_lip": (0.06, 0.015),
    "ears": (0.14, 0.035),
    "hairline": (-0.6, 0.07),
    "widow_peak": (0.0, 0.06),
    "hair_volume": (0.1, 0.04),
    "ruddiness": (0.5, 0.25),
    "lip_color": (0.5, 0.25),
    "folds": (0.5, 0.25),
}
_SKINS = np.array([(0.78, 0.56, 0.46), (0.62, 0.40, 0.29), (0.40, 0.22, 0.14), (0.16, 0.085, 0.06)])
_HAIRS = [(0.02, 0.016, 0.014), (0.05, 0.03, 0.02), (0.11, 0.06, 0.03), (0.22, 0.13, 0.06),
          (0.42, 0.3, 0.16), (0.24, 0.08, 0.03), (0.36, 0.35, 0.34)]  # fmt: skip
_IRISES = [(0.05, 0.025, 0.012), (0.1, 0.05, 0.02), (0.12, 0.1, 0.04), (0.1, 0.2, 0.3),
           (0.14, 0.17, 0.17)]  # fmt: skip


def draw_person(rng: np.random.Generator) -> Person:
    """Draw a person."""
    noise = np.clip(rng.standard_normal(len(_TRAITS)), -2, 2)
    values: dict[str, float] = {
        name: float(mean + spread * z)
        for (name, (mean, spread)), z in zip(_TRAITS.items(), noise, strict=True)
    }
    tone = float(rng.uniform(0, len(_SKINS) - 1.2))
    low = int(tone)
    skin = _SKINS[low] ** (1 - tone + low) * _SKINS[low + 1] ** (tone - low)
    dark = tone > 1.3
    hair = _HAIRS[int(rng.integers(2 if dark else len(_HAIRS)))]
    iris = _IRISES[int(rng.integers(2 if dark else len(_IRISES)))]
    bearded = rng.random() < 0.5
    values["hair_length"] = _draw_strength(rng, 0.12 if bearded else 0.8, 0.1)
    values |= {"beard": 0.0, "moustache": 0.0, "stubble": 0.0}
    if bearded:
        values["beard"] = _draw_strength(rng, 0.3, 0.5)
        values["moustache"] = _draw_strength(rng, 0.35, 0.5)
        values["stubble"] = float(rng.uniform(0, 0.8))
        if rng.random() < 0.25:  # bald
            values["hairline"] -= float(rng.uniform(0.15, 0.7))
            values |= {"hair_volume": 0.02, "hair_length": 0.0}
        values["brow_thickness"] += 0.006
    values["freckles"] = _draw_strength(rng, 0 if dark else 0.25, 0.3)
    shades = rng.uniform(0.85, 1.15, 3)
    return Person(
        **values,
        skin=tuple(float(v) for v in skin * (1 + 0.3 * (shades - 1))),
        hair=tuple(float(v) for v in np.multiply(hair, shades[1])),
        iris=tuple(float(v) for v in np.multiply(iris, shades[2])),
        seed=int(rng.integers(2**32)),
    )


def _draw_strength(rng: np.random.Generator, probability: float, minimum: float) -> float:
    """Draw a strength between `minimum` and 1 in a fraction of the cases, 0 in the others."""
    strength = float(rng.uniform(minimum, 1))
    return strength if rng.random() < probability else 0.0


class Directions(NamedTuple):
    """Where each sample of a map lies."""

    x: Map  # of the direction, times WIDTH; beyond the side it goes on to grow
    y: Map
    mirrored: Map  # |x|
    unit: Map  # the direction, (3, n, n)


@lru_cache(maxsize=4)
def directions(n: int) -> Directions:
    """Return the directions of an n by n map."""
    side = np.linspace(-REACH, REACH, n, dtype=np.float32)
    u, v = np.meshgrid(side, side)
    squared = np.minimum(u * u + v * v, np.float32(1.9))
    stretch = np.sqrt(2 - squared)
    unit = np.stack([u * stretch, v * stretch, 1 - squared])
    grow = np.maximum(stretch, 1)
    return Directions(WIDTH * u * grow, v * grow, WIDTH * np.abs(u) * grow, unit)


@lru_cache(maxsize=16)
def window(n: int, wide: float, top: float, bottom: float) -> tuple[slice, slice]:
    """Return the rows and columns of a map that hold |x| < `wide` and `top` < y < `bottom`."""
    grid = directions(n)
    middle = n // 2
    columns = np.flatnonzero(grid.mirrored[middle] < wide)
    rows = np.flatnonzero((grid.y[:, middle] > top) & (grid.y[:, middle] < bottom))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def bump(x: Map, y: Map, x0: float, y0: float, wide: float, high: float) -> Map:
    """Return a Gaussian hill of height 1."""
    return hill(((x - x0) / wide) ** 2 + ((y - y0) / high) ** 2)


def ridge(x: Map, width: float | Map) -> Map:
    """Return a Gaussian ridge of height 1 where x is 0."""
    return hill((x / width) ** 2)


def hill(squared: Map) -> Map:
    """Return exp(-x); beyond 30 it stays the same, as numbers that underflow are slow."""
    return np.exp(-np.minimum(squared, np.float32(30)))


def step(x: Map, start: float, stop: float) -> Map:
    """Rise smoothly from 0 at `start` to 1 at `stop`."""
    t = np.clip((x - start) / (stop - start), 0, 1)
    return t * t * (3 - 2 * t)


def paint(colors: Map, color: object, weight: Map) -> None:
    """Paint a color over the maps (3, n, n), in place."""
    for plane, value in zip(colors, np.asarray(color, np.float32), strict=True):
        plane += (value - plane) * weight


class HeadMaps(NamedTuple):
    """Maps of a head."""

    relief: Map  # (n, n), by how much the surface lies outside of the ellipsoid, as a share
    colors: Map  # (3, n, n)
    gloss: Map  # (n, n)
    hair: Map  # (n, n), how much of it is hair


@lru_cache(maxsize=16)
def still_head(person: Person, n: int) -> HeadMaps:
    """Return the maps without brows, eyes and mouth. They are cached: do not write into them."""
    from scipy.ndimage import uniform_filter

    rng = np.random.default_rng(person.seed)
    hair = _hair_mask(person, n, rng)
    relief = _skull(person, n) + person.hair_volume * uniform_filter(hair, n // 11)
    return HeadMaps(relief, *_skin(person, n, hair, rng), hair)


def _skull(p: Person, n: int) -> Map:
    x, y, ax, (ux, uy, uz) = directions(n)
    front = np.maximum(uz, 0)
    power = 2 + (p.squareness - 2) * np.clip(0.5 + y, 0, 1)
    profile = (np.abs(uy) ** power + front**power) ** (2 / power)
    relief = np.where(uz > 0, 1 / np.sqrt(ux * ux + profile), 1).astype(np.float32) - 1
    relief += 0.08 * bump(ax, y, 0.45, -0.66, 0.36, 0.32)  # the skull is rounder than an egg
    relief -= 0.05 * bump(ax, y, 0.62, -0.3, 0.16, 0.25)  # temples
    relief += p.jaw * bump(ax, y, 0.52, 0.6, 0.2, 0.22)
    relief += p.chin * bump(x, y, 0, 0.93, 0.26, 0.15)
    relief += p.cheekbones * bump(ax, y, 0.4, 0.17, 0.15, 0.11)
    relief += p.cheeks * bump(ax, y, 0.38, 0.45, 0.17, 0.18)
    relief += p.brow_ridge * bump(ax, y, 0.26, p.brow_y + 0.05, 0.22, 0.07)
    relief -= p.eye_depth * bump(ax, y, p.eye_x - 0.02, p.eye_y - 0.01, 0.17, 0.1)
    relief += 0.035 * bump(ax, y, p.eye_x, p.eye_y + 0.005, 0.1, 0.075)
    relief += 0.035 * bump(x, y, 0, p.mouth_y, 0.24, 0.15)
    relief -= 0.02 * bump(x, y, 0, p.mouth_y + 0.15, 0.16, 0.05)
    relief += _nose(p, x, y, ax)
    return relief + p.ears * ear_mask(p, n)


def _nose(p: Person, x: Map, y: Map, ax: Map) -> Map:
    top, bottom = p.eye_y - 0.1, p.nose_length
    t = np.clip((y - top) / (bottom - top), 0, 1.2)
    height = p.nose_height * (p.nose_bridge + (1 - p.nose_bridge) * t**1.3) * step(t, -0.05, 0.3)
    height *= 1 - step(y, bottom - 0.01, bottom + 0.07)
    width = 0.055 + (0.45 * p.nose_width) * t
    nose = height * ridge(x, width)
    nose += p.nose_tip * bump(x, y, 0, bottom - 0.04, 0.07, 0.055)
    nose += 0.06 * bump(ax, y, p.nose_width - 0.02, bottom - 0.02, 0.05, 0.05)
    return nose - 0.02 * bump(ax, y, p.nose_width + 0.05, bottom, 0.03, 0.06)


def ear_mask(p: Person, n: int) -> Map:
    """Return where the ears are."""
    _, y, ax, _ = directions(n)
    return step(bump(ax, y, 0.72, 0.07, 0.07, 0.26), 0.25, 0.75)


def _hair_mask(p: Person, n: int, rng: np.random.Generator) -> Map:
    x, y, ax, _ = directions(n)
    ragged = 0.02 * np.interp(x, np.linspace(-1, 1, 60), rng.standard_normal(60))
    line = p.hairline + p.widow_peak * bump(x, y, 0, -0.6, 0.12, 1.0) + ragged
    sideburn = -0.05 + 0.3 * p.hair_length + 0.3 * p.stubble
    line = line + (sideburn - p.hairline) * step(ax, 0.45, 0.68) + 0.6 * step(ax, 0.72, 0.9)
    return (step(line - y, -0.05, 0.05) * (1 - ear_mask(p, n))).astype(np.float32)


def _noise(rng: np.random.Generator, n: int, coarse: int) -> Map:
    """Return smooth noise of mean 0 and deviation about 1, with `coarse` cells to a side."""
    from PIL import Image

    cells = rng.standard_normal((coarse, coarse), dtype=np.float32)
    return np.asarray(Image.fromarray(cells).resize((n, n), Image.Resampling.BICUBIC))


def _skin(p: Person, n: int, hair: Map, rng: np.random.Generator) -> tuple[Map, Map]:
    """Return the colors and the gloss of skin and hair."""
    x, y, ax, _ = directions(n)
    base = np.array(p.skin, np.float32)
    texture = 1 + 0.03 * _noise(rng, n, 12) + 0.035 * _noise(rng, n, max(n // 3, 2))
    colors = base[:, None, None] * texture
    red = base * (1.08, 0.78, 0.74)
    flush = 0.8 * bump(ax, y, 0.36, 0.28, 0.17, 0.15) + 0.8 * bump(x, y, 0, 0.3, 0.1, 0.08)
    paint(colors, red, p.ruddiness * (flush + ear_mask(p, n)).clip(0, 1))
    bags = bump(ax, y, p.eye_x - 0.02, p.eye_y + 0.09, 0.12, 0.04)
    paint(colors, base * 0.72, 0.45 * p.folds * bags)
    fold = ridge(ax - 0.13 - 0.45 * (y - p.nose_length), 0.022)
    fold *= step(y, p.nose_length - 0.05, p.nose_length + 0.05) * (1 - step(y, 0.45, 0.6))
    paint(colors, base * 0.55, 0.5 * p.folds * fold)
    if p.freckles:
        spots = step(_noise(rng, n, max(n // 3, 2)), 0.9, 1.5) * bump(ax, y, 0.2, 0.15, 0.3, 0.2)
        paint(colors, base * (0.6, 0.45, 0.35), 0.8 * p.freckles * spots)
    nostril = bump(ax, y, 0.55 * p.nose_width, p.nose_length + 0.035, 0.035, 0.018)
    paint(colors, base * 0.12, 0.95 * nostril.clip(0, 1))
    _facial_hair(p, n, colors, rng)
    angle = np.arctan2(x, y + 1.1) * 12
    strands = np.interp(angle, np.linspace(-38, 38, 400), rng.standard_normal(400))
    strands = np.exp(0.3 * strands + 0.25 * _noise(rng, n, 20)).astype(np.float32)
    for plane, value in zip(colors, p.hair, strict=True):
        plane += (np.float32(value) * strands - plane) * hair
    return colors, (0.05 - 0.03 * hair + 0.05 * bump(x, y, 0, 0.2, 0.12, 0.3)).astype(np.float32)


def _facial_hair(p: Person, n: int, colors: Map, rng: np.random.Generator) -> None:
    x, y, ax, _ = directions(n)
    grain = (0.75 + 0.2 * _noise(rng, n, max(n // 2, 2))).clip(0.1, 1)
    edge = np.where(ax > 0.55, -0.05, p.mouth_y - 0.02 - 0.35 * step(ax, 0.25, 0.55))
    chin = step(y - edge, 0, 0.14)
    lip = bump(x, y, 0, p.mouth_y - 0.09, 0.2, 0.045)
    paint(colors, np.multiply(p.skin, (0.55, 0.6, 0.66)), 0.6 * p.stubble * np.maximum(chin, lip))
    if p.beard:
        paint(colors, p.hair, (p.beard * chin * grain).astype(np.float32))
    if p.moustache:
        paint(colors, p.hair, (p.moustache * (1.2 * lip).clip(0, 1) * grain).astype(np.float32))
