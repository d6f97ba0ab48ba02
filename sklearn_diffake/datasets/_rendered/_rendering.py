"""From a head, a pose and a light to a picture."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.datasets._rendered._features import (
    brow_line,
    lids,
    lips,
    make_head,
    mouth_width,
)
from sklearn_diffake.datasets._rendered._head_model import (
    REACH,
    SAMPLES,
    WIDTH,
    Color,
    Expression,
    HeadMaps,
    Map,
    Person,
    directions,
    ridge,
    step,
)
from sklearn_diffake.generation._edits import interpolate

_ITERATIONS = 4  # of the search for the surface


class Pose(NamedTuple):
    """Where the head is. Angles in degrees; lengths as shares of the picture's side."""

    yaw: float = 0.0  # positive turns to the right of the picture
    pitch: float = 0.0  # positive looks down
    roll: float = 0.0  # positive leans clockwise
    x: float = 0.5
    y: float = 0.5
    scale: float = 0.35  # half the height of an average head
    distance: float = 6.0  # of the camera, in units of the head model


class Light(NamedTuple):
    """A distant lamp and light from everywhere."""

    azimuth: float = -30.0  # degrees to the right
    elevation: float = 30.0  # degrees up
    key: float = 0.8
    ambient: float = 0.45
    key_color: Color = (1.0, 1.0, 1.0)
    ambient_color: Color = (1.0, 1.0, 1.0)


class Backdrop(NamedTuple):
    """What is behind the head."""

    colors: tuple[Color, Color]  # top and bottom
    clutter: float  # contrast of what stands about
    cells: int  # of the clutter to a side
    sharp: bool  # edges, or out of focus
    clothes: Color
    seed: int
    shift: float = 0.0  # of the camera, in pixels of the clutter


class Scene(NamedTuple):
    """All that is in a picture."""

    person: Person
    expression: Expression
    pose: Pose
    light: Light
    backdrop: Backdrop


class Picture(NamedTuple):
    """A picture and where the face is in it."""

    image: NDArray[np.uint8]  # (size, size, 3)
    landmarks: NDArray[np.float32]  # (68, 2), (x, y) in pixels


@lru_cache(maxsize=16)
def render(scene: Scene, size: int) -> Picture:
    """Render a scene as it is in front of the camera: without blur, noise and compression.

    The last scenes are kept, as one is often forged in several ways. Do not write into them.

    Parameters
    ----------
    scene : Scene
    size : int
        Side of the picture in pixels.
    """
    n = int(SAMPLES * size)
    maps = make_head(scene.person, scene.expression, n)
    view = _View(scene.person, scene.pose, size)
    canvas = _backdrop(scene.backdrop, size)
    _draw_body(scene, view, canvas)
    box = view.box(float(maps.relief.max()))
    u, v, outside = _find_surface(view, maps.relief, box)
    visible = outside < 0.5
    weight = np.clip(0.5 - outside[visible], 0, 1)
    face = interpolate(_shade(scene, view, maps), u[visible], v[visible])
    for plane, shaded in zip(canvas, face, strict=True):
        region = plane[box]
        behind = region[visible]
        region[visible] = behind + (shaded - behind) * weight
    levels = np.sqrt(np.clip(canvas, 0, 1)) * 255 + 0.5
    image = np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))
    image.flags.writeable = False
    return Picture(image, _landmarks(scene, view, maps.relief))


def landmarks_of(scene: Scene, size: int) -> NDArray[np.float32]:
    """Return the 68 landmarks (x, y) of the picture of a scene without rendering it."""
    maps = make_head(scene.person, scene.expression, int(SAMPLES * size))
    return _landmarks(scene, _View(scene.person, scene.pose, size), maps.relief)


class _View:
    """The camera, and the head's frame in it."""

    def __init__(self, person: Person, pose: Pose, size: int) -> None:
        yaw, pitch, roll = np.radians([-pose.yaw, pose.pitch, pose.roll])
        cosine, sine = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
        turn = np.array([[cosine[0], 0, -sine[0]], [0, 1, 0], [sine[0], 0, cosine[0]]])
        nod = np.array([[1, 0, 0], [0, cosine[1], sine[1]], [0, -sine[1], cosine[1]]])
        lean = np.array([[cosine[2], -sine[2], 0], [sine[2], cosine[2], 0], [0, 0, 1]])
        self.rotation = np.einsum("ij,jk,kl->il", lean, nod, turn)
        self.radii = np.array([person.width, person.height, person.depth])
        self.distance = pose.distance
        self.focal = pose.scale * size * pose.distance
        self.center = np.array([pose.x, pose.y]) * size - 0.5
        self.size = size

    def project(self, points: NDArray) -> NDArray:
        """Return the pixels (k, 2) of points (k, 3) of the head."""
        x, y, z = np.einsum("ij,kj->ik", self.rotation, points)
        scale = self.focal / (self.distance - z)
        return np.stack([x * scale, y * scale], 1) + self.center

    def box(self, highest: float) -> tuple[slice, slice]:
        """Return the rows and columns that hold the head, from even numbers on."""
        reach = self.radii.max() * (1 + highest)
        reach *= self.focal / np.sqrt(self.distance**2 - min(reach, 0.9 * self.distance) ** 2)
        low = np.clip(self.center - reach, 0, self.size - 4).astype(int) // 2 * 2
        high = np.clip(self.center + reach + 2, low + 4, self.size).astype(int)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    def rays(self, x: Map, y: Map) -> tuple[Map, NDArray]:
        """Return directions (3, ...) of the rays through pixels, and where they start.

        Both in the head's frame, in units of the ellipsoid's radii.
        """
        across = ((x - self.center[0]) / self.focal).astype(np.float32)
        down = ((y - self.center[1]) / self.focal).astype(np.float32)
        into = (self.rotation / self.radii).astype(np.float32)  # rows: the camera's axes
        axes = [across * into[0, k] + down * into[1, k] - into[2, k] for k in range(3)]
        return np.stack(axes), self.distance * into[2]


def _find_surface(view: _View, relief: Map, box: tuple[slice, slice]) -> tuple[Map, Map, Map]:
    """Return where the rays of a box of pixels meet the head, and by how many pixels they miss it.

    The radius of the ellipsoid is set to what the map says in the direction of the last guess,
    again and again, at half the resolution. The places are in samples of the map.
    """
    down, across = (np.arange(side.start, side.stop + 2, 2, dtype=np.float32) for side in box)
    rays, start = view.rays(across[None, :], down[:, None])
    dx, dy, dz = rays
    squared = dx * dx + dy * dy + dz * dz
    nearest = -(dx * start[0] + dy * start[1] + dz * start[2]) / squared
    start_squared = float(start[0] ** 2 + start[1] ** 2 + start[2] ** 2)
    # squared distance of the rays from the center
    squared_miss = np.maximum(start_squared - nearest * nearest * squared, 0)
    n = len(relief)
    zoom = np.float32((n - 1) / (2 * REACH))
    radius = np.float32(1.05) * np.ones_like(squared_miss)
    for iteration in range(_ITERATIONS):
        t = nearest - np.sqrt(np.maximum(radius * radius - squared_miss, 0) / squared)
        px, py, pz = start[0] + t * dx, start[1] + t * dy, start[2] + t * dz
        length = np.sqrt(px * px + py * py + pz * pz)
        lateral = zoom / np.sqrt(np.maximum(length * (length + pz), 1e-6))
        u = np.clip((px * lateral) + zoom * REACH, 0, n - 1.001)
        v = np.clip((py * lateral) + zoom * REACH, 0, n - 1.001)
        estimate = 1 + interpolate(relief, u, v)
        radius = estimate if iteration == 0 else 0.5 * (radius + estimate)
    pixels = view.focal / view.distance * np.sqrt(view.radii[0] * view.radii[1])
    outside = (np.sqrt(squared_miss) - radius) * np.float32(pixels)
    height, width = (side.stop - side.start for side in box)
    u, v, outside = (_double_resolution(coarse)[:height, :width] for coarse in (u, v, outside))
    return u, v, outside


def _double_resolution(coarse: Map) -> Map:
    """Interpolate every second pixel."""
    rows, columns = coarse.shape
    fine = np.empty((2 * rows - 1, 2 * columns - 1), np.float32)
    fine[::2, ::2] = coarse
    fine[1::2, ::2] = 0.5 * (coarse[:-1] + coarse[1:])
    fine[:, 1::2] = 0.5 * (fine[:, :-2:2] + fine[:, 2::2])
    return fine


def _normals(maps: HeadMaps, view: _View) -> Map:
    """Return the surface's normals (3, n, n) in the head's frame, from differences."""
    n = len(maps.relief)
    points = directions(n).unit * (1 + maps.relief)
    points *= view.radii.astype(np.float32)[:, None, None]
    across, down = np.empty_like(points), np.empty_like(points)
    across[:, :, 1:-1] = points[:, :, 2:] - points[:, :, :-2]
    across[:, :, [0, -1]] = across[:, :, [1, -2]]
    down[:, 1:-1] = points[:, 2:] - points[:, :-2]
    down[:, [0, -1]] = down[:, [1, -2]]
    (ax, ay, az), (dx, dy, dz) = across, down
    normals = np.stack([ay * dz - az * dy, az * dx - ax * dz, ax * dy - ay * dx])
    normals /= np.sqrt((normals * normals).sum(0)) + np.float32(1e-9)
    return normals


def _shade(scene: Scene, view: _View, maps: HeadMaps) -> Map:
    """Return the colors (3, n, n) of the head in its light: Lambert, ambient, a little gloss."""
    from scipy.ndimage import uniform_filter

    light = scene.light
    azimuth, elevation = np.radians([light.azimuth, light.elevation])
    lamp = np.array([np.sin(azimuth) * np.cos(elevation), -np.sin(elevation),
                     np.cos(azimuth) * np.cos(elevation)])  # fmt: skip
    towards = (view.rotation * lamp[:, None]).sum(0).astype(np.float32)
    eye = view.rotation[2].astype(np.float32)
    up = -view.rotation[1].astype(np.float32)
    nx, ny, nz = _normals(maps, view)
    facing = nx * towards[0] + ny * towards[1] + nz * towards[2]
    diffuse = np.maximum((facing + np.float32(0.15)) / np.float32(1.15), 0)
    n = len(maps.relief)
    hollow = maps.relief - uniform_filter(maps.relief, max(3, n // 9), mode="nearest")
    open_sky = np.clip(1 + 7 * hollow, 0.35, 1.15)
    around = (0.8 + 0.2 * (nx * up[0] + ny * up[1] + nz * up[2])) * open_sky
    half = towards + eye
    half /= np.float32(np.sqrt((half * half).sum()))
    shine = np.maximum(nx * half[0] + ny * half[1] + nz * half[2], 0) ** 2
    shine = (shine * shine) ** 2
    shine = maps.gloss * shine * shine * (facing > 0)
    diffuse *= np.minimum(open_sky, 1)
    shaded = np.empty_like(maps.colors)
    for k, plane in enumerate(maps.colors):
        key = np.float32(light.key * light.key_color[k])
        fill = np.float32(light.ambient * light.ambient_color[k])
        shaded[k] = plane * (key * diffuse + fill * around) + key * shine
    return shaded


def _draw_body(scene: Scene, view: _View, canvas: Map) -> None:
    """Draw what is behind the face, in place: long hair, neck and clothes."""
    backdrop, light, person = scene.backdrop, scene.light, scene.person
    size = canvas.shape[-1]
    unit = view.focal / view.distance
    x0, y0 = view.project(np.array([[0.0, 0.5, -0.25]]))[0]
    x = (np.arange(size, dtype=np.float32) - np.float32(x0))[None, :] / np.float32(unit)
    y = (np.arange(size, dtype=np.float32) - np.float32(y0))[:, None] / np.float32(unit)
    edge = float(1 / unit)
    side = np.sin(np.radians(light.azimuth))
    lit = 0.6 * light.key * np.array(light.key_color, np.float32)
    lit += light.ambient * np.array(light.ambient_color, np.float32)
    lit = lit[:, None, None] * (1 + np.float32(0.5 * side) * np.clip(x, -1, 1))
    if person.hair_length:
        below = 0.2 + 1.2 * person.hair_length
        wide = person.width * (1.1 + person.hair_volume)
        outline = wide * (0.65 + 0.35 * step(y, -1.3, -0.5) - 0.12 * step(y, 0.2, 1.2))
        curtain = step(outline - np.abs(x), -edge, edge) * step(below - y, -0.15, 0.15)
        curtain *= step(y, -1.3, -1.0)
        _cover(canvas, np.array(person.hair) * 0.8, lit, curtain)
    start = int(np.searchsorted(y[:, 0], -0.1))  # all else is below
    canvas, y = canvas[:, start:], y[start:]
    neck = step(0.62 * person.width + 0.1 * np.maximum(y - 0.4, 0) - np.abs(x), -edge, edge)
    neck = neck * step(y, -0.1, 0.0)
    shadow = 0.35 + 0.5 * step(y, 0.45, 1.0)
    _cover(canvas, np.array(person.skin), lit * shadow, neck)
    top = 0.78 + 0.18 * np.abs(x) ** 1.5 + 0.12 * ridge(x, 0.4)
    clothes = step(y - top, -edge, edge) * step(2.0 - np.abs(x), -0.1, 0.1)
    _cover(canvas, np.array(backdrop.clothes), lit * (1 - 0.25 * np.abs(np.sin(4 * x))), clothes)


def _cover(canvas: Map, color: NDArray, light: Map, weight: Map) -> None:
    for plane, value, lit in zip(canvas, color, light, strict=True):
        plane += (np.float32(value) * lit - plane) * weight


def _backdrop(backdrop: Backdrop, size: int) -> Map:
    from PIL import Image

    rng = np.random.default_rng(backdrop.seed)
    n = backdrop.cells
    clutter = rng.standard_normal((n, n, 1)) + 0.25 * rng.standard_normal((n, n, 3))
    down = np.linspace(0, 1, n)[:, None, None]
    top, bottom = (np.array(color) for color in backdrop.colors)
    cells = (top + (bottom - top) * down) * np.exp(backdrop.clutter * clutter)
    levels = np.rint(255 * np.sqrt(np.clip(cells, 0, 1))).astype(np.uint8)
    method = Image.Resampling.NEAREST if backdrop.sharp else Image.Resampling.BICUBIC
    box = (backdrop.shift, 0, n - 2 + backdrop.shift, n - 1)
    image = np.asarray(Image.fromarray(levels).resize((size, size), method, box))
    canvas = np.ascontiguousarray(image.transpose(2, 0, 1)).astype(np.float32) / 255
    return canvas * canvas


def _landmarks(scene: Scene, view: _View, relief: Map) -> NDArray[np.float32]:
    points = face_points(scene.person, scene.expression)
    n = len(relief)
    lateral = points / [WIDTH, 1]
    depth = np.sqrt(np.maximum(1 - (lateral**2).sum(1), 0))
    unit = np.column_stack([lateral, depth])
    u, v = (lateral / np.sqrt(1 + depth)[:, None] / (2 * REACH) + 0.5).T * (n - 1)
    radius = 1 + interpolate(relief, np.clip(u, 0, n - 2), np.clip(v, 0, n - 2))
    return view.project(unit * radius[:, None] * view.radii).astype(np.float32)


def face_points(p: Person, e: Expression) -> NDArray[np.float64]:
    """Return 68 places on a face, in the usual order, as `directions` names them."""
    around = np.linspace(-1.0, 1.0, 17) * np.radians(88)
    drop = 0.04 * e.jaw
    jaw = np.column_stack([0.99 * WIDTH * np.sin(around), 0.02 + (0.93 + drop) * np.cos(around)])
    x = np.linspace(p.eye_x - 0.15, p.eye_x + 0.15, 5)
    brow: NDArray[np.float64] = np.column_stack([x, brow_line(p, e, x)])
    nose_y = np.linspace(p.eye_y, p.nose_length - 0.05, 4)
    bridge = np.column_stack([np.zeros(4), nose_y])
    x = np.linspace(-0.8, 0.8, 5) * p.nose_width
    base = np.column_stack([x, p.nose_length + 0.03 - 0.015 * (np.abs(x) > 0.5 * p.nose_width)])
    along = np.array([-1, -0.4, 0.4, 1, 0.4, -0.4])
    upper, lower = lids(p, e, along)
    eye = np.column_stack([p.eye_x + p.eye_width * along, np.where(np.arange(6) < 3, upper, lower)])
    eye[[0, 3], 1] = p.eye_y - p.eye_slant * along[[0, 3]]
    mirrored = eye[[3, 2, 1, 0, 5, 4]] * [-1, 1]
    outer = np.array([-1, -0.6, -0.2, 0, 0.2, 0.6, 1, 0.6, 0.2, 0, -0.2, -0.6])
    inner = np.array([-0.85, -0.3, 0, 0.3, 0.85, 0.3, 0, -0.3])
    top, _, _, bottom = lips(p, e, outer)
    _, upper, lower, _ = lips(p, e, inner)
    width = mouth_width(p, e)
    rim = np.column_stack([width * outer, np.where(np.arange(12) < 7, top, bottom)])
    gap = np.column_stack([width * inner, np.where(np.arange(8) < 5, upper, lower)])
    left_brow = brow[::-1] * [-1, 1]
    return np.concatenate([jaw, left_brow, brow, bridge, base, mirrored, eye, rim, gap])
