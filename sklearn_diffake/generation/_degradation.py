"""Degradation of a face by a video, the same for the real and the fake image.

All entries of a record are plain numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.generation._codec import CHROMA, CODECS, available_codecs, code_frames

Record = dict[str, Any]
Image = NDArray[np.uint8]

_MAX_FRAMES = 4  # of a clip; every further one costs as much as the first


def draw_degradation(rng: np.random.Generator) -> Record:
    """Draw the degradation of a face by a video.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    dict
        `edge` (where the picture ends), `rescale` (a chain of sizes), `filter` (sharpening or
        denoising), `noise` (standard deviation in levels) and `clip` (codec, quality, chroma,
        frames and their motion); each None, or an empty list, where it does not occur.
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
    lowest, highest = CODECS[codec].qualities
    n_frames = int(rng.integers(1, _MAX_FRAMES + 1))
    return {
        "codec": codec,
        "quality": int(rng.integers(lowest, highest + 1)),
        "chroma": str(rng.choice(CHROMA, p=[0.85, 0.05, 0.1])),
        "size": float(np.exp(rng.uniform(np.log(0.7), np.log(1.4)))),
        "n_frames": n_frames,
        "frame": int(rng.integers(n_frames)),
        "motion": rng.normal(0, 0.006, 2).tolist(),
    }


def draw_views(rng: np.random.Generator) -> list[Record]:
    """Draw two small motions of the face, one for the real image and one for the fake.

    They imitate two frames of one video.

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
    """Rotate, scale and shift an image about its center.

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
        image = _apply_filter(cv2, image, record["filter"])
    for step in record["rescale"]:
        image = _rescale(cv2, image, step)
    if record["noise"] is not None:
        image = _add_noise(cv2, image, record["noise"])
    if record["clip"] is not None:
        image = _code_in_clip(cv2, image, record["clip"])
    if record["edge"] is not None:
        image = _black_out(cv2, image, record["edge"])
    return image


def _apply_filter(cv2: Any, image: Image, settings: Record) -> Image:
    strength = settings["strength"]
    if settings["kind"] == "sharpen":
        soft = cv2.GaussianBlur(image, (0, 0), 1.2)
        return cv2.addWeighted(image, 1 + strength, soft, -strength, 0)
    return cv2.bilateralFilter(image, 5, 10 + 30 * strength, 2.0)


def _rescale(cv2: Any, image: Image, step: Record) -> Image:
    """Scale to another size and back, as players and uploads do."""
    kernels = {
        "nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC,
        "area": cv2.INTER_AREA,
    }  # fmt: skip
    small = _resize(cv2, image, step["factor"], kernels[step["kernel"]])
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _resize(cv2: Any, image: Image, factor: float, kernel: int) -> Image:
    size = tuple(max(8, round(side * factor)) for side in image.shape[1::-1])
    return cv2.resize(image, size, interpolation=kernel)


def _add_noise(cv2: Any, image: Image, settings: Record) -> Image:
    noise = np.random.default_rng(settings["seed"]).standard_normal(image.shape, dtype=np.float32)
    return cv2.add(image, noise * np.float32(settings["level"]), dtype=cv2.CV_8U)


def _code_in_clip(cv2: Any, image: Image, clip: Record) -> Image:
    """Code a short clip in which the picture moves; return the frame in which it does not."""
    kernel = cv2.INTER_AREA if clip["size"] < 1 else cv2.INTER_LINEAR
    scaled = _resize(cv2, image, clip["size"], kernel)
    frames = moving_frames(cv2, scaled, clip["n_frames"], clip["frame"], clip["motion"])
    options = {name: clip[name] for name in ("codec", "quality", "chroma")}
    frame = code_frames(frames, **options)[clip["frame"]]
    return cv2.resize(frame, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def moving_frames(
    cv2: Any, image: Image, n_frames: int, still_frame: int, motion: list[float]
) -> list[Image]:
    """Shift an image by a constant step from frame to frame.

    Parameters
    ----------
    cv2 : module
    image : ndarray of shape (H, W, 3), uint8
    n_frames : int
    still_frame : int
        Number of the frame in which the image is not shifted.
    motion : list of two floats
        Step in x and y, as fractions of width and height.

    Returns
    -------
    list of ndarray of shape (H, W, 3), uint8
    """
    height, width = image.shape[:2]
    frames = []
    for number in range(n_frames):
        dx, dy = (number - still_frame) * np.multiply(motion, [width, height])
        matrix = np.array([[1, 0, dx], [0, 1, dy]])
        shifted = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        frames.append(image if number == still_frame else shifted)
    return frames


def _black_out(cv2: Any, image: Image, edge: Record) -> Image:
    """Blacken the image outside a rotated rectangle, as where a photo ends."""
    height, width = image.shape[:2]
    (left, top, right, bottom), angle = edge["sides"], edge["angle"]
    corners = np.array([[-left, -top], [right, -top], [right, bottom], [-left, bottom]])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (corners @ rotation.T + 0.5) * [width, height]
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
    target_sharpness = _sharpness(cv2, fake, inside)
    soft = cv2.GaussianBlur(real, (0, 0), 1.5)
    low, high = -1.0, 3.0
    for _ in range(6):  # sharpness rises with the factor
        factor = (low + high) / 2
        candidate = cv2.addWeighted(real, 1 + factor, soft, -factor, 0)
        if _sharpness(cv2, candidate, inside) < target_sharpness:
            low = factor
        else:
            high = factor
    factor = (low + high) / 2
    return cv2.addWeighted(real, 1 + factor, soft, -factor, 0)


def _sharpness(cv2: Any, image: Image, inside: NDArray[np.bool_]) -> float:
    edges = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_16S)
    return float(np.abs(edges[inside]).mean())
