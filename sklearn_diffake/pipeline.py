"""Pipelines of all four steps: from two photographs to a verdict."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion, Pipeline

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding.backbones import BackboneEntry, Crop, entry_of
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.images.engine import ComputeOnce
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.table import image_table
from sklearn_diffake.novelty import ConformalDetector, SumRuleDetector
from sklearn_diffake.pairs import DifferenceScaler, PairDifference
from sklearn_diffake.utils._batches import batch_slices
from sklearn_diffake.utils._messages import warn_caller
from sklearn_diffake.utils._modes import MODES, Mode
from sklearn_diffake.utils._progress import progress_bar
from sklearn_diffake.utils._sklearn_compat import _num_samples, _safe_indexing

if TYPE_CHECKING:
    from sklearn_diffake.novelty import GaussianMixtureDetector

__all__ = [
    "PairScores",
    "load_default",
    "make_difffake_pipeline",
    "score_in_batches",
    "score_pairs",
]

_METHODS = ("score_samples", "decision_function", "predict")
_PACKAGED = {"reference": "default.diffake", "same-video": "same_video.diffake"}


def make_difffake_pipeline(
    embedder: Any = "dlib-resnet",
    *,
    aligner: Any = True,
    operator: str | Sequence[str] = "cosine",
    normalize: str | None = "embeddings",
    weights: Sequence[float] | None = None,
    mode: Mode | None = None,
    detector: Any = None,
    select: str = "largest",
    on_missing: str = "raise",
    device: str = "auto",
    batch_size: int = 32,
    cache: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> Pipeline:
    """Build the pipeline of differential anomaly detection.

    Without arguments it is the recommended recipe, which `load_default` returns fitted: the cosine
    distance of identity embeddings, and a conformal threshold that rejects at most 5 % of genuine
    pairs.
    DiffFake's own recipe [1]_ is ``operator="squared"``; see the examples.

    Its steps are ``align`` (`FaceAligner`), ``embed`` (`FaceEmbedder`), ``diff``
    (`PairDifference`) and ``detect`` (a one-class detector). All their parameters can be set and
    searched, for example as ``detect__n_components``. With several embedders, the step
    ``features`` replaces ``embed`` and ``diff``. It is a :class:`~sklearn.pipeline.FeatureUnion`
    with a branch for each embedder, in which a `DifferenceScaler` makes the scales comparable.

    Parameters
    ----------
    embedder : str, Path, callable, estimator or list of these, default="dlib-resnet"
        Backbone for a `FaceEmbedder`, or an embedder of your own; a list joins the features of
        several, such as one for identity and one for forgery. ``"dlib-resnet"`` embeds each crop
        and a tighter one, both as they are and mirrored, as it was measured;
        ``FaceEmbedder("dlib-resnet")`` embeds the crop alone, at a quarter of the cost.
    aligner : bool or estimator, default=True
        True detects and aligns faces, and cuts the crops on which the backbone was trained (see
        ``sklearn-diffake backbones``, and the parameter `crop` of `FaceEmbedder`). If backbones
        differ in this, the widest crop is taken, with a warning. False means that the images are
        aligned crops already.
    operator : str or list of str, default="cosine"
        How the difference of two embeddings is computed, see `PairDifference`; a list has one
        operator for each embedder.
    normalize : str or None, default="embeddings"
        What is scaled to unit length, see `PairDifference`.
    weights : list of float, default=None
        With several embedders, factors of their scaled differences; None is 1 for all.
    mode : {"reference", "same-video"}, default=None
        What the two images of a pair are, see `PairDifference`; None states nothing.
    detector : estimator, default=None
        One-class detector. None chooses by the differences. If each embedder gives one number, a
        distance (``operator="cosine"``) or a verdict (``"probe"`` of a backbone of width 1), it is
        ``ConformalDetector(SumRuleDetector(), target_bpcer=0.05)``, otherwise DiffFake's
        ``GaussianMixtureDetector(n_components=3)``.
    select : {"largest", "confident", "central", "match"}, default="largest"
        Which of several faces is taken, see `FaceAligner`. For ``"match"``, faces are compared by
        the first embedder.
    on_missing : {"raise", "skip", "warn", "crop"}, default="raise"
        What to do with a photo without a face, see `FaceAligner`.
    device : str, default="auto"
        Device of detection and embedding.
    batch_size : int, default=32
        Images computed together.
    cache : str, Path or EmbeddingStore, default=None
        Store of crops and embeddings on disk.
    n_jobs : int, default=None
        Number of threads that decode images and (on a CPU) search them for faces, as joblib counts
        them: None is 1, -1 is one per core. The result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the default detector.
    verbose : int, default=0
        Show progress bars.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Not fitted. ``fit(pairs)`` takes genuine pairs; ``fit(pairs, y)`` ignores the rows with
        ``y == -1``.

    Raises
    ------
    ValueError
        If there is no embedder, or the number of operators or weights differs from that of
        embedders.

    See Also
    --------
    load_default : Load a fitted pipeline.

    References
    ----------
    .. [1] S. Stamnas, V. Sanchez, "DiffFake: Exposing Deepfakes using Differential Anomaly
       Detection", WACVW 2025, arXiv:2502.16247.

    Examples
    --------
    >>> from sklearn_diffake import make_difffake_pipeline
    >>> pipe = make_difffake_pipeline()
    >>> [name for name, _ in pipe.steps]
    ['align', 'embed', 'diff', 'detect']
    >>> pipe["detect"]
    ConformalDetector(detector=SumRuleDetector(), target_bpcer=0.05)

    DiffFake's published recipe, a Gaussian mixture of squared differences. The detector is the
    default for this operator; it is written here to show it.

    >>> from sklearn_diffake.novelty import GaussianMixtureDetector
    >>> pipe = make_difffake_pipeline(
    ...     operator="squared", detector=GaussianMixtureDetector(n_components=3)
    ... )
    >>> pipe.set_params(detect__n_components=2)["detect"].n_components
    2

    Several embedders, each with its own branch:

    >>> pipe = make_difffake_pipeline(["facenet-vggface2", "difffake-lite0"])
    >>> [name for name, _ in pipe["features"].transformer_list]
    ['facenet_vggface2', 'difffake_lite0']

    The distance between probe and reference, and with a small weight the verdict on the probe
    alone:

    >>> pipe = make_difffake_pipeline(
    ...     ["difffake-lite0-identity", "difffake-lite0-verdict"],
    ...     operator=["cosine", "probe"],
    ...     weights=[1.0, 0.2],
    ... )
    >>> pipe["detect"]
    ConformalDetector(detector=SumRuleDetector(), target_bpcer=0.05)
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
        raise ValueError("embedder must hold at least one backbone or embedder, got []")
    operators = [operator] * len(embedders) if isinstance(operator, str) else list(operator)
    for name, entries in (("operator", operators), ("weights", weights)):
        if entries is not None and len(entries) != len(embedders):
            raise ValueError(
                f"{name} must have one entry for each of the {len(embedders)} embedders, got "
                f"{len(entries)}"
            )
    built = [_embedder_of(e, shared) for e in embedders]
    if aligner is True:
        matcher = clone(built[0]) if select == "match" else None
        aligner = FaceAligner(
            select=select, matcher=matcher, on_missing=on_missing, shared=True, **shared
        )
        crop = _crop_for(built)
        if crop is not None:
            aligner.set_params(**crop._asdict())
    if detector is None:
        detector = _detector_for(built, operators, random_state)
    differences = [PairDifference(o, normalize=normalize, mode=mode) for o in operators]
    if len(built) == 1:
        middle: list[tuple[str, Any]] = [("embed", built[0]), ("diff", differences[0])]
    else:
        middle = [("features", _join(embedders, built, differences, weights))]
    return Pipeline(
        [
            ("align", "passthrough" if aligner in (None, False) else aligner),
            *middle,
            ("detect", detector),
        ]
    )


def _embedder_of(embedder: Any, shared: dict[str, Any]) -> Any:
    if hasattr(embedder, "fit"):
        return embedder
    entry = _entry(embedder)
    if entry is None:
        return FaceEmbedder(embedder, **shared)
    return FaceEmbedder(embedder, mirror=entry.mirror, scales=entry.scales, **shared)


def _detector_for(
    embedders: Sequence[Any], operators: Sequence[str], random_state: Any
) -> "ConformalDetector | GaussianMixtureDetector":
    """Return the default detector, for one number per embedder or for vectors."""
    if all(map(_gives_one_number, embedders, operators)):
        return ConformalDetector(SumRuleDetector(), target_bpcer=0.05, random_state=random_state)
    from sklearn_diffake.novelty import GaussianMixtureDetector

    return GaussianMixtureDetector(n_components=3, random_state=random_state)


def _gives_one_number(embedder: Any, operator: str) -> bool:
    if operator == "probe":
        entry = _entry(getattr(embedder, "backbone", None))
        return entry is not None and entry.width == 1
    return operator == "cosine"


def _crop_for(embedders: Sequence[Any]) -> Crop | None:
    """Return the widest crop that the embedders declare; None if none declares one."""
    crops = {str(e.backbone): crop for e in embedders if (crop := _crop_of(e)) is not None}
    if not crops:
        return None
    widest = max(crops.values(), key=lambda crop: (crop.margin, crop.size))
    if any(crop[1:] != widest[1:] for crop in crops.values()):
        margins = ", ".join(f"{name} margin={crop.margin:g}" for name, crop in crops.items())
        warn_caller(
            f"the embedders were trained on different crops ({margins}): faces are cut with margin="
            f"{widest.margin:g}, which does not suit all. Give aligner=FaceAligner(...) to choose."
        )
    return widest


def _crop_of(embedder: Any) -> Crop | None:
    crop = getattr(embedder, "crop", None)
    if crop is not None:
        return Crop(*crop)
    entry = _entry(getattr(embedder, "backbone", None))
    return None if entry is None else entry.crop


def _entry(backbone: Any) -> BackboneEntry | None:
    """Return the registry entry of a backbone, None for a function or an unknown name."""
    return entry_of(os.fspath(backbone)) if isinstance(backbone, (str, os.PathLike)) else None


def _join(
    embedders: Sequence[Any],
    built: list[Any],
    differences: list[PairDifference],
    weights: Sequence[float] | None,
) -> FeatureUnion:
    """Return a union with a branch of embedder, difference and scaler per embedder, with names."""
    branches: dict[str, Pipeline] = {}
    for original, embedder, difference in zip(embedders, built, differences, strict=True):
        backbone = getattr(original, "backbone", original)
        backbone = getattr(backbone, "__name__", str(backbone))
        stem = os.path.splitext(os.path.basename(backbone))[0]
        name = re.sub(r"[\W_]+", "_", stem).strip("_") or "embedder"
        if name in branches:
            name += f"_{len(branches)}"
        steps = [("embed", embedder), ("diff", difference), ("scale", DifferenceScaler())]
        branches[name] = Pipeline(steps)
    factors = None if weights is None else dict(zip(branches, map(float, weights), strict=True))
    return FeatureUnion(list(branches.items()), transformer_weights=factors)


def score_in_batches(
    model: Any,
    X: Any,
    *,
    method: str = "score_samples",
    batch_size: int = 8192,
    verbose: int = 0,
) -> NDArray[Any]:
    """Score pairs in batches, for tables that do not fit in memory.

    Memory holds the differences of one batch only. For photographs, set `cache` of the embedder:
    an image that occurs in several batches is then embedded once.

    Parameters
    ----------
    model : estimator
        A fitted pipeline, or some of its steps, such as ``pipe[2:]`` for embeddings.
    X : table of n pairs or array of shape (n, ...)
        Anything that `model` takes; a memory-mapped array is read batch by batch.
    method : {"score_samples", "decision_function", "predict"}, default="score_samples"
        Method of `model` to call.
    batch_size : int, default=8192
        Pairs in a batch.
    verbose : int, default=0
        Show a progress bar.

    Returns
    -------
    ndarray of shape (n,)
        The same numbers as from one call.

    Raises
    ------
    ValueError
        If `method` is not one of these, `batch_size` is not positive, or there is no pair.

    See Also
    --------
    fit_in_batches : Fits a pipeline in batches.
    score_pairs : Scores pairs of which some may be unusable.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake import make_difffake_pipeline, score_in_batches
    >>> embeddings = np.random.default_rng(0).normal(size=(500, 2, 8))
    >>> model = make_difffake_pipeline(random_state=0)[2:].fit(embeddings)
    >>> scores = score_in_batches(model, embeddings, batch_size=100)
    >>> bool((scores == model.score_samples(embeddings)).all())
    True
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {_METHODS}, got {method!r}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be positive, got {batch_size}")
    n_pairs = _num_samples(X)
    if not n_pairs:
        raise ValueError("X must hold at least one pair")
    call, batches = getattr(model, method), []
    with progress_bar(total=n_pairs, desc="scoring", unit="pair", verbose=verbose) as bar:
        for rows in batch_slices(n_pairs, batch_size):
            batches.append(call(_safe_indexing(X, rows)))
            bar.update(rows.stop - rows.start)
    return np.concatenate(batches)


@dataclass(frozen=True, eq=False)
class PairScores:
    """The result of :func:`score_pairs`: for each pair a score, or the reason why it has none.

    Attributes
    ----------
    score : ndarray of shape (n,), float64
        Higher means more genuine; NaN for a pair that cannot be judged.
    p_value : ndarray of shape (n,), float64, or None
        If the detector gives p-values; NaN where `score` is NaN.
    reason : list of str or None
        For each pair the reason why it has no score, with column and file; None if it has one.

    See Also
    --------
    score_pairs : Computes them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake import PairScores
    >>> scores = PairScores(np.array([0.5, np.nan]), None, [None, "probe: no face was found"])
    >>> [reason for reason in scores.reason if reason]
    ['probe: no face was found']
    """

    score: NDArray[np.float64]
    p_value: NDArray[np.float64] | None
    reason: list[str | None]


def score_pairs(model: Any, X: Any) -> PairScores:
    """Score pairs of which some may be unusable; an unusable pair gets a reason, not a score.

    A picture without a face, or a file that cannot be read, affects its own pair only; in a
    template it is skipped. Each picture is computed once, however many pairs fail.

    Parameters
    ----------
    model : Pipeline
        Fitted, with a detector as its last step.
    X : table of n pairs
        Anything that `model` takes.

    Returns
    -------
    PairScores
        Scores, reasons, and p-values if the detector gives them.

    Raises
    ------
    ImageError
        If X is not a table of pictures.

    See Also
    --------
    score_in_batches : Scores in batches, for tables that do not fit in memory.
    verify_many : Judges many pairs, with evidence.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sklearn_diffake import load_default, score_pairs
    >>> photo = astronaut()
    >>> scores = score_pairs(load_default(), [(photo, photo), (photo, photo[300:])])
    >>> scores.reason
    [None, 'probe: no face was found']
    """
    steps = list(getattr(model, "named_steps", {}).values())
    if steps and isinstance(steps[0], FaceAligner):
        faces = steps[0].align(X, errors="return")
        X, reasons, model = faces.crops, faces.row_reasons, model[1:]
    elif steps:
        reasons = _unreadable(X, getattr(steps[0], "n_jobs", None))
    else:
        reasons = [None] * _num_samples(X)
    numbers = _remaining_numbers(model, X, reasons)
    p_value = numbers[:, 1] if hasattr(_last(model), "p_values") else None
    return PairScores(numbers[:, 0], p_value, reasons)


def _remaining_numbers(model: Any, X: Any, reasons: list[str | None]) -> NDArray[np.float64]:
    """Return score and p-value of the rows without a reason, else NaN; add reasons of failures."""
    numbers = np.full((len(reasons), 2), np.nan)
    while rows := [i for i, reason in enumerate(reasons) if reason is None]:
        try:
            for column, values in enumerate(_numbers(model, _safe_indexing(X, rows))):
                numbers[rows, column] = values
            break
        except ImageError as error:  # a network that fails at one picture
            if error.row is None and len(rows) > 1:
                raise
            reasons[rows[error.row or 0]] = str(error.at(row=None))
    return numbers


def _last(model: Any) -> Any:
    return model[-1] if hasattr(model, "steps") else model


def _numbers(model: Any, X: Any) -> list[NDArray[np.float64]]:
    """Return the scores of pairs, and their p-values if the detector gives them."""
    detector = _last(model)
    if not hasattr(detector, "p_values"):
        return [model.score_samples(X)]
    rows = model[:-1].transform(X) if hasattr(model, "steps") and len(model) > 1 else X
    return [detector.score_samples(rows), detector.p_values(rows)]


def _unreadable(X: Any, n_jobs: int | None) -> list[str | None]:
    """Read every picture; return for each row why a picture cannot be read, or None."""
    table = image_table(X, templates=True)
    read = ComputeOnce(lambda images, digests: [True] * len(images), dtype=object, n_jobs=n_jobs)
    with progress_bar(total=0, desc="reading", unit="image", verbose=0) as bar:
        errors = read(table, bar, errors="return").errors
    reasons: list[str | None] = [None] * len(table.index)
    for (row, column), template in np.ndenumerate(table.index.reshape(len(reasons), -1)):
        failed = [errors[i] for i in table.template(int(template)).tolist() if i in errors]
        if failed and reasons[row] is None:
            error_column = column if table.is_pairs else None
            reasons[row] = str(failed[0].at(row=None, column=error_column))
    return reasons


def load_default(*, mode: Mode = "reference") -> Pipeline:
    """Load a fitted pipeline that comes with the package.

    Parameters
    ----------
    mode : {"reference", "same-video"}, default="reference"
        ``"reference"`` compares a probe with trusted images of a person. ``"same-video"`` judges
        a clip by its own frames: ``verify(None, "clip.mp4")`` uses it.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Ready to score pairs of photographs, or of frames. Its model card,
        ``sklearn_diffake/data/default.md`` or ``same_video.md``, describes its training data, its
        error rates and its limits.

    Raises
    ------
    ValueError
        If there is no such mode.

    See Also
    --------
    make_difffake_pipeline : Build a pipeline to fit on your own pairs.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sklearn_diffake import load_default
    >>> photo = astronaut()
    >>> load_default().predict([(photo, photo[:, ::-1])])                 # the probe is mirrored
    array([1])
    """
    from sklearn_diffake.persistence import load

    if mode not in _PACKAGED:
        raise ValueError(f"mode must be one of {MODES}, got {mode!r}")
    with resources.as_file(resources.files("sklearn_diffake") / "data" / _PACKAGED[mode]) as path:
        return load(path)
