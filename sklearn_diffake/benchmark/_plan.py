"""The plan of a benchmark: its datasets and jobs, and which of them are finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sklearn_diffake._versions import show_versions
from sklearn_diffake.benchmark._datasets import PairTable, load_pairs
from sklearn_diffake.benchmark._embeddings import Embeddings
from sklearn_diffake.benchmark._extractors import (
    Training,
    plan_trainings,
    rows_of_same_people,
    with_trained,
)
from sklearn_diffake.benchmark._images import find_images
from sklearn_diffake.benchmark._jobs import Job
from sklearn_diffake.benchmark._pipelines import CandidatePipeline, split_pipeline
from sklearn_diffake.benchmark._settings import Config
from sklearn_diffake.benchmark._workers import workers
from sklearn_diffake.benchmark.protocols import make_jobs
from sklearn_diffake.benchmark.report._outputs import JobStore
from sklearn_diffake.store import EmbeddingStore
from sklearn_diffake.utils._device import resolve_device

#: Packages that affect results; a job is done again if the version of one has changed.
DECISIVE = (
    "facenet-pytorch", "numpy", "onnxruntime", "pillow", "pyod", "scikit-learn", "scipy",
    "skorch", "timm", "torch", "torchvision",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The datasets and jobs of a benchmark, and which of the jobs are finished.

    Attributes
    ----------
    config : Config
        Its device is resolved.
    tables : dict of str to PairTable
        The datasets.
    fingerprints : dict of str to str
        Of the datasets.
    embeddings : Embeddings
        The images of all datasets, and the store of all that was computed from them.
    jobs : tuple of Job
        Each has its pipeline and its key. Jobs that are the same computation have the same key. The
        key of a job that needs an extractor changes when that is trained.
    trainings : dict of str to Training
        Of the extractors that candidates need.
    trained_on : dict of str to dict of str to ndarray of bool
        For each extractor and dataset, the rows that show people it learns from.

    See Also
    --------
    plan_benchmark : Makes it.

    Examples
    --------
    The configuration is that of :func:`read_config`.

    >>> from sklearn_diffake.benchmark import plan_benchmark, read_config
    >>> plan = plan_benchmark(read_config("small.toml"))
    >>> plan.jobs[0].candidate, plan.is_done(plan.jobs[0])
    ('one', False)
    >>> len(plan.pending()) == len(plan.jobs)
    True
    """

    config: Config
    tables: Mapping[str, PairTable]
    fingerprints: Mapping[str, str]
    embeddings: Embeddings
    jobs: tuple[Job, ...]
    trainings: Mapping[str, Training] = field(default_factory=dict)
    trained_on: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of every job."""
        return tuple(job.key for job in self.jobs)

    @property
    def store(self) -> JobStore:
        """The finished and failed jobs in the output folder."""
        return JobStore(self.config.output)

    def is_done(self, job: Job) -> bool:
        """Return whether a job is finished.

        Parameters
        ----------
        job : Job
            One of `jobs`.

        Returns
        -------
        bool
            True if its result is in the output folder.
        """
        return self.store.read(job.key) is not None

    def finished(self) -> list[tuple[Job, dict[str, Any]]]:
        """List the finished jobs, with their records.

        Returns
        -------
        finished : list of (Job, dict)
            In the order of `jobs`.
        """
        store = self.store
        records = [(job, store.read(job.key)) for job in self.jobs]
        return [(job, record) for job, record in records if record is not None]

    def pending(self) -> dict[str, Job]:
        """Return the jobs that are not finished, each computation once.

        Returns
        -------
        dict of str to Job
            By key.
        """
        first = {job.key: job for job in reversed(self.jobs)}
        store = self.store
        return {key: first[key] for key in dict.fromkeys(self.keys) if store.read(key) is None}

    def untrained(self) -> list[str]:
        """List the extractors that are not trained yet.

        Returns
        -------
        list of str
            Names.
        """
        return [name for name, training in self.trainings.items() if training.facts() is None]


def plan_benchmark(
    config: Config,
    *,
    n_jobs: int | None = None,
    dask: str | None = None,
    verbose: bool = False,
) -> Plan:
    """Load the datasets and list all jobs, without doing any or training an extractor.

    Parameters
    ----------
    config : Config
        As from :func:`.read_config`.
    n_jobs : int, default=None
        Number of processes that read images, as joblib counts them: None is 1, -1 is one per core.
        The result does not depend on it.
    dask : str, default=None
        Address of a dask scheduler whose workers read them instead.
    verbose : bool, default=False
        Show progress bars.

    Returns
    -------
    plan : Plan
        Its ``pending()`` are the jobs that :func:`run_benchmark` would do.

    Raises
    ------
    ValueError
        If a dataset cannot be loaded, or does not suit a protocol.

    See Also
    --------
    run_benchmark : Does them.

    Examples
    --------
    The configuration is that of :func:`read_config`.

    >>> from sklearn_diffake.benchmark import plan_benchmark, read_config
    >>> for job in plan_benchmark(read_config("small.toml")).jobs[:2]:
    ...     print(job)
    cross-manipulation | faces | one | fold 1 of 2
    cross-manipulation | faces | one | fold 2 of 2
    """
    tables = load_tables(config, n_jobs)
    with workers(n_jobs, dask):
        return make_plan(
            config, tables, n_jobs=n_jobs, on_cluster=dask is not None, verbose=verbose
        )


def load_tables(config: Config, n_jobs: int | None) -> dict[str, PairTable]:
    """Load the datasets, on this machine, because loaders may write frames of videos to its disk.

    Parameters
    ----------
    config : Config
    n_jobs : int or None
        Processes that read them, as joblib counts them.

    Returns
    -------
    tables : dict of str to PairTable

    Raises
    ------
    ValueError
        If one cannot be loaded, or if videos are to be judged and a pair has no video.
    """
    with workers(n_jobs):
        tables = {spec.name: load_pairs(spec, seed=config.seed) for spec in config.datasets}
    if config.level == "videos":
        _check_videos(tables)
    return tables


def make_plan(
    config: Config,
    tables: Mapping[str, PairTable],
    *,
    n_jobs: int | None,
    on_cluster: bool,
    verbose: bool,
    train: Callable[[Mapping[str, Training]], None] | None = None,
) -> Plan:
    """Plan a benchmark of datasets that are loaded.

    Parameters
    ----------
    config : Config
    tables : mapping of str to PairTable
        The datasets.
    n_jobs : int or None
        Processes that generate deepfakes for extractors, as joblib counts them.
    on_cluster : bool
        Whether workers cannot reach the store.
    verbose : bool
        Show progress bars.
    train : callable, default=None
        Trains the extractors that are not trained yet; None does not.

    Returns
    -------
    plan : Plan
    """
    config = config.replace(device=resolve_device(config.device))
    store = EmbeddingStore(config.cache)
    images = {name: find_images(tables[name], store, verbose=verbose) for name in tables}
    fingerprints = {name: images[name].fingerprint(tables[name]) for name in tables}
    trained_on = {spec.name: rows_of_same_people(spec, tables) for spec in config.extractors}
    jobs = make_jobs(config.protocols, tables, seed=config.seed, trained_on=trained_on)
    all_versions = library_versions()
    versions = {name: all_versions[name] for name in ("sklearn-diffake", *DECISIVE)}
    trainings = plan_trainings(config, tables, images, store, versions, n_jobs)
    if train is not None:
        train(trainings)
    pipelines = _make_pipelines(config, trainings, versions, None if on_cluster else store)
    return Plan(
        config,
        tables,
        fingerprints,
        Embeddings(images, store),
        tuple(
            job.with_pipeline(pipelines[job.protocol, job.candidate], fingerprints) for job in jobs
        ),
        trainings,
        trained_on,
    )


def _make_pipelines(
    config: Config,
    trainings: Mapping[str, Training],
    versions: Mapping[str, Any],
    cache: EmbeddingStore | None,
) -> dict[tuple[str, str], CandidatePipeline]:
    """Build the pipelines of all candidates, by the names of protocol and candidate."""
    return {
        (protocol.name, candidate.name): split_pipeline(
            with_trained(candidate, trainings),
            seed=config.seed,
            device=config.device,
            batch_size=config.batch_size,
            versions=versions,
            cache=cache,
        )
        for protocol in config.protocols
        for candidate in protocol.candidates
    }


def _check_videos(tables: Mapping[str, PairTable]) -> None:
    for name, table in tables.items():
        if (table.columns["video"] == "").any():
            raise ValueError(f'level = "videos": dataset {name!r} has pairs of no named video')


def library_versions() -> dict[str, Any]:
    """Return the versions of this package, of Python, and of all libraries, by their names."""
    facts = show_versions(as_dict=True) or {}
    system = {name: facts["system"][name] for name in ("sklearn-diffake", "python", "platform")}
    return {**system, **facts["dependencies"], **facts["extras"]}
