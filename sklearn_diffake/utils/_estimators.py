"""The estimators that a model is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator


def estimators(item: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield every estimator that can be reached from an object, itself included."""
    seen = set() if seen is None else seen
    if id(item) in seen:
        return
    seen.add(id(item))
    if isinstance(item, BaseEstimator):
        yield item
    for child in _children(item):
        yield from estimators(child, seen)


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
