"""Weights of torch networks: read from .safetensors files, and put into modules."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_diffake.utils._checksums import verify_checksum

#: A .safetensors file, the tensors themselves, or None for a network's usual ones.
Weights = str | dict[str, Any] | None
#: Prefix of the tensors of a forgery classifier, which may be in the same file as a backbone.
CLASSIFIER_PREFIX = "forgery_head."


def join_classifier(features: dict[str, Any], classifier: dict[str, Any]) -> dict[str, Any]:
    """Return the weights of a backbone and of its forgery classifier in one dict."""
    return {**features, **{CLASSIFIER_PREFIX + name: t for name, t in classifier.items()}}


def split_classifier(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the weights of a backbone, and those of its forgery classifier without prefix."""
    features, classifier = {}, {}
    for name, tensor in state.items():
        if name.startswith(CLASSIFIER_PREFIX):
            classifier[name.removeprefix(CLASSIFIER_PREFIX)] = tensor
        else:
            features[name] = tensor
    return features, classifier


def load_state(module: Any, state: dict[str, Any], name: str, source: Any) -> None:
    """Put weights into a module; an error names the first that do not fit."""
    expected = module.state_dict()
    problems = [f"{k!r} is missing" for k in expected if k not in state and "num_batches" not in k]
    problems += [f"{k!r} is not expected" for k in state if k not in expected]
    problems += [
        f"{k!r} has shape {tuple(state[k].shape)}, expected {tuple(expected[k].shape)}"
        for k in expected
        if k in state and state[k].shape != expected[k].shape
    ]
    if problems:
        subject = f"weights file {source!r} does" if isinstance(source, str) else "the tensors do"
        raise ValueError(
            f"{subject} not hold the weights of {name!r}: "
            f"{'; '.join(problems[:3])} ({len(problems)} such tensors)"
        )
    module.load_state_dict(state, strict=False)


def read_weights(weights: str | dict[str, Any], *, with_classifier: bool = False) -> dict[str, Any]:
    """Read the weights of a backbone, and on demand those of its forgery classifier."""
    state = weights if isinstance(weights, dict) else _read_safetensors(weights)
    if with_classifier:
        return state
    return split_classifier(state)[0]


def read_classifier(path: Any) -> tuple[dict[str, np.ndarray], int | None]:
    """Read the forgery classifier in a file of weights, if it holds one.

    Parameters
    ----------
    path : str, Path or None
        A readable .safetensors file; None holds no classifier.

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
        names = [n for n in file.keys() if n.startswith(CLASSIFIER_PREFIX)]  # noqa: SIM118
        classifier = {name: file.get_tensor(name).float().numpy() for name in names}
    return classifier, int(size) if size.isdecimal() else None


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
    """Return the tensors of a .safetensors file from its content; check its checksum, if any."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    verify_checksum(content)
    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
