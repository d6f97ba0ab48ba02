"""Read the weights of a network that dlib has serialized: numbers, and names of layers.

dlib writes an integer as a byte that holds its sign and its length, followed by that many bytes; a
real number as two integers, mantissa and exponent of 2; a text as its length and its bytes; a
tensor as its version, four extents and its float32 values. All are little-endian. A network is the
list of the versions of its layers, the input layer, then each layer in the order of computation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_MOST_BYTES = 8  # of an integer
_LONGEST_TEXT = 64
_TENSOR_VERSION = 2
_LAYER_VERSIONS = {1, 2}
_INNERMOST_VERSION = 3  # of the first layer, whose input is the input layer
_FLAGS = b"01"


class DlibLayer(NamedTuple):
    """A layer and its parameters.

    Attributes
    ----------
    name : str
        What dlib calls its type and version: ``"con_4"``, ``"affine_"``, ``"fc_2"``.
    params : ndarray, float32
        Its parameters, one after the other: filters and biases, scales and shifts, or a matrix;
        empty for a layer without any.
    """

    name: str
    params: np.ndarray


def read_dlib_layers(content: bytes, path: str) -> list[DlibLayer]:
    """Read all layers of a network and return those that have parameters.

    Parameters
    ----------
    content : bytes
        Of a file that holds a network with the loss ``loss_metric_2``, the input
        ``input_rgb_image_sized``, and layers of the types convolution, affine, ReLU, maximum and
        average pooling, sum with an earlier layer, and matrix.
    path : str
        Name of the file, for messages.

    Returns
    -------
    list of DlibLayer
        In the order of computation.

    Raises
    ------
    ValueError
        If the content is anything else; the message names the layer and the position.
    """
    reader = _Reader(content, path)
    reader.integer()  # version
    reader.expect("loss_metric_2")
    reader.skip_reals(2)
    while (version := reader.integer()) != _INNERMOST_VERSION:
        if version not in _LAYER_VERSIONS:
            raise reader.error(f"version {version} of a layer is not supported")
    reader.expect("input_rgb_image_sized")
    reader.skip_reals(3)
    reader.skip_integers(2)
    layers = [_read_layer(reader)]
    reader.integer()  # samples that the innermost layer gets for one image
    while not reader.at_end:
        layers.append(_read_layer(reader))
    return [layer for layer in layers if layer.params.size]


def _read_layer(reader: _Reader) -> DlibLayer:
    name = reader.text()
    read_details = _DETAILS.get(name)
    if read_details is None:
        raise reader.error(f"a layer {name!r} is not supported, expected one of {[*_DETAILS]}")
    layer = DlibLayer(name, read_details(reader))
    reader.skip_state()
    return layer


class _Reader:
    """Read values one after another from the content of a file."""

    def __init__(self, content: bytes, path: str) -> None:
        self._content = content
        self._path = path
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position == len(self._content)

    def error(self, reason: str) -> ValueError:
        return ValueError(
            f"weights file {self._path!r} is not a network of dlib that can be read: at byte "
            f"{self._position}, {reason}"
        )

    def integer(self) -> int:
        control = self._next_bytes(1)[0]
        length = control & 0x0F
        if not 1 <= length <= _MOST_BYTES:
            raise self.error(f"an integer of {length} bytes is not supported")
        magnitude = int.from_bytes(self._next_bytes(length), "little")
        return -magnitude if control & 0x80 else magnitude

    def text(self) -> str:
        length = self.integer()
        if not 0 <= length <= _LONGEST_TEXT:
            raise self.error(f"the name of a layer has {length} bytes")
        return self._next_bytes(length).decode("ascii", errors="backslashreplace")

    def expect(self, name: str) -> None:
        text = self.text()
        if text != name:
            raise self.error(f"expected {name!r}, got {text!r}")

    def tensor(self) -> np.ndarray:
        version = self.integer()
        if version != _TENSOR_VERSION:
            raise self.error(f"version {version} of a tensor is not supported")
        extents = [self.integer() for _ in range(4)]
        if min(extents) < 0:
            raise self.error(f"a tensor has the shape {tuple(extents)}")
        values = np.frombuffer(self._next_bytes(4 * math.prod(extents)), "<f4")
        if not np.isfinite(values).all():
            raise self.error("a tensor has values that are not finite")
        return values

    def skip_integers(self, count: int) -> None:
        for _ in range(count):
            self.integer()

    def skip_reals(self, count: int) -> None:
        self.skip_integers(2 * count)

    def skip_views(self, count: int) -> None:
        """Skip the version and the four extents of a view of a tensor, `count` times."""
        self.skip_integers(5 * count)

    def skip_state(self) -> None:
        """Skip the end of each layer: three flags, and three tensors used in training."""
        flags = self._next_bytes(3)
        if set(flags) - set(_FLAGS):
            raise self.error(f"expected three flags, got {flags!r}")
        for _ in range(3):
            self.tensor()

    def _next_bytes(self, length: int) -> bytes:
        end = self._position + length
        if end > len(self._content):
            raise self.error(f"{length} bytes are expected, and the file ends before")
        content = self._content[self._position : end]
        self._position = end
        return content


def _read_convolution(reader: _Reader) -> np.ndarray:
    params = reader.tensor()
    reader.skip_integers(7)  # number of filters, and rows and columns of filter, stride, padding
    reader.skip_views(2)  # filters, biases
    reader.skip_reals(4)  # multipliers of learning rate and weight decay
    return params


def _read_affine(reader: _Reader) -> np.ndarray:
    params = reader.tensor()
    reader.skip_views(2)  # scales, shifts
    reader.integer()  # after a convolution or a matrix
    return params


def _read_matrix(reader: _Reader) -> np.ndarray:
    reader.skip_integers(2)  # number of outputs and inputs
    params = reader.tensor()
    reader.skip_views(2)  # matrix, biases
    reader.integer()  # with biases or without
    reader.skip_reals(4)
    return params


def _read_pooling(reader: _Reader) -> np.ndarray:
    reader.skip_integers(6)  # rows and columns of window, stride, padding
    return _NO_PARAMS


def _read_plain(reader: _Reader) -> np.ndarray:
    return _NO_PARAMS


_NO_PARAMS = np.empty(0, np.float32)
_DETAILS: dict[str, Callable[[_Reader], np.ndarray]] = {
    "con_4": _read_convolution,
    "affine_": _read_affine,
    "fc_2": _read_matrix,
    "max_pool_2": _read_pooling,
    "avg_pool_2": _read_pooling,
    "relu_": _read_plain,
    "add_prev_": _read_plain,
}
