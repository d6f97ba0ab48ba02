"""Networks in .onnx files, run by onnxruntime."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_diffake.embedding.backbones._base import (
    FORMER_LICENSE_KEY,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    Forward,
    check_crop,
    check_normalization,
)
from sklearn_diffake.embedding.backbones._onnx_graph import consumed_names, external_files
from sklearn_diffake.utils._batches import batch_slices
from sklearn_diffake.utils._optional import import_extra

_DEFAULT_SIZE = 112  # for a graph that leaves its input size open; the usual one of face models
_LARGEST_SIZE = 4096  # what is larger is a mistake, or meant to exhaust the memory
_IMAGE_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_NUMPY_TYPES = {
    **_IMAGE_TYPES,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


def onnx_backbone(
    path: str,
    content: bytes | None = None,
    *,
    input_size: tuple[int, int] | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> Backbone:
    """Describe the network in an .onnx file.

    Height and width are read from the graph; a batch size that is fixed in it is honored.
    The normalization is read from the metadata entries ``mean`` and ``std`` of the file (three
    numbers each as JSON, for RGB values in [0, 1]); without them it is that of ImageNet. The entry
    ``crop`` may hold size and margin of `FaceAligner` as JSON.

    Parameters
    ----------
    path : str
        The file. Its first input must be (batch, 3, H, W) or (batch, H, W, 3), its first output
        one vector per image.
    content : bytes, optional
        The graph itself, to describe it before it is written to `path`; it must hold all its
        weights then.
    input_size, mean, std : tuple, optional
        Used instead of the declarations of the file.

    Returns
    -------
    Backbone
        Not yet on a device.
    """
    folder = Path(path).parent if content is None else None
    graph = Path(path).read_bytes() if content is None else content
    weight_files = external_files(graph, folder, path)
    try:
        consumed = consumed_names(graph)
        session = _session(path, "cpu", content)
        network = _Network.checked(session, consumed, path)
        height, width = _input_size(network.images, path, input_size)
        metadata = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError as error:
        raise ValueError(f"{path!r} holds names that are not in UTF-8: {error}") from error
    mean, std, undeclared = _normalization(metadata, path, mean, std)

    def build(device: str, dtype: str) -> Forward:
        if dtype != "float32":
            raise ValueError(
                f"dtype={dtype!r} does not fit: an .onnx file has its own, use float32"
            )
        on_device = _Network.checked(_session(path, device, content), consumed, path)
        return lambda crops: on_device.run(crops, mean, std)

    try:
        probe = network.run(np.zeros((1, height, width, 3), np.uint8), mean, std)
    except Exception as error:  # onnxruntime's errors share no public base class
        raise ValueError(f"{path!r} cannot embed a {height} x {width} image: {error}") from error
    return Backbone(
        "onnx",
        (height, width),
        mean,
        std,
        probe.shape[1],
        metadata.get("license") or metadata.get(FORMER_LICENSE_KEY) or "not declared in the file",
        _fingerprint(graph, weight_files, (height, width, mean, std)),
        build,
        lambda target: _export(path, weight_files, target),
        ".onnx",
        crop=check_crop(_from_json(metadata, "crop"), f"{path!r} declares"),
        undeclared=undeclared,
    )


def _normalization(
    metadata: dict[str, str],
    path: str,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[str, ...]]:
    """Return mean and std, by default those of the metadata, and the names of undeclared ones."""
    values = {
        "mean": mean or _from_json(metadata, "mean"),
        "std": std or _from_json(metadata, "std"),
    }
    undeclared = tuple(key for key, value in values.items() if value is None)
    mean, std = check_normalization(
        values["mean"] or IMAGENET_MEAN, values["std"] or IMAGENET_STD, repr(path)
    )
    return mean, std, undeclared


def _fingerprint(graph: bytes, weight_files: list[Path], declared: tuple[Any, ...]) -> str:
    digest = hashlib.blake2b(graph, digest_size=16)
    for file in weight_files:
        digest.update(file.read_bytes())
    digest.update(repr(declared).encode())
    return digest.hexdigest()


def _export(path: str, weight_files: list[Path], target: str) -> None:
    """Copy a graph; raises ValueError if its weights are in other files."""
    if weight_files:
        raise ValueError(
            f"{path!r} keeps its weights in {[file.name for file in weight_files]}: write one "
            "file with onnx.save(onnx.load(path), other_path), and use that"
        )
    shutil.copyfile(path, target)


def _input_size(images: Any, path: str, requested: tuple[int, int] | None) -> tuple[int, int]:
    """Return the height and width that are fixed in the graph, or else the requested ones."""
    shape = images.shape
    size = shape[2:] if shape[1] == 3 else shape[1:3]
    fixed = [n if isinstance(n, int) and n > 0 else None for n in size]
    height, width = (
        n or extent for n, extent in zip(fixed, requested or (_DEFAULT_SIZE,) * 2, strict=True)
    )
    if requested is not None and requested != (height, width):
        raise ValueError(
            f"{path!r} takes images of {height} x {width} pixels, but input_size={requested} was "
            "given"
        )
    if max(height, width) > _LARGEST_SIZE:
        raise ValueError(
            f"{path!r} takes images of {height} x {width} pixels, expected at most "
            f"{_LARGEST_SIZE} x {_LARGEST_SIZE}"
        )
    return height, width


def _from_json(metadata: dict[str, str], key: str) -> Any:
    """Return the value of an entry; its text if it is no JSON, which is then refused by name."""
    try:
        return json.loads(metadata.get(key) or "null")
    except ValueError:
        return metadata[key]


def _session(path: str, device: str, content: bytes | None = None) -> Any:
    onnxruntime = import_extra("onnxruntime", "onnx", "Backbones in .onnx files")
    providers: list[Any] = ["CPUExecutionProvider"]
    kind, _, index = device.partition(":")
    if kind == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(index or 0)}))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content or path, options, providers=providers)
    except Exception as error:  # onnxruntime's errors share no public base class
        raise ValueError(f"{path!r} is not a readable .onnx model: {error}") from error


@dataclass(frozen=True)
class _Network:
    """A session and its inputs.

    Attributes
    ----------
    session : InferenceSession
    images : NodeArg
        The input that takes images.
    unused : dict of str to ndarray
        Inputs that no node uses: weights of which a quantized copy is used. onnxruntime requires
        them nevertheless.
    """

    session: Any
    images: Any
    unused: dict[str, np.ndarray]

    @classmethod
    def checked(cls, session: Any, consumed: set[str], path: str) -> _Network:
        """Return the network of a session; raises ValueError unless images are its only input."""
        inputs = session.get_inputs()
        unused = [i for i in inputs if i.name not in consumed and i.type in _NUMPY_TYPES]
        images, *excess = [item for item in inputs if item not in unused] or inputs
        shape = images.shape
        is_image = len(shape) == 4 and 3 in (shape[1], shape[3]) and images.type in _IMAGE_TYPES
        if excess or not is_image:
            types = ", ".join(f"{item.type} of shape {item.shape}" for item in (images, *excess))
            raise ValueError(
                f"{path!r} takes {types}; expected one input, float images of shape "
                "(batch, 3, H, W) or (batch, H, W, 3)"
            )
        return cls(session, images, {item.name: _zeros(item) for item in unused})

    def run(self, crops: np.ndarray, mean: Any, std: Any) -> np.ndarray:
        """Embed crops, in batches of the size that is fixed in the graph, if any is."""
        shape, kind = self.images.shape, _NUMPY_TYPES[self.images.type]
        scale = np.asarray(std, np.float32) * 255
        x = (crops - np.asarray(mean, np.float32) * 255) / scale
        if shape[1] == 3:
            x = x.transpose(0, 3, 1, 2)
        x = np.ascontiguousarray(x, dtype=kind)
        fixed = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else len(x)
        batches = [self._run_batch(x[rows], fixed) for rows in batch_slices(len(x), fixed)]
        return np.concatenate(batches).astype(np.float32, copy=False)

    def _run_batch(self, batch: np.ndarray, size: int) -> np.ndarray:
        """Embed at most `size` images; the last is repeated until there are `size`."""
        missing = size - len(batch)
        if missing:
            batch = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        out = self.session.run(None, {self.images.name: batch, **self.unused})[0]
        if out.ndim < 2 or len(out) != size:
            raise ValueError(
                f"the network returned shape {out.shape}, expected one vector per image"
            )
        return out.reshape(size, -1)[: size - missing]


def _zeros(item: Any) -> np.ndarray:
    shape = [n if isinstance(n, int) else 1 for n in item.shape]
    return np.zeros(shape, _NUMPY_TYPES[item.type])
