"""Backbones that are torch modules: declare them, run them, write them to a file."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from typing import Any

import numpy as np
import torch

from sklearn_diffake.embedding.backbones._base import Backbone, Crop, Forward


def torch_backbone(
    name: str,
    module: Any,
    *,
    input_size: tuple[int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    license: str,
    crop: Crop | None = None,
    undeclared: tuple[str, ...] = (),
) -> Backbone:
    """Make a backbone of a torch module that turns (b, 3, H, W) into (b, width)."""
    module.to(device="cpu", dtype=torch.float32).eval().requires_grad_(False)
    norm = (mean, std)

    def build(device: str, dtype: str) -> Forward:
        return _torch_forward(module, norm, device, dtype)

    probe = np.zeros((1, *input_size, 3), dtype=np.uint8)
    width = build("cpu", "float32")(probe).shape[1]
    return Backbone(
        name,
        input_size,
        mean,
        std,
        width,
        license,
        _fingerprint(module, (name, input_size, mean, std)),
        build,
        lambda path: _write_safetensors(module, path),
        module=module,
        crop=crop,
        undeclared=undeclared,
    )


def redeclared(backbone: Backbone, **changes: Any) -> Backbone:
    """Return a torch backbone with another input size, mean or standard deviation.

    Parameters
    ----------
    backbone : Backbone
        With a module.
    **changes : input_size, mean, std
        The new declarations; None keeps the present one.

    Returns
    -------
    Backbone

    Raises
    ------
    ValueError
        If the module does not accept images of that size.
    """
    names = ("input_size", "mean", "std", "license", "crop")
    declared = {name: getattr(backbone, name) for name in names}
    new = {name: value for name, value in changes.items() if value is not None}
    undeclared = tuple(name for name in backbone.undeclared if name not in new)
    if new.items() <= declared.items():
        return dataclasses.replace(backbone, undeclared=undeclared)
    declared = {**declared, **new, "undeclared": undeclared}
    try:
        return torch_backbone(backbone.name, backbone.module, **declared)
    except Exception as error:  # each network has its own error for a wrong size
        height, width = declared["input_size"]
        raise ValueError(
            f"backbone={backbone.name!r} cannot take images of {height} x {width} pixels, the "
            f"input_size that was asked for: {error}"
        ) from error


def _torch_forward(module: Any, norm: tuple[Any, Any], device: str, dtype: str) -> Forward:
    kind = getattr(torch, dtype)
    if (device, dtype) != ("cpu", "float32"):
        module = copy.deepcopy(module).to(device=device, dtype=kind)
    module = module.to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(v, device=device) * 255 for v in norm)

    def forward(crops: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(crops)).to(device)
            y = module(normalized(x, mean, std).to(kind))
        if not isinstance(y, torch.Tensor) or y.ndim != 2 or len(y) != len(crops):
            shape = getattr(y, "shape", type(y).__name__)
            raise ValueError(f"the backbone returned {shape}, expected one vector per image")
        return y.float().cpu().numpy()

    return forward


def normalized(crops: Any, mean: Any, std: Any) -> Any:
    """Turn uint8 crops (b, H, W, 3) into a float tensor (b, 3, H, W) whose channels are last.

    `mean` and `std` are tensors of three values between 0 and 255.
    """
    rows = crops.flatten(2).float()  # whole rows in place: channel by channel is slow
    rows = rows.sub_(mean.repeat(crops.shape[2])).div_(std.repeat(crops.shape[2]))
    return rows.view(crops.shape).permute(0, 3, 1, 2)


def _fingerprint(module: Any, declared: tuple[Any, ...]) -> str:
    digest = hashlib.blake2b(repr(declared).encode(), digest_size=16)
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def module_arrays(module: Any) -> dict[str, np.ndarray]:
    """Copy the parameters and buffers of a network into arrays."""
    return {key: tensor.cpu().numpy().copy() for key, tensor in module.state_dict().items()}


def _write_safetensors(module: Any, path: str) -> None:
    from safetensors.torch import save_file

    # copies, since safetensors refuses tensors that share their memory
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in module.state_dict().items()}
    save_file(tensors, path)
