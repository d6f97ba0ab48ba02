"""Run a benchmark: load, plan, embed, do the cells, report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn_diffake._versions import show_versions
from sklearn_diffake.benchmark._cells import (
    Cell,
    CellStore,
    Task,
    make_task,
    remove_leftovers,
    run_task,
    wanted_images,
)
from sklearn_diffake.benchmark._datasets import PairTable, load_pairs
from sklearn_diffake.benchmark._embed import Embeddings, merge_masks
from sklearn_diffake.benchmark._images import find_images
from sklearn_diffake.benchmark._outputs import check_results
from sklearn_diffake.benchmark._pipelines import Parts, take_apart
from sklearn_diffake.benchmark._protocols import make_cells
from sklearn_diffake.benchmark._report import write_results
from sklearn_diffake.benchmark._specs import Config
from sklearn_diffake.benchmark._workers import in_parallel, workers
from sklearn_diffake.store import EmbeddingStore
from sklearn_diffake.utils._atomic_files import append_line, private_folder
from sklearn_diffake.utils._device import resolve_device
from sklearn_diffake.utils._extras import import_extra
from sklearn_diffake.utils._json import json_text
from sklearn_diffake.utils._progress import log_step, progress_bar

_logger = logging.getLogger(__name__)
#: Packages that affect results; a cell is computed again if the version of one has changed.
_DECISIVE = (
    "facenet-pytorch", "numpy", "onnxruntime", "pillow", "pyod", "scikit-learn", "scipy",
    "skorch", "timm", "torch", "torchvision",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """All that a benchmark will do, and what of it is done.

    Attributes
    ----------
    config : Config
        Its device is one that is there.
    tables : dict of str to PairTable
        The datasets.
    fingerprints : dict of str to str
        Of the datasets.
    embeddings : Embeddings
        Images of all datasets, and the store of what was computed from them.
    parts : dict of (protocol, candidate) to Parts
        The candidates' pipelines.
    cells : tuple of Cell
        What is fitted on, and what is scored.
    keys : tuple of str
        One per cell; cells that are the same computation have the same.

    See Also
    --------
    plan_benchmark : Makes it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.benchmark import plan_benchmark, read_config
    >>> _ = Path("small.toml").write_text('''
    ... datasets.faces.loader = "make_face_pairs"
    ... datasets.faces.arguments = { n_pairs = 24, techniques = ["swap", "splice"] }
    ... candidates.one.embedder = "difffake-lite0-identity"
    ... protocols.cross-manipulation.folds = 2
    ... ''')
    >>> plan = plan_benchmark(read_config("small.toml"))
    >>> plan.cells[0].candidate, plan.is_done(0), len(plan.pending()) == len(plan.cells)
    ('one', False, True)
    """

    config: Config
    tables: Mapping[str, PairTable]
    fingerprints: Mapping[str, str]
    embeddings: Embeddings
    parts: Mapping[tuple[str, str], Parts]
    cells: tuple[Cell, ...]
    keys: tuple[str, ...]

    def parts_of(self, cell: Cell) -> Parts:
        """Return the pipeline of a cell's candidate.

        Parameters
        ----------
        cell : Cell
            One of `cells`.

        Returns
        -------
        Parts
            Its embedders, differences and detector.
        """
        return self.parts[cell.protocol, cell.candidate]

    def is_done(self, cell: int) -> bool:
        """Tell whether a cell is finished.

        Parameters
        ----------
        cell : int
            Its place in `cells`.

        Returns
        -------
        bool
            True if its result lies in the output folder.
        """
        return CellStore(self.config.output).read(self.keys[cell]) is not None

    def pending(self) -> dict[str, Cell]:
        """Return the cells that are not finished, each computation once.

        Returns
        -------
        dict of str to Cell
            By key.
        """
        different = dict(zip(reversed(self.keys), reversed(self.cells), strict=True))
        store = CellStore(self.config.output)
        return {key: different[key] for key in dict.fromkeys(self.keys) if store.read(key) is None}


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


def plan_benchmark(
    config: Config,
    *,
    n_jobs: int | None = None,
    dask: str | None = None,
    verbose: bool = False,
) -> Plan:
    """Load the datasets and list all cells, without doing any.

    Parameters
    ----------
    config : Config
        As from :func:`.read_config`.
    n_jobs : int, default=None
        Processes that read images, as joblib counts them.
    dask : str, default=None
        Address of a dask scheduler whose workers read them instead.
    verbose : bool, default=False
        Show progress bars.

    Returns
    -------
    plan : Plan
        Its ``pending()`` are the cells that :func:`run_benchmark` would do.

    Raises
    ------
    ValueError
        If a dataset cannot be loaded, or does not suit a protocol.

    See Also
    --------
    run_benchmark : Does them.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.benchmark import plan_benchmark, read_config
    >>> _ = Path("small.toml").write_text('''
    ... datasets.faces.loader = "make_face_pairs"
    ... datasets.faces.arguments = { n_pairs = 24, techniques = ["swap", "splice"] }
    ... candidates.one.embedder = "difffake-lite0-identity"
    ... protocols.cross-manipulation.folds = 2
    ... ''')
    >>> for cell in plan_benchmark(read_config("small.toml")).cells[:2]:
    ...     print(cell)
    cross-manipulation | faces | one | fold 1 of 2
    cross-manipulation | faces | one | fold 2 of 2
    """
    tables = _load(config, n_jobs)
    with workers(n_jobs, dask):
        return _plan(config, tables, verbose, on_cluster=dask is not None)


def _load(config: Config, n_jobs: int | None) -> dict[str, PairTable]:
    """Load the datasets; here, as loaders may write frames of videos to this machine's disk."""
    with workers(n_jobs):
        tables = {spec.name: load_pairs(spec, seed=config.seed) for spec in config.datasets}
    if config.level == "videos":
        _check_videos(tables)
    return tables


def _plan(
    config: Config, tables: Mapping[str, PairTable], verbose: bool, *, on_cluster: bool
) -> Plan:
    config = config.place(device=resolve_device(config.device))
    store = EmbeddingStore(config.cache)
    images = {name: find_images(tables[name], store, verbose=verbose) for name in tables}
    fingerprints = {name: images[name].fingerprint(tables[name]) for name in tables}
    cells = make_cells(config.protocols, tables, seed=config.seed)
    versions = _versions()
    parts = {
        (protocol.name, candidate.name): take_apart(
            candidate,
            seed=config.seed,
            device=config.device,
            batch_size=config.batch_size,
            versions={name: versions[name] for name in ("sklearn-diffake", *_DECISIVE)},
            cache=None if on_cluster else store,
        )
        for protocol in config.protocols
        for candidate in protocol.candidates
    }
    keys = [cell.key(parts[cell.protocol, cell.candidate], fingerprints) for cell in cells]
    embeddings = Embeddings(images, store)
    return Plan(config, tables, fingerprints, embeddings, parts, tuple(cells), tuple(keys))


def _check_videos(tables: Mapping[str, PairTable]) -> None:
    for name, table in tables.items():
        if (table.columns["video"] == "").any():
            raise ValueError(f'level = "videos": dataset {name!r} has pairs of no named video')


def _versions() -> dict[str, Any]:
    facts = show_versions(as_dict=True) or {}
    own = {name: facts["system"][name] for name in ("sklearn-diffake", "python", "platform")}
    return {**own, **facts["dependencies"], **facts["extras"]}


def run_benchmark(
    config: Config,
    *,
    n_jobs: int | None = None,
    dask: str | None = None,
    verbose: bool = False,
) -> BenchmarkResult:
    """Run a benchmark, or go on with one that was interrupted.

    Finished cells are kept in the output folder as they come; a second start does the rest, and
    tries again what failed. Results do not depend on interruptions, on `n_jobs`, or on whether a
    cluster does the work. Run one at a time in a folder.

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
    tables = _load(config, n_jobs)
    check_results(config, tables)
    with workers(n_jobs, dask):
        plan = _plan(config, tables, verbose, on_cluster=dask is not None)
        output = plan.config.output
        store = CellStore(output)
        remove_leftovers([output, store.done, store.failed])
        log = _Log(output / "log.jsonl")
        pending, n_cells = plan.pending(), len(set(plan.keys))
        log.write("start", cells=n_cells, pending=len(pending))
        log_step(_logger, verbose, "%d cells, %d to do", n_cells, len(pending))
        images = _embed(plan, pending, verbose)
        log.write("embedded", **images)
        counts = "{embedded} of {wanted} images embedded now, {failed} failed"
        log_step(_logger, verbose, counts.format(**images))
        failures = _run_cells(plan, pending, store, log, verbose)
        write_results(plan, store, failures, images["wanted"], _versions(), verbose=verbose)
    seconds = round(time.perf_counter() - start, 3)
    log.write("end", seconds=seconds, failures=len(failures))
    return BenchmarkResult(output, n_cells, n_cells - len(pending), failures, images, seconds)


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
