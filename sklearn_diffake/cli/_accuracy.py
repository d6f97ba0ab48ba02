"""Error rates of verdicts on labeled pairs."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from sklearn_diffake.utils._numbers import fraction, percent

#: With fewer pairs of a class, and fewer of them apart from each other, no rate is printed.
MIN_PAIRS = 5


class LabeledVerdict(NamedTuple):
    """The verdict on a labeled pair.

    Attributes
    ----------
    label : int
        +1 genuine, -1 deepfake.
    sides : tuple of (str, str)
        Reference and probe, as written, and the person if known: pairs that share one are
        one group for the intervals.
    outcome : str
    score, p_value : float or None
    category : tuple of (int, int) or None
    """

    label: int
    sides: tuple[str, ...]
    outcome: str
    score: float
    p_value: float | None
    category: tuple[int, int] | None


def print_accuracy(verdicts: Sequence[LabeledVerdict]) -> None:
    """Compare verdicts with labels, on standard error.

    Parameters
    ----------
    verdicts : sequence of LabeledVerdict
    """
    if not verdicts:
        return
    sys.stdout.flush()
    for line in accuracy_lines(verdicts):
        print(line, file=sys.stderr)


def accuracy_lines(verdicts: Sequence[LabeledVerdict]) -> list[str]:
    """Write error rates at the thresholds that were used, then the rates that need no threshold.

    Parameters
    ----------
    verdicts : sequence of LabeledVerdict
        At least one.

    Returns
    -------
    list of str
    """
    labels = [row.label for row in verdicts]
    counts = {label: labels.count(label) for label in (1, -1)}
    counted = f"{counts[1]} genuine, {counts[-1]} deepfake"
    if max(counts.values()) < MIN_PAIRS:
        return [f"no error rates: the labeled pairs are too few ({counted})"]
    from sklearn_diffake.metrics import apcer, bpcer
    from sklearn_diffake.model_selection import connected_groups

    groups = connected_groups([row.sides for row in verdicts])
    accepted = [1.0 if row.outcome != "suspicious" else -1.0 for row in verdicts]
    lines = []
    for label, metric, name in (
        (1, bpcer, "rejected genuine pairs (BPCER)"),
        (-1, apcer, "accepted deepfakes (APCER)"),
    ):
        n = counts[label]
        if n < MIN_PAIRS:
            lines.append(f"{name}: not estimated from {n} labeled pairs")
            continue
        wrong = sum(a != label for a, row in zip(accepted, verdicts, strict=True)
                    if row.label == label)  # fmt: skip
        interval = _interval(metric, labels, accepted, groups)
        lines.append(f"{name}: {rate_of(wrong, n)}{interval}")
    unsure = [row.label for row in verdicts if row.outcome == "inconclusive"]
    if unsure:
        lines.append(
            f"inconclusive, counted as accepted: {unsure.count(1)} genuine, "
            f"{unsure.count(-1)} deepfake"
        )
    if min(counts.values()) >= MIN_PAIRS:
        lines += _ranking_lines(verdicts, labels, groups, counted)
    return lines


def rate_of(count: int, total: int) -> str:
    """Write a rate with the counts it is of."""
    return f"{percent(count / total)} ({count} of {total})"


def _ranking_lines(
    verdicts: Sequence[LabeledVerdict], labels: list[int], groups: Any, counted: str
) -> list[str]:
    from sklearn.metrics import roc_auc_score

    from sklearn_diffake.metrics import equal_error_rate

    # scores of different numbers of images cannot be compared, p-values can
    has_categories = len({row.category for row in verdicts}) > 1
    values: list[Any] = [row.p_value if has_categories else row.score for row in verdicts]
    if any(value is None for value in values):
        return []
    ranked = " by p-value" if has_categories else ""
    auc, eer = roc_auc_score(labels, values), equal_error_rate(labels, values)
    return [
        f"AUC{ranked} {fraction(auc)}{_interval(roc_auc_score, labels, values, groups, fraction)}, "
        f"EER {percent(eer)}{_interval(equal_error_rate, labels, values, groups)} ({counted})"
    ]


def _interval(
    metric: Any, labels: list[int], values: list[Any], groups: Any, write: Any = percent
) -> str:
    """Write the 95 % interval of a figure, over pairs that have nothing in common."""
    from sklearn_diffake.metrics import confidence_interval

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it is printed here
        _, low, high = confidence_interval(metric, labels, values, groups=groups)
    if low != low:  # NaN
        return " (no interval: the pairs share photographs or persons)"
    return f" (95 %: {write(low)} to {write(high)})"
