"""Quality of a face, and the limits below which a verdict is held back or carries a warning."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SIDE = 112  # pixels of the face region in which sharpness is measured
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Gates:
    """Limits of quality.

    A side fails a limit only if every image of it that is used fails it: one good photograph
    suffices.

    Attributes
    ----------
    min_face_size : float, default=40.0
        Side of the face in pixels (root of the area of its box). Below it a verdict is never
        "genuine".
    min_eye_distance : float, default=20.0
        Pixels between the eyes. Below it a verdict is never "genuine".
    min_sharpness : float, default=0.01
        Variance of the Laplacian over that of the gray levels; see `ImageEvidence`.
    min_brightness : float in [0, 1], default=0.05
        Mean gray level of the face.
    max_yaw : float, default=45.0
        Degrees by which the face is turned to a side.
    max_roll : float, default=45.0
        Degrees by which the face is rotated in the picture; upside down is not noticed.
    min_usable_fraction : float in [0, 1], default=0.5
        Fraction of the frames of a clip with a usable face. Below it a verdict is never "genuine".
    max_suspicious_frames : int, default=2
        Frames of a clip in a row that may be suspicious by themselves. With more of them a verdict
        is never "genuine": where the calibration is too small to test short windows, nothing else
        would show that a clip is altered for a few seconds. This only holds verdicts back, so it
        breaks no promise on genuine clips.
    min_references : int, default=2
        Reference images; fewer give a warning.
    max_suspicious_fraction : float in [0, 1], default=0.2
        Fraction of the images of a probe, in any order, that may be suspicious by themselves. With
        more of them, and more than `max_suspicious_frames`, a verdict is never "genuine": the mean
        of a probe that shows another person in every second frame may look like the person.

    Raises
    ------
    ValueError
        If a limit is negative or not finite.

    See Also
    --------
    VerdictWarning : Says which limit was not met.
    sklearn_diffake.verify : Takes the limits.

    Examples
    --------
    >>> from sklearn_diffake.verdict import Gates
    >>> Gates(min_face_size=60).min_eye_distance
    20.0
    """

    min_face_size: float = 40.0
    min_eye_distance: float = 20.0
    min_sharpness: float = 0.01
    min_brightness: float = 0.05
    max_yaw: float = 45.0
    max_roll: float = 45.0
    min_usable_fraction: float = 0.5
    max_suspicious_frames: int = 2
    min_references: int = 2
    max_suspicious_fraction: float = 0.2

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not np.isfinite(value) or value < 0:
                raise ValueError(f"{field.name} must be a number of 0 or more, got {value!r}")


class CropQuality(NamedTuple):
    """Quality of the pixels of a crop.

    Attributes
    ----------
    sharpness : float
        Variance of the Laplacian over the variance of the gray levels; 0 for an even crop.
    brightness : float in [0, 1]
    """

    sharpness: float
    brightness: float


def measure_crop(crop: NDArray[np.uint8], margin: float) -> CropQuality:
    """Measure sharpness and brightness of the face in a crop.

    Parameters
    ----------
    crop : ndarray of shape (S, S, 3), uint8
    margin : float
        Of the aligner: border around the face region, as a fraction of its side.

    Returns
    -------
    CropQuality
        Of the face region, brought to 112 x 112 pixels, so that crops of any size compare.
    """
    from PIL import Image

    height, width = crop.shape[:2]
    border = max(0.0, margin) / (1 + 2 * max(0.0, margin))
    box = (border * width, border * height, (1 - border) * width, (1 - border) * height)
    region = Image.fromarray(crop).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box=box)
    gray = np.asarray(region, dtype=np.float64) @ _LUMA
    center = gray[1:-1, 1:-1]
    neighbors = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:]
    contrast = float(gray.var())
    sharpness = float((neighbors - 4 * center).var()) / contrast if contrast > 0 else 0.0
    return CropQuality(sharpness, float(gray.mean()) / 255)


def estimate_yaw(landmarks: NDArray[np.floating]) -> float:
    """Estimate by how many degrees a face is turned, from five landmarks.

    In a frontal face the nose tip lies midway between the eyes, along their line. It protrudes by
    about half of their distance, so that a turn by an angle moves it by the tangent of that angle
    times half of the distance that is seen.

    Parameters
    ----------
    landmarks : ndarray of shape (5, 2)
        (x, y) of left eye, right eye, nose tip, left and right corner of the mouth.

    Returns
    -------
    float
        In (-90, 90); positive towards the right of the picture.
    """
    left, right, nose = np.asarray(landmarks[:3], dtype=np.float64)
    axis = right - left
    squared = float(axis @ axis)
    if squared == 0:
        return 90.0
    offset = float((nose - (left + right) / 2) @ axis) / squared  # in eye distances
    return float(np.degrees(np.arctan(2 * offset)))
