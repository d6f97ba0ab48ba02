"""Visit the estimators of a model, and load those that an earlier version saved."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
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


def active_steps(steps: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the steps of a pipeline, or the branches of a union, that are estimators.

    Parameters
    ----------
    steps : iterable of (str, estimator or str or None)
        Such as ``Pipeline.steps``.

    Returns
    -------
    list of (str, estimator)
        Without ``None``, ``"passthrough"`` and ``"drop"``.
    """
    return [(name, step) for name, step in steps if not (step is None or isinstance(step, str))]


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


class AddedParametersMixin:
    """Complete the parameters of an estimator that is loaded from an older file.

    Parameters that were added later get their defaults. Attributes named in
    `_former_attributes`, which the class no longer has, are dropped.
    """

    _former_attributes: tuple[str, ...] = ()

    def __setstate__(self, state: dict[str, Any]) -> None:
        parameters = inspect.signature(type(self)).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        current_state = {k: value for k, value in state.items() if k not in self._former_attributes}
        super().__setstate__({**defaults, **current_state})  # type: ignore[misc]
