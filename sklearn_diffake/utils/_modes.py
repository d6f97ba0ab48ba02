"""The two modes of comparing faces: with a reference, and within the video under suspicion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sklearn_diffake.utils._missing import is_missing
from sklearn_diffake.utils._spelling import name_key

REFERENCE, SAME_VIDEO = "reference", "same-video"
MODES = (REFERENCE, SAME_VIDEO)
#: Pairs, or datasets, of both modes.
MIXED = "mixed"
#: What parameters and columns may say; outputs say one of `MODES`.
SPELLINGS = (*MODES, "same_video")


def mode_name(text: str) -> str:
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
    name = str(text).strip().lower().replace("_", "-")
    if name not in MODES:
        raise ValueError(f"{text!r} is no mode; expected one of {', '.join(MODES)}")
    return name


def mode_of_columns(columns: Mapping[str, str]) -> str | None:
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
    known = {mode for mode in modes if mode is not None}
    return MIXED if len(known) > 1 else next(iter(known), None)
