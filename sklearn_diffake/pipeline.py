"""The four steps in one: from two photographs to a verdict."""

import os
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import FeatureUnion, Pipeline

from .embedding import FaceEmbedder
from .embedding._backbones import MARGIN, SHIPPED, SIZE
from .faces import FaceAligner
from .novelty import GaussianMixtureDetector
from .pairs import DifferenceScaler, PairDifference


def make_difffake_pipeline(
    embedder: Any = "efficientnet-lite0",
    *,
    aligner: Any = True,
    operator: str = "squared",
    normalize: str | None = "embeddings",
    detector: Any = None,
    on_missing: str = "raise",
    device: str = "auto",
    batch_size: int = 32,
    cache: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> Pipeline:
    """Build the pipeline of differential anomaly detection.

    Its steps are ``align`` (`FaceAligner`), ``embed`` (`FaceEmbedder`), ``diff``
    (`PairDifference`) and ``detect`` (a one-class detector); every parameter of theirs can be
    set and searched, for example as ``detect__n_components``. With several embedders, ``embed``
    and ``diff`` give way to ``features``, a :class:`~sklearn.pipeline.FeatureUnion` in which each
    embedder has its own difference and a `DifferenceScaler`, so that none drowns another.

    Parameters
    ----------
    embedder : str, Path, estimator or list of these, default="efficientnet-lite0"
        Backbone for a `FaceEmbedder`, or an embedder of your own; a list joins the features of
        several, such as one for identity and one for forgery.
    aligner : bool or estimator, default=True
        True detects and aligns faces; False takes the images as crops that are aligned already.
        Where a backbone of the package is among the embedders (``"difffake-lite0"``,
        ``"difffake-lite0-identity"``), crops are cut as it was trained with them.
    operator : str, default="squared"
        How two embeddings become a difference, see `PairDifference`.
    normalize : str or None, default="embeddings"
        What is scaled to unit length, see `PairDifference`.
    detector : estimator, default=None
        One-class detector; None is DiffFake's, a `GaussianMixtureDetector` of 3 components.
    on_missing : {"raise", "warn", "crop"}, default="raise"
        What to do with a photo without a face, see `FaceAligner`.
    device : str, default="auto"
        Device of detection and embedding.
    batch_size : int, default=32
        Images computed together.
    cache : str, Path or EmbeddingStore, default=None
        Keeps crops and embeddings on disk.
    n_jobs : int, default=None
        Threads that decode images.
    random_state : int, RandomState instance or None, default=None
        Seed of the default detector.
    verbose : int, default=0
        Show progress bars.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Not fitted. ``fit(pairs)`` takes genuine pairs; with ``fit(pairs, y)`` the rows with
        ``y == -1`` are not learned from.

    References
    ----------
    .. [1] Stamnas and Sanchez, "DiffFake: Exposing Deepfakes using Differential Anomaly
       Detection", WACVW 2025, arXiv 2502.16247.

    Examples
    --------
    >>> from sklearn_diffake import make_difffake_pipeline
    >>> pipe = make_difffake_pipeline(operator="absolute")
    >>> [name for name, _ in pipe.steps]
    ['align', 'embed', 'diff', 'detect']
    >>> pipe.set_params(detect__n_components=2)["detect"].n_components
    2
    >>> pipe = make_difffake_pipeline(["facenet-vggface2", "difffake-lite0"])
    >>> [name for name, _ in pipe["features"].transformer_list]
    ['facenet_vggface2', 'difffake_lite0']
    """
    shared: dict[str, Any] = {
        "device": device,
        "batch_size": batch_size,
        "cache": cache,
        "n_jobs": n_jobs,
        "verbose": verbose,
    }
    embedders = embedder if isinstance(embedder, (list, tuple)) else [embedder]
    if not embedders:
        raise ValueError("embedder=[] is empty: give at least one backbone or embedder")
    if aligner is True:
        aligner = FaceAligner(on_missing=on_missing, shared=True, **shared)
        if any(map(_is_shipped, embedders)):
            aligner.set_params(size=SIZE, margin=MARGIN)
    if detector is None:
        detector = GaussianMixtureDetector(n_components=3, random_state=random_state)
    difference = PairDifference(operator, normalize=normalize)
    built = [
        FaceEmbedder(e, **shared) if isinstance(e, (str, os.PathLike)) else e for e in embedders
    ]
    if len(built) == 1:
        middle: list[tuple[str, Any]] = [("embed", built[0]), ("diff", difference)]
    else:
        middle = [("features", _join(embedders, built, difference))]
    return Pipeline(
        [
            ("align", "passthrough" if aligner in (None, False) else aligner),
            *middle,
            ("detect", detector),
        ]
    )


def _is_shipped(embedder: Any) -> bool:
    return getattr(embedder, "backbone", embedder) in tuple(SHIPPED)


def _join(embedders: Sequence[Any], built: list[Any], difference: PairDifference) -> FeatureUnion:
    """Give each embedder a difference and a scaler of its own, and a name to set them by."""
    branches: dict[str, Pipeline] = {}
    for given, embedder in zip(embedders, built, strict=True):
        backbone = str(getattr(given, "backbone", given))
        stem = os.path.splitext(os.path.basename(backbone))[0]
        name = re.sub(r"[\W_]+", "_", stem).strip("_") or "embedder"
        if name in branches:
            name += f"_{len(branches)}"
        steps = [("embed", embedder), ("diff", clone(difference)), ("scale", DifferenceScaler())]
        branches[name] = Pipeline(steps)
    return FeatureUnion(list(branches.items()))


def load_default() -> Pipeline:
    """Load the fitted pipeline that comes with the package.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Ready to score pairs of photographs. What it was fitted on, how well it does and where
        it fails is said in its model card, ``sklearn_diffake/data/default.md``.

    Raises
    ------
    ImportError
        If the extra ``timm``, which carries the weights of its backbone, is not installed.
    """
    from .persistence import load

    with resources.as_file(resources.files("sklearn_diffake") / "data" / "default.diffake") as path:
        return load(path)
