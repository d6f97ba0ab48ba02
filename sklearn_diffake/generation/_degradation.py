"""What a video does to a face after it was filmed or forged: the same for the real and the fake.

Every part of a record is drawn here and applied here; all of them are plain numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._codec import CHROMA, CODECS, available_codecs, code_frames

Record = dict[str, Any]
Image = NDArray[np.uint8]

_MOST_FRAMES = 4  # of a clip; every further one costs as much as the first


def draw_degradation(rng: np.random.Generator) -> Record:
    """Draw the way of a face through video.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    dict
        `edge` (where the picture ends), `rescale` (a chain of sizes), `filter` (sharpening or
        denoising), `noise` (standard deviation in levels) and `clip` (codec, quality, chroma,
        frames and their motion); each None, or an empty list, where it is not done.
    """
    record: Record = {"edge": None, "filter": None, "noise": None, "clip": None}
    if rng.random() < 0.3:
        sides = rng.uniform(0.3, 0.52, 4).tolist()
        record["edge"] = {"angle": float(rng.normal(0, 0.15)), "sides": sides}
    steps = int(rng.choice(3, p=[0.4, 0.4, 0.2]))
    record["rescale"] = [_draw_rescale(rng) for _ in range(steps)]
    if rng.random() < 0.3:
        kind = str(rng.choice(["sharpen", "denoise"]))
        record["filter"] = {"kind": kind, "strength": float(rng.uniform(0.2, 1.0))}
    if rng.random() < 0.2:
        record["noise"] = {"level": float(rng.uniform(1, 6)), "seed": int(rng.integers(2**32))}
    if rng.random() < 0.75:
        record["clip"] = _draw_clip(rng)
    return record


def _draw_rescale(rng: np.random.Generator) -> Record:
    kernel = str(rng.choice(["nearest", "linear", "cubic", "area"], p=[0.1, 0.3, 0.3, 0.3]))
    return {"factor": float(np.exp(rng.uniform(np.log(0.4), np.log(1.5)))), "kernel": kernel}


def _draw_clip(rng: np.random.Generator) -> Record:
    weights = np.array([CODECS[name].weight for name in available_codecs()])
    codec = str(rng.choice(available_codecs(), p=weights / weights.sum()))
    least, greatest = CODECS[codec].qualities
    n_frames = int(rng.integers(1, _MOST_FRAMES + 1))
    return {
        "codec": codec,
        "quality": int(rng.integers(least, greatest + 1)),
        "chroma": str(rng.choice(CHROMA, p=[0.85, 0.05, 0.1])),
        "size": float(np.exp(rng.uniform(np.log(0.7), np.log(1.4)))),
        "n_frames": n_frames,
        "frame": int(rng.integers(n_frames)),
        "motion": rng.normal(0, 0.006, 2).tolist(),
    }


def draw_views(rng: np.random.Generator) -> list[Record]:
    """Draw two small motions of the face, one for the real image and one for the fake.

    A stand-in for two frames of one video.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    list of two dict
        `angle` in radians, `scale`, and `shift` in x and y as fractions of width and height.
    """
    return [
        {
            "angle": float(rng.normal(0, 0.04)),
            "scale": float(np.exp(rng.normal(0, 0.03))),
            "shift": rng.normal(0, 0.015, 2).tolist(),
        }
        for _ in range(2)
    ]


def move(cv2: Any, image: Image, view: Record) -> Image:
    """Turn, scale and shift an image about its center.

    Parameters
    ----------
    cv2 : module
    image : ndarray of shape (H, W, 3) or (H, W), uint8
    view : dict
        One of `draw_views`.

    Returns
    -------
    ndarray of the same shape, uint8
    """
    height, width = image.shape[:2]
    angle = np.degrees(view["angle"])
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, view["scale"])
    matrix[:, 2] += np.multiply(view["shift"], [width, height])
    return cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def degrade(cv2: Any, record: Record, image: Image) -> Image:
    """Apply a drawn degradation to one image.

    Parameters
    ----------
    cv2 : module
    record : dict
        Of `draw_degradation`.
    image : ndarray of shape (H, W, 3), uint8
        RGB.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB. The face stays where it is.

    Raises
    ------
    ImportError
        If PyAV is not installed, or lacks the codec.
    """
    if record["filter"] is not None:
        image = _filtered(cv2, image, record["filter"])
    for step in record["rescale"]:
        image = _rescaled(cv2, image, step)
    if record["noise"] is not None:
        image = _noisy(cv2, image, record["noise"])
    if record["clip"] is not None:
        image = _coded(cv2, image, record["clip"])
    if record["edge"] is not None:
        image = _cut_off(cv2, image, record["edge"])
    return image


def _filtered(cv2: Any, image: Image, drawn: Record) -> Image:
    strength = drawn["strength"]
    if drawn["kind"] == "sharpen":
        soft = cv2.GaussianBlur(image, (0, 0), 1.2)
        return cv2.addWeighted(image, 1 + strength, soft, -strength, 0)
    return cv2.bilateralFilter(image, 5, 10 + 30 * strength, 2.0)


def _rescaled(cv2: Any, image: Image, step: Record) -> Image:
    """Scale to another size and back, as players and uploads do."""
    kernels = {
        "nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC,
        "area": cv2.INTER_AREA,
    }  # fmt: skip
    small = _resized(cv2, image, step["factor"], kernels[step["kernel"]])
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _resized(cv2: Any, image: Image, factor: float, kernel: int) -> Image:
    size = tuple(max(8, round(side * factor)) for side in image.shape[1::-1])
    return cv2.resize(image, size, interpolation=kernel)


def _noisy(cv2: Any, image: Image, drawn: Record) -> Image:
    noise = np.random.default_rng(drawn["seed"]).standard_normal(image.shape, dtype=np.float32)
    return cv2.add(image, noise * np.float32(drawn["level"]), dtype=cv2.CV_8U)


def _coded(cv2: Any, image: Image, clip: Record) -> Image:
    """Take one frame of a short clip in which the picture moves; it is where it was in that one."""
    kernel = cv2.INTER_AREA if clip["size"] < 1 else cv2.INTER_LINEAR
    scaled = _resized(cv2, image, clip["size"], kernel)
    frames = moving_frames(cv2, scaled, clip["n_frames"], clip["frame"], clip["motion"])
    options = {name: clip[name] for name in ("codec", "quality", "chroma")}
    frame = code_frames(frames, **options)[clip["frame"]]
    return cv2.resize(frame, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def moving_frames(
    cv2: Any, image: Image, n_frames: int, still: int, motion: list[float]
) -> list[Image]:
    """Shift an image by a constant step from frame to frame.

    Parameters
    ----------
    cv2 : module
    image : ndarray of shape (H, W, 3), uint8
    n_frames : int
    still : int
        The frame in which the image is where it is.
    motion : list of two floats
        Step in x and y, as fractions of width and height.

    Returns
    -------
    list of ndarray of shape (H, W, 3), uint8
    """
    height, width = image.shape[:2]
    frames = []
    for number in range(n_frames):
        shift = [(number - still) * motion[0] * width, (number - still) * motion[1] * height]
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
        moved = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        frames.append(image if number == still else moved)
    return frames


def _cut_off(cv2: Any, image: Image, edge: Record) -> Image:
    """Blacken what lies outside a turned rectangle, as where a photo ends."""
    height, width = image.shape[:2]
    (left, top, right, bottom), angle = edge["sides"], edge["angle"]
    corners = np.array([[-left, -top], [right, -top], [right, bottom], [-left, bottom]])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (corners @ turn.T + 0.5) * [width, height]
    inside = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(inside, np.rint(corners).astype(np.int32), 255)
    return cv2.bitwise_and(image, image, mask=inside)


def match_sharpness(cv2: Any, real: Image, fake: Image, mask: Image) -> Image:
    """Blur or sharpen a real image until it is as sharp as its fake where they differ.

    Parameters
    ----------
    cv2 : module
    real, fake : ndarray of shape (H, W, 3), uint8
        RGB.
    mask : ndarray of shape (H, W), uint8
        Sharpness is the mean absolute Laplacian of the luma where it is not zero.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        ``real + a * (real - blurred)`` with one factor a, -1 to 3, for the whole image.
    """
    inside = mask > 0
    goal = _sharpness(cv2, fake, inside)
    soft = cv2.GaussianBlur(real, (0, 0), 1.5)
    low, high = -1.0, 3.0
    for _ in range(6):  # sharpness rises with the factor
        factor = (low + high) / 2
        changed = cv2.addWeighted(real, 1 + factor, soft, -factor, 0)
        if _sharpness(cv2, changed, inside) < goal:
            low = factor
        else:
            high = factor
    factor = (low + high) / 2
    return cv2.addWeighted(real, 1 + factor, soft, -factor, 0)


def _sharpness(cv2: Any, image: Image, inside: NDArray[np.bool_]) -> float:
    edges = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_16S)
    return float(np.abs(edges[inside]).mean())
