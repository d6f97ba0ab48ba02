"""Find the estimators in a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ..embedding import FaceEmbedder

#: Parameters that are local folders. scikit-learn reads pickles from its `memory`.
FOLDERS = ("cache", "checkpoint_dir", "memory")


def estimators(item: Any, visited: set[int] | None = None) -> Iterator[Any]:
    """Yield every estimator that can be reached from an object, including the object."""
    visited = set() if visited is None else visited
    if id(item) in visited:
        return
    visited.add(id(item))
    if isinstance(item, BaseEstimator):
        yield item
    for child in _children(item):
        yield from estimators(child, visited)


def embedders(model: Any) -> list[FaceEmbedder]:
    """Return the fitted embedders of a model."""
    return [
        estimator
        for estimator in estimators(model)
        if isinstance(estimator, FaceEmbedder) and hasattr(estimator, "fingerprint_")
    ]


def _children(item: Any) -> list[Any]:
    if isinstance(item, Mapping):
        return list(item.values())
    if isinstance(item, (list, tuple, set, frozenset)):
        return list(item)
    if isinstance(item, np.ndarray):
        return list(item.flat) if item.dtype == object else []
    if isinstance(item, (type, ModuleType)) or not hasattr(item, "__dict__"):
        return []
    return list(vars(item).values())
