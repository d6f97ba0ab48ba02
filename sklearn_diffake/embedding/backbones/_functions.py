"""Networks of the user: functions that return a torch module."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any

from ...utils._imports import import_function, is_reference
from ._registry import IMAGENET_MEAN, IMAGENET_STD, BackboneEntry, Crop, register


def reference_of(function: Callable[[], Any]) -> str | None:
    """Return ``"module:function"`` if a function can be imported by it, else None."""
    name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
    if not is_reference(name) or name.startswith("__main__:"):
        return None
    try:
        return name if import_function(name, "backbone") is function else None
    except ValueError:
        return None


def name_of(function: Callable[[], Any]) -> str:
    """Return how a function is called in results and fingerprints."""
    plain = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    return reference_of(function) or (plain if plain != "." else type(function).__name__)


def refuse_module(backbone: Any) -> None:
    """Raise the error for a network given in place of what makes it.

    Raises
    ------
    TypeError
        If `backbone` is a torch module.
    """
    torch = sys.modules.get("torch")  # where it is not imported there is no module of it
    if torch is not None and isinstance(backbone, torch.nn.Module):
        raise TypeError(
            f"backbone is a {type(backbone).__name__}, a torch module: it would be copied by every "
            "clone and be part of every hash and saved model. Give a function without arguments "
            "that returns it, or its name 'module:function'."
        )


def build_of_function(function: Callable[[], Any], weights: Any) -> Any:
    """Build the backbone of a function that returns a module.

    The module may declare input_size, mean, std, crop and license.
    """
    return _backbone_of(function, name_of(function), weights)


def _build(name: str, weights: Any) -> Any:
    return _backbone_of(import_function(name, "backbone"), name, weights)


def _backbone_of(function: Callable[[], Any], name: str, weights: Any) -> Any:
    import torch

    from ._backbone import check_normalization
    from ._torch import torch_backbone
    from ._torch_weights import load_state, read_weights

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # a module without weights of its own is the same every time
        module = function()
    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"backbone={name!r} returned {type(module).__name__}, not a torch module")
    if weights:
        load_state(module, read_weights(weights), name, weights)
    mean, std = check_normalization(
        getattr(module, "mean", IMAGENET_MEAN),
        getattr(module, "std", IMAGENET_STD),
        f"backbone={name!r}",
    )
    terms = getattr(module, "license", getattr(module, "licence", "not declared"))
    return torch_backbone(
        name,
        module,
        input_size=square(getattr(module, "input_size", 224), f"backbone={name!r} declares"),
        mean=mean,
        std=std,
        license=str(terms),
        crop=checked_crop(getattr(module, "crop", None), f"backbone={name!r} declares"),
        undeclared=tuple(what for what in ("mean", "std") if not hasattr(module, what)),
    )


def square(declared: Any, subject: str) -> tuple[int, int]:
    """Return a size that may be one number of pixels as height and width."""
    size = (declared, declared) if isinstance(declared, int) else declared
    try:
        height, width = (operator.index(side) for side in size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(
            f"{subject} input_size={declared!r}, expected a number of pixels or (height, width)"
        )
    return height, width


def checked_crop(declared: Any, subject: str) -> Crop | None:
    """Return a crop that may be given as (size, margin) or (size, margin, landmarks)."""
    if declared is None:
        return None
    try:
        size, margin, *landmarks = declared
        points = (tuple((float(x), float(y)) for x, y in points) for points in landmarks)
        crop = Crop(operator.index(size), float(margin), *points)
    except (TypeError, ValueError):
        crop = Crop(0, 0.0)
    has_points = crop.landmarks is None or len(crop.landmarks) == 5
    if crop.size < 8 or not -0.45 <= crop.margin <= 5 or not has_points:
        raise ValueError(
            f"{subject} crop={declared!r}, expected (size, margin) or (size, margin, landmarks) of "
            "FaceAligner, such as (112, 0)"
        )
    return crop


register(
    BackboneEntry(
        "<module>:<function>",
        purpose="any",
        license="what the module declares",
        weights="yours, or weights=",
        offline=True,
        build=_build,
        matches=is_reference,
    )
)
