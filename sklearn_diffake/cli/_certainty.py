"""How much a verdict, or a figure, rests on."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

from ..utils._numbers import fraction, percent


def add_calibration(rows: Sequence[dict[str, Any]], detector: Any, *, quiet: bool) -> None:
    """Add to every row with a verdict on how many pairs the threshold rests, and warn of few.

    On standard error this is said too.

    Parameters
    ----------
    rows : sequence of dict
        Results, which get ``"warnings"``, a list that is empty where there is no reason; those of
        a :class:`~sklearn_diffake.novelty.ConformalDetector` get ``"calibration"`` too.
    detector : estimator
        Fitted.
    quiet : bool
        Whether to say nothing but a warning.
    """
    from ..base import threshold_warning
    from ..novelty._calibration import calibration_of

    calibration = calibration_of(detector)
    message = threshold_warning(detector)
    for row in rows:
        if row["score"] is None:
            continue
        if calibration is not None:
            row["calibration"] = {
                "pairs": calibration.n_pairs,
                "groups": calibration.n if calibration.grouped else None,
                "least_p_value": calibration.least_p_value,
                "level": calibration.level,
            }
        row["warnings"] = [] if message is None else [message]
    if message is not None:
        print(f"warning: {message}", file=sys.stderr)
    elif calibration is not None and not quiet:
        print(f"note: the threshold rests on {calibration.basis()}", file=sys.stderr)


def rate_of(count: int, total: int) -> str:
    """Write a rate with the counts it is of."""
    return f"{percent(count / total)} ({count} of {total})"


def written(name: str, value: float | None) -> str:
    """Write a number of the table; a p-value is never rounded to 0 or 1."""
    if value is None:
        return "-"
    return fraction(value) if name == "p_value" else f"{value:.3f}"


def say_accuracy(rows: Sequence[dict[str, Any]]) -> None:
    """Compare scores with labels, where there are any, on standard error.

    Pairs that share a photograph, be it through others, are one group for the intervals.
    """
    labelled = [row for row in rows if "label" in row and row["score"] is not None]
    if not labelled:
        return
    labels, scores = [row["label"] for row in labelled], [row["score"] for row in labelled]
    counts = f"{labels.count(1)} genuine, {labels.count(-1)} deepfake"
    sys.stdout.flush()
    if len(set(labels)) < 2:
        print(f"no AUC: the labelled pairs are {counts}", file=sys.stderr)
        return
    from sklearn.metrics import roc_auc_score

    from ..metrics import confidence_interval, equal_error_rate
    from ..model_selection import connected_groups

    groups = connected_groups([(row["reference"], row["probe"]) for row in labelled])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it is said below
        auc, auc_low, auc_high = confidence_interval(roc_auc_score, labels, scores, groups=groups)
        eer, low, high = confidence_interval(equal_error_rate, labels, scores, groups=groups)
    print(f"AUC {fraction(auc)}, EER {percent(eer)} ({counts})", file=sys.stderr)
    if auc_low != auc_low:  # NaN
        print("too few pairs without a photograph in common for 95 % intervals", file=sys.stderr)
        return
    print(
        f"95 % intervals: AUC {fraction(auc_low)} to {fraction(auc_high)}, "
        f"EER {percent(low)} to {percent(high)}",
        file=sys.stderr,
    )
