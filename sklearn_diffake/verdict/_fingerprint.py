"""A fingerprint of a model: equal where scores and thresholds are."""

from __future__ import annotations

import hashlib
import inspect
import numbers
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner

_COMPUTING = {
    *("cache", "checkpoint_dir", "memory", "device", "n_jobs", "batch_size", "verbose"),
    *("shared", "random_state", "n_frames", "on_missing", "counts_", "n_embedded_"),
    *("_sklearn_output_config", "_metadata_request", "transform_input"),
}
_EMBEDDER = ("fingerprint_", "dtype", "pooling")
_MISSING = object()
# Raised when the default of a parameter changes, as parameters at their default are ignored.
_VERSION = 1


def fingerprint_model(model: Any) -> str:
    """Compute the SHA-256 of everything that decides scores and thresholds of a fitted model.

    Parameters
    ----------
    model : estimator
        Fitted.

    Returns
    -------
    str
        64 hexadecimal digits. It depends on classes, parameters, fitted arrays and the
        fingerprints of networks; not on devices, threads, caches, seeds and paths.
    """
    digest = hashlib.sha256(f"version {_VERSION}".encode())
    for chunk in _chunks(model, frozenset()):
        digest.update(len(chunk).to_bytes(8, "big"))
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(value: Any, above: frozenset[int]) -> Iterator[bytes]:
    """Yield bytes that decide a value; a value within itself is only named."""
    if value is None or isinstance(value, (bool, str, bytes, numbers.Number, np.generic)):
        plain = value.item() if isinstance(value, np.generic) else value
        yield f"{type(plain).__name__}:{plain!r}".encode()
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield f"array:{value.dtype.str}:{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif id(value) in above:
        yield b"cycle"
    else:
        yield from _container_chunks(value, above | {id(value)})


def _container_chunks(value: Any, above: frozenset[int]) -> Iterator[bytes]:
    if isinstance(value, (list, tuple, np.ndarray)):
        yield f"sequence:{len(value)}".encode()
        for item in value:
            yield from _chunks(item, above)
    elif isinstance(value, Mapping):
        yield f"mapping:{len(value)}".encode()
        for key in sorted(value, key=str):
            yield str(key).encode()
            yield from _chunks(value[key], above)
    elif isinstance(value, (set, frozenset)):
        yield repr(sorted(value, key=str)).encode()
    elif isinstance(value, type) or inspect.isroutine(value):
        yield f"{value.__module__}.{value.__qualname__}".encode()
    else:
        yield f"object:{type(value).__module__}.{type(value).__qualname__}".encode()
        yield from _chunks(_state_of(value), above)


def _state_of(item: Any) -> Any:
    """Return the state that decides the results of an object, as plain values."""
    if isinstance(item, FaceEmbedder) and hasattr(item, "fingerprint_"):
        return {name: getattr(item, name) for name in _EMBEDDER}
    if not hasattr(item, "__dict__"):
        state = item.__getstate__()
        return repr(item) if state is None else state
    ignored = _COMPUTING | _at_default(item)
    state = {name: value for name, value in vars(item).items() if name not in ignored}
    if isinstance(item, FaceAligner):
        state["detector"] = f"mtcnn-{version('facenet-pytorch')}"
    return state


def _at_default(item: Any) -> set[str]:
    """Return the parameters of an estimator that have their defaults.

    Without them, a fingerprint stays the same where a later version adds parameters.
    """
    if not isinstance(item, BaseEstimator):
        return set()
    parameters = inspect.signature(type(item)).parameters.values()
    return {
        p.name
        for p in parameters
        if isinstance(p.default, (type(None), bool, str, int, float))
        and type(value := getattr(item, p.name, _MISSING)) is type(p.default)
        and value == p.default
    }
