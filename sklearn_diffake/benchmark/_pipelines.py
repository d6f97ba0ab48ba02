"""The pipeline of a candidate, in two halves: image to vector, and vectors to scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from sklearn_diffake.benchmark._registry import make_detector
from sklearn_diffake.benchmark._settings import Candidate
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.pipeline import make_difffake_pipeline
from sklearn_diffake.store import EmbeddingStore

# Parameters of an aligner that change no crop of a single picture.
_NOT_DECISIVE = (
    "device", "batch_size", "cache", "n_jobs", "verbose", "shared", "n_frames", "matcher",
)  # fmt: skip


class EmbeddingColumns(TransformerMixin, BaseEstimator):
    """Replace an embedder where embeddings exist already: select its columns of them.

    Parameters
    ----------
    backbone : str
        Of the embedder that it replaces.
    start, stop : int
        Its columns on the last axis.
    """

    def __init__(self, backbone: str, *, start: int, stop: int):
        self.backbone = backbone
        self.start = start
        self.stop = stop

    def fit(self, X: NDArray[np.float32], y: Any = None) -> EmbeddingColumns:
        """Return self; nothing is learned."""
        return self

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return these columns, of shape (n, 2, stop - start)."""
        return X[:, :, self.start : self.stop]


@dataclass(frozen=True)
class Feature:
    """One way from an image to a vector; nothing in it is learned.

    Attributes
    ----------
    aligner : FaceAligner or None
    embedder : FaceEmbedder
        Fitted.
    description : dict
        All that decides the vector, as plain values.
    """

    aligner: Any
    embedder: Any
    description: Mapping[str, Any]

    @property
    def width(self) -> int:
        """Length of the vector."""
        return int(self.embedder.backbone_info_["width"])

    @property
    def key(self) -> str:
        """32 hexadecimal digits that identify it."""
        return digest_of(self.description)

    @property
    def crop_namespace(self) -> str:
        """Name under which a store keeps which crop a picture has."""
        crops = "" if self.aligner is None else self.aligner._crops_namespace
        # another version of a library may compress or blur in another way
        return f"benchmark-crops:1:{crops}:{digest_of(self.description.get('versions'))}"


@dataclass(frozen=True)
class CandidatePipeline:
    """A candidate's pipeline in two halves: nothing in the first is learned.

    Attributes
    ----------
    features : tuple of Feature
        The first half, one for each embedder.
    detection : Pipeline
        The second half, not fitted: from all embeddings of pairs, concatenated along their last
        axis, to scores.
    description : dict
        All that decides the scores, as plain values.
    """

    features: tuple[Feature, ...]
    detection: Pipeline
    description: Mapping[str, Any]


def digest_of(values: Any) -> str:
    """Return 32 hexadecimal digits that depend on plain values, and not on the order of keys."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def split_pipeline(
    candidate: Candidate,
    *,
    seed: int,
    device: str,
    batch_size: int,
    versions: Mapping[str, Any],
    cache: EmbeddingStore | None = None,
) -> CandidatePipeline:
    """Build a candidate's pipeline, and split it after the embedders.

    Parameters
    ----------
    candidate : Candidate
        Instead of the name of an extractor, its embedders have the weights that it was trained to;
        or ``untrained``, the digest of a training that is to be done.
    seed : int
        Of its detector.
    device : str
        One that is available.
    batch_size : int
        Images that go through a network together.
    versions : mapping
        Versions of the libraries that decide the numbers.
    cache : EmbeddingStore, default=None
        Where workers store embeddings; None if they cannot reach it.

    Returns
    -------
    pipeline : CandidatePipeline
    """
    shared: dict[str, Any] = {"device": device, "batch_size": batch_size, "n_jobs": 1}
    embedders = [
        FaceEmbedder(
            **{name: value for name, value in params.items() if name != "untrained"},
            **shared,
            cache=cache,
        )
        for params in candidate.embedders
    ]
    aligner = make_aligner(embedders, candidate.align, **shared)
    features, columns, start = [], [], 0
    for embedder, params in zip(embedders, candidate.embedders, strict=True):
        feature = _feature(aligner, embedder, versions, params.get("untrained"))
        stop = start + feature.width
        columns.append(EmbeddingColumns(str(embedder.backbone), start=start, stop=stop))
        features.append(feature)
        start = stop
    detector = make_detector(candidate.detector, seed=seed, device=device)
    detection = make_difffake_pipeline(
        columns,
        aligner=False,
        operator=candidate.operator,
        normalize=candidate.normalize,
        detector=detector,
    )
    description = {
        "features": [feature.description for feature in features],
        "operator": candidate.operator,
        "normalize": candidate.normalize,
        "detector": candidate.detector,
        "seed": seed,
    }
    return CandidatePipeline(tuple(features), detection, description)


def make_aligner(
    embedders: Sequence[FaceEmbedder], align: Mapping[str, Any] | None, **shared: Any
) -> Any:
    """Make the aligner that cuts the crops of some embedders.

    Parameters
    ----------
    embedders : sequence of FaceEmbedder
    align : mapping or None
        Parameters other than the defaults; None for crops that are aligned already.
    **shared
        ``device``, ``batch_size``, ``n_jobs``.

    Returns
    -------
    FaceAligner or None
    """
    if align is None:
        return None
    pipeline = make_difffake_pipeline(list(embedders), **shared)
    return pipeline["align"].set_params(**align, shared=False)


def refuses_missing_faces(aligner: Any) -> bool:
    """Return whether a picture without a face gets no embedding."""
    return aligner is not None and aligner.on_missing in ("raise", "skip")


def crop_description(aligner: Any) -> dict[str, Any]:
    """Return all that decides the crop of a picture, as plain values."""
    settings = aligner.get_params() if aligner else {}
    return {key: value for key, value in settings.items() if key not in _NOT_DECISIVE}


def _feature(
    aligner: Any, embedder: FaceEmbedder, versions: Mapping[str, Any], untrained: str | None
) -> Feature:
    embedder.fit([np.zeros((8, 8, 3), dtype=np.uint8)])
    description: dict[str, Any] = {
        "align": crop_description(aligner),
        "embedder": embedder.fingerprint_,
        "dtype": embedder.dtype,
        "device": embedder.device,
        "batch_size": embedder.batch_size,  # it changes the last digits, too
        "versions": dict(versions),
    }
    if untrained is not None:
        description["untrained"] = untrained
    return Feature(aligner, embedder, description)
