"""Estimators that were saved by an earlier version, with other parameters."""

from __future__ import annotations

import inspect
from typing import Any


class AddedParametersMixin:
    """Give an estimator that is loaded from an older file the parameters that it has today.

    Parameters that were added since get their defaults; attributes of the names in
    `_former_attributes`, which the class no longer has, are dropped.
    """

    _former_attributes: tuple[str, ...] = ()

    def __setstate__(self, state: dict[str, Any]) -> None:
        parameters = inspect.signature(type(self)).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        kept = {k: value for k, value in state.items() if k not in self._former_attributes}
        super().__setstate__({**defaults, **kept})  # type: ignore[misc]
