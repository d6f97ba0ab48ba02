"""The protocols by name: how a configuration's tables are read, and made into jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._candidates import DetectorSpec
from sklearn_diffake.benchmark._jobs import Job, Step
from sklearn_diffake.benchmark._scores import Tables
from sklearn_diffake.benchmark._settings import Candidate, ProtocolSpec
from sklearn_diffake.benchmark._toml import ConfigError, Table
from sklearn_diffake.benchmark.protocols._base import Protocol, ReadContext
from sklearn_diffake.utils._messages import nearest

TrainedOn = Mapping[str, Mapping[str, NDArray[np.bool_]]]

#: The protocols by name, in the order of their results.
PROTOCOLS: dict[str, Protocol] = {}


def register(kind: type[Protocol]) -> type[Protocol]:
    """Add a protocol to those that a configuration may name; a decorator of its class.

    Parameters
    ----------
    kind : type
        Its class.

    Returns
    -------
    kind : type

    Raises
    ------
    ValueError
        If there is a protocol of that name.
    """
    if kind.name in PROTOCOLS:
        raise ValueError(f"there is a protocol {kind.name!r} already")
    protocols = sorted([*PROTOCOLS.values(), kind()], key=lambda protocol: protocol.rank)
    PROTOCOLS.clear()  # changed in place, as others hold it
    PROTOCOLS.update({protocol.name: protocol for protocol in protocols})
    return kind


def read_protocols(
    tables: Mapping[str, Table],
    datasets: Sequence[str],
    candidates: Mapping[str, Candidate],
    detectors: Mapping[str, DetectorSpec],
) -> tuple[ProtocolSpec, ...]:
    """Read the protocols, in the order of `PROTOCOLS`.

    Parameters
    ----------
    tables : mapping of str to Table
        By name.
    datasets : sequence of str
        Names of the datasets.
    candidates, detectors : mapping
        Candidates and detectors by name.

    Returns
    -------
    protocols : tuple of ProtocolSpec

    Raises
    ------
    ConfigError
        If there is no such protocol, or a key cannot be used.
    """
    for name, table in tables.items():
        if name not in PROTOCOLS:
            problem = f"there is no such protocol; {nearest(name, PROTOCOLS)}"
            raise ConfigError(problem, table=table.name, file=table.file)
    return tuple(
        _read_protocol(protocol, tables[name], datasets, candidates, detectors)
        for name, protocol in PROTOCOLS.items()
        if name in tables
    )


def _read_protocol(
    protocol: Protocol,
    table: Table,
    datasets: Sequence[str],
    candidates: Mapping[str, Candidate],
    detectors: Mapping[str, DetectorSpec],
) -> ProtocolSpec:
    dataset_names = table.get_list("datasets", str, (), choices=datasets)
    candidate_names: tuple[str, ...] = ()
    if protocol.has_candidates:
        candidate_names = table.get_list("candidates", str, tuple(candidates), choices=candidates)
    split = "identities"
    if protocol.has_split:
        split = table.get("split", str, split, choices=("identities", "official"))
    folds = table.get("folds", int, 3, minimum=2)
    context = ReadContext(dataset_names or datasets, candidates, detectors)
    options = protocol.read_options(table, context)
    chosen_candidates = options.pop("candidates", tuple(candidates[key] for key in candidate_names))
    table.close()
    return ProtocolSpec(protocol.name, dataset_names, chosen_candidates, folds, split, options)


def make_jobs(
    specs: Sequence[ProtocolSpec],
    tables: Tables,
    *,
    seed: int,
    trained_on: TrainedOn | None = None,
) -> list[Job]:
    """List the jobs of some protocols.

    Parameters
    ----------
    specs : sequence of ProtocolSpec
    tables : mapping of str to PairTable
        The datasets.
    seed : int
        Of the assignment of people to folds.
    trained_on : mapping of str to mapping of str to ndarray of bool, default=None
        For each extractor and dataset, the rows that show somebody it was trained on. They are not
        judged in a protocol that has a candidate with that extractor.

    Returns
    -------
    jobs : list of Job
        Not planned yet: without pipelines and keys.

    Raises
    ------
    ValueError
        If a dataset does not suit a protocol, or people cannot be kept apart; the message names
        the protocol's table in the configuration.
    """
    jobs: list[Job] = []
    for spec in specs:
        protocol = PROTOCOLS[spec.name]
        try:
            of_protocol = list(protocol.jobs(spec, protocol.datasets(spec, tables), seed))
            jobs += _without_trained_on(of_protocol, spec, tables, trained_on or {})
        except ValueError as error:
            raise ValueError(f"[protocols.{spec.name}] {error}") from error
    return jobs


def rows_trained_on(
    spec: ProtocolSpec, dataset: str, trained_on: TrainedOn
) -> NDArray[np.bool_] | None:
    """Mark the rows of a dataset that show people an extractor of a protocol was trained on.

    Parameters
    ----------
    spec : ProtocolSpec
    dataset : str
    trained_on : mapping of str to mapping of str to ndarray of bool
        As for :func:`make_jobs`.

    Returns
    -------
    ndarray of shape (n,), bool, or None
        None if no candidate has an extractor.
    """
    names = {name for candidate in spec.candidates for name in candidate.extractors}
    masks = [trained_on[name][dataset] for name in sorted(names)]
    return np.logical_or.reduce(masks) if masks else None


def _without_trained_on(
    jobs: Sequence[Job], spec: ProtocolSpec, tables: Tables, trained_on: TrainedOn
) -> list[Job]:
    """Judge only people whom no extractor of the protocol was trained on."""
    by_dataset = {name: rows_trained_on(spec, name, trained_on) for name in tables}
    masks = {name: mask for name, mask in by_dataset.items() if mask is not None and mask.any()}
    if not masks:
        return list(jobs)
    remaining = [replace(job, steps=tuple(_remaining_steps(job.steps, masks))) for job in jobs]
    for job in remaining:
        if job.test in masks and len(np.unique(tables[job.test].target[job.judged_rows.rows])) < 2:
            raise ValueError(
                f"datasets: of {job}, no genuine pairs and deepfakes remain to be judged, as an "
                "extractor was trained on their people: let it learn from some splits, as in "
                'splits = ["train"], and judge others with split = "official", or let it learn '
                "from another dataset"
            )
    return remaining


def _remaining_steps(
    steps: Iterable[Step], masks: Mapping[str, NDArray[np.bool_]]
) -> Iterator[Step]:
    for number, step in enumerate(steps):
        score = step.score
        if score.dataset in masks:
            score = replace(score, rows=score.rows[~masks[score.dataset][score.rows]])
        if number == 0 or len(score.rows):  # a threshold is set on the rows that remain
            yield Step(step.fit, score)
