"""From a name, a file or a function to a loaded network; the last few are kept in memory.

Processes do not share networks, but the threads of one process do, and so do all clones of an
estimator: an estimator holds the name of its network, never the network.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sklearn_diffake.embedding.backbones._base import (
    ONE_SCALE,
    Backbone,
    Crop,
    Forward,
    check_crop,
    check_input_size,
    check_normalization,
    check_scales,
)
from sklearn_diffake.embedding.backbones._registry import entry_of, unknown_name
from sklearn_diffake.embedding.backbones._user_function import build_from_function, refuse_module
from sklearn_diffake.embedding.backbones._views import averaged_over_views
from sklearn_diffake.images.read import file_key

_LOCK = threading.RLock()

#: A name, a path, or a function without arguments that returns a torch module.
BackboneLike = str | os.PathLike[str] | Callable[[], Any]


@dataclass(frozen=True)
class Overrides:
    """Declarations that a user gives instead of those of the backbone.

    Attributes
    ----------
    mean, std : tuple of three floats, or None
        Normalization.
    input_size : tuple of int or None
        Height and width.
    crop : Crop or None
        How `FaceAligner` should cut faces.
    mirror : bool
        Average embeddings over a crop and its mirror image.
    scales : tuple of float
        Average embeddings over views of a crop, whose sides are these fractions of its side.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    input_size: tuple[int, int] | None = None
    crop: Crop | None = None
    mirror: bool = False
    scales: tuple[float, ...] = ONE_SCALE

    @classmethod
    def checked(
        cls, *, mean: Any, std: Any, input_size: Any, crop: Any, mirror: bool, scales: Any
    ) -> Overrides:
        """Check the parameters of `FaceEmbedder`, and make the overrides.

        Raises
        ------
        ValueError
            If a parameter is out of its range; the message names it.
        """
        norm = check_normalization(0 if mean is None else mean, 1 if std is None else std, "caller")
        size = None if input_size is None else check_input_size(input_size, "FaceEmbedder got")
        return cls(
            None if mean is None else norm[0],
            None if std is None else norm[1],
            size,
            check_crop(crop, "FaceEmbedder got"),
            mirror,
            check_scales(scales),
        )


_AS_DECLARED = Overrides()


def find_backbone(
    backbone: BackboneLike, weights: Any = None, overrides: Overrides = _AS_DECLARED
) -> Backbone:
    """Look a backbone up and load its weights; the last few are kept in memory.

    Parameters
    ----------
    backbone : str, Path or callable
        A name of the registry, a path to an ``.onnx`` file, ``"module:function"`` naming a function
        without arguments that returns a torch module, or that function itself.
    weights : str or Path, optional
        A ``.safetensors`` file with the weights of a torch backbone.
    overrides : Overrides, optional
        Used instead of the declarations of the backbone.

    Returns
    -------
    Backbone
        Ready to be built on a device.

    Raises
    ------
    ValueError
        If the backbone is unknown or the weights do not fit it.
    TypeError
        If it is a torch module.
    FileNotFoundError
        If a file is missing that cannot be downloaded.
    ImportError
        If an optional dependency is missing; the message names the extra to install.
    """
    refuse_module(backbone)
    file = None if weights is None else _absolute(weights)
    with _LOCK:  # the seed under which a factory is called belongs to the whole process
        if callable(backbone):
            return _overridden(_find_function(backbone, file), overrides)
        name = os.fspath(backbone)
        if is_onnx(name):
            if file is not None:
                raise ValueError("an .onnx backbone holds its own weights: leave weights=None")
            name = _absolute(name)
            return _find_onnx(name, _stamp(name), overrides)
        return _overridden(_find(name, file, _stamp(file) if file else None), overrides)


def is_onnx(name: str) -> bool:
    """Return whether a backbone is an ONNX file."""
    return name.lower().endswith(".onnx")


@dataclass(frozen=True)
class TrainedWeights:
    """Weights in the fitted state of an estimator, from which its backbone is built.

    Attributes
    ----------
    name : str
        Of the backbone, as `find_backbone` takes it.
    input_size : int
        Height and width of the images that it was trained on.
    fingerprint : str
        As `Backbone.fingerprint`; empty before the backbone is first built.
    arrays : dict of str to ndarray
        The weights.
    """

    name: str
    input_size: int
    fingerprint: str
    arrays: dict[str, np.ndarray] = field(repr=False, compare=False)


def fingerprint_of(
    name: str, content: bytes, suffix: str, overrides: Overrides = _AS_DECLARED
) -> str:
    """Return the fingerprint of a backbone with weights that are in memory.

    Parameters
    ----------
    name : str
        The backbone, as `find_backbone` takes it.
    content : bytes
        Its weights.
    suffix : {".onnx", ".safetensors"}
        Type of the file with this content.
    overrides : Overrides, optional
        Used instead of the declarations of the backbone.

    Returns
    -------
    str
        As `Backbone.fingerprint`.

    Raises
    ------
    ValueError
        If these are not weights of such a backbone.
    """
    if suffix == ".onnx":
        return _describe_onnx(name, content, overrides).fingerprint
    from sklearn_diffake.embedding.backbones._weights import parse_safetensors

    with _LOCK:
        backbone = _build_named(name, parse_safetensors(content))
        return _overridden.__wrapped__(backbone, overrides).fingerprint


def trained_backbone(weights: TrainedWeights) -> Backbone:
    """Build a torch backbone from weights in memory; the last few are kept by fingerprint."""
    with _LOCK:
        return _trained(weights) if weights.fingerprint else _trained.__wrapped__(weights)


def build_forward(backbone: Backbone, device: str, dtype: str) -> Forward:
    """Put a backbone on a device; the last few are kept there."""
    with _LOCK:
        return _build(backbone.fingerprint, device, dtype, backbone)


def _absolute(path: Any) -> str:
    return os.path.abspath(os.path.expanduser(os.fspath(path)))


def _stamp(path: str) -> Any:
    """Return a value that differs after a change of the file; unique if it was just changed."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"weights file {path!r}: no such file")
    return file_key(path) or time.time_ns()


def _find_function(function: Callable[[], Any], weights: str | None) -> Backbone:
    stamp = _stamp(weights) if weights else None
    try:
        return _find(function, weights, stamp)
    except TypeError:  # an object that cannot be hashed is called each time
        if getattr(function, "__hash__", None) is not None:
            raise
        return _find.__wrapped__(function, weights, stamp)


@functools.lru_cache(maxsize=4)
def _find(backbone: str | Callable[[], Any], weights: str | None, stamp: Any) -> Backbone:
    if callable(backbone):
        return build_from_function(backbone, weights)
    return _build_named(backbone, weights)


def _build_named(name: str, weights: str | dict[str, Any] | None) -> Backbone:
    entry = entry_of(name)
    if entry is None:
        raise unknown_name(name)
    return entry.build(name, weights)


@functools.lru_cache(maxsize=4)
def _find_onnx(path: str, stamp: Any, overrides: Overrides) -> Backbone:
    return _describe_onnx(path, None, overrides)


def _describe_onnx(path: str, content: bytes | None, overrides: Overrides) -> Backbone:
    from sklearn_diffake.embedding.backbones._onnx_runtime import onnx_backbone

    backbone = onnx_backbone(
        path,
        content,
        input_size=overrides.input_size,
        mean=overrides.mean,
        std=overrides.std,
    )
    return _averaged(backbone, overrides)


@functools.lru_cache(maxsize=4)
def _overridden(backbone: Backbone, overrides: Overrides) -> Backbone:
    from sklearn_diffake.embedding.backbones._torch import redeclared

    changes = {name: getattr(overrides, name) for name in ("input_size", "mean", "std")}
    return _averaged(redeclared(backbone, **changes), overrides)


def _averaged(backbone: Backbone, overrides: Overrides) -> Backbone:
    """Apply the overrides that do not concern the network itself: the crop and the views."""
    if overrides.crop is not None:
        backbone = dataclasses.replace(backbone, crop=overrides.crop)
    return averaged_over_views(backbone, mirror=overrides.mirror, scales=overrides.scales)


@functools.lru_cache(maxsize=4)
def _trained(weights: TrainedWeights) -> Backbone:
    import torch

    from sklearn_diffake.embedding.backbones._torch import redeclared

    tensors = {key: torch.from_numpy(np.array(array)) for key, array in weights.arrays.items()}
    size = (weights.input_size,) * 2
    return redeclared(_build_named(weights.name, tensors), input_size=size)


@functools.lru_cache(maxsize=4)
def _build(fingerprint: str, device: str, dtype: str, backbone: Backbone) -> Forward:
    return backbone.build(device, dtype)
