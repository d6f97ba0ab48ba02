"""Estimators that were saved before one of their parameters existed."""

from __future__ import annotations

import inspect
from typing import Any


class AddedParametersMixin:
    """Give an estimator that is loaded from an older file the defaults of newer parameters."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        parameters = inspect.signature(type(self)).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        super().__setstate__({**defaults, **state})  # type: ignore[misc]
