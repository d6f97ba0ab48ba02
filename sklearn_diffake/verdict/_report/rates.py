"""Error rates of a model, and what they mean where altered pictures are rare."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn_diffake.verdict._evidence import ErrorRate, VerdictData, nearest_numbers
from sklearn_diffake.verdict._report.text import count

#: Fractions of all cases that are altered, or show somebody else, for which a report counts.
PREVALENCES = (0.5, 0.1, 0.01, 0.001)
_CASES = (100, 1000)


@dataclass(frozen=True)
class RateRow:
    """The error rates of one kind of comparison on one test data set.

    Parameters
    ----------
    data : str
    n_references, n_probes : int
        Images in the templates.
    n : int
        Pairs; in same-video mode frames or clips.
    apcer, bpcer, eer : ErrorRate or None
    nearest : bool
        Whether no other kind of comparison on this data is as near to the verdict's.
    """

    data: str
    n_references: int
    n_probes: int
    n: int
    apcer: ErrorRate | None = None
    bpcer: ErrorRate | None = None
    eer: ErrorRate | None = None
    nearest: bool = False

    @property
    def kind(self) -> str:
        """Numbers of images; without a reference, whether frames or clips were judged."""
        if self.n_references:
            return f"{self.n_references}, {self.n_probes}"
        return "single frames" if self.n_probes == 1 else f"clips, {self.n_probes} frames of each"

    @property
    def unit(self) -> str:
        """Unit of `n`."""
        if self.n_references:
            return "pair"
        return "frame" if self.n_probes == 1 else "clip"

    @property
    def compared(self) -> str:
        """Numbers of images, in words."""
        if not self.n_references:
            return self.kind
        return f"{count(self.n_references, 'reference')}, {count(self.n_probes, 'probe')}"


@dataclass(frozen=True)
class Expected:
    """Expected numbers among so many cases.

    Parameters
    ----------
    cases : int
    altered : float
        Of them.
    suspicious : float
        Expected number of suspicious verdicts.
    right : float
        Of these, how many are about altered cases.
    """

    cases: int
    altered: float
    suspicious: float
    right: float


@dataclass(frozen=True)
class PrevalenceRow:
    """Fraction of suspicious verdicts that are right, where so many cases are altered.

    Parameters
    ----------
    prevalence : float in [0, 1]
    expected : list of Expected
        For 100 and for 1,000 cases.
    right, low, high : float in [0, 1] or None
        Fraction of suspicious verdicts that are right, and the range that the 95 % intervals of the
        error rates leave; None if no verdict is suspicious.
    """

    prevalence: float
    expected: list[Expected]
    right: float | None
    low: float | None
    high: float | None


def rate_rows(verdict: VerdictData) -> list[RateRow]:
    """Arrange the error rates of the model of a verdict by data and numbers of images."""
    rates = () if verdict.model is None else verdict.model.error_rates
    groups: dict[tuple[str, int, int], dict[str, ErrorRate]] = {}
    for rate in rates:
        group = groups.setdefault((rate.data, rate.n_references, rate.n_probes), {})
        group[rate.metric] = rate
    numbers = verdict.category or (verdict.n_references, 1)
    nearest = {
        data: nearest_numbers(numbers, {(k, m) for name, k, m in groups if name == data})
        for data, _, _ in groups
    }
    return [
        RateRow(
            data, k, m, max(rate.n for rate in group.values()),
            apcer=group.get("apcer"), bpcer=group.get("bpcer"), eer=group.get("eer"),
            nearest=(k, m) == nearest[data],
        )
        for (data, k, m), group in sorted(groups.items())
    ]  # fmt: skip


def prevalence_rows(apcer: ErrorRate, bpcer: ErrorRate) -> list[PrevalenceRow]:
    """Compute the fractions of suspicious verdicts that are right, by prevalence."""
    rows = []
    for prevalence in PREVALENCES:
        expected = [
            Expected(
                cases,
                altered=cases * prevalence,
                suspicious=cases * sum(_suspicious(prevalence, apcer.estimate, bpcer.estimate)),
                right=cases * _suspicious(prevalence, apcer.estimate, bpcer.estimate)[0],
            )
            for cases in _CASES
        ]
        rows.append(
            PrevalenceRow(
                prevalence,
                expected,
                fraction_right(prevalence, apcer.estimate, bpcer.estimate),
                fraction_right(prevalence, apcer.high, bpcer.high),
                fraction_right(prevalence, apcer.low, bpcer.low),
            )
        )
    return rows


def fraction_right(prevalence: float, apcer: float, bpcer: float) -> float | None:
    """Return the fraction of suspicious verdicts that are about altered cases.

    Parameters
    ----------
    prevalence : float in [0, 1]
        Fraction of all cases that are altered.
    apcer : float in [0, 1]
        Fraction of altered cases that are accepted.
    bpcer : float in [0, 1]
        Fraction of genuine cases that are suspicious.

    Returns
    -------
    float or None
        None if no verdict is suspicious.
    """
    right, wrong = _suspicious(prevalence, apcer, bpcer)
    return right / (right + wrong) if right + wrong > 0 else None


def _suspicious(prevalence: float, apcer: float, bpcer: float) -> tuple[float, float]:
    """Return the fractions of all cases that are suspicious: rightly, and wrongly."""
    return prevalence * (1 - apcer), (1 - prevalence) * bpcer
