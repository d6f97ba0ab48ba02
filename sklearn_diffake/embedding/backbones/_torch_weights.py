"""Weights of torch networks: read from .safetensors files, and put into modules."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ...utils._sealed import verify_checksum

#: A .safetensors file, the tensors themselves, or None for a network's usual ones.
Weights = str | dict[str, Any] | None
#: Tensors of a forgery classifier, which may accompany a backbone in one file.
HEAD = "forgery_head."


def load_state(module: Any, state: dict[str, Any], name: str, source: Any) -> None:
    """Put weights into a module; an error names the first that do not fit."""
    own = module.state_dict()
    wrong = [f"{k!r} is missing" for k in own if k not in state and "num_batches" not in k]
    wrong += [f"{k!r} is not expected" for k in state if k not in own]
    wrong += [
        f"{k!r} has shape {tuple(state[k].shape)}, expected {tuple(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    if wrong:
        what = f"weights file {source!r} does" if isinstance(source, str) else "the tensors do"
        raise ValueError(
            f"{what} not hold the weights of {name!r}: "
            f"{'; '.join(wrong[:3])} ({len(wrong)} such tensors)"
        )
    module.load_state_dict(state, strict=False)


def read_weights(weights: str | dict[str, Any], *, head: bool = False) -> dict[str, Any]:
    """Read the weights of a backbone, and on demand those of a forgery classifier beside it."""
    state = weights if isinstance(weights, dict) else _read_safetensors(weights)
    if head:
        return state
    return {key: tensor for key, tensor in state.items() if not key.startswith(HEAD)}


def read_head(path: Any) -> tuple[dict[str, np.ndarray], int | None]:
    """Read the forgery classifier that comes with the weights in a file, if any does.

    Parameters
    ----------
    path : str, Path or None
        A readable .safetensors file; None holds nothing.

    Returns
    -------
    dict of str to ndarray
        Its tensors in float32, under their names in the file.
    int or None
        The size of the images that it was trained on, if the file says so.
    """
    from safetensors import safe_open

    if path is None:
        return {}, None
    verify_checksum(Path(path).expanduser().read_bytes())
    with safe_open(os.path.expanduser(os.fspath(path)), "pt") as file:
        size = (file.metadata() or {}).get("input_size", "")
        names = [name for name in file.keys() if name.startswith(HEAD)]  # noqa: SIM118
        head = {name: file.get_tensor(name).float().numpy() for name in names}
    return head, int(size) if size.isdecimal() else None


def _read_safetensors(path: str) -> dict[str, Any]:
    if not path.endswith(".safetensors"):
        raise ValueError(
            f"weights file {path!r} is not a .safetensors file; pickled checkpoints are never "
            "read. Convert it once with safetensors.torch.save_file(state_dict, path)."
        )
    try:
        return parse_safetensors(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"weights file {path!r} is damaged: {error}") from error


def parse_safetensors(content: bytes) -> dict[str, Any]:
    """Return the tensors in the content of a .safetensors file, whose checksum is right if any."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    verify_checksum(content)
    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
