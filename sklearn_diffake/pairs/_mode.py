"""In which mode a model judges."""

from __future__ import annotations

from typing import Any

from sklearn_diffake.pairs._difference import PairDifference
from sklearn_diffake.utils._estimators import estimators
from sklearn_diffake.utils._modes import Mode, ModeError

_USES = {
    "reference": "judges a probe against trusted images of the person",
    "same-video": "judges a clip by its own frames, without a reference",
}


def mode_of(model: Any) -> Mode | None:
    """Return in which mode a model judges, as its `PairDifference` states.

    Parameters
    ----------
    model : estimator
        A pipeline or part of one, fitted or not.

    Returns
    -------
    {"reference", "same-video"} or None
        None if no step states it.

    Raises
    ------
    ValueError
        If two steps state different modes.

    See Also
    --------
    check_mode : Refuses a model of the other mode.

    Examples
    --------
    >>> from sklearn_diffake import make_difffake_pipeline
    >>> from sklearn_diffake.pairs import mode_of
    >>> mode_of(make_difffake_pipeline(mode="same-video"))
    'same-video'
    """
    modes = {step.mode for step in estimators(model) if isinstance(step, PairDifference)} - {None}
    if len(modes) > 1:
        raise ValueError(
            "one branch of the model has a PairDifference with mode='reference', another one with "
            "mode='same-video'; a model judges in one mode"
        )
    return modes.pop() if modes else None


def check_mode(model: Any, expected: Mode, *, unstated: bool) -> None:
    """Refuse a model of the other mode.

    Parameters
    ----------
    model : estimator
        A pipeline or part of one.
    expected : {"reference", "same-video"}
        Mode of the pairs that it is given.
    unstated : bool
        Whether a model that states no mode is accepted.

    Raises
    ------
    ModeError
        If the model is of the other mode, or states none where it must. It has `mode` and
        `expected`.
    ValueError
        If two steps of the model state different modes.

    See Also
    --------
    mode_of : Returns the mode of a model.
    PairDifference : States the mode of a pipeline.

    Examples
    --------
    >>> from sklearn_diffake import make_difffake_pipeline
    >>> from sklearn_diffake.pairs import check_mode
    >>> check_mode(make_difffake_pipeline(mode="reference"), "reference", unstated=False)
    """
    refuse_other(mode_of(model), expected, unstated=unstated)


def refuse_other(mode: Mode | None, expected: Mode, *, unstated: bool) -> None:
    """Raise a ModeError unless a model of a mode is of the expected one; see `check_mode`."""
    if mode == expected or (mode is None and unstated):
        return
    if mode is None:
        raise ModeError(
            f"the model does not state its mode, but {expected} mode is asked for: a model that "
            f"{_USES[expected]} is made by make_difffake_pipeline(mode={expected!r}); of a fitted "
            f"one, set `mode` of its PairDifference, as in set_params(diff__mode={expected!r})",
            mode,
            expected,
        )
    raise ModeError(
        f"the model is of {mode} mode: it {_USES[mode]}; {expected} mode needs one that "
        f"{_USES[expected]}",
        mode,
        expected,
    )
