"""Error rates and their intervals against what one writes on scikit-learn's own curves.

100,000 scores for the rates and curves; 2,000 pairs of 200 people for the intervals, which the
yardstick makes by a plain loop: people drawn, their rows looked for, the metric computed.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import det_curve, roc_auc_score, roc_curve

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import run_alone, time_alternately, timed
from sklearn_diffake.metrics import (
    bootstrap_interval,
    bpcer_at_apcer,
    confidence_interval,
    detection_error_curve,
    equal_error_rate,
)


def plain_eer(y, score):
    """Return the EER where the curve is nearest to the diagonal."""
    accepted, detected, _ = roc_curve(y, score)
    nearest = np.argmin(np.abs(accepted - (1 - detected)))
    return (accepted[nearest] + 1 - detected[nearest]) / 2


def plain_bpcer(y, score):
    """Return the fraction of genuine rows rejected where 5 % of the fakes pass."""
    accepted, detected, _ = roc_curve(y, score)
    return 1 - np.interp(0.05, accepted, detected)


def plain_interval(metric, y, score, groups, draws):
    """Return the quantiles of the metric over people drawn with replacement."""
    rng, people, figures = np.random.default_rng(0), np.unique(groups), []
    while len(figures) < draws:
        drawn_people = rng.choice(people, len(people))
        rows = np.concatenate([np.flatnonzero(groups == person) for person in drawn_people])
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
    for measure, our_function, plain, yardstick in (
        ("equal_error_rate", equal_error_rate, plain_eer, "by roc_curve"),
        ("detection_error_curve", detection_error_curve, det_curve, "det_curve"),
        ("bpcer_at_apcer", lambda y, s: bpcer_at_apcer(y, s, apcer=0.05), plain_bpcer,
         "by roc_curve"),
    ):  # fmt: skip
        times = time_alternately(lambda: our_function(y, score), lambda: plain(y, score), repeats)  # noqa: B023
        rows.append(timed(f"{measure}, 100,000 scores", f"scikit-learn, {yardstick}", times))
    y, score = draw(2_000)
    groups = np.random.default_rng(1).integers(0, 200, len(y))
    for name, our_function, plain in (
        ("EER", equal_error_rate, plain_eer),
        ("AUC", roc_auc_score, roc_auc_score),
    ):
        times = time_alternately(
            lambda: bootstrap_interval(our_function, y, score, groups=groups, n_resamples=draws),  # noqa: B023
            lambda: plain_interval(plain, y, score, groups, draws),  # noqa: B023
            repeats,
        )
        measure = f"bootstrap_interval of the {name}, twice {draws} draws of 200 people"
        rows.append(timed(measure, f"a plain loop of {draws} draws, scikit-learn's metric", times))
        times = time_alternately(
            lambda: confidence_interval(our_function, y, score, groups=groups),  # noqa: B023
            lambda: plain_interval(plain, y, score, groups, draws),  # noqa: B023
            repeats,
        )
        measure = f"confidence_interval of the {name}, 200 people"
        rows.append(timed(measure, f"a plain loop of {draws} draws, scikit-learn's metric", times))
    return rows


if __name__ == "__main__":
    run_alone(figures)
