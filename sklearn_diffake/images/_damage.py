"""Count frames that cannot be decoded, or raise an error at the first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sklearn_diffake.images._decoding import FrameState
from sklearn_diffake.images.errors import VideoError

OnDamage = Literal["raise", "skip"]

_REASONS = {
    FrameState.DAMAGED: "this frame is damaged",
    FrameState.DEPENDENT: "this frame depends on one that is damaged or missing",
}


@dataclass
class DamageAccount:
    """The requested frames that could not be decoded.

    Attributes
    ----------
    on_damage : {"raise", "skip"}
        ``"raise"`` raises an error at the first damaged frame.
    lost : list of int
        Numbers of frames that are not returned.
    dependent : list of int
        Numbers of frames that are returned, although they depend on a damaged frame.
    n_cut_off : int
        Frames missing at the end of the file, according to its stated duration.
    n_refused : int
        Packets that give no frame, in a file whose frames are numbered by counting.
    """

    on_damage: OnDamage = "raise"
    skipped: list[int] = field(default_factory=list)
    dependent: list[int] = field(default_factory=list)
    n_cut_off: int = 0
    n_refused: int = 0

    @property
    def n_lost(self) -> int:
        """Number of all frames that are missing."""
        return len(self.skipped) + self.n_cut_off + self.n_refused

    def add_cut(self, summary: str, n_cut_off: int) -> None:
        """Record that a file is cut off or damaged as a whole."""
        if summary and self.on_damage == "raise":
            raise VideoError(summary)
        self.n_cut_off = n_cut_off

    def add_missing(self, number: int) -> None:
        """Record a missing frame."""
        if self.on_damage == "raise":
            raise VideoError("this frame is missing or damaged", frame=number)
        self.skipped.append(number)

    def add_refused(self, n_refused: int) -> None:
        """Record packets that cannot be decoded, in a file whose frames are counted."""
        if n_refused and self.on_damage == "raise":
            raise VideoError(f"damaged: {_count(n_refused)} cannot be decoded")
        self.n_refused = n_refused

    def accepts(self, number: int, state: FrameState) -> bool:
        """Return whether to use a decoded frame; record it if it is not good."""
        if state is FrameState.GOOD:
            return True
        if self.on_damage == "raise":
            raise VideoError(_REASONS[state], frame=number)
        (self.skipped if state is FrameState.DAMAGED else self.dependent).append(number)
        return state is FrameState.DEPENDENT

    def describe(self) -> str:
        """Return a sentence about the missing frames, empty if there are none."""
        clauses = []
        if self.skipped:
            clauses.append(f"{_count(len(self.skipped))} cannot be decoded and left out")
        if self.n_refused:
            clauses.append(f"{_count(self.n_refused)} cannot be decoded")
        if self.n_cut_off:
            clauses.append(f"about {_count(self.n_cut_off)} cut off at the end")
        if self.dependent:
            clauses.append(f"{_count(len(self.dependent))} decoded from damaged ones")
        return "the video is damaged: " + ", ".join(clauses) if clauses else ""


def _count(n: int) -> str:
    return f"{n} frame" if n == 1 else f"{n} frames"
