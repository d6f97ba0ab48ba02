"""Find faces and their five landmarks with MTCNN."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..utils._threads import thread_map, torch_threads
from ..utils._torchvision import import_torchvision

_THRESHOLDS = (0.6, 0.7, 0.7)  # of the three stages, facenet-pytorch's own
_FACTOR = 0.709  # between levels of the image pyramid, facenet-pytorch's own
_BATCH_PIXELS = 2**23  # images detected together have no more pixels than this
_CRAMPED = 0.6  # a face of a larger share of the image is detected again with a border around it
_LARGE = 0.25  # then only faces are looked for that are large enough to have been hidden so
_BORDER = 0.4  # width of that border, as a share of the shorter side
_SMALLEST = 20  # pixels; MTCNN's own smallest face
_TOGETHER = 16  # candidates are looked at in multiples of this many


class Faces(NamedTuple):
    """Every face found in one image, in its own pixel coordinates.

    Attributes
    ----------
    boxes : ndarray of shape (k, 4), float32
        Left, top, right, bottom.
    probabilities : ndarray of shape (k,), float32
        MTCNN's confidence, 0 to 1.
    landmarks : ndarray of shape (k, 5, 2), float32
        (x, y) of the left eye, right eye, nose tip, left and right corner of the mouth, left
        and right as seen in the image.
    """

    boxes: np.ndarray
    probabilities: np.ndarray
    landmarks: np.ndarray

    def choose(self, select: str, shape: tuple[int, ...]) -> int:
        """Return the position of the largest, most confident or most central face."""
        if select == "confident":
            return int(np.argmax(self.probabilities))
        left, top, right, bottom = self.boxes.T
        if select == "largest":
            return int(np.argmax((right - left) * (bottom - top)))
        middle = np.hypot((left + right - shape[1]) / 2, (top + bottom - shape[0]) / 2)
        return int(np.argmin(middle))


def detect_faces(
    images: list[np.ndarray],
    *,
    min_face_size: float,
    min_probability: float,
    max_size: int,
    device: str,
    n_jobs: int = 1,
) -> list[Faces]:
    """Detect the faces of each image with MTCNN.

    MTCNN is the method of Zhang et al., "Joint Face Detection and Alignment using Multi-task
    Cascaded Convolutional Networks", 2016. On a CPU every image is computed by itself, by one
    thread, so that what is found depends neither on the number of threads nor on the other images.
    On other devices images of one size go through the networks together.

    Parameters
    ----------
    images : list of ndarray of shape (H, W, 3), uint8
        RGB images of any sizes.
    min_face_size : float
        Smallest face looked for, as a share of the image's shorter side.
    min_probability : float
        Faces of a lower confidence are dropped.
    max_size : int
        A larger image is scaled down until its longer side has this many pixels.
    device : str
        Device to compute on.
    n_jobs : int, default=1
        Images that are computed at the same time on a CPU.

    Returns
    -------
    list of Faces
        One item per image; an item without faces has arrays of length 0.
    """
    settings = (min_face_size, min_probability, max_size, device)
    if not device.startswith("cpu"):
        return _detect_batch(images, *settings)
    _cascade(device)  # built once, before threads ask for it

    def detect(image: np.ndarray) -> Faces:
        with torch_threads(1):
            return _detect_batch([image], *settings)[0]

    return thread_map(detect, images, n_jobs=n_jobs)


def _detect_batch(
    images: list[np.ndarray],
    min_face_size: float,
    min_probability: float,
    max_size: int,
    device: str,
) -> list[Faces]:
    scaled = [_scale_down(image, max_size) for image in images]
    small = [image for image, _ in scaled]
    found = _detect_all(small, min_face_size, min_probability, device)
    cramped = [i for i, faces in enumerate(found) if _is_cramped(faces, small[i].shape)]
    borders = [round(_BORDER * min(small[i].shape[:2])) for i in cramped]
    padded = [
        np.pad(small[i], ((border, border), (border, border), (0, 0)))
        for i, border in zip(cramped, borders, strict=True)
    ]
    share = max(min_face_size, _LARGE) / (1 + 2 * _BORDER)
    again = _detect_all(padded, share, min_probability, device)
    for i, border, faces in zip(cramped, borders, again, strict=True):
        if len(faces.boxes):
            found[i] = Faces(faces.boxes - border, faces.probabilities, faces.landmarks - border)
    return [
        Faces(faces.boxes / scale, faces.probabilities, faces.landmarks / scale)
        for faces, (_, scale) in zip(found, scaled, strict=True)
    ]


def _is_cramped(faces: Faces, shape: tuple[int, ...]) -> bool:
    """Tell whether the largest face fills the image, or none was found.

    MTCNN looks for faces with surroundings. In a tight crop it finds none, or one with landmarks
    that are far off and yet a confidence of 1; with a border around the image it does well.
    """
    if not len(faces.boxes):
        return True
    left, top, right, bottom = faces.boxes[faces.choose("largest", shape)]
    height, width = shape[:2]
    fills = max(right - left, bottom - top) > _CRAMPED * min(height, width)
    return bool(fills or left < 0 or top < 0 or right > width or bottom > height)


def _detect_all(
    images: list[np.ndarray], min_face_size: float, min_probability: float, device: str
) -> list[Faces]:
    """Detect faces in images of any sizes; those of one size together."""
    found: list[Any] = [None] * len(images)
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, image in enumerate(images):
        groups.setdefault(image.shape, []).append(i)
    for shape, group in groups.items():
        step = max(1, _BATCH_PIXELS // (shape[0] * shape[1]))
        smallest = max(_SMALLEST, round(min_face_size * min(shape[:2])))
        for start in range(0, len(group), step):
            part = group[start : start + step]
            for i, (boxes, points) in zip(
                part, _detect([images[i] for i in part], smallest, device), strict=True
            ):
                sure = boxes[:, 4] >= min_probability
                found[i] = Faces(boxes[sure, :4], boxes[sure, 4], points[sure])
    return found


def _scale_down(image: np.ndarray, max_size: int) -> tuple[np.ndarray, float]:
    from PIL import Image

    height, width = image.shape[:2]
    scale = max_size / max(height, width)
    if scale >= 1:
        return image, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)), scale


def _detect(
    images: list[np.ndarray], smallest: int, device: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return boxes with confidence (k, 5) and landmarks (k, 5, 2) of equally large images."""
    import torch

    nothing = np.empty((0, 5), np.float32), np.empty((0, 5, 2), np.float32)
    if min(images[0].shape[:2]) < smallest:
        return [nothing] * len(images)
    nets, detect_face = _cascade(device)
    try:
        with torch.inference_mode():
            boxes, points = detect_face(
                np.stack(images), smallest, *nets, _THRESHOLDS, _FACTOR, device
            )
    except (ValueError, IndexError):
        # facenet-pytorch trips over candidates that lie outside of the image altogether; what
        # torch or the device fails at is a RuntimeError, and is not hidden
        if len(images) == 1:
            return [nothing]
        return [_detect([image], smallest, device)[0] for image in images]
    return [
        (np.asarray(b, np.float32).reshape(-1, 5), np.asarray(p, np.float32).reshape(-1, 5, 2))
        for b, p in zip(boxes, points, strict=True)
    ]


@functools.lru_cache(maxsize=2)
def _cascade(device: str) -> tuple[tuple[Any, ...], Any]:
    import_torchvision()
    from facenet_pytorch import MTCNN
    from facenet_pytorch.models.utils.detect_face import detect_face

    model = MTCNN(keep_all=True, device=device)
    later = [functools.partial(_in_multiples, net) for net in (model.rnet, model.onet)]
    return (model.pnet, *later), detect_face


def _in_multiples(net: Callable[..., Any], candidates: Any) -> tuple[Any, ...]:
    """Call a stage on candidates filled up with black ones, whose verdicts are dropped.

    Their number is another in every call, and torch prepares a convolution anew, and keeps it,
    for each number that it meets: that takes time, and most of the memory of a detection.
    """
    import torch

    n = len(candidates)
    blank = candidates.new_zeros(-n % _TOGETHER, *candidates.shape[1:])
    return tuple(verdicts[:n] for verdicts in net(torch.cat([candidates, blank])))
