"""The job, the unit of work: fit a candidate on some genuine pairs, and score others."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from sklearn_diffake.base import check_finite
from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._embeddings import Embeddings, View
from sklearn_diffake.benchmark._pipelines import CandidatePipeline, digest_of

FORMAT = 1  # of the files of finished jobs; part of their keys


class Condition(NamedTuple):
    """How both images of every pair are degraded.

    Parameters
    ----------
    reference, probe : Degradation or None
    """

    reference: Degradation | None = None
    probe: Degradation | None = None

    def __str__(self) -> str:
        return f"{self.reference}, {self.probe}"


NOT_DEGRADED = Condition()


@dataclass(frozen=True)
class Rows:
    """Some pairs of a dataset, in some condition.

    Attributes
    ----------
    dataset : str
    rows : ndarray of int
    condition : Condition
    """

    dataset: str
    rows: NDArray[np.int64]
    condition: Condition = NOT_DEGRADED


class Step(NamedTuple):
    """Fit on some pairs, and score others.

    Parameters
    ----------
    fit : tuple of Rows
        Genuine pairs, from one or several datasets.
    score : Rows
    """

    fit: tuple[Rows, ...]
    score: Rows


@dataclass(frozen=True)
class Job:
    """One unit of work: all that is needed to do it and to find its result again.

    Attributes
    ----------
    protocol, candidate, fit, test, split : str
        Its labels: names of the protocol, the candidate, the datasets, the split.
    condition : tuple of str
        Further labels, such as a degradation and its strength.
    steps : tuple of Step
        The first gives the scores that are judged; the others, if there are any, scores that a
        threshold is set on.
    pipeline : CandidatePipeline or None
        Of the candidate; None in a job that is not planned yet.
    key : str
        32 hexadecimal digits that depend on what is computed, and not on the labels; empty in a
        job that is not planned yet.
    """

    protocol: str
    candidate: str
    fit: str
    test: str
    split: str
    condition: tuple[str, ...]
    steps: tuple[Step, ...]
    pipeline: Any = dataclasses.field(default=None, repr=False)
    key: str = ""

    def __str__(self) -> str:
        datasets = f"{self.fit} -> {self.test}" if self.fit != self.test else self.test
        names = [self.protocol, datasets, self.candidate, self.split, *self.condition]
        return " | ".join(name for name in names if name)

    @property
    def judged_rows(self) -> Rows:
        """The pairs whose scores are judged."""
        return self.steps[0].score

    def rows(self) -> Iterator[Rows]:
        """Yield all rows that it needs."""
        for step in self.steps:
            yield from (*step.fit, step.score)

    def with_pipeline(self, pipeline: CandidatePipeline, fingerprints: Mapping[str, str]) -> Job:
        """Return the job with its pipeline and its key.

        Parameters
        ----------
        pipeline : CandidatePipeline
        fingerprints : mapping of str to str
            Of the datasets.

        Returns
        -------
        job : Job
        """
        steps = [
            [
                [_describe(rows, fingerprints) for rows in step.fit],
                _describe(step.score, fingerprints),
            ]
            for step in self.steps
        ]
        key = digest_of({"format": FORMAT, "candidate": pipeline.description, "steps": steps})
        return dataclasses.replace(self, pipeline=pipeline, key=key)

    def images(self, embeddings: Embeddings) -> Iterator[tuple[tuple[View, str], Any, int]]:
        """Yield which images it needs, as :func:`.merge_masks` takes them."""
        for rows in self.rows():
            images = embeddings.images[rows.dataset]
            for column, degradation in enumerate(rows.condition):
                view = (rows.dataset, degradation)
                for feature in self.pipeline.features:
                    positions = images.index[rows.rows, column]
                    yield (view, feature.key), positions, len(images.sources)


def _describe(rows: Rows, fingerprints: Mapping[str, str]) -> list[str]:
    numbers = np.ascontiguousarray(rows.rows, dtype="<i8")
    digest = hashlib.sha256(numbers.tobytes()).hexdigest()
    return [fingerprints[rows.dataset], str(rows.condition), digest]


class Task(NamedTuple):
    """The part of a job that a worker gets: numbers, without images.

    Parameters
    ----------
    key : str
    detection : Pipeline
        From embeddings of pairs to scores; not fitted.
    pairs : ndarray of shape (m, 2, d), float32
        Embeddings of the pairs.
    steps : list of (fit, score)
        Rows of `pairs`, each.
    faceless : int
        Judged pairs in which an image shows no face.
    """

    key: str
    detection: Any
    pairs: NDArray[np.float32]
    steps: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    faceless: int


def make_task(job: Job, embeddings: Embeddings) -> Task:
    """Gather what a worker needs to do a job.

    Parameters
    ----------
    job : Job
        With its pipeline.
    embeddings : Embeddings

    Returns
    -------
    task : Task

    Raises
    ------
    ValueError
        If an image has no embedding; the message names it.
    """
    blocks: dict[tuple[str, Condition], NDArray[np.int64]] = {}
    for rows in job.rows():
        earlier = blocks.get((rows.dataset, rows.condition), np.zeros(0, dtype=np.int64))
        blocks[rows.dataset, rows.condition] = np.union1d(earlier, rows.rows)
    starts, total = {}, 0
    for name, numbers in blocks.items():
        starts[name] = total
        total += len(numbers)

    def positions(rows: Rows) -> NDArray[np.int64]:
        name = (rows.dataset, rows.condition)
        return starts[name] + np.searchsorted(blocks[name], rows.rows)

    steps = [
        (np.concatenate([positions(rows) for rows in step.fit]), positions(step.score))
        for step in job.steps
    ]
    by_feature = [
        np.concatenate([_pairs(*name, rows, feature, embeddings) for name, rows in blocks.items()])
        for feature in job.pipeline.features
    ]  # of shape (m, 2, 1 + width) each
    has_faces = np.all([vectors[..., 0] for vectors in by_feature], axis=(0, 2))
    pairs = np.concatenate([vectors[..., 1:] for vectors in by_feature], axis=2)
    n_faceless = int(np.sum(~has_faces[steps[0][1]]))
    return Task(job.key, job.pipeline.detection, pairs, steps, n_faceless)


def _pairs(
    dataset: str,
    condition: Condition,
    rows: NDArray[np.int64],
    feature: Any,
    embeddings: Embeddings,
) -> NDArray[np.float32]:
    columns = []
    for column, degradation in enumerate(condition):
        view = (dataset, degradation)
        positions = embeddings.images[dataset].index[rows, column]
        vectors = embeddings.matrix(view, feature)[positions]
        missing_rows = np.flatnonzero(np.isnan(vectors).any(axis=1))
        if len(missing_rows):
            position = int(positions[missing_rows[0]])
            raise ValueError(embeddings.why_missing(view, feature, position))
        columns.append(vectors)
    return np.stack(columns, axis=1)


def run_task(task: Task) -> dict[str, Any]:
    """Do a job.

    Parameters
    ----------
    task : Task

    Returns
    -------
    outcome : dict
        ``key``, ``seconds``, ``warnings``, and either ``record``, the result, or ``error``.
    """
    start = time.perf_counter()
    outcome: dict[str, Any] = {"key": task.key}
    with _recorded_warnings() as messages:
        try:
            outcome["record"] = _run_steps(task)
        except Exception as error:  # whatever a detector raises is its own job's failure
            outcome["error"] = f"{type(error).__name__}: {error}"
    outcome["warnings"] = sorted({str(warning.message) for warning in messages})
    outcome["seconds"] = round(time.perf_counter() - start, 3)
    return outcome


@contextlib.contextmanager
def _recorded_warnings() -> Iterator[list[Any]]:
    """Record warnings instead of showing them, in a thread where Python can do so."""
    if threading.current_thread() is not threading.main_thread():  # as in workers of dask
        yield []
        return
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        yield messages


def _run_steps(task: Task) -> dict[str, Any]:
    pairs = np.array(task.pairs)  # what comes from another process may be read-only
    decisions, thresholds = [], []
    for fit, score in task.steps:
        fitted = clone(task.detection).fit(pairs[fit])
        decision = np.asarray(fitted.decision_function(pairs[score]), dtype=np.float64)
        check_finite(decision, name="decision_function")
        decisions.append(decision.tolist())
        threshold = float(getattr(fitted[-1], "offset_", 0.0))
        check_finite(np.array([threshold]), name="offset_")
        thresholds.append(threshold)
    return {"decisions": decisions, "thresholds": thresholds, "faceless": task.faceless}
