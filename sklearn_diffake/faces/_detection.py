"""Detect faces and their five landmarks with MTCNN."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sklearn_diffake.utils._batches import batches_of, size_within
from sklearn_diffake.utils._facenet_pytorch import import_facenet_pytorch
from sklearn_diffake.utils._threads import thread_map, torch_threads

_THRESHOLDS = (0.6, 0.7, 0.7)  # of the three stages, facenet-pytorch's own
_FACTOR = 0.709  # between levels of the image pyramid, facenet-pytorch's own
_BATCH_PIXELS = 2**23  # most pixels of the images in a batch
_CRAMPED = 0.6  # an image whose face fills a larger fraction is detected again with a border
_LARGE = 0.25  # smallest face then, as a fraction: smaller faces need no border
_BORDER = 0.4  # width of the border, as a fraction of the shorter side
_SMALLEST = 20  # pixels; MTCNN's own smallest face
_MULTIPLE = 16  # the number of candidates in a batch is a multiple of this


class Faces(NamedTuple):
    """All faces of one image, in pixel coordinates of the image.

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
    Cascaded Convolutional Networks", 2016. On a CPU, one thread computes each
    image, so that results depend neither on the number of threads nor on other images. On other
    devices, images of equal size are a batch.

    Parameters
    ----------
    images : list of ndarray of shape (H, W, 3), uint8
        RGB images of any sizes.
    min_face_size : float
        Smallest face to detect, as a fraction of the image's shorter side.
    min_probability : float
        Faces of a lower confidence are dropped.
    max_size : int
        A larger image is scaled down until its longer side has this many pixels.
    device : str
        Device to compute on.
    n_jobs : int, default=1
        Images computed in parallel on a CPU.

    Returns
    -------
    list of Faces
        One item per image; an item without faces has arrays of length 0.
    """
    settings = (min_face_size, min_probability, max_size, device)
    if not device.startswith("cpu"):
        return _detect_batch(images, *settings)
    _cascade(device)  # build it once, before threads use it

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
    detections = _detect_all(small, min_face_size, min_probability, device)
    cramped = [i for i, faces in enumerate(detections) if _is_cramped(faces, small[i].shape)]
    borders = [round(_BORDER * min(small[i].shape[:2])) for i in cramped]
    padded = [
        np.pad(small[i], ((border, border), (border, border), (0, 0)))
        for i, border in zip(cramped, borders, strict=True)
    ]
    min_fraction = max(min_face_size, _LARGE) / (1 + 2 * _BORDER)
    repeated = _detect_all(padded, min_fraction, min_probability, device)
    for i, border, faces in zip(cramped, borders, repeated, strict=True):
        if len(faces.boxes):
            detections[i] = Faces(
                faces.boxes - border, faces.probabilities, faces.landmarks - border
            )
    return [
        Faces(faces.boxes / scale, faces.probabilities, faces.landmarks / scale)
        for faces, (_, scale) in zip(detections, scaled, strict=True)
    ]


def _is_cramped(faces: Faces, shape: tuple[int, ...]) -> bool:
    """Return whether the largest face fills the image, or there is none.

    MTCNN detects faces with surroundings. In a tight crop it finds no face, or a face with wrong
    landmarks and a confidence of 1. A border around the image solves this.
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
    """Detect faces in images of any sizes, in batches of equal size."""
    detections: list[Any] = [None] * len(images)
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, image in enumerate(images):
        groups.setdefault(image.shape, []).append(i)
    for shape, group in groups.items():
        batch_size = size_within(_BATCH_PIXELS, shape[0] * shape[1])
        smallest = max(_SMALLEST, round(min_face_size * min(shape[:2])))
        for members in batches_of(group, batch_size):
            for i, (boxes, points) in zip(
                members, _detect([images[i] for i in members], smallest, device), strict=True
            ):
                sure = boxes[:, 4] >= min_probability
                detections[i] = Faces(boxes[sure, :4], boxes[sure, 4], points[sure])
    return detections


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
    """Return boxes with confidence (k, 5) and landmarks (k, 5, 2) of images of equal size."""
    import torch

    no_faces = np.empty((0, 5), np.float32), np.empty((0, 5, 2), np.float32)
    if min(images[0].shape[:2]) < smallest:
        return [no_faces] * len(images)
    nets, detect_face = _cascade(device)
    try:
        with torch.inference_mode():
            boxes, points = detect_face(
                np.stack(images), smallest, *nets, _THRESHOLDS, _FACTOR, device
            )
    except (ValueError, IndexError):
        # facenet-pytorch fails at candidates that are completely outside of the image; errors of
        # torch or the device are RuntimeErrors and are not hidden
        if len(images) == 1:
            return [no_faces]
        return [_detect([image], smallest, device)[0] for image in images]
    return [
        (np.asarray(b, np.float32).reshape(-1, 5), np.asarray(p, np.float32).reshape(-1, 5, 2))
        for b, p in zip(boxes, points, strict=True)
    ]


@functools.lru_cache(maxsize=2)
def _cascade(device: str) -> tuple[tuple[Any, ...], Any]:
    facenet_pytorch = import_facenet_pytorch()
    import torch
    from facenet_pytorch.models.utils.detect_face import detect_face

    model = facenet_pytorch.MTCNN(keep_all=True, device=device)
    if device.startswith("cpu"):  # pooling is slow if channels come first
        for net in (model.pnet, model.rnet, model.onet):
            net.to(memory_format=torch.channels_last)
    later = [functools.partial(_in_multiples, net) for net in (model.rnet, model.onet)]
    return (model.pnet, *later), detect_face


def _in_multiples(net: Callable[..., Any], candidates: Any) -> tuple[Any, ...]:
    """Call a stage on candidates padded with black ones, whose outputs are dropped.

    The number of candidates differs in every call, and torch prepares and caches a convolution for
    each new number. Without padding, this takes time, and most of the memory of a detection.
    """
    import torch

    n = len(candidates)
    blank = candidates.new_zeros(-n % _MULTIPLE, *candidates.shape[1:])
    return tuple(verdicts[:n] for verdicts in net(torch.cat([candidates, blank])))
