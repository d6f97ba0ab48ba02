"""What a benchmark will do: datasets, cells, pipelines, and what of it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sklearn_diffake._versions import show_versions
from sklearn_diffake.benchmark._cells import Cell, CellStore
from sklearn_diffake.benchmark._datasets import PairTable, load_pairs
from sklearn_diffake.benchmark._embed import Embeddings
from sklearn_diffake.benchmark._extractors import (
    Training,
    plan_trainings,
    rows_of_same_people,
    with_trained,
)
from sklearn_diffake.benchmark._images import find_images
from sklearn_diffake.benchmark._pipelines import Parts, take_apart
from sklearn_diffake.benchmark._protocols import make_cells
from sklearn_diffake.benchmark._specs import Config
from sklearn_diffake.benchmark._workers import workers
from sklearn_diffake.store import EmbeddingStore
from sklearn_diffake.utils._device import resolve_device

#: Packages that affect results; a cell is computed again if the version of one has changed.
DECISIVE = (
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
        One per cell; cells that are the same computation have the same. Those of cells that need an
        extractor that is not trained yet are others than they will have.
    trainings : dict of str to Training
        Of the extractors that candidates need.
    trained_on : dict of str to dict of str to ndarray of bool
        For each extractor and dataset, the rows that show people it learns from.

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
    trainings: Mapping[str, Training] = field(default_factory=dict)
    trained_on: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

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
        """Return whether a cell is finished.

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

    def untrained(self) -> list[str]:
        """List the extractors that are not trained yet.

        Returns
        -------
        list of str
            Names.
        """
        return [name for name, training in self.trainings.items() if training.facts() is None]

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


def plan_benchmark(
    config: Config,
    *,
    n_jobs: int | None = None,
    dask: str | None = None,
    verbose: bool = False,
) -> Plan:
    """Load the datasets and list all cells, without doing any or training an extractor.

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
    tables = load_tables(config, n_jobs)
    with workers(n_jobs, dask):
        return make_plan(
            config, tables, n_jobs=n_jobs, on_cluster=dask is not None, verbose=verbose
        )


def load_tables(config: Config, n_jobs: int | None) -> dict[str, PairTable]:
    """Load the datasets; here, as loaders may write frames of videos to this machine's disk.

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
        If one cannot be loaded, or videos are to be judged and it names none.
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
    """Plan a benchmark with datasets that are loaded.

    Parameters
    ----------
    config : Config
    tables : mapping of str to PairTable
        The datasets.
    n_jobs : int or None
        Processes that make fakes for extractors, as joblib counts them.
    on_cluster : bool
        Whether workers cannot reach the store.
    verbose : bool
        Show progress bars.
    train : callable, default=None
        Trains the extractors that are not trained yet; None leaves them so.

    Returns
    -------
    plan : Plan
    """
    config = config.place(device=resolve_device(config.device))
    store = EmbeddingStore(config.cache)
    images = {name: find_images(tables[name], store, verbose=verbose) for name in tables}
    fingerprints = {name: images[name].fingerprint(tables[name]) for name in tables}
    trained_on = {spec.name: rows_of_same_people(spec, tables) for spec in config.extractors}
    cells = make_cells(config.protocols, tables, seed=config.seed, trained_on=trained_on)
    all_versions = library_versions()
    versions = {name: all_versions[name] for name in ("sklearn-diffake", *DECISIVE)}
    trainings = plan_trainings(config, tables, images, store, versions, n_jobs)
    if train is not None:
        train(trainings)
    parts = _take_apart_all(config, trainings, versions, None if on_cluster else store)
    keys = [cell.key(parts[cell.protocol, cell.candidate], fingerprints) for cell in cells]
    embeddings = Embeddings(images, store)
    return Plan(
        config,
        tables,
        fingerprints,
        embeddings,
        parts,
        tuple(cells),
        tuple(keys),
        trainings,
        trained_on,
    )


def _take_apart_all(
    config: Config,
    trainings: Mapping[str, Training],
    versions: Mapping[str, Any],
    cache: EmbeddingStore | None,
) -> dict[tuple[str, str], Parts]:
    """Build the pipelines of all candidates, by the names of protocol and candidate."""
    return {
        (protocol.name, candidate.name): take_apart(
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
    own = {name: facts["system"][name] for name in ("sklearn-diffake", "python", "platform")}
    return {**own, **facts["dependencies"], **facts["extras"]}
