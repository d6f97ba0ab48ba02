"""Find the network that turns a face crop into a vector, and what it declares about itself."""

import functools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np

from ..images.read import file_key
from ..utils._imports import is_reference
from ..utils._messages import nearest

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
#: Backbones that come with the package, and the files of their weights.
SHIPPED = {
    "difffake-lite0": "forgery.safetensors",
    "difffake-lite0-verdict": "forgery.safetensors",
    "difffake-lite0-identity": "identity.safetensors",
}
SHA256 = {
    "forgery.safetensors": "9fcd17ee9711b706f4a29184aaee709e7b3fd4d2b1e4d9eec901d7bf3a299eab",
    "identity.safetensors": "7701a2ad5b10f9aaae4da371018ddafd59bad2143b7ed726df0ecd196859a78c",
}
#: Size of the crops that they were trained on, and margin around the ArcFace crop in them.
SIZE, MARGIN = 160, 0.2
_LOCK = threading.RLock()

#: Takes crops of shape (b, H, W, 3), uint8, returns embeddings of shape (b, width), float32.
Forward = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Backbone:
    """A face network and its declarations.

    Attributes
    ----------
    name : str
        As given to `FaceEmbedder`; ``"onnx"`` for a file.
    input_size : tuple of int
        Height and width of the input in pixels; crops of other sizes are resized.
    mean, std : tuple of float
        Normalisation of each RGB channel, for values in [0, 1].
    width : int
        Length of the embedding.
    licence : str
        Terms of the weights.
    fingerprint : str
        Depends on the weights, the normalisation and the input size; 32 hexadecimal digits.
    build : callable
        Maps (device, dtype) to a `Forward`.
    export : callable
        Writes the weights to the file it is given; `suffix` is that file's type.
    suffix : str
        ``".safetensors"`` or ``".onnx"``.
    module : torch.nn.Module or None
        The network itself, on the CPU, to be copied before it is trained; None for ``"onnx"``.
    """

    name: str
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    width: int
    licence: str
    fingerprint: str
    build: Callable[[str, str], Forward] = field(repr=False, compare=False)
    export: Callable[[str], None] = field(repr=False, compare=False)
    suffix: str = ".safetensors"
    module: Any = field(default=None, repr=False, compare=False)

    def describe(self) -> dict[str, Any]:
        """Return the declarations as plain values."""
        return {
            "name": self.name,
            "input_size": list(self.input_size),
            "mean": list(self.mean),
            "std": list(self.std),
            "width": self.width,
            "licence": self.licence,
            "fingerprint": self.fingerprint,
        }


def find_backbone(backbone: str | os.PathLike[str], weights: Any = None) -> Backbone:
    """Look a backbone up and load its weights; the last few are kept in memory.

    Parameters
    ----------
    backbone : str or Path
        ``"difffake-lite0-identity"``, ``"difffake-lite0"``, ``"difffake-lite0-verdict"``,
        ``"facenet-vggface2"``, ``"facenet-casia-webface"``, ``"efficientnet-lite0"``,
        ``"timm:<model>"``, a path to an ``.onnx`` file, or ``"module:function"`` naming a function
        without arguments that returns a torch module.
    weights : str or Path, optional
        A ``.safetensors`` file with the weights of a torch backbone.

    Returns
    -------
    Backbone
        Ready to be built on a device.

    Raises
    ------
    ValueError
        If the backbone is unknown or the weights are not its own.
    FileNotFoundError
        If a file is missing that cannot be downloaded.
    ImportError
        If an optional dependency is missing; the message names the extra to install.
    """
    name = os.fspath(backbone)
    file = None if weights is None else _absolute(weights)
    watched = file
    if name.lower().endswith(".onnx"):
        name = watched = _absolute(name)
    with _LOCK:  # the seed under which a factory is called belongs to the whole process
        return _find(name, file, _stamp(watched) if watched else None)


@dataclass(frozen=True)
class TrainedWeights:
    """Weights that an estimator learned and keeps: what its backbone is built from.

    Attributes
    ----------
    name : str
        Of the backbone, as `find_backbone` takes it.
    input_size : int
        Height and width of the images that it was trained on.
    fingerprint : str
        As `Backbone.fingerprint`; empty if it is not known yet.
    arrays : dict of str to ndarray
        The weights.
    """

    name: str
    input_size: int
    fingerprint: str
    arrays: dict[str, np.ndarray] = field(repr=False, compare=False)


def fingerprint_of(name: str, content: bytes, suffix: str) -> str:
    """Return the fingerprint of a backbone with weights that are in memory.

    Parameters
    ----------
    name : str
        The backbone, as `find_backbone` takes it.
    content : bytes
        Its weights.
    suffix : {".onnx", ".safetensors"}
        What kind of file they are the content of.

    Returns
    -------
    str
        As `Backbone.fingerprint`.

    Raises
    ------
    ValueError
        If these are no weights of such a backbone.
    """
    if suffix == ".onnx":
        from ._onnx import onnx_backbone

        return onnx_backbone(name, content).fingerprint
    from ._torch import parse_safetensors

    with _LOCK:
        return _find_torch(name, parse_safetensors(content)).fingerprint


def shipped_file(name: str) -> str:
    """Return the path of the weights of a backbone that comes with the package."""
    return str(resources.files("sklearn_diffake") / "data" / SHIPPED[name])


def trained_backbone(weights: TrainedWeights) -> Backbone:
    """Build a torch backbone from weights in memory; the last few are kept by fingerprint."""
    with _LOCK:
        return _trained(weights) if weights.fingerprint else _trained.__wrapped__(weights)


def check_normalisation(mean: Any, std: Any, what: str) -> tuple[tuple[float, ...], ...]:
    """Return the declared mean and std of a backbone as three plain numbers each."""
    try:
        declared = np.array([np.ravel(mean), np.ravel(std)], dtype=np.float64)
    except (TypeError, ValueError):
        declared = np.empty(0)
    if declared.shape != (2, 3) or not np.isfinite(declared).all() or (declared[1] <= 0).any():
        raise ValueError(
            f"{what} declares mean={mean!r} and std={std!r}, expected three numbers each, for RGB "
            "values in [0, 1], those of std positive"
        )
    return tuple(tuple(values) for values in declared.tolist())


def _absolute(path: Any) -> str:
    return os.path.abspath(os.path.expanduser(os.fspath(path)))


def _stamp(path: str) -> Any:
    """Return what tells that a file is unchanged; if it was changed just now, nothing can."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"weights file {path!r}: no such file")
    return file_key(path) or time.time_ns()


@functools.lru_cache(maxsize=4)
def _find(name: str, weights: str | None, stamp: Any) -> Backbone:
    if name.lower().endswith(".onnx"):
        from ._onnx import onnx_backbone

        if weights is not None:
            raise ValueError("an .onnx backbone holds its own weights: leave weights=None")
        return onnx_backbone(name)
    return _find_torch(name, weights)


def _find_torch(name: str, weights: str | dict[str, Any] | None) -> Backbone:
    from . import _torch

    if name in _torch.FACENET_FILES:
        return _torch.facenet_backbone(name, weights)
    if name == "efficientnet-lite0":
        return _torch.lite0_backbone(weights)
    if name.startswith("timm:"):
        return _torch.timm_backbone(name, weights)
    if is_reference(name):
        return _torch.factory_backbone(name, weights)
    if name in SHIPPED:
        from ._shipped import shipped_backbone

        return shipped_backbone(name, weights)
    names = (*SHIPPED, *_torch.FACENET_FILES, "efficientnet-lite0")
    raise ValueError(
        f"backbone={name!r} is unknown: {nearest(name, names)} Also possible are 'timm:<model>', "
        "the path of an .onnx file, and 'module:function' naming a function that returns a torch "
        "module"
    )


@functools.lru_cache(maxsize=4)
def _trained(weights: TrainedWeights) -> Backbone:
    import torch

    from ._torch import at_size

    tensors = {key: torch.from_numpy(np.array(array)) for key, array in weights.arrays.items()}
    return at_size(_find_torch(weights.name, tensors), weights.input_size)


@functools.lru_cache(maxsize=4)
def _build(fingerprint: str, device: str, dtype: str, backbone: Backbone) -> Forward:
    return backbone.build(device, dtype)


def build_forward(backbone: Backbone, device: str, dtype: str) -> Forward:
    """Put a backbone on a device; the last few are kept there."""
    with _LOCK:
        return _build(backbone.fingerprint, device, dtype, backbone)
