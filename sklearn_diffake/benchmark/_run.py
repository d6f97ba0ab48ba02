"""Run a benchmark: load, plan, train, embed, do the jobs, report."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import parallel_config

from sklearn_diffake.benchmark._embeddings import merge_masks
from sklearn_diffake.benchmark._extractors import Training, train
from sklearn_diffake.benchmark._jobs import Job, Task, make_task, run_task
from sklearn_diffake.benchmark._plan import Plan, library_versions, load_tables, make_plan
from sklearn_diffake.benchmark._results import write_results
from sklearn_diffake.benchmark._settings import Config
from sklearn_diffake.benchmark._workers import in_parallel, workers
from sklearn_diffake.benchmark.report._outputs import (
    JobStore,
    RunLog,
    check_results,
    remove_temporary_files,
)
from sklearn_diffake.utils._optional import import_extra
from sklearn_diffake.utils._progress import log_step, progress_bar

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BenchmarkResult:
    """Counts and failures of one run of a benchmark, and the folder of its results.

    Attributes
    ----------
    folder : Path
        It holds ``results.json``, ``report.md``, figures, ``cells/``, ``failed/`` and
        ``log.jsonl``.
    n_cells : int
        Number of different jobs; each has a file in ``cells/``.
    n_before : int
        Number of those that were finished before.
    failures : dict of str to str
        Why jobs failed, by their labels.
    images : dict of str to int
        ``wanted``, ``embedded`` now, and ``failed``; see :func:`.run_benchmark`.
    seconds : float
        Duration of the run.

    See Also
    --------
    run_benchmark : Makes it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.benchmark import BenchmarkResult
    >>> images = {"wanted": 47, "embedded": 40, "failed": 0}
    >>> result = BenchmarkResult(Path("results"), 4, 1, {}, images, seconds=2.5)
    >>> f"{result.n_cells - result.n_before} cells in {result.seconds} seconds"
    '3 cells in 2.5 seconds'
    """

    folder: Path
    n_cells: int
    n_before: int
    failures: Mapping[str, str]
    images: Mapping[str, int]
    seconds: float


def run_benchmark(
    config: Config,
    *,
    n_jobs: int | None = None,
    dask: str | None = None,
    verbose: bool = False,
) -> BenchmarkResult:
    """Run a benchmark, or resume one that was interrupted.

    Extractors are trained first, in this process, each once: their weights are stored in the cache,
    and a training that was interrupted resumes after its last epoch. The result of every job is
    written to the output folder when it is finished; a second start does the remaining jobs and
    retries those that failed. Results do not depend on interruptions, on `n_jobs`, or on whether a
    cluster does the work. Run one benchmark at a time in a folder.

    Parameters
    ----------
    config : Config
        As from :func:`.read_config`.
    n_jobs : int, default=None
        Number of processes that compute, as joblib counts them: None is 1, -1 is one per core. Each
        computes on one thread. The result does not depend on it.
    dask : str, default=None
        Address of a dask scheduler whose workers do it instead (extra ``dask``). They need this
        package, and see the files of images under the same paths; all else goes through the
        scheduler.
    verbose : bool, default=False
        Show progress bars with the time left on standard error.

    Returns
    -------
    result : BenchmarkResult
        Its ``images`` counts ``wanted``, distinct images of all jobs (a degraded image counts as
        another) times embedders; ``embedded``, those that went through a network in this run,
        while the others were in the store; and ``failed``.

    Raises
    ------
    ValueError
        If a dataset cannot be loaded, or does not suit a protocol; or if a result would replace an
        input.
    ImportError
        If an extra is missing: matplotlib for the figures, dask.
    OSError
        If a folder cannot be written, or no scheduler answers.

    See Also
    --------
    read_config : Reads the configuration of a benchmark.
    plan_benchmark : Lists the jobs, without doing any.

    Examples
    --------
    The configuration is that of :func:`read_config`.

    >>> from sklearn_diffake.benchmark import read_config, run_benchmark
    >>> result = run_benchmark(read_config("small.toml"))
    >>> result.n_cells, result.failures
    (4, {})
    >>> sorted(path.name for path in result.folder.glob("re*"))
    ['report.md', 'results.json']
    """
    start = time.perf_counter()
    import_extra("matplotlib", "plots", "Figures")  # so that it is missed before the work begins
    tables = load_tables(config, n_jobs)
    check_results(config, tables)
    with workers(n_jobs, dask):
        output = config.output
        store = JobStore(output)
        remove_temporary_files([output, store.finished, store.failed])
        log = RunLog(output / "log.jsonl")

        def train_all(trainings: Mapping[str, Training]) -> None:
            with parallel_config(backend="threading", n_jobs=n_jobs):  # here, also with a cluster
                _train(trainings, log, verbose)

        plan = make_plan(
            config,
            tables,
            n_jobs=n_jobs,
            on_cluster=dask is not None,
            verbose=verbose,
            train=train_all,
        )
        pending, n_cells = plan.pending(), len(set(plan.keys))
        log.write("start", cells=n_cells, pending=len(pending))
        log_step(_logger, verbose, "%d cells, %d to do", n_cells, len(pending))
        images = _embed(plan, pending, verbose)
        log.write("embedded", **images)
        counts = "{embedded} of {wanted} images embedded now, {failed} failed"
        log_step(_logger, verbose, counts.format(**images))
        failures = _run_jobs(plan, pending, log, verbose)
        write_results(plan, failures, images["wanted"], library_versions(), verbose=verbose)
    seconds = round(time.perf_counter() - start, 3)
    log.write("end", seconds=seconds, failures=len(failures))
    return BenchmarkResult(output, n_cells, n_cells - len(pending), failures, images, seconds)


def _train(trainings: Mapping[str, Training], log: RunLog, verbose: bool) -> None:
    """Train the extractors that are not trained yet."""
    for name, training in trainings.items():
        if training.facts() is not None:
            continue
        log_step(_logger, verbose, "training the extractor %s", name)
        start = time.perf_counter()
        log.write("train", extractor=name, training=training.folder.name)
        facts = train(training, verbose=verbose)
        seconds = round(time.perf_counter() - start, 3)
        log.write("trained", extractor=name, seconds=seconds, epochs=facts["epochs"])


def _embed(plan: Plan, pending: Mapping[str, Job], verbose: bool) -> dict[str, int]:
    """Embed the images of the jobs, each distinct image once."""

    def masks(jobs: Iterable[Job]) -> Any:
        return merge_masks(images for job in jobs for images in job.images(plan.embeddings))

    features = {feature.key: feature for job in plan.jobs for feature in job.pipeline.features}
    return plan.embeddings.compute(
        masks(plan.jobs),
        masks(pending.values()),
        features,
        batch_size=plan.config.batch_size,
        verbose=verbose,
    )


def _run_jobs(plan: Plan, pending: Mapping[str, Job], log: RunLog, verbose: bool) -> dict[str, str]:
    """Do the jobs, and write the result of each when it is finished; return why jobs failed."""
    problems: dict[str, str] = {}

    def fail(key: str, problem: str) -> None:
        problems[key] = problem
        plan.store.write_failure(key, str(pending[key]), problem)

    def tasks() -> Iterator[tuple[Task]]:
        for key, job in pending.items():
            try:
                yield (make_task(job, plan.embeddings),)
            except Exception as error:  # in a thread of joblib, which would not report it
                fail(key, str(error))

    with progress_bar(total=len(pending), desc="cells", unit="cell", verbose=verbose) as bar:
        for outcome in in_parallel(run_task, tasks()):
            key = outcome["key"]
            if "error" in outcome:
                fail(key, outcome["error"])
            else:
                plan.store.write_record(key, str(pending[key]), outcome["record"])
            log.write("cell", **{name: outcome[name] for name in ("key", "seconds", "warnings")})
            bar.update(1)
        bar.update(len(pending) - bar.n)
    return {str(job): problems[key] for key, job in pending.items() if key in problems}
