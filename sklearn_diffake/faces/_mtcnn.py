"""The three networks of MTCNN, and the selection of candidates between them.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks",
IEEE Signal Processing Letters 2016. The weights are those of the package ``facenet-pytorch``, and
results are those of its detector, bit for bit. Its code is not used: what a detection costs beside
convolutions is mostly resizing and pooling, which take a fraction of the time here, and its import
loads torchvision, OpenCV and requests.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from sklearn_diffake.faces._area_averages import AreaAverages
from sklearn_diffake.faces._suppression import suppress_by_smaller, suppress_by_union
from sklearn_diffake.utils._optional import package_file

_CELL, _STRIDE = 12, 2  # pixels: what the first network sees of an image, and from cell to cell
_FACTOR = 0.709  # between levels of the image pyramid
_THRESHOLDS = (0.6, 0.7, 0.7)  # of the confidence, after each network
_SAME_LEVEL, _SAME_FACE = 0.5, 0.7  # overlap above which the less confident of two boxes is dropped
_MULTIPLE, _LARGEST_BATCH = 16, 512  # candidates in a batch
_SHA256 = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}

Weights = dict[str, torch.Tensor]
Floats = NDArray[np.float32]


def detect(images: list[NDArray[np.uint8]], smallest: int, device: str) -> list[tuple[Any, Any]]:
    """Detect the faces of images of equal size.

    Parameters
    ----------
    images : list of ndarray of shape (H, W, 3), uint8
        RGB.
    smallest : int
        Side of the smallest face, in pixels.
    device : str
        Device of the networks.

    Returns
    -------
    list of (ndarray, ndarray)
        Of each image, boxes with confidence (k, 5) and landmarks (k, 5, 2), float32.
    """
    averages = [AreaAverages(image) for image in images]
    height, width = images[0].shape[:2]
    boxes = _proposals(averages, (height, width), smallest, device)
    boxes = _refined(averages, boxes, (height, width), device)
    return _outputs(averages, boxes, (height, width), device)


def _proposals(
    averages: list[AreaAverages], shape: tuple[int, int], smallest: int, device: str
) -> list[Floats]:
    """Return the squares that the first network proposes in each image, of shape (k, 5)."""
    weights = _weights("pnet", device)
    levels: list[list[Floats]] = [[] for _ in averages]
    for scale in _scales(min(shape), smallest):
        size = int(shape[0] * scale + 1), int(shape[1] * scale + 1)
        level = _tensor(np.stack([image.resized(*size) for image in averages]), device)
        outputs = zip(*_on_host(_proposal_network, level, weights), strict=True)
        for boxes_of_image, (offsets, confidences) in zip(levels, outputs, strict=True):
            boxes = _boxes_of_cells(offsets, confidences, scale)
            boxes_of_image.append(boxes[suppress_by_union(boxes, _SAME_LEVEL)])
    return [_moved_and_square(np.concatenate(boxes)) for boxes in levels]


def _scales(side: int, smallest: int) -> Iterator[float]:
    """Yield the scales of the image pyramid, down to where the image is one cell."""
    scale = _CELL / smallest
    side_of_level = side * scale
    while side_of_level >= _CELL:
        yield scale
        scale *= _FACTOR
        side_of_level *= _FACTOR


def _boxes_of_cells(offsets: Floats, confidences: Floats, scale: float) -> Floats:
    """Return the boxes of the confident cells of a level, their confidence, and offsets (k, 9)."""
    confident = confidences[1] >= np.float32(_THRESHOLDS[0])
    cells = np.argwhere(confident)[:, ::-1].astype(np.float32)
    corners = [np.floor((_STRIDE * cells + edge) / np.float32(scale)) for edge in (1, _CELL)]
    confidence = confidences[1][confident][:, None]
    return np.concatenate([*corners, confidence, offsets[:, confident].T], axis=1)


def _moved_and_square(boxes: Floats) -> Floats:
    """Apply offsets to the boxes that remain of all levels."""
    boxes = boxes[suppress_by_union(boxes, _SAME_FACE)]
    size = boxes[:, 2:4] - boxes[:, :2]
    corners = boxes[:, :4] + boxes[:, 5:] * np.concatenate([size, size], axis=1)
    return _square(np.concatenate([corners, boxes[:, 4:5]], axis=1))


def _refined(
    averages: list[AreaAverages], boxes: list[Floats], shape: tuple[int, int], device: str
) -> list[Floats]:
    """Return the squares that the second network leaves in each image, of shape (k, 5)."""
    refined = []
    for candidates, (offsets, confidences) in _candidates(
        averages, boxes, shape, 24, _refinement_network, _weights("rnet", device), device
    ):
        confident = confidences[:, 1] > np.float32(_THRESHOLDS[1])
        kept = np.concatenate([candidates[confident, :4], confidences[confident, 1:]], axis=1)
        remaining = suppress_by_union(kept, _SAME_FACE)
        refined.append(_square(_moved(kept[remaining], offsets[confident][remaining])))
    return refined


def _outputs(
    averages: list[AreaAverages], boxes: list[Floats], shape: tuple[int, int], device: str
) -> list[tuple[Floats, Floats]]:
    """Return boxes and landmarks of the third network in each image."""
    outputs = []
    for candidates, (offsets, points, confidences) in _candidates(
        averages, boxes, shape, 48, _output_network, _weights("onet", device), device
    ):
        confident = confidences[:, 1] > np.float32(_THRESHOLDS[2])
        kept = np.concatenate([candidates[confident, :4], confidences[confident, 1:]], axis=1)
        corner, size = kept[:, None, :2], kept[:, None, 2:4] - kept[:, None, :2] + 1
        landmarks = size * points[confident].reshape(-1, 2, 5).swapaxes(1, 2) + corner - 1
        moved = _moved(kept, offsets[confident])
        remaining = suppress_by_smaller(moved, _SAME_FACE)
        outputs.append((moved[remaining], landmarks[remaining]))
    return outputs


def _candidates(
    averages: list[AreaAverages],
    boxes: list[Floats],
    shape: tuple[int, int],
    side: int,
    network: Callable[..., tuple[torch.Tensor, ...]],
    weights: Weights,
    device: str,
) -> Iterator[tuple[Floats, list[Floats]]]:
    """Yield the boxes of each image that are partly inside of it, and what a network says of them.

    Candidates of all images are one batch. The number of candidates differs in every call, and
    torch prepares and caches a convolution for each new number. So batches are filled up with gray
    ones, whose outputs are dropped.
    """
    windows, inside = [], []
    for image, candidates in zip(averages, boxes, strict=True):
        edges = _clipped(candidates, shape)
        visible = (edges[:, 2:] > edges[:, :2]).all(axis=1)
        inside.append(candidates[visible])
        windows.append(image.windows(edges[visible], side))
    pixels = np.concatenate(windows)
    outputs = []
    for start in range(0, max(1, len(pixels)), _LARGEST_BATCH):
        batch = _tensor(pixels[start : start + _LARGEST_BATCH], device)
        blank = batch.new_zeros(-len(batch) % _MULTIPLE, *batch.shape[1:])
        result = _on_host(network, torch.cat([batch, blank]), weights)
        outputs.append([values[: len(batch)] for values in result])
    joined = [np.concatenate(values) for values in zip(*outputs, strict=True)]
    stops = np.cumsum([len(candidates) for candidates in inside])
    for candidates, stop in zip(inside, stops, strict=True):
        yield candidates, [values[stop - len(candidates) : stop] for values in joined]


def _clipped(boxes: Floats, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return the pixels of boxes in an image: left, top (first), right, bottom (one beyond)."""
    edges = np.trunc(boxes[:, :4]).astype(np.int64)
    edges[:, :2] = np.maximum(edges[:, :2], 1) - 1  # corners count from one
    edges[:, 2:] = np.minimum(edges[:, 2:], (shape[1], shape[0]))
    return edges


def _moved(boxes: Floats, offsets: Floats) -> Floats:
    """Move the sides of boxes by fractions of their size."""
    size = boxes[:, 2:4] - boxes[:, :2] + 1
    corners = boxes[:, :4] + offsets * np.concatenate([size, size], axis=1)
    return np.concatenate([corners, boxes[:, 4:]], axis=1)


def _square(boxes: Floats) -> Floats:
    """Return squares with the centers of boxes and their longer sides."""
    size = boxes[:, 2:4] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    half = np.float32(0.5)
    corner = boxes[:, :2] + size * half - side * half
    return np.concatenate([corner, corner + side, boxes[:, 4:5]], axis=1)


def _tensor(pixels: Floats, device: str) -> torch.Tensor:
    """Return normalized images of shape (n, 3, H, W) from averages of pixels (n, H, W, 3)."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device)
    return images.sub_(127.5).mul_(0.0078125)


def _on_host(
    network: Callable[..., tuple[torch.Tensor, ...]], images: torch.Tensor, weights: Weights
) -> list[Floats]:
    with torch.inference_mode():
        return [output.cpu().numpy() for output in network(images, weights)]


def _proposal_network(x: torch.Tensor, weights: Weights) -> tuple[torch.Tensor, ...]:
    """Return offsets of the box of each cell (n, 4, h, w), and confidences (n, 2, h, w)."""
    x = _max_pool(_convolution(x, weights, "1"), 2)
    x = _convolution(_convolution(x, weights, "2"), weights, "3")
    offsets, confidences = (
        functional.conv2d(x, weights[f"conv4_{i}.weight"], weights[f"conv4_{i}.bias"])
        for i in (2, 1)
    )
    return offsets, confidences.softmax(dim=1)


def _refinement_network(x: torch.Tensor, weights: Weights) -> tuple[torch.Tensor, ...]:
    """Return offsets (n, 4) and confidences (n, 2) of images of 24 x 24 pixels."""
    x = _max_pool(_convolution(x, weights, "1"), 3)
    x = _max_pool(_convolution(x, weights, "2"), 3)
    x = _dense(_convolution(x, weights, "3"), weights, "4")
    return _linear(x, weights, "5_2"), _linear(x, weights, "5_1").softmax(dim=1)


def _output_network(x: torch.Tensor, weights: Weights) -> tuple[torch.Tensor, ...]:
    """Return offsets (n, 4), landmarks (n, 10) and confidences (n, 2) of 48 x 48 pixels."""
    x = _max_pool(_convolution(x, weights, "1"), 3)
    x = _max_pool(_convolution(x, weights, "2"), 3)
    x = _max_pool(_convolution(x, weights, "3"), 2)
    x = _dense(_convolution(x, weights, "4"), weights, "5")
    confidences = _linear(x, weights, "6_1").softmax(dim=1)
    return _linear(x, weights, "6_2"), _linear(x, weights, "6_3"), confidences


def _convolution(x: torch.Tensor, weights: Weights, number: str) -> torch.Tensor:
    x = functional.conv2d(x, weights[f"conv{number}.weight"], weights[f"conv{number}.bias"])
    return functional.prelu(x, weights[f"prelu{number}.weight"])


def _dense(x: torch.Tensor, weights: Weights, number: str) -> torch.Tensor:
    """Apply the first layer that sees a whole image; its weights are for columns first."""
    rows = x.permute(0, 3, 2, 1).flatten(1)
    x = functional.linear(rows, weights[f"dense{number}.weight"], weights[f"dense{number}.bias"])
    return functional.prelu(x, weights[f"prelu{number}.weight"])


def _linear(x: torch.Tensor, weights: Weights, number: str) -> torch.Tensor:
    return functional.linear(x, weights[f"dense{number}.weight"], weights[f"dense{number}.bias"])


def _max_pool(x: torch.Tensor, side: int) -> torch.Tensor:
    """Return maxima of windows at a stride of 2; windows at the border may be smaller.

    Rows first and columns then, as maxima of whole arrays: on a CPU this takes a tenth of the time
    of ``max_pool2d``, which also computes where the maxima are.
    """
    height, width = (-(-(extent - side) // 2) + 1 for extent in x.shape[2:])
    missing = [2 * (n - 1) + side - e for n, e in zip((height, width), x.shape[2:], strict=True)]
    if any(missing):
        x = functional.pad(x, (0, missing[1], 0, missing[0]), value=-torch.inf)
    rows = [x[:, :, i : i + 2 * height - 1 : 2] for i in range(side)]
    x = functools.reduce(torch.maximum, rows)
    columns = [x[..., i : i + 2 * width - 1 : 2] for i in range(side)]
    return functools.reduce(torch.maximum, columns)


@functools.lru_cache(maxsize=6)
def _weights(name: str, device: str) -> Weights:
    """Read the weights of a network from the package; check that they are those of the release."""
    path = package_file("facenet_pytorch", f"data/{name}.pt", "Face detections")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256[name]:
        raise ValueError(
            f"weights file {str(path)!r} is corrupt: its SHA-256 checksum is not that of the "
            "release. Install facenet-pytorch again."
        )
    weights: Weights = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    return {key: tensor.contiguous() for key, tensor in weights.items()}
