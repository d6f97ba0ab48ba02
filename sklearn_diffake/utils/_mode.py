"""The two modes of differential anomaly detection, which are never mixed."""

from __future__ import annotations

from typing import Any, Literal

Mode = Literal["reference", "same-video"]

#: What the two images of a pair are: a trusted one and the probe, or two frames of one video.
MODES: tuple[Mode, Mode] = ("reference", "same-video")


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
