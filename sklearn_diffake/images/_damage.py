"""What to do about frames that cannot be decoded, and an account of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ._decoding import FrameState
from .errors import VideoError

OnDamage = Literal["raise", "skip"]

_REASONS = {
    FrameState.DAMAGED: "this frame is damaged",
    FrameState.DEPENDENT: "this frame depends on one that is damaged or missing",
}


@dataclass
class DamageAccount:
    """The frames that were asked for and are lost.

    Attributes
    ----------
    on_damage : {"raise", "skip"}
        Whether the first one raises.
    lost : list of int
        Numbers of frames that are left out.
    dependent : list of int
        Numbers of frames that are kept, although one from which they are decoded is damaged.
    n_cut_off : int
        Frames that are missing at the end of the file, by its stated duration.
    n_refused : int
        Packets that give no frame, where frames are told by counting those that are there.
    """

    on_damage: OnDamage = "raise"
    lost: list[int] = field(default_factory=list)
    dependent: list[int] = field(default_factory=list)
    n_cut_off: int = 0
    n_refused: int = 0

    @property
    def n_lost(self) -> int:
        """Number of frames that are left out, cut off, or nowhere to be counted."""
        return len(self.lost) + self.n_cut_off + self.n_refused

    def add_cut(self, summary: str, n_cut_off: int) -> None:
        """Note that a file is cut off or damaged as a whole."""
        if summary and self.on_damage == "raise":
            raise VideoError(summary)
        self.n_cut_off = n_cut_off

    def add_missing(self, number: int) -> None:
        """Note a frame that is not there."""
        if self.on_damage == "raise":
            raise VideoError("this frame is missing or damaged", frame=number)
        self.lost.append(number)

    def add_refused(self, n_refused: int) -> None:
        """Note packets that cannot be decoded, in a file whose frames are counted."""
        if n_refused and self.on_damage == "raise":
            raise VideoError(f"damaged: {_count(n_refused)} cannot be decoded")
        self.n_refused = n_refused

    def accepts(self, number: int, state: FrameState) -> bool:
        """Tell whether a decoded frame is to be used, and note it if it is not good."""
        if state is FrameState.GOOD:
            return True
        if self.on_damage == "raise":
            raise VideoError(_REASONS[state], frame=number)
        (self.lost if state is FrameState.DAMAGED else self.dependent).append(number)
        return state is FrameState.DEPENDENT

    def describe(self) -> str:
        """Say in a sentence what is lost; empty if nothing is."""
        parts = []
        if self.lost:
            parts.append(f"{_count(len(self.lost))} cannot be decoded and left out")
        if self.n_refused:
            parts.append(f"{_count(self.n_refused)} cannot be decoded")
        if self.n_cut_off:
            parts.append(f"about {_count(self.n_cut_off)} cut off at the end")
        if self.dependent:
            parts.append(f"{_count(len(self.dependent))} decoded from damaged ones")
        return "the video is damaged: " + ", ".join(parts) if parts else ""


def _count(n: int) -> str:
    return f"{n} frame" if n == 1 else f"{n} frames"
