"""The four steps in one: from two photographs to a verdict."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import _safe_indexing, gen_batches
from sklearn.utils.validation import _num_samples

from .embedding import FaceEmbedder
from .embedding.backbones import BackboneEntry, Crop, entry_of
from .faces import FaceAligner
from .images.engine import ComputeOnce
from .images.errors import ImageError
from .images.table import image_table
from .novelty import ConformalDetector, GaussianMixtureDetector, SumRuleDetector
from .pairs import DifferenceScaler, PairDifference
from .utils._messages import warn_caller
from .utils._progress import progress_bar

_METHODS = ("score_samples", "decision_function", "predict")


def make_difffake_pipeline(
    embedder: Any = "dlib-resnet",
    *,
    aligner: Any = True,
    operator: str | Sequence[str] = "cosine",
    normalize: str | None = "embeddings",
    weights: Sequence[float] | None = None,
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

    Without arguments it is the recipe of `load_default`, not yet fitted: the cosine distance of
    identity embeddings, and a conformal threshold that rejects at most 5 % of genuine pairs.
    DiffFake's own recipe [1]_ is ``operator="squared"``; see the examples.

    Its steps are ``align`` (`FaceAligner`), ``embed`` (`FaceEmbedder`), ``diff``
    (`PairDifference`) and ``detect`` (a one-class detector); every parameter of theirs can be
    set and searched, for example as ``detect__n_components``. With several embedders, ``embed``
    and ``diff`` give way to ``features``, a :class:`~sklearn.pipeline.FeatureUnion` in which each
    embedder has its own difference and a `DifferenceScaler`, so that none drowns another.

    Parameters
    ----------
    embedder : str, Path, callable, estimator or list of these, default="dlib-resnet"
        Backbone for a `FaceEmbedder`, or an embedder of your own; a list joins the features of
        several, such as one for identity and one for forgery. ``"dlib-resnet"`` embeds each crop
        and a tighter one, both as they are and mirrored, as it was measured;
        ``FaceEmbedder("dlib-resnet")`` embeds the crop alone, at a quarter of the cost.
    aligner : bool or estimator, default=True
        True detects and aligns faces, and cuts crops as the backbone was trained with them (see
        ``sklearn-diffake backbones``, and the parameter `crop` of `FaceEmbedder`); of several that
        differ, the widest crop is taken, with a warning. False takes the images as crops that are
        aligned already.
    operator : str or list of str, default="cosine"
        How two embeddings become a difference, see `PairDifference`; a list has one for each
        embedder.
    normalize : str or None, default="embeddings"
        What is scaled to unit length, see `PairDifference`.
    weights : list of float, default=None
        With several embedders, what their scaled differences are multiplied by; None is 1 for all.
    detector : estimator, default=None
        One-class detector. None fits the differences: where each embedder gives one number, a
        distance (``operator="cosine"``) or a verdict (``"probe"`` of a backbone of width 1), it is
        ``ConformalDetector(SumRuleDetector(), target_bpcer=0.05)``; else DiffFake's
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

    Raises
    ------
    ValueError
        If there is no embedder, or not one operator and one weight for each.

    See Also
    --------
    load_default : One that is fitted already.

    References
    ----------
    .. [1] Stamnas and Sanchez, "DiffFake: Exposing Deepfakes using Differential Anomaly
       Detection", WACVW 2025, arXiv 2502.16247.

    Examples
    --------
    >>> from sklearn_diffake import make_difffake_pipeline
    >>> pipe = make_difffake_pipeline()
    >>> [name for name, _ in pipe.steps]
    ['align', 'embed', 'diff', 'detect']
    >>> pipe["detect"]
    ConformalDetector(detector=SumRuleDetector(), target_bpcer=0.05)

    DiffFake's published recipe, a Gaussian mixture of squared differences; say the detector to be
    plain about it, although it is what this operator gets by itself.

    >>> from sklearn_diffake.novelty import GaussianMixtureDetector
    >>> pipe = make_difffake_pipeline(
    ...     operator="squared", detector=GaussianMixtureDetector(n_components=3)
    ... )
    >>> pipe.set_params(detect__n_components=2)["detect"].n_components
    2

    Several embedders, each with a branch of its own:

    >>> pipe = make_difffake_pipeline(["facenet-vggface2", "difffake-lite0"])
    >>> [name for name, _ in pipe["features"].transformer_list]
    ['facenet_vggface2', 'difffake_lite0']

    How far the probe is from the reference, and a little of what it looks like by itself:

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
        raise ValueError("embedder=[] is empty: give at least one backbone or embedder")
    operators = [operator] * len(embedders) if isinstance(operator, str) else list(operator)
    for name, given in (("operator", operators), ("weights", weights)):
        if given is not None and len(given) != len(embedders):
            raise ValueError(f"{name} has {len(given)} entries for {len(embedders)} embedders")
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
    differences = [PairDifference(o, normalize=normalize) for o in operators]
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
) -> ConformalDetector | GaussianMixtureDetector:
    """Return the detector for one number from each embedder, or for whole vectors."""
    if all(map(_gives_one_number, embedders, operators)):
        return ConformalDetector(SumRuleDetector(), target_bpcer=0.05, random_state=random_state)
    return GaussianMixtureDetector(n_components=3, random_state=random_state)


def _gives_one_number(embedder: Any, operator: str) -> bool:
    if operator == "probe":
        entry = _entry(getattr(embedder, "backbone", None))
        return entry is not None and entry.width == 1
    return operator == "cosine"


def _crop_for(embedders: Sequence[Any]) -> Crop | None:
    """Return the crop that embedders want, the widest of several, or None for the usual one."""
    crops = {str(e.backbone): crop for e in embedders if (crop := _crop_of(e)) is not None}
    if not crops:
        return None
    widest = max(crops.values(), key=lambda crop: (crop.margin, crop.size))
    if any(crop[1:] != widest[1:] for crop in crops.values()):
        wants = ", ".join(f"{name} margin={crop.margin:g}" for name, crop in crops.items())
        warn_caller(
            f"the embedders were trained on different crops ({wants}): faces are cut with margin="
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
    """Return what the registry holds of a backbone, None for a function or an unknown name."""
    return entry_of(os.fspath(backbone)) if isinstance(backbone, (str, os.PathLike)) else None


def _join(
    embedders: Sequence[Any],
    built: list[Any],
    differences: list[PairDifference],
    weights: Sequence[float] | None,
) -> FeatureUnion:
    """Give each embedder its difference, a scaler of its own, and a name to set them by."""
    branches: dict[str, Pipeline] = {}
    for given, embedder, difference in zip(embedders, built, differences, strict=True):
        backbone = getattr(given, "backbone", given)
        backbone = getattr(backbone, "__name__", str(backbone))
        stem = os.path.splitext(os.path.basename(backbone))[0]
        name = re.sub(r"[\W_]+", "_", stem).strip("_") or "embedder"
        if name in branches:
            name += f"_{len(branches)}"
        steps = [("embed", embedder), ("diff", difference), ("scale", DifferenceScaler())]
        branches[name] = Pipeline(steps)
    each = None if weights is None else dict(zip(branches, map(float, weights), strict=True))
    return FeatureUnion(list(branches.items()), transformer_weights=each)


def score_in_batches(
    model: Any,
    X: Any,
    *,
    method: str = "score_samples",
    batch_size: int = 8192,
    verbose: int = 0,
) -> NDArray[Any]:
    """Score more pairs than fit in memory, a batch at a time.

    The differences of all pairs are never held together, only those of one batch. For photographs
    give the embedder a `cache`: an image that occurs in several batches is then embedded once.

    Parameters
    ----------
    model : estimator
        A fitted pipeline, or part of one, such as ``pipe[2:]`` for embeddings.
    X : table of n pairs or array of shape (n, ...)
        Anything that `model` takes; a memory-mapped array is read as it is needed.
    method : {"score_samples", "decision_function", "predict"}, default="score_samples"
        What to call.
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
        If `method` is another one, `batch_size` is not positive, or there is no pair.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake import make_difffake_pipeline, score_in_batches
    >>> embeddings = np.random.default_rng(0).normal(size=(500, 2, 8))
    >>> head = make_difffake_pipeline(random_state=0)[2:].fit(embeddings)
    >>> scores = score_in_batches(head, embeddings, batch_size=100)
    >>> bool((scores == head.score_samples(embeddings)).all())
    True
    """
    if method not in _METHODS:
        raise ValueError(f"method={method!r}, expected one of {_METHODS}")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}, expected a positive number")
    n_pairs = _num_samples(X)
    if not n_pairs:
        raise ValueError("X holds no pair")
    call, done = getattr(model, method), []
    with progress_bar(total=n_pairs, desc="scoring", unit="pair", verbose=verbose) as bar:
        for rows in gen_batches(n_pairs, batch_size):
            done.append(call(_safe_indexing(X, rows)))
            bar.update(rows.stop - rows.start)
    return np.concatenate(done)


@dataclass(frozen=True, eq=False)
class PairScores:
    """What :func:`score_pairs` returns: a score for each pair, or why it has none.

    Attributes
    ----------
    score : ndarray of shape (n,), float64
        Higher means more genuine; NaN for a pair that cannot be judged.
    p_value : ndarray of shape (n,), float64, or None
        Where the detector gives p-values; NaN where `score` is.
    reason : list of str or None
        For each pair why it has no score, with column and file; None where it has one.

    See Also
    --------
    score_pairs : Makes them.

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
    """Score pairs of which some may be unusable: each gets its score, or the reason for none.

    A picture without a face, or a file that cannot be read, costs its own pair only; of a template
    it is left out. Each picture is computed once, however many pairs fail.

    Parameters
    ----------
    model : Pipeline
        Fitted, with a detector as its last step.
    X : table of n pairs
        Anything that `model` takes.

    Returns
    -------
    PairScores
        Scores, p-values where there are any, and reasons.

    Raises
    ------
    ImageError
        If X is no table of pictures.

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
    """Return score and p-value of the rows without a reason, NaN for the others; add reasons."""
    numbers = np.full((len(reasons), 2), np.nan)
    while rows := [i for i, reason in enumerate(reasons) if reason is None]:
        try:
            for column, values in enumerate(_numbers(model, _safe_indexing(X, rows))):
                numbers[rows, column] = values
            break
        except ImageError as error:  # a network that breaks down at one picture
            if error.row is None and len(rows) > 1:
                raise
            reasons[rows[error.row or 0]] = str(error.at(row=None))
    return numbers


def _last(model: Any) -> Any:
    return model[-1] if hasattr(model, "steps") else model


def _numbers(model: Any, X: Any) -> list[NDArray[np.float64]]:
    """Return the scores of pairs, and their p-values where the detector gives them."""
    detector = _last(model)
    if not hasattr(detector, "p_values"):
        return [model.score_samples(X)]
    rows = model[:-1].transform(X) if hasattr(model, "steps") and len(model) > 1 else X
    return [detector.score_samples(rows), detector.p_values(rows)]


def _unreadable(X: Any, n_jobs: int | None) -> list[str | None]:
    """Read every picture; return for each row why one of it cannot be read, or None."""
    table = image_table(X, templates=True)
    read = ComputeOnce(lambda images, digests: [True] * len(images), dtype=object, n_jobs=n_jobs)
    with progress_bar(total=0, desc="reading", unit="image", verbose=0) as bar:
        errors = read(table, bar, errors="return").errors
    reasons: list[str | None] = [None] * len(table.index)
    for (row, column), template in np.ndenumerate(table.index.reshape(len(reasons), -1)):
        failed = [errors[i] for i in table.template(int(template)).tolist() if i in errors]
        if failed and reasons[row] is None:
            place = column if table.is_pairs else None
            reasons[row] = str(failed[0].at(row=None, column=place))
    return reasons


def load_default() -> Pipeline:
    """Load the fitted pipeline that comes with the package.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Ready to score pairs of photographs. What it was fitted on, how well it does and where
        it fails is said in its model card, ``sklearn_diffake/data/default.md``.

    See Also
    --------
    make_difffake_pipeline : Builds one to fit on pairs of your own.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sklearn_diffake import load_default
    >>> photo = astronaut()
    >>> load_default().predict([(photo, photo[:, ::-1])])                 # the probe is mirrored
    array([1])
    """
    from .persistence import load

    with resources.as_file(resources.files("sklearn_diffake") / "data" / "default.diffake") as path:
        return load(path)
