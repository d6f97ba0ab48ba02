"""The values of an explanation, as reports show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn_diffake.inspection._contributions import Contribution
from sklearn_diffake.inspection._nearest import NearestGenuine
from sklearn_diffake.inspection._photo import ExplainedPhoto
from sklearn_diffake.novelty._calibration import Calibration
from sklearn_diffake.utils._numbers import significant


@dataclass(frozen=True, eq=False)
class ExplanationData:
    """The fields of a `PairExplanation`, which describes them."""

    score: float
    threshold: float
    p_value: float | None
    reference: ExplainedPhoto
    probe: ExplainedPhoto
    contributions: list[Contribution]
    base_score: float | None
    nearest: NearestGenuine | None
    provenance: dict[str, Any]
    calibration: Calibration | None = None
    threshold_warning: str | None = None

    @property
    def warnings(self) -> list[str]:
        """Warnings about the verdict; each text begins with a code."""
        conformal = self.calibration
        message = self.threshold_warning if conformal is None else conformal.warning()
        return [] if message is None else [message]

    @property
    def decision(self) -> float:
        """Score less threshold: zero or more for genuine, negative for deepfake."""
        return self.score - self.threshold

    @property
    def verdict(self) -> str:
        """``"genuine"`` or ``"deepfake"``."""
        return "genuine" if self.decision >= 0 else "deepfake"

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the maps."""
        return tuple(self.probe.maps)

    def __repr__(self) -> str:
        p_value = "" if self.p_value is None else f", p_value={significant(self.p_value, 3)}"
        return (
            f"{type(self).__name__}({self.verdict}: score={self.score:.4g}, "
            f"threshold={self.threshold:.4g}{p_value}, maps: {', '.join(self.methods)})"
        )
