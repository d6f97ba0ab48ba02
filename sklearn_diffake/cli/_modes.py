"""The mode of pairs; a model judges pairs of the other mode only if the user allows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sklearn_diffake.cli._pairs import Pair

if TYPE_CHECKING:
    from sklearn_diffake.utils._modes import Mode
    from sklearn_diffake.verdict import Verdict


def mode_of_pair(pair: Pair) -> Mode | None:
    """Return the mode of a pair: that of its table, else reference mode.

    Parameters
    ----------
    pair : Pair

    Returns
    -------
    {"reference", "same-video"} or None
        None for a pair that lacks a side.
    """
    from sklearn_diffake.utils._modes import REFERENCE

    return (pair.mode or REFERENCE) if all(pair.paths) else None


def mode_to_fit(pairs: Sequence[Pair], mode: str | None, table: str) -> Mode:
    """Return the mode of pairs to learn from, which must be one.

    Parameters
    ----------
    pairs : sequence of Pair
    mode : {"reference", "same-video"} or None
        Argument of the user, for pairs whose table does not name it.
    table : str
        The file that names them.

    Returns
    -------
    {"reference", "same-video"}

    Raises
    ------
    ValueError
        If pairs are of different modes, or of another than the user says; it names the line.
    """
    from sklearn_diffake.utils._modes import REFERENCE, mode_name

    default = REFERENCE if mode is None else mode_name(mode)
    expected = default if mode is not None else pairs[0].mode or default
    for pair in pairs:
        pair_mode = pair.mode or default
        if pair_mode != expected:
            first = f"line {pairs[0].line} is of {expected} mode"
            reason = f"--mode {mode}" if mode else first
            raise ValueError(
                f"{table}, line {pair.line}: the pair is of {pair_mode} mode, {reason}; a model "
                "learns from pairs of one mode: give it a table of its own"
            )
    return expected


def pairs_of_other_mode(
    model: Any, pairs: Sequence[Pair], table: str | None, *, allowed: bool, hint: str = ""
) -> set[int]:
    """Find the pairs that are of another mode than a model.

    Parameters
    ----------
    model : estimator
        One that states no mode is for references and probes.
    pairs : sequence of Pair
    table : str or None
        The file that names them; None for pairs from the command line.
    allowed : bool
        Whether a model for references may get pairs of one video.
    hint : str, default=""
        Advice for the message.

    Returns
    -------
    set of int
        Their positions.

    Raises
    ------
    ModeError
        If there is any, and there may not; it names file and line.
    """
    from sklearn_diffake.pairs import ModeError, mode_of
    from sklearn_diffake.pairs._mode import refuse_other
    from sklearn_diffake.utils._modes import REFERENCE, SAME_VIDEO

    mismatched: set[int] = set()
    mode_of_model = mode_of(model)  # looks through all of the model: once, not for each pair
    for number, pair in enumerate(pairs):
        mode = mode_of_pair(pair)
        try:
            if mode is not None:
                refuse_other(mode_of_model, mode, unstated=mode == REFERENCE)
        except ModeError as error:
            of_clips = error.mode == SAME_VIDEO  # which has no place for a reference
            if of_clips or not allowed:
                location = "" if table is None else f"{table}, line {pair.line}: "
                message = f"{location}{error}{'' if of_clips else hint}"
                raise ModeError(message, error.mode, error.expected) from error
            mismatched.add(number)
    return mismatched


def label_other_mode(verdict: Verdict, mode: Mode | None) -> Verdict:
    """Label a verdict on a pair of another mode than the model; it is never "genuine".

    Parameters
    ----------
    verdict : Verdict
    mode : {"reference", "same-video"} or None
        Of the pair.

    Returns
    -------
    Verdict
    """
    from sklearn_diffake.verdict._warnings import hold_back, make_warning

    message = f"the pair is of {mode} mode and the model is not: its threshold promises nothing"
    warning = make_warning("other_mode", message)
    outcome, reason = hold_back(verdict.outcome, verdict.reason, [warning])
    return replace(verdict, outcome=outcome, reason=reason, warnings=(*verdict.warnings, warning))
