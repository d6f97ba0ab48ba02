"""From the scores of jobs to error rates: over folds, with intervals over people."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._jobs import Job
from sklearn_diffake.metrics import detection_error_curve, video_level
from sklearn_diffake.metrics._bootstrap import bootstrap_intervals
from sklearn_diffake.metrics._curve import ErrorCurve, crossing
from sklearn_diffake.model_selection import connected_groups

POOLED, WORST = "all techniques", "worst technique"
#: What is computed; the threshold of the last two is the one that the detector set in fit.
FIGURES = ("auc", "eer", "ap_fake", "bpcer10", "bpcer20", "bpcer100", "apcer", "bpcer")
_RATES = {"bpcer10": 0.10, "bpcer20": 0.05, "bpcer100": 0.01}

Floats = NDArray[np.float64]
Record = Mapping[str, Any]  # of a finished job: its decisions and thresholds
FinishedJob = tuple[Job, Record]
Tables = Mapping[str, PairTable]


class Scores(NamedTuple):
    """The decisions on the judged pairs, or videos, of all folds.

    Parameters
    ----------
    y : ndarray of shape (n,), int64
        +1 genuine, -1 deepfake.
    decision : ndarray of shape (n,), float64
        Zero or more for genuine.
    technique : ndarray of shape (n,), object
    fold : ndarray of shape (n,), int64
    group : ndarray of shape (n,), int64
        Number of the group of people.
    """

    y: NDArray[np.int64]
    decision: Floats
    technique: NDArray[Any]
    fold: NDArray[np.int64]
    group: NDArray[np.int64]

    def select(self, rows: NDArray[Any]) -> Scores:
        """Return some of the rows."""
        return Scores(*(values[rows] for values in self))

    @property
    def techniques(self) -> list[str]:
        """Those of the deepfakes, sorted."""
        return sorted(set(self.technique[self.y == -1].tolist()))


class Settings(NamedTuple):
    """How scores become figures with intervals.

    Parameters
    ----------
    resamples : int
    confidence : float
    seed : int
    level : {"pairs", "videos"}
        Whether pairs are judged, or videos by the mean over their pairs.
    """

    resamples: int
    confidence: float
    seed: int
    level: str = "pairs"


def join_folds(folds: Sequence[FinishedJob], tables: Tables, *, level: str) -> Scores:
    """Concatenate the scores of several folds.

    Parameters
    ----------
    folds : sequence of (Job, record)
        Of one protocol, candidate, dataset and condition.
    tables : mapping of str to PairTable
    level : {"pairs", "videos"}
        Whether the decisions on all pairs of a video become one, their mean. A video is a deepfake
        if one of its pairs is.

    Returns
    -------
    scores : Scores

    Raises
    ------
    ValueError
        If videos are to be judged, and a pair has none.
    """
    table = tables[folds[0][0].test]
    group = connected_groups(table.groups)
    columns = []
    for fold, (job, record) in enumerate(folds):
        rows, decision = job.judged_rows.rows, np.asarray(record["decisions"][0])
        y = table.target[rows]
        if level == "videos":
            # deepfakes first, because the first row of a video gives its label and technique
            order = np.argsort(y, kind="stable")
            rows, decision = rows[order], decision[order]
            pooled = video_level(decision, table.columns["video"][rows])
            rows, decision = rows[pooled.first_row], pooled.score
            y = table.target[rows]
        technique = table.columns["technique"][rows]
        columns.append((y, decision, technique, np.full(len(rows), fold), group[rows]))
    return Scores(*map(np.concatenate, zip(*columns, strict=True)))


def figures(
    y: NDArray[np.int64], decision: Floats, fold: NDArray[np.int64], technique: Any = None
) -> dict[str, float]:
    """Compute every figure in each fold that has both classes, and average over these.

    Parameters
    ----------
    y, decision, fold : ndarray of shape (n,)
    technique : ndarray of shape (n,) or None
        If given, figures are those of the technique that is worst: at each threshold for error
        rates, of all techniques for areas.

    Returns
    -------
    figures : dict of str to float
        Of all rows together if no fold has both classes.
    """
    masks = [fold == number for number in np.unique(fold)]
    masks = [mask for mask in masks if abs(y[mask].sum()) < mask.sum()] or [np.ones(len(y), bool)]
    by_fold = [
        _figures(y[mask], decision[mask], None if technique is None else technique[mask])
        for mask in masks
    ]
    return {name: float(np.mean([values[name] for values in by_fold])) for name in FIGURES}


def _figures(y: NDArray[np.int64], decision: Floats, technique: Any) -> dict[str, float]:
    curve = detection_error_curve(y, decision, technique=technique)
    fraction = float(np.mean(y == -1))
    values = {"auc": _area(curve), "ap_fake": _average_precision(curve, fraction)}
    if technique is not None:  # an area under the curve of worst rates is that of no technique
        by_technique = [
            _figures(y[rows], decision[rows], None)
            for name in np.unique(technique[y == -1])
            for rows in [(y == 1) | (technique == name)]
        ]
        values = {name: min(single[name] for single in by_technique) for name in values}
    values["eer"] = crossing(curve)[0]
    for name, rate in _RATES.items():
        values[name] = float(curve.bpcer[np.argmax(curve.apcer <= rate)])
    accepted = np.flatnonzero(curve.threshold >= 0)[0]
    return {**values, "apcer": float(curve.apcer[accepted]), "bpcer": float(curve.bpcer[accepted])}


def _area(curve: ErrorCurve) -> float:
    """Return the area under the ROC curve."""
    accepted = 1 - curve.bpcer
    return float(np.sum(-np.diff(curve.apcer) * (accepted[1:] + accepted[:-1]) / 2))


def _average_precision(curve: ErrorCurve, fraction: float) -> float:
    """Return the average precision with deepfakes, a fraction of all rows, as positive."""
    detected, false = fraction * (1 - curve.apcer), (1 - fraction) * curve.bpcer
    precision = detected[1:] / np.maximum(detected[1:] + false[1:], 1e-300)
    return float(np.sum(np.diff(1 - curve.apcer) * precision))


def with_intervals(number: int, scores: Scores, worst: bool, settings: Settings) -> tuple[int, Any]:
    """Compute every figure and its interval over people.

    Parameters
    ----------
    number : int
        Returned, as results come in any order.
    scores : Scores
    worst : bool
        Whether figures are those of the worst technique.
    settings : Settings

    Returns
    -------
    number : int
    figures : dict of str to list of float
        Estimate, low and high; the last two are None where there are too few groups.
    """
    technique = np.unique(scores.technique.astype(str), return_inverse=True)[1]
    metadata = {"fold": scores.fold, **({"technique": technique} if worst else {})}

    def all_figures(y: Any, decision: Any, **extra: Any) -> list[float]:
        return list(figures(y, decision, **extra).values())

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Too few groups")
        intervals = bootstrap_intervals(
            all_figures,
            scores.y,
            scores.decision,
            groups=scores.group,
            metadata=metadata,
            n_resamples=settings.resamples,
            confidence_level=settings.confidence,
            random_state=settings.seed,
        )
    return number, {
        name: [None if np.isnan(value) else value for value in values]
        for name, values in zip(FIGURES, intervals, strict=True)
    }
