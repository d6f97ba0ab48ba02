"""Run a benchmark: load, plan, train, embed, do the cells, report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import parallel_config

from sklearn_diffake.benchmark._cells import (
    Cell,
    CellStore,
    Task,
    make_task,
    remove_leftovers,
    run_task,
    wanted_images,
)
from sklearn_diffake.benchmark._embed import merge_masks
from sklearn_diffake.benchmark._extractors import Training, train
from sklearn_diffake.benchmark._outputs import check_results
from sklearn_diffake.benchmark._plan import Plan, library_versions, load_tables, make_plan
from sklearn_diffake.benchmark._report import write_results
from sklearn_diffake.benchmark._specs import Config
from sklearn_diffake.benchmark._workers import in_parallel, workers
from sklearn_diffake.utils._atomic_files import append_line, private_folder
from sklearn_diffake.utils._extras import import_extra
from sklearn_diffake.utils._json import json_text
from sklearn_diffake.utils._progress import log_step, progress_bar

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BenchmarkResult:
    """What a benchmark did.

    Attributes
    ----------
    folder : Path
        Where everything is: ``results.json``, ``report.md``, figures, ``cells/``, ``failed/``
        and ``log.jsonl``.
    n_cells : int
        Different cells.
    n_before : int
        Those of them that were finished before.
    failures : dict of str to str
        What failed, and why.
    images : dict of str to int
        ``wanted``, ``embedded`` now, and ``failed``; see :func:`.run_benchmark`.
    seconds : float
        Time it took.

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
    """Run a benchmark, or go on with one that was interrupted.

    Extractors are trained first, in this process, each once: their weights are kept in the cache,
    and a training that was interrupted goes on after its last epoch. Finished cells are kept in
    the output folder as they come; a second start does the rest, and tries again what failed.
    Results do not depend on interruptions, on `n_jobs`, or on whether a cluster does the work. Run
    one at a time in a folder.

    Parameters
    ----------
    config : Config
        As from :func:`.read_config`.
    n_jobs : int, default=None
        Processes, as joblib counts them: None is one, -1 one per core. Each computes on one
        thread.
    dask : str, default=None
        Address of a dask scheduler whose workers do it instead (extra ``dask``). They need this
        package, and see the files of images under the same paths; all else goes through the
        scheduler.
    verbose : bool, default=False
        Show progress bars with the time left on standard error.

    Returns
    -------
    result : BenchmarkResult
        Its ``images`` counts ``wanted``, distinct images of all cells (degraded ones are images
        of their own) times embedders; ``embedded``, those that went through a network now,
        while the others were in the store; and ``failed``.

    Raises
    ------
    ValueError
        If a dataset cannot be loaded, or does not suit a protocol; or if a result would take the
        place of an input.
    ImportError
        If an extra is missing: matplotlib for the figures, dask.
    OSError
        If a folder cannot be written, or no scheduler answers.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.benchmark import read_config, run_benchmark
    >>> _ = Path("small.toml").write_text('''
    ... bootstrap = 10
    ... datasets.faces.loader = "make_face_pairs"
    ... datasets.faces.arguments.n_pairs = 24
    ... datasets.faces.arguments.size = 64
    ... datasets.faces.arguments.techniques = ["swap", "splice"]
    ... candidates.distance.embedder = "difffake-lite0-identity"
    ... candidates.distance.align = false
    ... candidates.distance.detector = "MahalanobisDetector"
    ... protocols.cross-manipulation.folds = 2
    ... ''')
    >>> result = run_benchmark(read_config("small.toml"))
    >>> result.n_cells, result.failures
    (4, {})
    >>> sorted(path.name for path in result.folder.glob("re*"))
    ['report.md', 'results.json']
    """
    start = time.perf_counter()
    import_extra("matplotlib", "plots", "Figures")  # miss it before the work begins
    tables = load_tables(config, n_jobs)
    check_results(config, tables)
    with workers(n_jobs, dask):
        output = config.output
        store = CellStore(output)
        remove_leftovers([output, store.done, store.failed])
        log = _Log(output / "log.jsonl")

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
        failures = _run_cells(plan, pending, store, log, verbose)
        write_results(plan, store, failures, images["wanted"], library_versions(), verbose=verbose)
    seconds = round(time.perf_counter() - start, 3)
    log.write("end", seconds=seconds, failures=len(failures))
    return BenchmarkResult(output, n_cells, n_cells - len(pending), failures, images, seconds)


def _train(trainings: Mapping[str, Training], log: _Log, verbose: bool) -> None:
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


def _embed(plan: Plan, pending: Mapping[str, Cell], verbose: bool) -> dict[str, int]:
    """Embed what the cells need, each distinct image once."""

    def masks(cells: Any) -> Any:
        return merge_masks(
            found for c in cells for found in wanted_images(c, plan.parts_of(c), plan.embeddings)
        )

    features = {f.key: f for parts in plan.parts.values() for f in parts.features}
    return plan.embeddings.compute(
        masks(plan.cells),
        masks(pending.values()),
        features,
        batch_size=plan.config.batch_size,
        verbose=verbose,
    )


def _run_cells(
    plan: Plan, pending: Mapping[str, Cell], store: CellStore, log: _Log, verbose: bool
) -> dict[str, str]:
    """Do the cells, and write each down as it comes; return what failed, and why."""
    failed: dict[str, str] = {}

    def tasks() -> Iterator[tuple[Task]]:
        for key, cell in pending.items():
            try:
                yield (make_task(key, cell, plan.parts_of(cell), plan.embeddings),)
            except Exception as error:  # raised in a thread of joblib's, nobody would hear of it
                failed[key] = str(error)
                store.fail(key, str(cell), str(error))

    with progress_bar(total=len(pending), desc="cells", unit="cell", verbose=verbose) as bar:
        for outcome in in_parallel(run_task, tasks()):
            key = outcome["key"]
            if "error" in outcome:
                failed[key] = outcome["error"]
                store.fail(key, str(pending[key]), outcome["error"])
            else:
                store.keep(key, str(pending[key]), outcome["record"])
            log.write("cell", **{name: outcome[name] for name in ("key", "seconds", "warnings")})
            bar.update(1)
        bar.update(len(pending) - bar.n)
    return {str(cell): failed[key] for key, cell in pending.items() if key in failed}


class _Log:
    """What happened when: all that is not the same in every run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        private_folder(path.parent)

    def write(self, event: str, **facts: Any) -> None:
        line = {"time": round(time.time(), 3), "pid": os.getpid(), "event": event, **facts}
        append_line(self.path, json_text(line))
