"""The moving features of a face: brows, eyes and mouth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sklearn_diffake.datasets._rendered._head_model import (
    Expression,
    HeadMaps,
    Map,
    Person,
    bump,
    directions,
    hill,
    paint,
    ridge,
    step,
    still_head,
    window,
)

_UPPER = (0.6, -0.42, 0.2)  # the window of brows and eyes
_CHEEKS = (0.75, 0.0, 1.3)  # the window of the moving cheeks and chin
_LOWER = (0.42, 0.3, 0.85)  # the window of the mouth


def make_head(person: Person, expression: Expression, n: int) -> HeadMaps:
    """Return the maps of a person's head with an expression.

    Parameters
    ----------
    person : Person
    expression : Expression
    n : int
        Side of the maps.
    """
    still = still_head(person, n)
    maps = HeadMaps(still.relief.copy(), still.colors.copy(), still.gloss.copy(), still.hair)
    brows_and_eyes, mouth = _Region.cut(maps, _UPPER), _Region.cut(maps, _LOWER)
    _move_cheeks(expression, _Region.cut(maps, _CHEEKS))
    _draw_brows(person, expression, brows_and_eyes)
    _draw_eyes(person, expression, brows_and_eyes)
    _draw_mouth(person, expression, mouth)
    return maps


class _Region(NamedTuple):
    """Views of a part of a head's maps, and its directions."""

    x: Map
    y: Map
    mirrored: Map
    relief: Map
    colors: Map
    gloss: Map

    @classmethod
    def cut(cls, maps: HeadMaps, limits: tuple[float, float, float]) -> _Region:
        rows, columns = window(len(maps.relief), *limits)
        grid = directions(len(maps.relief))
        planes = grid.x, grid.y, grid.mirrored, maps.relief, maps.colors, maps.gloss
        return cls(*(plane[..., rows, columns] for plane in planes))


def _move_cheeks(e: Expression, region: _Region) -> None:
    x, y, ax, relief, _, _ = region
    relief += 0.03 * e.smile * bump(ax, y, 0.33, 0.3, 0.13, 0.1)
    relief -= 0.018 * max(e.smile, 0) * bump(ax, y, 0.24, 0.42, 0.05, 0.12)
    relief += 0.07 * e.jaw * bump(x, y, 0, 0.92, 0.3, 0.16)


def brow_line(p: Person, e: Expression, x: Map) -> Map:
    """Return the height of the brows at some distances from the middle."""
    middle = (x - p.eye_x) / 0.18
    return p.brow_y - 0.05 * e.brows + p.brow_arch * middle**2 + p.brow_slant * 0.18 * middle


def _draw_brows(p: Person, e: Expression, region: _Region) -> None:
    _, y, ax, relief, colors, _ = region
    above = (y - brow_line(p, e, ax)) / (p.brow_thickness * (1.3 - 1.4 * ax))
    along = step(ax, p.eye_x - 0.19, p.eye_x - 0.14) * (1 - step(ax, p.eye_x + 0.12, p.eye_x + 0.2))
    weight = hill(above**2) * along
    paint(colors, np.multiply(p.hair, 0.8), p.brow_density * weight)
    relief += 0.012 * weight


def lids(p: Person, e: Expression, along: Map) -> tuple[Map, Map]:
    """Return the heights of upper and lower lid; -1 is the inner and 1 the outer corner."""
    arc = np.maximum(1 - along**2, 0)
    level = p.eye_y - p.eye_slant * along
    lower = level + (0.62 - 0.15 * max(e.smile, 0)) * p.eye_height * arc
    upper = level - p.eye_height * arc**0.8
    shut = np.clip(1 - e.lids, -0.3, 1)
    return upper + (lower - upper) * shut * 0.97, lower


def _draw_eyes(p: Person, e: Expression, region: _Region) -> None:
    x, y, ax, relief, colors, gloss = region
    along = (ax - p.eye_x) / p.eye_width
    upper, lower = lids(p, e, along)
    near = (1 - step(np.abs(along), 0.95, 1.1)) * ridge(y - p.eye_y, 0.16)
    crease = ridge(y - upper + 0.035, 0.012)
    paint(colors, np.multiply(p.skin, 0.45), 0.6 * near * crease)
    opening = step(y - upper, -0.006, 0.01) * step(lower - y, -0.006, 0.01)
    opening *= 1 - step(np.abs(along), 0.9, 1.02)
    shade = 0.55 + 0.45 * step(y - upper, 0, 0.045)
    white = np.array([0.62, 0.57, 0.54], np.float32)
    side = np.sign(x)
    iris_x = (ax - p.eye_x) * side - 0.045 * e.gaze_x
    iris_y = y - p.eye_y - 0.025 * e.gaze_y + 0.006
    far = np.hypot(iris_x, iris_y)
    eye = np.empty_like(colors)
    eye[:] = white[:, None, None] * shade
    paint(eye, np.multiply(p.iris, 0.35), 1 - step(far, 0.05, 0.058))
    paint(eye, p.iris, 1 - step(far, 0.038, 0.048))
    paint(eye, (0.004, 0.004, 0.004), 1 - step(far, 0.018, 0.026))
    paint(eye, (0.9, 0.9, 0.9), 1 - step(np.hypot(iris_x + 0.015, iris_y + 0.017), 0.006, 0.016))
    colors += (eye - colors) * opening
    lash = ridge(y - upper, 0.013) * (1 - step(np.abs(along), 0.95, 1.12))
    paint(colors, np.multiply(p.hair, 0.5).clip(0, 0.05), 0.85 * lash)
    lash = ridge(y - lower, 0.009) * (1 - step(np.abs(along), 0.8, 1.05))
    paint(colors, np.multiply(p.skin, 0.35), 0.5 * lash)
    relief += 0.012 * near * ridge(y - upper + 0.018, 0.02)
    gloss += 0.02 * opening


def lips(p: Person, e: Expression, along: Map) -> tuple[Map, Map, Map, Map]:
    """Return the heights of the lips' four edges, downwards; -1 and 1 are the corners."""
    arc = np.maximum(1 - along**2, 0)
    line = p.mouth_y - 0.055 * e.smile * np.minimum(along**2, 1.3)
    thin = 1 - 0.25 * max(e.smile, 0)
    upper = line - 0.02 * e.jaw * arc
    lower = line + (0.13 * e.jaw + 0.02 * max(e.smile, 0)) * arc
    bow = 1 - 0.25 * ridge(along, 0.12)
    top = upper - thin * p.upper_lip * bow * arc**0.7
    return top, upper, lower, lower + thin * p.lower_lip * arc**0.6


def mouth_width(p: Person, e: Expression) -> float:
    """Return half the width of the mouth."""
    return p.mouth_width * (1 + 0.2 * e.smile - 0.08 * e.jaw)


def _draw_mouth(p: Person, e: Expression, region: _Region) -> None:
    x, y, ax, relief, colors, gloss = region
    along = x / mouth_width(p, e)
    inside = 1 - step(np.abs(along), 0.92, 1.02)
    top, upper, lower, bottom = lips(p, e, along)
    red = np.multiply(p.skin, (0.92, 0.5, 0.52)) * (1 - 0.25 * p.lip_color)
    lip = step(y - top, -0.012, 0.012) * step(bottom - y, -0.012, 0.012) * inside
    paint(colors, red, (0.45 + 0.5 * p.lip_color) * lip)
    gap = step(y - upper, -0.01, 0.008) * step(lower - y, -0.01, 0.008) * inside
    hollow = np.full_like(colors, 0.0)
    hollow[:] = np.array([0.045, 0.012, 0.01], np.float32)[:, None, None]
    teeth = step(y - upper, 0.0, 0.012) * (1 - step(y - upper, 0.05, 0.062))
    teeth *= 1 - step(np.abs(along), 0.4, 0.75)
    paint(hollow, (0.45, 0.42, 0.38), 0.9 * teeth)
    colors += (hollow - colors) * gap
    seam = ridge(y - 0.5 * (upper + lower), 0.011) * inside
    paint(colors, np.multiply(p.skin, 0.16), 0.8 * seam * (1 - gap * min(1, 4 * e.jaw)))
    relief += 0.03 * lip * (1 - gap) - 0.03 * gap
    relief -= 0.01 * bump(ax, y, mouth_width(p, e) + 0.015, p.mouth_y - 0.04 * e.smile, 0.03, 0.04)
    gloss += 0.08 * lip
