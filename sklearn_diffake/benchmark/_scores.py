"""From scores to figures: over folds, with intervals over people."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._cells import Cell
from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._protocols import CALIBRATED
from sklearn_diffake.benchmark._workers import in_parallel
from sklearn_diffake.metrics import (
    bootstrap_interval,
    detection_error_curve,
    threshold_transfer,
    video_level,
)
from sklearn_diffake.metrics._curve import ErrorCurve, crossing
from sklearn_diffake.model_selection import connected_groups
from sklearn_diffake.utils._mode import common_mode
from sklearn_diffake.utils._progress import progress_bar

POOLED, WORST = "all techniques", "worst technique"
#: What is computed; the threshold of the last two is the one that the detector set in fit.
FIGURES = ("auc", "eer", "ap_fake", "bpcer10", "bpcer20", "bpcer100", "apcer", "bpcer")
_RATES = {"bpcer10": 0.10, "bpcer20": 0.05, "bpcer100": 0.01}

Floats = NDArray[np.float64]
Record = Mapping[str, Any]  # what is kept of a finished cell


class Scores(NamedTuple):
    """What is judged: decisions on the pairs of all folds.

    Parameters
    ----------
    y : ndarray of shape (n,), int64
        +1 genuine, -1 deepfake.
    decision : ndarray of shape (n,), float64
        Zero or more for genuine.
    technique : ndarray of shape (n,), object
    fold : ndarray of shape (n,), int64
    group : ndarray of shape (n,), int64
        Who is seen.
    """

    y: NDArray[np.int64]
    decision: Floats
    technique: NDArray[Any]
    fold: NDArray[np.int64]
    group: NDArray[np.int64]

    def take(self, rows: NDArray[Any]) -> Scores:
        """Return some of the rows."""
        return Scores(*(values[rows] for values in self))

    @property
    def techniques(self) -> list[str]:
        """Those of the deepfakes, sorted."""
        return sorted(set(self.technique[self.y == -1].tolist()))


class Settings(NamedTuple):
    """What is judged, and how intervals are found.

    Parameters
    ----------
    resamples : int
    confidence : float
    seed : int
    level : {"pairs", "videos"}
        What is judged.
    """

    resamples: int
    confidence: float
    seed: int
    level: str = "pairs"


def join_folds(
    cells: Sequence[tuple[Cell, Record]], tables: Mapping[str, PairTable], *, level: str
) -> Scores:
    """Put the judged pairs, or videos, of several folds together.

    Parameters
    ----------
    cells : sequence of (Cell, record)
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
    table = tables[cells[0][0].test]
    group = connected_groups(table.groups)
    parts = []
    for fold, (cell, record) in enumerate(cells):
        rows, decision = cell.steps[0].score.rows, np.asarray(record["decisions"][0])
        y = table.target[rows]
        if level == "videos":
            order = np.argsort(y, kind="stable")  # so that the first row of a video says it all
            rows, decision = rows[order], decision[order]
            pooled = video_level(decision, table.columns["video"][rows])
            rows, decision = rows[pooled.first_row], pooled.score
            y = table.target[rows]
        technique = table.columns["technique"][rows]
        parts.append((y, decision, technique, np.full(len(rows), fold), group[rows]))
    return Scores(*map(np.concatenate, zip(*parts, strict=True)))


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
    parts = [fold == number for number in np.unique(fold)]
    parts = [part for part in parts if abs(y[part].sum()) < part.sum()] or [np.ones(len(y), bool)]
    found = [
        _figures(y[part], decision[part], None if technique is None else technique[part])
        for part in parts
    ]
    return {name: float(np.mean([one[name] for one in found])) for name in FIGURES}


def _figures(y: NDArray[np.int64], decision: Floats, technique: Any) -> dict[str, float]:
    curve = detection_error_curve(y, decision, technique=technique)
    share = float(np.mean(y == -1))
    found = {"auc": _area(curve), "ap_fake": _average_precision(curve, share)}
    if technique is not None:  # the area under the curve of the worst would be that of none
        single = [
            _figures(y[rows], decision[rows], None)
            for name in np.unique(technique[y == -1])
            for rows in [(y == 1) | (technique == name)]
        ]
        found = {name: min(one[name] for one in single) for name in found}
    found["eer"] = crossing(curve)[0]
    for name, rate in _RATES.items():
        found[name] = float(curve.bpcer[np.argmax(curve.apcer <= rate)])
    accepted = np.flatnonzero(curve.threshold >= 0)[0]
    return {**found, "apcer": float(curve.apcer[accepted]), "bpcer": float(curve.bpcer[accepted])}


def _area(curve: ErrorCurve) -> float:
    """Return the area under the ROC curve."""
    accepted = 1 - curve.bpcer
    return float(np.sum(-np.diff(curve.apcer) * (accepted[1:] + accepted[:-1]) / 2))


def _average_precision(curve: ErrorCurve, share: float) -> float:
    """Return the average precision with deepfakes, of whom there is a share, as positive."""
    found, false = share * (1 - curve.apcer), (1 - share) * curve.bpcer
    precision = found[1:] / np.maximum(found[1:] + false[1:], 1e-300)
    return float(np.sum(np.diff(1 - curve.apcer) * precision))


def with_intervals(number: int, scores: Scores, worst: bool, settings: Settings) -> tuple[int, Any]:
    """Compute every figure and its interval over people.

    Parameters
    ----------
    number : int
        Given back, as results come in any order.
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
    known: dict[bytes, dict[str, float]] = {}

    def metric(name: str) -> Callable[..., float]:
        def compute(y: Any, decision: Any, **extra: Any) -> float:
            key = b"".join(values.tobytes() for values in (y, decision, *extra.values()))
            if key not in known:  # the draws are the same for every figure
                known[key] = figures(y, decision, **extra)
            return known[key][name]

        return compute

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Too few groups")
        intervals = {
            name: bootstrap_interval(
                metric(name),
                scores.y,
                scores.decision,
                groups=scores.group,
                metadata=metadata,
                n_resamples=settings.resamples,
                confidence_level=settings.confidence,
                random_state=settings.seed,
            )
            for name in FIGURES
        }
    return number, {
        name: [None if np.isnan(value) else value for value in values]
        for name, values in intervals.items()
    }


def summarise(
    done: Iterable[tuple[Cell, Record]],
    tables: Mapping[str, PairTable],
    settings: Settings,
    *,
    bpcer: float,
    verbose: bool = False,
) -> list[dict[str, Any]]:
    """Compute the figures of all that was judged.

    Parameters
    ----------
    done : iterable of (Cell, record)
        Finished cells, and what was kept of them.
    tables : mapping of str to PairTable
    settings : Settings
    bpcer : float
        Share of genuine pairs given up by a threshold that is carried to another dataset.
    verbose : bool, default=False
        Show a progress bar.

    Returns
    -------
    rows : list of dict
        One for each protocol, fit, test, candidate, condition and technique; as plain values.
    """
    rows: list[dict[str, Any]] = []
    tasks: list[tuple[int, Scores, bool, Settings]] = []
    for cells in _by_name(done):
        cell, scores = cells[0][0], join_folds(cells, tables, level=settings.level)
        if len(np.unique(scores.y)) < 2:
            continue
        carried = _carry(cells, scores, tables, bpcer) if len(cell.steps) > 1 else {}
        for technique, part in _parts(cell, scores):
            tasks.append((len(rows), part, technique == WORST, settings))
            rows.append(
                {
                    "protocol": cell.protocol,
                    "fit": cell.fit,
                    "test": cell.test,
                    "candidate": cell.candidate,
                    "condition": list(cell.condition),
                    "technique": technique,
                    "mode": _mode(cell, tables),
                    "n_genuine": int(np.sum(part.y == 1)),
                    "n_fake": int(np.sum(part.y == -1)),
                    "n_groups": len(np.unique(part.group)),
                    "n_folds": len(cells),
                    "n_faceless": sum(record["faceless"] for _, record in cells),
                    "n_skipped_videos": tables[cell.test].skipped_videos,
                    **(carried if technique == POOLED else {}),
                }
            )
    with progress_bar(total=len(tasks), desc="intervals", unit="row", verbose=verbose) as bar:
        for number, found in in_parallel(with_intervals, tasks):
            rows[number]["figures"] = found
            bar.update()
    _mark_chosen(rows)
    return rows


def _mode(cell: Cell, tables: Mapping[str, PairTable]) -> str:
    """Name the mode of the pairs judged; also of those learned from, if it is the other."""
    learned = common_mode(tables[rows.dataset].mode for rows in cell.steps[0].fit)
    judged = tables[cell.test].mode
    return judged if learned == judged else f"{learned} -> {judged}"


def _by_name(done: Iterable[tuple[Cell, Record]]) -> Iterator[list[tuple[Cell, Record]]]:
    """Yield the folds of everything that has a name of its own."""
    groups: dict[Any, list[tuple[Cell, Record]]] = {}
    for cell, record in done:
        name = (cell.protocol, cell.fit, cell.test, cell.candidate, cell.condition)
        groups.setdefault(name, []).append((cell, record))
    yield from groups.values()


def _parts(cell: Cell, scores: Scores) -> Iterator[tuple[str, Scores]]:
    """Yield what figures are given of: all deepfakes, and where it matters each technique."""
    yield POOLED, scores
    several = len(scores.techniques) > 1
    if several and cell.protocol in ("within-dataset", "cross-manipulation", "cross-dataset"):
        yield WORST, scores
    if several and cell.protocol in ("within-dataset", "cross-manipulation"):
        for technique in scores.techniques:
            yield technique, scores.take((scores.y == 1) | (scores.technique == technique))


def _carry(
    cells: Sequence[tuple[Cell, Record]],
    scores: Scores,
    tables: Mapping[str, PairTable],
    bpcer: float,
) -> dict[str, Any]:
    """Fix thresholds on what was held out in fit, and say what they do to what is judged."""
    (cell, record), *_ = cells
    table = tables[cell.steps[1].score.dataset]
    rows = [step.score.rows for step in cell.steps[1:]]
    y = table.target[np.concatenate(rows)]
    held_out = np.concatenate([np.asarray(part) for part in record["decisions"][1:]])
    fold = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    judged = {"y_test": scores.y, "score_test": scores.decision}
    found: dict[str, Any] = {}
    if cell.condition[:1] != (CALIBRATED,):
        errors = threshold_transfer(y, held_out, **judged, at="bpcer", rate=bpcer)
        found["transfer_bpcer"] = errors._asdict()
    if len(np.unique(y)) == 2:
        errors = threshold_transfer(y, held_out, **judged, at="eer")
        found["transfer_eer"] = errors._asdict()
        found["held_out_auc"] = figures(y, held_out, fold)["auc"]
    return found


def _mark_chosen(rows: list[dict[str, Any]]) -> None:
    """Mark which candidate fakes of other techniques would have chosen for each technique."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        if row["condition"][:1] == [CALIBRATED] and row["technique"] == POOLED:
            row["chosen"] = False
            name = (row["test"], row["condition"][1])
            if name not in best or row["held_out_auc"] > best[name]["held_out_auc"]:
                best[name] = row
    for row in best.values():
        row["chosen"] = True
