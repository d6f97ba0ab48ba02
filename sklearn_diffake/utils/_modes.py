"""The two modes of differential anomaly detection, which are never mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sklearn_diffake.utils._names import is_missing, name_key

Mode = Literal["reference", "same-video"]

#: What the two images of a pair are: a trusted one and the probe, or two frames of one video.
MODES: tuple[Mode, Mode] = ("reference", "same-video")
REFERENCE, SAME_VIDEO = MODES
#: Pairs of both modes.
MIXED = "mixed"
#: What parameters and columns may say; outputs say one of `MODES`.
SPELLINGS = (*MODES, "same_video")


class ModeError(ValueError):
    """A model of one mode was given pairs of the other.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    mode : {"reference", "same-video"} or None
        Mode of the model; None if it is not stated.
    expected : {"reference", "same-video"}
        Mode of the pairs.

    Attributes
    ----------
    mode, expected : str or None
        As given.

    See Also
    --------
    check_mode : Raises the error if a model is of the other mode.
    mode_of : Returns the mode of a model.

    Examples
    --------
    >>> from sklearn_diffake.pairs import ModeError
    >>> ModeError("the model judges clips alone", "same-video", "reference").expected
    'reference'
    """

    def __init__(self, message: str, mode: Mode | None, expected: Mode) -> None:
        super().__init__(message)
        self.mode = mode
        self.expected = expected

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.mode, self.expected)


def mode_name(text: str) -> Mode:
    """Return the spelling of a mode that outputs use.

    Parameters
    ----------
    text : str
        One of `SPELLINGS`, in any case.

    Returns
    -------
    str
        One of `MODES`.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> from sklearn_diffake.utils._modes import mode_name
    >>> mode_name("same_video")
    'same-video'
    """
    name = text.strip().lower().replace("_", "-")
    for mode in MODES:
        if name == mode:
            return mode
    raise ValueError(f"a mode must be one of {', '.join(MODES)}, got {text!r}")


def mode_of_columns(columns: Mapping[str, str]) -> Mode | None:
    """Return the mode that the columns of one pair tell.

    Parameters
    ----------
    columns : mapping of str to str
        Cells by plain name of their column. ``mode`` decides; without it, a pair is of the
        same-video mode if ``video`` and ``reference_video`` name one video.

    Returns
    -------
    str or None
        One of `MODES`; None if the columns do not tell.

    Raises
    ------
    ValueError
        If ``mode`` is neither empty nor a mode.
    """
    if not is_missing(columns.get("mode", "")):
        return mode_name(columns["mode"])
    videos = [columns.get(name, "") for name in ("reference_video", "video")]
    if any(is_missing(video) for video in videos):
        return None
    reference, probe = map(name_key, videos)
    return SAME_VIDEO if reference == probe else REFERENCE


def common_mode(modes: Iterable[str | None]) -> str | None:
    """Return the mode of several pairs, or datasets.

    Parameters
    ----------
    modes : iterable of str or None
        None where the mode is unknown.

    Returns
    -------
    str or None
        One of `MODES`, `MIXED` if there are both, None if none is known.
    """
    distinct = {mode for mode in modes if mode is not None}
    return MIXED if len(distinct) > 1 else next(iter(distinct), None)
