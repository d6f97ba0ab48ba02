"""Error rates and their intervals against what one writes on scikit-learn's own curves.

100,000 scores for the rates and curves; 2,000 pairs of 200 people for the intervals, which the
yardstick makes by a plain loop: people drawn, their rows looked for, the metric computed.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import det_curve, roc_auc_score, roc_curve

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import alone, by_turns, timed
from sklearn_diffake.metrics import (
    bootstrap_interval,
    bpcer_at_apcer,
    confidence_interval,
    detection_error_curve,
    equal_error_rate,
)


def plain_eer(y, score):
    """Return the EER where the curve is nearest to the diagonal."""
    accepted, found, _ = roc_curve(y, score)
    nearest = np.argmin(np.abs(accepted - (1 - found)))
    return (accepted[nearest] + 1 - found[nearest]) / 2


def plain_bpcer(y, score):
    """Return the share of genuine rows rejected where 5 % of the fakes pass."""
    accepted, found, _ = roc_curve(y, score)
    return 1 - np.interp(0.05, accepted, found)


def plain_interval(metric, y, score, groups, draws):
    """Return the quantiles of the metric over people drawn with replacement."""
    rng, people, figures = np.random.default_rng(0), np.unique(groups), []
    while len(figures) < draws:
        drawn = rng.choice(people, len(people))
        rows = np.concatenate([np.flatnonzero(groups == person) for person in drawn])
        if len(np.unique(y[rows])) == 2:
            figures.append(metric(y[rows], score[rows]))
    return np.quantile(figures, [0.025, 0.975])


def draw(n):
    """Return labels and scores that overlap."""
    rng = np.random.default_rng(0)
    y = np.where(rng.random(n) < 0.5, 1, -1)
    return y, rng.normal(size=n) + y


def figures(quick=False):
    repeats, draws = (3, 50) if quick else (9, 200)
    y, score = draw(100_000)
    rows = []
    for what, ours, plain, yardstick in (
        ("equal_error_rate", equal_error_rate, plain_eer, "by roc_curve"),
        ("detection_error_curve", detection_error_curve, det_curve, "det_curve"),
        ("bpcer_at_apcer", lambda y, s: bpcer_at_apcer(y, s, apcer=0.05), plain_bpcer,
         "by roc_curve"),
    ):  # fmt: skip
        times = by_turns(lambda: ours(y, score), lambda: plain(y, score), repeats)  # noqa: B023
        rows.append(timed(f"{what}, 100,000 scores", f"scikit-learn, {yardstick}", times))
    y, score = draw(2_000)
    groups = np.random.default_rng(1).integers(0, 200, len(y))
    for name, ours, plain in (
        ("EER", equal_error_rate, plain_eer),
        ("AUC", roc_auc_score, roc_auc_score),
    ):
        times = by_turns(
            lambda: bootstrap_interval(ours, y, score, groups=groups, n_resamples=draws),  # noqa: B023
            lambda: plain_interval(plain, y, score, groups, draws),  # noqa: B023
            repeats,
        )
        what = f"bootstrap_interval of the {name}, twice {draws} draws of 200 people"
        rows.append(timed(what, f"a plain loop of {draws} draws, scikit-learn's metric", times))
        times = by_turns(
            lambda: confidence_interval(ours, y, score, groups=groups),  # noqa: B023
            lambda: plain_interval(plain, y, score, groups, draws),  # noqa: B023
            repeats,
        )
        what = f"confidence_interval of the {name}, 200 people"
        rows.append(timed(what, f"a plain loop of {draws} draws, scikit-learn's metric", times))
    return rows


if __name__ == "__main__":
    alone(figures)
