"""Load estimators that an earlier version saved with other parameters."""

from __future__ import annotations

import inspect
from typing import Any


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
