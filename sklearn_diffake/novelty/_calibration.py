"""Describe the calibration of a detector: numbers, warnings, sentences."""

from __future__ import annotations

from typing import Any, NamedTuple

from sklearn_diffake.novelty._categories import CategoryMixin
from sklearn_diffake.novelty._p_values import SINGLE
from sklearn_diffake.utils._numbers import significant

#: With fewer calibration pairs or groups, no p-value can be as low as 5 %.
FEW = 19
#: Code of the warning about few calibration pairs.
FEW_CALIBRATION = "few-calibration-pairs"


class Calibration(NamedTuple):
    """The size and level of a conformal calibration.

    Parameters
    ----------
    n_pairs : int
        Number of genuine calibration pairs.
    n : int
        The number of groups, such as people, if groups were passed to fit, otherwise the number of
        pairs.
    target_bpcer : float in (0, 1)
        Largest allowed fraction of genuine pairs rejected.
    level : float in (0, 1)
        Pairs with a p-value of at most this are rejected.
    """

    n_pairs: int
    n: int
    target_bpcer: float
    level: float

    @property
    def grouped(self) -> bool:
        """Whether several pairs share a group."""
        return self.n < self.n_pairs

    @property
    def unit(self) -> str:
        """Unit of `n`: ``"groups"`` or ``"pairs"``."""
        return "groups" if self.grouped else "pairs"

    @property
    def least_p_value(self) -> float:
        """The smallest possible p-value."""
        return 1.0 / (self.n + 1)

    def basis(self) -> str:
        """Return a text such as ``"30 genuine pairs of 12 groups"``."""
        pairs = _count(self.n_pairs, "genuine pair")
        return f"{pairs} of {_count(self.n, 'group')}" if self.grouped else pairs

    def warning(self) -> str | None:
        """Return the warning that belongs to every verdict, None if there are enough pairs.

        The text begins with the code ``few-calibration-pairs``.
        """
        reachable = round(self.least_p_value, 12) <= self.target_bpcer
        if reachable and self.n >= FEW:
            return None
        least_p = significant(self.least_p_value)
        rests = f"the threshold rests on {self.basis()} only, so that p is at least {least_p}"
        if reachable:
            return f"{FEW_CALIBRATION}: {rests}; a verdict from so few is weak"
        return (
            f"{FEW_CALIBRATION}: {rests}; the target BPCER of {significant(self.target_bpcer)} "
            f"cannot be reached, the threshold rejects genuine pairs at a rate of up to "
            f"{significant(self.level)}"
        )

    def p_value_in_words(self, p_value: float) -> str:
        """Explain a p-value in counts of calibration pairs.

        Parameters
        ----------
        p_value : float in (0, 1]

        Returns
        -------
        sentence : str
        """
        lower = max(0.0, p_value * (self.n + 1) - 1.0)  # weight of the pairs with a score as low
        is_integer = abs(lower - round(lower)) < 1e-6
        # Rows of a group share a weight of 1, so the sum may be a fraction
        number = str(round(lower)) if is_integer else f"{lower:.2f}"
        p_text = significant(p_value)
        formula = f"p = ({number} + 1) / ({self.n} + 1) = {p_text}"
        if self.grouped:
            return (
                f"Counted by groups (of one person, or as passed to fit), {number} of "
                f"{self.n} groups of genuine calibration pairs score as low as this pair, or "
                f"lower: {formula}."
            )
        verb = "scores" if number == "1" else "score"
        return (
            f"{number} of {self.n} genuine calibration {'pair' if self.n == 1 else 'pairs'} {verb} "
            f"as low as this pair, or lower: {formula}."
        )


def calibration_of(detector: Any, category: tuple[int, int] = SINGLE) -> Calibration | None:
    """Return the calibration of a fitted detector.

    Parameters
    ----------
    detector : estimator
        Fitted.
    category : tuple of (int, int), default=(1, 1)
        Numbers of reference and probe images; the nearest category is used, see
        :meth:`.ConformalDetector.category_of`.

    Returns
    -------
    calibration : Calibration or None
        None if the detector is not a :class:`~sklearn_diffake.novelty.ConformalDetector`.
    """
    if not isinstance(detector, CategoryMixin) or not hasattr(detector, "categories_"):
        return None
    position = detector._position(*category)
    arrays = detector.category_scores_[position : position + 1] or detector.calibration_scores_
    return Calibration(
        n_pairs=sum(len(scores) for scores in arrays),
        n=int(detector.category_n_[position]),
        target_bpcer=float(detector.target_bpcer),
        level=float(detector.category_levels_[position]),
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
