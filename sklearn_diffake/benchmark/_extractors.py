"""Train the extractors of a benchmark, each once, and store their weights in the cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._images import Images
from sklearn_diffake.benchmark._pipelines import crop_description, digest_of, make_aligner
from sklearn_diffake.benchmark._settings import Candidate, Config, ExtractorSpec
from sklearn_diffake.benchmark.report._outputs import remove_temporary_files, write_json
from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.model_selection import connected_groups
from sklearn_diffake.store import EmbeddingStore
from sklearn_diffake.utils._atomic_files import private_folder

FORMAT = 1  # of the files of a training; part of its digest
_WEIGHTS, _FACTS = "weights.safetensors", "training.json"
# Parameters that change no weights; of the file `weights` the content counts, not the name.
_NOT_DECISIVE = ("device", "n_jobs", "cache", "verbose", "checkpoint_dir", "pooling", "weights")


@dataclass(frozen=True)
class Training:
    """The training of an extractor, finished or not.

    Attributes
    ----------
    spec : ExtractorSpec
    sources : list
        Distinct images to train on: paths or arrays.
    people : ndarray of shape (n_sources,), int64
        Number of the person in each.
    aligner : FaceAligner or None
    embedder : ForgeryEmbedder
        Not fitted.
    folder : Path
        Named by the digest of all that decides the weights.
    """

    spec: ExtractorSpec
    sources: list[Any]
    people: NDArray[np.int64]
    aligner: Any
    embedder: ForgeryEmbedder
    folder: Path

    @property
    def weights(self) -> Path:
        """File of the trained network."""
        return self.folder / _WEIGHTS

    def facts(self) -> dict[str, Any] | None:
        """Return the facts of the finished training; None if it is not finished."""
        try:
            facts = json.loads((self.folder / _FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        is_complete = isinstance(facts, dict) and {"input_size", "fingerprint"} <= facts.keys()
        return facts if is_complete and self.weights.is_file() else None


def plan_trainings(
    config: Config,
    tables: Mapping[str, PairTable],
    images: Mapping[str, Images],
    store: EmbeddingStore,
    versions: Mapping[str, Any],
    n_jobs: int | None,
) -> dict[str, Training]:
    """List what each extractor is trained on, and the folder of its weights.

    Parameters
    ----------
    config : Config
        Its device is resolved.
    tables : mapping of str to PairTable
        The datasets.
    images : mapping of str to Images
        Their distinct images.
    store : EmbeddingStore
        Keeps the crops.
    versions : mapping
        Versions of the libraries that decide the numbers.
    n_jobs : int or None
        Processes that generate deepfakes, as joblib counts them.

    Returns
    -------
    trainings : dict of str to Training
        Of the extractors that a candidate of some protocol needs.

    Raises
    ------
    ValueError
        If there is no genuine pair to train on; the message names the table of the extractor.
    """
    names = {name for p in config.protocols for c in p.candidates for name in c.extractors}
    return {
        spec.name: _plan(spec, config, tables, images, store, versions, n_jobs)
        for spec in config.extractors
        if spec.name in names
    }


def _plan(
    spec: ExtractorSpec,
    config: Config,
    tables: Mapping[str, PairTable],
    images: Mapping[str, Images],
    store: EmbeddingStore,
    versions: Mapping[str, Any],
    n_jobs: int | None,
) -> Training:
    table, of_table = tables[spec.dataset], images[spec.dataset]
    rows = training_rows(spec, table)
    group = connected_groups(table.groups)[rows]
    positions, first = np.unique(of_table.index[rows].ravel(), return_index=True)
    readable = [i for i in positions.tolist() if of_table.digests[i] is not None]
    people = group[first[np.isin(positions, readable)] // 2]
    shared: dict[str, Any] = {"device": config.device, "batch_size": config.batch_size}
    aligner = _make_aligner(spec, shared, store, n_jobs)
    params = {"margin": aligner.margin} if aligner is not None else {}
    embedder = ForgeryEmbedder(
        **{**params, **spec.params}, device=config.device, n_jobs=n_jobs, random_state=config.seed
    )
    description = {
        "format": FORMAT,
        "embedder": {k: v for k, v in embedder.get_params().items() if k not in _NOT_DECISIVE},
        "start": _fingerprint(spec),
        "align": crop_description(aligner),
        "images": [of_table.digests[i].hex() for i in readable],
        "people": np.unique(people, return_inverse=True)[1].tolist(),
        "device": config.device,
        "versions": dict(versions),
    }
    folder = config.cache / "extractors" / digest_of(description)
    embedder.set_params(checkpoint_dir=folder / "checkpoints")
    return Training(
        spec, [of_table.sources[i] for i in readable], people, aligner, embedder, folder
    )


def _make_aligner(
    spec: ExtractorSpec, shared: Mapping[str, Any], store: EmbeddingStore, n_jobs: int | None
) -> Any:
    """Make the aligner that cuts faces to train on; pictures without a face are skipped."""
    align = None if spec.align is None else {**spec.align, "on_missing": "skip"}
    aligner = make_aligner([FaceEmbedder(**_start(spec))], align, **shared)
    return aligner and aligner.set_params(cache=store, n_jobs=n_jobs)


def _start(spec: ExtractorSpec) -> dict[str, Any]:
    """Return the parameters of the `FaceEmbedder` with the weights that a training begins with."""
    defaults = ForgeryEmbedder().get_params()
    return {name: spec.params.get(name, defaults[name]) for name in ("backbone", "weights")}


def _fingerprint(spec: ExtractorSpec) -> str:
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    return FaceEmbedder(**_start(spec), device="cpu").fit([picture]).fingerprint_


def training_rows(spec: ExtractorSpec, table: PairTable) -> NDArray[np.int64]:
    """Return the rows of a dataset that an extractor is trained on: genuine, of its splits.

    Parameters
    ----------
    spec : ExtractorSpec
    table : PairTable

    Returns
    -------
    rows : ndarray of int64

    Raises
    ------
    ValueError
        If there is none; the message names the table of the extractor.
    """
    is_used = table.target == 1
    if spec.splits:
        is_used &= np.isin(table.columns["split"], spec.splits)
    if not is_used.any():
        existing = sorted(set(table.columns["split"][table.target == 1]))
        raise ValueError(
            f"[extractors.{spec.name}] splits: dataset {spec.dataset!r} has no genuine pairs in "
            f"{list(spec.splits) or 'any split'}; its genuine pairs are in splits {existing}"
        )
    return np.flatnonzero(is_used)


def rows_of_same_people(
    spec: ExtractorSpec, tables: Mapping[str, PairTable]
) -> dict[str, NDArray[np.bool_]]:
    """Mark the rows of every dataset that show people or videos an extractor is trained on.

    Parameters
    ----------
    spec : ExtractorSpec
    tables : mapping of str to PairTable

    Returns
    -------
    masks : dict of str to ndarray of bool
    """
    training_table = tables[spec.dataset]
    names = set(training_table.groups[training_rows(spec, training_table)].ravel()) - {""}
    return {
        dataset: np.asarray(np.isin(table.groups.astype(str), sorted(names)).any(axis=1))
        for dataset, table in tables.items()
    }


def train(training: Training, *, verbose: bool = False) -> dict[str, Any]:
    """Train an extractor, or resume a training that was interrupted.

    Parameters
    ----------
    training : Training
        One that is not finished.
    verbose : bool, default=False
        Show progress bars.

    Returns
    -------
    facts : dict
        As `Training.facts` returns.

    Raises
    ------
    ValueError, RuntimeError
        If it cannot be trained; the message names the table of the extractor.
    """
    private_folder(training.folder)
    remove_temporary_files([training.folder, training.folder / "checkpoints"])
    try:
        crops, people = _cut(training, verbose)
        embedder = training.embedder.set_params(verbose=int(verbose)).fit(crops, groups=people)
        embedder.save_weights(training.weights)
    except (ValueError, RuntimeError) as error:
        kind = ValueError if isinstance(error, ValueError) else RuntimeError
        raise kind(f"[extractors.{training.spec.name}] {error}") from error
    facts = {
        "input_size": embedder.backbone_info_["input_size"],
        "fingerprint": embedder.fingerprint_,
        "images": len(people),
        "without_face": len(training.sources) - len(people),
        "people": len(np.unique(people)),
        "epochs": embedder.n_iter_,
        "best_epochs": embedder.best_epochs_,
        "validation_auc": embedder.validation_auc_,
        "history": embedder.history_,
    }
    write_json(training.folder / _FACTS, facts)
    shutil.rmtree(training.folder / "checkpoints", ignore_errors=True)  # the weights replace them
    return facts


def _cut(training: Training, verbose: bool) -> tuple[Any, NDArray[np.int64]]:
    """Cut the faces to train on; return them, and the person in each."""
    if training.aligner is None:
        return training.sources, training.people
    aligner = training.aligner.set_params(verbose=int(verbose))
    faces = aligner.fit(training.sources).align(training.sources, errors="return")
    usable = np.flatnonzero(~faces.is_missing)
    if not len(usable):
        raise ValueError(f"no face was found in any of the {len(training.sources)} pictures")
    return [faces.crops[i] for i in usable.tolist()], training.people[usable]


def with_trained(candidate: Candidate, trainings: Mapping[str, Training]) -> Candidate:
    """Replace the names of extractors in a candidate by their weights.

    Parameters
    ----------
    candidate : Candidate
    trainings : mapping of str to Training

    Returns
    -------
    candidate : Candidate
        For an extractor that is not trained yet, it has the network that the training begins with,
        and the training's digest as ``untrained``.
    """
    embedders = []
    for params in candidate.embedders:
        if "extractor" not in params:
            embedders.append(params)
            continue
        common = {name: value for name, value in params.items() if name != "extractor"}
        training = trainings[params["extractor"]]
        start, facts = _start(training.spec), training.facts()
        if facts is None:
            embedders.append({**common, **start, "untrained": training.folder.name})
        else:
            size = tuple(facts["input_size"])
            weights = {"weights": str(training.weights), "input_size": size}
            embedders.append({**common, **start, **weights})
    return replace(candidate, embedders=tuple(embedders))
