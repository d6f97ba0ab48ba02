"""Networks of the user: a function that returns a torch module."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sklearn_diffake.embedding.backbones._base import (
    FORMER_LICENSE_KEY,
    IMAGENET_MEAN,
    IMAGENET_STD,
    check_crop,
    check_input_size,
    check_normalization,
)
from sklearn_diffake.embedding.backbones._registry import BackboneEntry, register
from sklearn_diffake.utils._imports import import_function, is_reference


def reference_of(function: Callable[[], Any]) -> str | None:
    """Return ``"module:function"`` if a function can be imported by it, else None."""
    name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
    if not is_reference(name) or name.startswith("__main__:"):
        return None
    try:
        return name if import_function(name, "backbone") is function else None
    except ValueError:
        return None


def full_name(function: Callable[[], Any]) -> str:
    """Return the name of a function in results and fingerprints."""
    plain = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    return reference_of(function) or (plain if plain != "." else type(function).__name__)


def refuse_module(backbone: Any) -> None:
    """Raise the error for a network that is given instead of a function that makes it.

    Raises
    ------
    TypeError
        If `backbone` is a torch module.
    """
    torch = sys.modules.get("torch")  # if torch is not imported, no module of it exists
    if torch is not None and isinstance(backbone, torch.nn.Module):
        raise TypeError(
            f"backbone is a {type(backbone).__name__}, a torch module: it would be copied by every "
            "clone and be part of every hash and saved model. Give a function without arguments "
            "that returns it, or its name 'module:function'."
        )


def build_from_function(function: Callable[[], Any], weights: Any) -> Any:
    """Build the backbone of a function that returns a module.

    The module may declare input_size, mean, std, crop and license.
    """
    return _backbone_of(function, full_name(function), weights)


def _build(name: str, weights: Any) -> Any:
    return _backbone_of(import_function(name, "backbone"), name, weights)


def _backbone_of(function: Callable[[], Any], name: str, weights: Any) -> Any:
    import torch

    from sklearn_diffake.embedding.backbones._torch import torch_backbone
    from sklearn_diffake.embedding.backbones._weights import load_state, read_weights

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # random weights are the same every time
        module = function()
    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"backbone={name!r} returned {type(module).__name__}, not a torch module")
    if weights:
        load_state(module, read_weights(weights), name, weights)
    subject = f"backbone={name!r}"
    mean, std = check_normalization(
        getattr(module, "mean", IMAGENET_MEAN), getattr(module, "std", IMAGENET_STD), subject
    )
    subject += " declares"
    terms = getattr(module, "license", getattr(module, FORMER_LICENSE_KEY, "not declared"))
    return torch_backbone(
        name,
        module,
        input_size=check_input_size(
            getattr(module, "input_size", 224), f"backbone={name!r} declares"
        ),
        mean=mean,
        std=std,
        license=str(terms),
        crop=check_crop(getattr(module, "crop", None), subject),
        undeclared=tuple(key for key in ("mean", "std") if not hasattr(module, key)),
    )


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
