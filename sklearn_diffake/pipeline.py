"""The four steps in one: from two photographs to a verdict."""

import os
from importlib import resources
from typing import Any

from sklearn.pipeline import Pipeline

from .embedding import FaceEmbedder
from .faces import FaceAligner
from .novelty import GaussianMixtureDetector
from .pairs import PairDifference


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
    set and searched, for example as ``detect__n_components``.

    Parameters
    ----------
    embedder : str, Path or estimator, default="efficientnet-lite0"
        Backbone for a `FaceEmbedder`, or an embedder of your own.
    aligner : bool or estimator, default=True
        True detects and aligns faces; False takes the images as crops that are aligned already.
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
    """
    shared = {
        "device": device,
        "batch_size": batch_size,
        "cache": cache,
        "n_jobs": n_jobs,
        "verbose": verbose,
    }
    if aligner is True:
        aligner = FaceAligner(on_missing=on_missing, shared=True, **shared)
    if isinstance(embedder, (str, os.PathLike)):
        embedder = FaceEmbedder(embedder, **shared)
    if detector is None:
        detector = GaussianMixtureDetector(n_components=3, random_state=random_state)
    return Pipeline(
        [
            ("align", "passthrough" if aligner in (None, False) else aligner),
            ("embed", embedder),
            ("diff", PairDifference(operator, normalize=normalize)),
            ("detect", detector),
        ]
    )


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
