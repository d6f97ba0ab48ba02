"""Backbones that are .onnx files."""

import functools
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ..utils._extras import import_extra
from ._backbones import IMAGENET_MEAN, IMAGENET_STD, Backbone, Forward, check_normalisation
from ._onnx_files import external_files

_DEFAULT_SIZE = 112  # for a graph that leaves its input size open; the usual one of face models
_LARGEST_SIZE = 4096  # what is larger is a mistake, or meant to exhaust the memory
_NUMPY_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def onnx_backbone(path: str, content: bytes | None = None) -> Backbone:
    """Describe the network in an .onnx file.

    Height and width are read from the graph; a batch size that is fixed in it is honoured.
    The normalisation is read from the metadata entries ``mean`` and ``std`` of the file (three
    numbers each as JSON, for RGB values in [0, 1]); without them it is that of ImageNet.

    Parameters
    ----------
    path : str
        The file. Its first input must be (batch, 3, H, W) or (batch, H, W, 3), its first output
        one vector per image.
    content : bytes, optional
        The graph itself, to describe it before it is written to `path`; it must hold all its
        weights then.

    Returns
    -------
    Backbone
        Not yet on a device.
    """
    folder = Path(path).parent if content is None else None
    graph = Path(path).read_bytes() if content is None else content
    parts = external_files(graph, folder, path)
    session = _session(path, "cpu", content)
    try:
        height, width = _input_size(session, path)
        metadata = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError as error:
        raise ValueError(f"{path!r} holds names that are not in UTF-8: {error}") from error
    mean, std = _normalisation(metadata, path)
    digest = hashlib.blake2b(graph, digest_size=16)
    for part in parts:
        digest.update(part.read_bytes())
    digest.update(repr((height, width, mean, std)).encode())

    def build(device: str, dtype: str) -> Forward:
        if dtype != "float32":
            raise ValueError(
                f"dtype={dtype!r} does not fit: an .onnx file has its own, use float32"
            )
        return functools.partial(_run, _session(path, device, content), mean=mean, std=std)

    def export(target: str) -> None:
        if parts:
            raise ValueError(
                f"{path!r} keeps its weights in {[part.name for part in parts]}: write one file "
                "with onnx.save(onnx.load(path), other_path), and use that"
            )
        shutil.copyfile(path, target)

    try:
        probe = _run(session, np.zeros((1, height, width, 3), np.uint8), mean=mean, std=std)
    except Exception as error:  # onnxruntime's errors share no public base class
        raise ValueError(f"{path!r} cannot embed a {height} x {width} image: {error}") from error
    return Backbone(
        "onnx",
        (height, width),
        mean,
        std,
        probe.shape[1],
        metadata.get("licence") or metadata.get("license") or "not declared in the file",
        digest.hexdigest(),
        build,
        export,
        ".onnx",
    )


def _input_size(session: Any, path: str) -> tuple[int, int]:
    """Return the height and width that the graph asks for, and see that it takes images."""
    data, *others = session.get_inputs()
    shape = data.shape
    if others or len(shape) != 4 or 3 not in (shape[1], shape[3]) or data.type not in _NUMPY_TYPES:
        inputs = ", ".join(f"{item.type} of shape {item.shape}" for item in (data, *others))
        raise ValueError(
            f"{path!r} takes {inputs}; expected one input, float images of shape "
            "(batch, 3, H, W) or (batch, H, W, 3)"
        )
    size = shape[2:] if shape[1] == 3 else shape[1:3]
    height, width = (n if isinstance(n, int) and n > 0 else _DEFAULT_SIZE for n in size)
    if max(height, width) > _LARGEST_SIZE:
        raise ValueError(
            f"{path!r} takes images of {height} x {width} pixels, expected at most "
            f"{_LARGEST_SIZE} x {_LARGEST_SIZE}"
        )
    return height, width


def _normalisation(metadata: dict[str, str], path: str) -> tuple[tuple[float, ...], ...]:
    values: dict[str, Any] = {}
    for key, default in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
        try:
            values[key] = json.loads(metadata.get(key, "null")) or default
        except ValueError:
            values[key] = metadata[key]  # refused below, by name
    return check_normalisation(values["mean"], values["std"], repr(path))


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


def _run(session: Any, crops: np.ndarray, *, mean: Any, std: Any) -> np.ndarray:
    """Run crops through a session, in as many portions as its batch size asks for."""
    data = session.get_inputs()[0]
    scale = np.asarray(std, np.float32) * 255
    x = (crops - np.asarray(mean, np.float32) * 255) / scale
    if data.shape[1] == 3:
        x = x.transpose(0, 3, 1, 2)
    x = np.ascontiguousarray(x, dtype=_NUMPY_TYPES[data.type])
    fixed = data.shape[0] if isinstance(data.shape[0], int) and data.shape[0] > 0 else len(x)
    parts = []
    for start in range(0, len(x), fixed):
        part = x[start : start + fixed]
        missing = fixed - len(part)
        if missing:
            part = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
        out = session.run(None, {data.name: part})[0]
        if out.ndim < 2 or len(out) != fixed:
            raise ValueError(
                f"the network returned shape {out.shape}, expected one vector per image"
            )
        parts.append(out.reshape(fixed, -1)[: fixed - missing])
    return np.concatenate(parts).astype(np.float32, copy=False)
