"""Callbacks of skorch as a parameter of an estimator. Loads neither skorch nor torch by itself."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class CallbacksMixin:
    """For estimators with a parameter `callbacks`: their clones get callbacks without state.

    scikit-learn's ``clone`` copies parameters deeply, which an open writer or the run of a tracking
    server does not allow. What a callback holds is therefore shared by the clones.
    """

    callbacks: list[Any] | None

    def __sklearn_clone__(self) -> Any:
        """Return a clone whose callbacks have the same parameters, and no state."""
        without_callbacks = copy.copy(self)
        without_callbacks.callbacks = None
        new = super(CallbacksMixin, without_callbacks).__sklearn_clone__()  # type: ignore[misc]
        new.callbacks = self.callbacks
        if isinstance(self.callbacks, list):
            new.callbacks = [_clone_item(item) for item in self.callbacks]
        return new


def callbacks_of_fit(callbacks: Sequence[Any] | None) -> list[Any]:
    """Return the callbacks of one fit, as skorch takes them; call those that are functions.

    Parameters
    ----------
    callbacks : sequence or None
        Callbacks of skorch, functions without arguments that return one, or pairs of a name and
        one of these.

    Returns
    -------
    list of Callback or (str, Callback)

    Raises
    ------
    TypeError
        If an item is none of these.
    """
    from skorch.callbacks import Callback

    items = []
    for position, item in enumerate(callbacks or []):
        is_pair = isinstance(item, (tuple, list)) and len(item) == 2
        callback = item[1] if is_pair else item
        if callable(callback) and not isinstance(callback, Callback):
            callback = callback()
        if not isinstance(callback, Callback):
            raise TypeError(
                f"callbacks[{position}] must be a callback of skorch, a function that returns one, "
                f"or a pair (name, callback), got {type(callback).__name__}."
            )
        items.append((item[0], callback) if is_pair else callback)
    return items


def restore_history(net: Any, epochs: Iterable[Mapping[str, Any]]) -> None:
    """Give a new net the figures of earlier epochs, so that its epochs are numbered after them."""
    for figures in epochs:
        net.history.new_epoch()
        record_figures(net, figures)
    for name, callback in net.callbacks_:
        if name in ("train_loss", "valid_loss"):  # they record whether an epoch is the best
            losses = [row[name] for row in net.history if name in row]
            callback.best_score_ = min(losses, default=math.inf)


def record_figures(net: Any, figures: Mapping[str, Any]) -> None:
    """Record figures of the present epoch in the history of a net; None is not recorded."""
    for name, value in figures.items():
        if value is not None:
            net.history.record(name, value)


def _clone_item(item: Any) -> Any:
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return item[0], _clone_item(item[1])
    if isinstance(item, type) or not hasattr(item, "on_train_begin"):
        return item  # a function, which each fit calls
    new = copy.copy(item)
    for name in [name for name in vars(new) if name.endswith("_")]:  # skorch's mark of state
        delattr(new, name)
    return new
