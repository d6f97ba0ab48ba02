"""Results of a benchmark: JSON for machines, Markdown and figures for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sklearn_diffake.benchmark._jobs import Job
from sklearn_diffake.benchmark._plan import Plan
from sklearn_diffake.benchmark._scores import (
    POOLED,
    WORST,
    FinishedJob,
    Scores,
    Settings,
    Tables,
    figures,
    join_folds,
    with_intervals,
)
from sklearn_diffake.benchmark._workers import in_parallel
from sklearn_diffake.benchmark.protocols import PROTOCOLS, rows_trained_on
from sklearn_diffake.benchmark.report._document import document
from sklearn_diffake.benchmark.report._outputs import write_file, write_json
from sklearn_diffake.benchmark.report._tables import group_by
from sklearn_diffake.utils._modes import common_mode
from sklearn_diffake.utils._progress import progress_bar


def write_results(
    plan: Plan,
    failures: Mapping[str, str],
    n_images: int,
    versions: Mapping[str, Any],
    *,
    verbose: bool = False,
) -> None:
    """Write ``results.json``, ``report.md`` and the figures.

    Parameters
    ----------
    plan : Plan
    failures : mapping of str to str
        Why jobs failed, by their labels.
    n_images : int
        Distinct images, degraded or not, times embedders.
    versions : mapping of str to str
    verbose : bool, default=False
        Show a progress bar.
    """
    config, tables = plan.config, plan.tables
    finished = plan.finished()
    settings = Settings(config.bootstrap, config.confidence, config.seed, config.level)
    options = {spec.name: spec.options for spec in config.protocols}
    rows = summarize(finished, tables, settings, options, verbose=verbose)
    results = {
        "versions": versions,
        "device": config.device,
        "seed": config.seed,
        "config": config.values,
        "datasets": {name: _describe_dataset(plan, name) for name in tables},
        "extractors": list(_describe_extractors(plan)),
        "not_judged": _count_not_judged(plan),
        "images": n_images,
        "summary": rows,
        "cells": list(_describe_jobs(finished, tables)),
        "failures": failures,
    }
    write_json(config.output / "results.json", results)
    sections, pictures = {}, {}
    for name, of_protocol in group_by(rows, "protocol").items():
        sections[name] = PROTOCOLS[name].section(of_protocol)
        figure_files = draw_figures(name, of_protocol, finished, tables)
        for file, picture in figure_files.items():
            write_file(config.output / file, picture)
        pictures[name] = list(figure_files)
    text = "\n".join(document(results, sections, pictures, confidence=config.confidence))
    write_file(config.output / "report.md", text.encode())


def draw_figures(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    finished: Sequence[FinishedJob],
    tables: Tables,
) -> dict[str, bytes]:
    """Draw the figures of a protocol.

    Parameters
    ----------
    name : str
        Of the protocol.
    rows : sequence of dict
        Its rows of the summary.
    finished : sequence of (Job, record)
        The finished jobs of all protocols.
    tables : mapping of str to PairTable

    Returns
    -------
    figures : dict of str to bytes
        File names, which begin with the protocol's, and PNG files.
    """
    of_protocol = [(job, record) for job, record in finished if job.protocol == name]
    drawings = PROTOCOLS[name].drawings(rows, of_protocol, tables)
    return {drawing.file_name(name): drawing.png() for drawing in drawings}


def summarize(
    finished: Iterable[FinishedJob],
    tables: Tables,
    settings: Settings,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    verbose: bool = False,
) -> list[dict[str, Any]]:
    """Compute the figures of all that was judged.

    Parameters
    ----------
    finished : iterable of (Job, record)
    tables : mapping of str to PairTable
    settings : Settings
    options : mapping of str to mapping, default=None
        Options of the protocols by name; None gives each its defaults.
    verbose : bool, default=False
        Show a progress bar.

    Returns
    -------
    rows : list of dict
        One for each protocol, fit, test, candidate, condition and technique; as plain values.
    """
    rows: list[dict[str, Any]] = []
    tasks: list[tuple[int, Scores, bool, Settings]] = []
    for folds in _by_labels(finished):
        job, scores = folds[0][0], join_folds(folds, tables, level=settings.level)
        if len(np.unique(scores.y)) < 2:
            continue
        protocol = PROTOCOLS[job.protocol]
        errors = protocol.threshold_errors(
            folds, scores, tables, (options or {}).get(job.protocol, {})
        )
        for technique, group in protocol.pool(scores):
            tasks.append((len(rows), group, technique == WORST, settings))
            row = _summary_row(folds, technique, group, tables)
            rows.append({**row, **(errors if technique == POOLED else {})})
    with progress_bar(total=len(tasks), desc="intervals", unit="row", verbose=verbose) as bar:
        for number, values in in_parallel(with_intervals, tasks):
            rows[number]["figures"] = values
            bar.update()
    for name in dict.fromkeys(row["protocol"] for row in rows):
        PROTOCOLS[name].compare_rows([row for row in rows if row["protocol"] == name])
    return rows


def _by_labels(finished: Iterable[FinishedJob]) -> Iterator[list[FinishedJob]]:
    """Yield the folds of each protocol, candidate, dataset and condition."""
    groups: dict[Any, list[FinishedJob]] = {}
    for job, record in finished:
        labels = (job.protocol, job.fit, job.test, job.candidate, job.condition)
        groups.setdefault(labels, []).append((job, record))
    yield from groups.values()


def _summary_row(
    folds: Sequence[FinishedJob], technique: str, scores: Scores, tables: Tables
) -> dict[str, Any]:
    job = folds[0][0]
    return {
        "protocol": job.protocol,
        "fit": job.fit,
        "test": job.test,
        "candidate": job.candidate,
        "condition": list(job.condition),
        "technique": technique,
        "mode": _mode(job, tables),
        "n_genuine": int(np.sum(scores.y == 1)),
        "n_fake": int(np.sum(scores.y == -1)),
        "n_groups": len(np.unique(scores.group)),
        "n_folds": len(folds),
        "n_faceless": sum(record["faceless"] for _, record in folds),
        "n_skipped_videos": tables[job.test].skipped_videos,
    }


def _mode(job: Job, tables: Tables) -> str:
    """Return the mode of the judged pairs, after that of the pairs learned from if they differ."""
    fit_mode = common_mode(tables[rows.dataset].mode for rows in job.steps[0].fit)
    test_mode = tables[job.test].mode
    return test_mode if fit_mode == test_mode else f"{fit_mode} -> {test_mode}"


def _describe_dataset(plan: Plan, name: str) -> dict[str, Any]:
    """Count what a dataset holds."""
    table, images = plan.tables[name], plan.embeddings.images[name]
    counts: dict[str, Any] = {
        "fingerprint": plan.fingerprints[name],
        "pairs": len(table),
        "genuine": int(np.sum(table.target == 1)),
        "deepfakes": int(np.sum(table.target == -1)),
        "images": len({digest for digest in images.digests if digest}),
        "unreadable": len(images.problems),
        "mode": table.mode,
        "skipped_videos": table.skipped_videos,
    }
    for column in ("identity", "video"):
        counts[column] = len(set(table.columns[column]) - {""})
    for column in ("technique", "compression", "split"):
        values, sizes = np.unique(table.columns[column].astype(str), return_counts=True)
        counts[column] = {
            str(value): int(size) for value, size in zip(values, sizes, strict=True) if value
        }
    return counts


def _describe_extractors(plan: Plan) -> Iterator[dict[str, Any]]:
    """Describe the extractors that were trained, and their training data."""
    for name, training in plan.trainings.items():
        spec, table = training.spec, plan.tables[training.spec.dataset]
        yield {
            "name": name,
            "dataset": spec.dataset,
            "splits": list(spec.splits),
            "parameters": dict(spec.params),
            "skipped_videos": table.skipped_videos,
            **(training.facts() or {}),
        }


def _count_not_judged(plan: Plan) -> dict[str, dict[str, int]]:
    """Count the pairs not judged, because an extractor was trained on their people."""
    counts: dict[str, dict[str, int]] = {}
    for spec in plan.config.protocols:
        for name in dict.fromkeys(job.test for job in plan.jobs if job.protocol == spec.name):
            rows = rows_trained_on(spec, name, plan.trained_on)
            if rows is not None and rows.any():
                counts.setdefault(spec.name, {})[name] = int(rows.sum())
    return counts


def _describe_jobs(finished: Iterable[FinishedJob], tables: Tables) -> Iterator[dict[str, Any]]:
    """Describe every finished job; its figures are those of its own fold."""
    for job, record in finished:
        y = tables[job.test].target[job.judged_rows.rows]
        decision = np.asarray(record["decisions"][0])
        fold = np.zeros(len(y), dtype=np.int64)
        yield {
            "key": record["key"],
            "protocol": job.protocol,
            "fit": job.fit,
            "test": job.test,
            "candidate": job.candidate,
            "split": job.split,
            "condition": list(job.condition),
            "n_fit": sum(len(rows.rows) for rows in job.steps[0].fit),
            "n_genuine": int(np.sum(y == 1)),
            "n_fake": int(np.sum(y == -1)),
            "threshold": record["thresholds"][0],
            "figures": figures(y, decision, fold) if len(np.unique(y)) == 2 else None,
        }
