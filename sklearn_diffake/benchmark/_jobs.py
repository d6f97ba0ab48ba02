"""The unit of work: fit a candidate on some genuine pairs, score others; done once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from sklearn_diffake.base import check_finite
from sklearn_diffake.benchmark._degrade import Degradation
from sklearn_diffake.benchmark._embed import Embeddings, View
from sklearn_diffake.benchmark._pipelines import Parts, digest_of
from sklearn_diffake.utils._atomic_files import atomic_write, private_folder
from sklearn_diffake.utils._json import json_text

FORMAT = 1  # of cell files; part of their keys


class Condition(NamedTuple):
    """What was done to both images of every pair.

    Parameters
    ----------
    reference, probe : Degradation or None
    """

    reference: Degradation | None = None
    probe: Degradation | None = None

    def __str__(self) -> str:
        return f"{self.reference}, {self.probe}"


AS_THEY_ARE = Condition()


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
    condition: Condition = AS_THEY_ARE


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
class Cell:
    """One unit of work.

    Attributes
    ----------
    protocol, candidate, fit, test, split : str
        What it is called: names of the protocol, the candidate, the datasets, the split.
    condition : tuple of str
        What else tells it apart.
    steps : tuple of Step
        The first gives the scores that are judged; the others, if there are any, scores to fix a
        threshold by.
    """

    protocol: str
    candidate: str
    fit: str
    test: str
    split: str
    condition: tuple[str, ...]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        what = f"{self.fit} -> {self.test}" if self.fit != self.test else self.test
        names = [self.protocol, what, self.candidate, self.split, *self.condition]
        return " | ".join(name for name in names if name)

    def rows(self) -> Iterator[Rows]:
        """Yield all rows that it needs."""
        for step in self.steps:
            yield from (*step.fit, step.score)

    def key(self, parts: Parts, fingerprints: Mapping[str, str]) -> str:
        """Return 32 hexadecimal digits that depend on what is computed, and not on its names.

        Parameters
        ----------
        parts : Parts
            The candidate's.
        fingerprints : mapping of str to str
            Of the datasets.
        """
        steps = [
            [
                [_describe(rows, fingerprints) for rows in step.fit],
                _describe(step.score, fingerprints),
            ]
            for step in self.steps
        ]
        return digest_of({"format": FORMAT, "candidate": parts.description, "steps": steps})


def _describe(rows: Rows, fingerprints: Mapping[str, str]) -> list[str]:
    numbers = np.ascontiguousarray(rows.rows, dtype="<i8")
    digest = hashlib.sha256(numbers.tobytes()).hexdigest()
    return [fingerprints[rows.dataset], str(rows.condition), digest]


def wanted_images(
    cell: Cell, parts: Parts, embeddings: Embeddings
) -> Iterator[tuple[tuple[View, str], NDArray[np.int64], int]]:
    """Yield which images a cell needs, as :func:`merge_masks` takes them."""
    for rows in cell.rows():
        images = embeddings.images[rows.dataset]
        for column, degradation in enumerate(rows.condition):
            view = (rows.dataset, degradation)
            for feature in parts.features:
                places = images.index[rows.rows, column]
                yield (view, feature.key), places, len(images.sources)


class Task(NamedTuple):
    """What a worker needs to do a cell.

    Parameters
    ----------
    key : str
    tail : Pipeline
    pairs : ndarray of shape (m, 2, d), float32
        Embeddings of the pairs.
    steps : list of (fit, score)
        Rows of `pairs`, each.
    faceless : int
        Pairs to be judged in which an image shows no face that was found.
    """

    key: str
    tail: Any
    pairs: NDArray[np.float32]
    steps: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    faceless: int


def make_task(key: str, cell: Cell, parts: Parts, embeddings: Embeddings) -> Task:
    """Gather what a worker needs to do a cell.

    Parameters
    ----------
    key : str
    cell : Cell
    parts : Parts
    embeddings : Embeddings

    Returns
    -------
    task : Task

    Raises
    ------
    ValueError
        If an image has no embedding; the message names it.
    """
    needed: dict[tuple[str, Condition], NDArray[np.int64]] = {}
    for part in cell.rows():
        there = needed.get((part.dataset, part.condition), np.zeros(0, dtype=np.int64))
        needed[part.dataset, part.condition] = np.union1d(there, part.rows)
    starts, total = {}, 0
    for name, rows in needed.items():
        starts[name] = total
        total += len(rows)

    def places(part: Rows) -> NDArray[np.int64]:
        name = (part.dataset, part.condition)
        return starts[name] + np.searchsorted(needed[name], part.rows)

    steps = [
        (np.concatenate([places(part) for part in step.fit]), places(step.score))
        for step in cell.steps
    ]
    found = [
        np.concatenate([_pairs(*name, rows, feature, embeddings) for name, rows in needed.items()])
        for feature in parts.features
    ]  # of shape (m, 2, 1 + width) each
    seen = np.all([block[..., 0] for block in found], axis=(0, 2))
    pairs = np.concatenate([block[..., 1:] for block in found], axis=2)
    return Task(key, parts.tail, pairs, steps, int(np.sum(~seen[steps[0][1]])))


def _pairs(
    dataset: str,
    condition: Condition,
    rows: NDArray[np.int64],
    feature: Any,
    embeddings: Embeddings,
) -> NDArray[np.float32]:
    columns = []
    for column, degradation in enumerate(condition):
        view, places = (dataset, degradation), embeddings.images[dataset].index[rows, column]
        vectors = embeddings.matrix(view, feature)[places]
        without = np.flatnonzero(np.isnan(vectors).any(axis=1))
        if len(without):
            raise ValueError(embeddings.why_missing(view, feature, int(places[without[0]])))
        columns.append(vectors)
    return np.stack(columns, axis=1)


def run_task(task: Task) -> dict[str, Any]:
    """Do a cell.

    Parameters
    ----------
    task : Task

    Returns
    -------
    outcome : dict
        ``key``, ``seconds``, ``warnings``, and either ``record``, what is to be kept, or
        ``error``.
    """
    start = time.perf_counter()
    outcome: dict[str, Any] = {"key": task.key}
    with _noted_warnings() as noted:
        try:
            outcome["record"] = _run_steps(task)
        except Exception as error:  # whatever a detector raises is its own cell's failure
            outcome["error"] = f"{type(error).__name__}: {error}"
    outcome["warnings"] = sorted({str(one.message) for one in noted})
    outcome["seconds"] = round(time.perf_counter() - start, 3)
    return outcome


@contextlib.contextmanager
def _noted_warnings() -> Iterator[list[Any]]:
    """Note warnings instead of showing them, if this is the thread that may."""
    if threading.current_thread() is not threading.main_thread():  # as in workers of dask
        yield []
        return
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        yield noted


def _run_steps(task: Task) -> dict[str, Any]:
    pairs = np.array(task.pairs)  # what comes from another process may be read-only
    decisions, thresholds = [], []
    for fit, score in task.steps:
        fitted = clone(task.tail).fit(pairs[fit])
        decision = np.asarray(fitted.decision_function(pairs[score]), dtype=np.float64)
        check_finite(decision, name="decision_function")
        decisions.append(decision.tolist())
        threshold = float(getattr(fitted[-1], "offset_", 0.0))
        check_finite(np.array([threshold]), name="offset_")
        thresholds.append(threshold)
    return {"decisions": decisions, "thresholds": thresholds, "faceless": task.faceless}


class CellStore:
    """Finished and failed cells, one file each.

    Parameters
    ----------
    folder : Path
        ``cells/`` and ``failed/`` are made in it.
    """

    def __init__(self, folder: Path) -> None:
        self.done = folder / "cells"
        self.failed = folder / "failed"

    def read(self, key: str) -> dict[str, Any] | None:
        """Return what was kept of a finished cell, None if it is not finished."""
        try:
            record = json.loads((self.done / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if record.get("key") == key else None

    def keep(self, key: str, what: str, record: Mapping[str, Any]) -> None:
        """Write down a finished cell."""
        write_json(self.done / f"{key}.json", {"key": key, "what": what, **record}, indent=None)
        with contextlib.suppress(FileNotFoundError):
            (self.failed / f"{key}.json").unlink()

    def fail(self, key: str, what: str, error: str) -> None:
        """Write down a cell that failed."""
        write_json(self.failed / f"{key}.json", {"key": key, "what": what, "error": error})


def write_json(path: Path, values: Any, *, indent: int | None = 1) -> None:
    """Write a JSON file whole or not at all."""
    write_file(path, f"{json_text(values, indent=indent)}\n".encode())


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, in a folder that is made where it lacks."""
    private_folder(path.parent)
    atomic_write(path, content)


def remove_leftovers(folders: Sequence[Path]) -> None:
    """Remove what an interrupted start was writing."""
    for folder in folders:
        for path in folder.glob(".*.tmp"):
            path.unlink(missing_ok=True)
