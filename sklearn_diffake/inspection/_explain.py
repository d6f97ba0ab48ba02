"""explain_pair: compute the explanation of the verdict of a pipeline on a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state

from sklearn_diffake.base import threshold_warning
from sklearn_diffake.inspection._contributions import contributions
from sklearn_diffake.inspection._explanation import PairExplanation
from sklearn_diffake.inspection._nearest import genuine_pairs
from sklearn_diffake.inspection._occlusion import PATCHES, STRIDE, grid_side, occlusion_maps
from sklearn_diffake.inspection._photo import ExplainedPhoto, read_pair
from sklearn_diffake.inspection._provenance import provenance_of
from sklearn_diffake.inspection._split_pipeline import (
    SplitPipeline,
    pair_table,
    split_pipeline,
    threshold_of,
)
from sklearn_diffake.novelty._calibration import calibration_of
from sklearn_diffake.utils._progress import progress_bar
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, validate_params

_METHODS = ("occlusion", "gradient")
_FRACTION = Interval(Real, 0, 1, closed="right")


@validate_params(
    {
        "method": [None, StrOptions({"occlusion", "gradient"}), list, tuple],
        "patch": [_FRACTION, list, tuple],
        "stride": [_FRACTION],
        "fill": [StrOptions({"mean", "blur"})],
        "n_smooth": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, 1, closed="both")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def explain_pair(
    pipeline: Any,
    reference: Any,
    probe: Any,
    *,
    method: str | Sequence[str] | None = None,
    patch: float | Sequence[float] = PATCHES,
    stride: float = STRIDE,
    fill: str = "mean",
    n_smooth: int = 4,
    noise: float = 0.03,
    genuine: Any = None,
    n_neighbors: int = 3,
    batch_size: int = 64,
    random_state: int | RandomState | None = None,
    verbose: int = 0,
) -> PairExplanation:
    """Explain the verdict of a pipeline on a pair.

    Both faces are detected once. Then regions of the aligned crops are hidden one by one [1]_, and
    the score is differentiated with respect to the crops [2]_. With several embedders, the score is
    attributed to them [3]_.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, such as that of :func:`~sklearn_diffake.load_default`, or a search with a
        `best_estimator_`. It is not changed, and only the crops of the two photographs are
        written to its stores.
    reference, probe : str, Path, PIL image or ndarray of shape (H, W, 3), uint8
        The trusted photograph and the photograph in question; aligned crops if the pipeline does
        not begin with a `FaceAligner`.
    method : {"occlusion", "gradient"}, list of these or None, default=None
        Maps to compute. ``"occlusion"`` works with every network and gives two maps,
        ``"gradient"`` needs torch networks. None computes all maps that the pipeline supports.
    patch : float or sequence of float, default=(0.15, 0.225)
        Side of the hidden square, as a fraction of the side of the crop, in (0, 1]; maps of several
        sizes are averaged. Smaller squares give finer maps and take longer.
    stride : float, default=0.75
        Step of the square, as a fraction of its side, in (0, 1].
    fill : {"mean", "blur"}, default="mean"
        Content of the hidden square: the mean color of the crop, or the blurred crop.
    n_smooth : int, default=4
        Number of noisy copies of the crops over which squared gradients are averaged.
    noise : float, default=0.03
        Standard deviation of this noise, for RGB levels from 0 to 1.
    genuine : table of m pairs, or ndarray of shape (m, k), default=None
        Genuine pairs in which to search for similar pairs: photographs as `pipeline` takes them, or
        differences as its last step takes them. Pairs also determine the mean of each embedder
        for the contributions. None uses the data in the pipeline: training rows of neighbor-based
        detectors, and means of `DifferenceScaler`.
    n_neighbors : int, default=3
        Number of similar genuine pairs to return.
    batch_size : int, default=64
        Crops per batch.
    random_state : int, RandomState instance or None, default=None
        Seed of the noise. Pass an int for the same gradient map on every call.
    verbose : int, default=0
        Show a progress bar.

    Returns
    -------
    PairExplanation
        Score, maps and more; its method `report` writes them as a page or picture.

    Raises
    ------
    TypeError
        If `pipeline` is not a pipeline, or gives no scores.
    ImageError
        If a photograph cannot be read or has no face; the message names it.
    ValueError
        If ``"gradient"`` is requested and a network is not a torch network, or `genuine` does not
        fit the pipeline.

    See Also
    --------
    PairExplanation.report : Writes the explanation as a page or a picture.

    Notes
    -----
    A map shows which regions influence the score. It does not prove that a region was manipulated,
    nor that others were not.

    The gradient of the networks is exact. That of all other steps is computed by central
    differences in float64 at the two photographs; noise is added to the inputs of the networks. A
    detector with a piecewise constant score, such as a forest, has no useful gradient: use the
    other maps.

    Crops with hidden regions are scored in batches. If the scores of a detector depend on the
    batch, as with some of PyOD, the maps depend on it, too.

    References
    ----------
    .. [1] M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks",
       ECCV 2014, section 4.2.
    .. [2] S. Hooker, D. Erhan, P.-J. Kindermans, B. Kim, "A Benchmark for Interpretability Methods
       in Deep Neural Networks", NeurIPS 2019 (SmoothGrad-Squared), after D. Smilkov et al.,
       "SmoothGrad: Removing Noise by Adding Noise", arXiv:1706.03825.
    .. [3] L. S. Shapley, "A Value for n-Person Games", Contributions to the Theory of Games II,
       1953; here with all subsets, and the genuine mean for an absent embedder.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake import make_difffake_pipeline
    >>> from sklearn_diffake.inspection import explain_pair
    >>> from sklearn_diffake.novelty import SumRuleDetector
    >>> crops = np.random.default_rng(0).integers(0, 256, (8, 2, 32, 32, 3), dtype=np.uint8)
    >>> pipe = make_difffake_pipeline(
    ...     "difffake-lite0-identity", aligner=False, detector=SumRuleDetector(), device="cpu"
    ... ).fit(crops)
    >>> explanation = explain_pair(pipe, *crops[0], method="occlusion", patch=0.5)
    >>> explanation.verdict, explanation.methods
    ('genuine', ('joint occlusion', 'occlusion'))
    >>> explanation.probe.in_photo("joint occlusion").shape
    (32, 32)
    """
    split = split_pipeline(pipeline)
    settings = _Settings(
        _methods(method, split), _patches(patch), stride, fill, n_smooth, noise, batch_size
    )
    photos = read_pair(split.aligner, reference, probe)
    pair = pair_table([(photos[0].crop, photos[1].crop)])
    features = split.features(pair)
    row = split.join(features) if features else split.rows(pair)
    (score,) = split.score(row).tolist()
    _add_maps(split, photos, settings, check_random_state(random_state), verbose)
    genuine_rows = genuine_pairs(pipeline, split, genuine, row)
    contributions_of_branches, base_score = contributions(
        split, features, genuine_rows.features if genuine_rows else []
    )
    p_values = getattr(split.detector, "p_values", None)
    seed = random_state if isinstance(random_state, Integral) else type(random_state).__name__
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}
    plain |= {"n_neighbors": n_neighbors, "random_state": str(seed)}
    return PairExplanation(
        score=score,
        threshold=threshold_of(split.detector, score, row),
        p_value=None if p_values is None else float(p_values(row)[0]),
        reference=photos[0],
        probe=photos[1],
        contributions=contributions_of_branches,
        base_score=base_score,
        nearest=genuine_rows.nearest(row, n_neighbors) if genuine_rows else None,
        provenance=provenance_of(split, photos, plain),
        calibration=calibration_of(split.detector),
        threshold_warning=threshold_warning(split.detector),
    )


@dataclass(frozen=True)
class _Settings:
    methods: tuple[str, ...]
    patches: tuple[float, ...]
    stride: float
    fill: str
    n_smooth: int
    noise: float
    batch_size: int


def _methods(method: str | Sequence[str] | None, split: SplitPipeline) -> tuple[str, ...]:
    """Resolve `method`; raise an error if a requested gradient is not available."""
    selected = (
        (method,) if isinstance(method, str) else tuple(_METHODS if method is None else method)
    )
    invalid = [name for name in selected if name not in _METHODS]
    if invalid or not selected:
        raise ValueError(f"method must be some of {_METHODS}, or None for all, got {method!r}")
    if "gradient" in selected:
        from sklearn_diffake.inspection._gradient import check_torch

        try:
            check_torch(split)
        except ValueError:
            if method is not None:
                raise
            selected = ("occlusion",)
    return tuple(name for name in _METHODS if name in selected)


def _patches(patch: float | Sequence[float]) -> tuple[float, ...]:
    sides = tuple(np.atleast_1d(patch).tolist())
    if not sides or not all(isinstance(side, (int, float)) and 0 < side <= 1 for side in sides):
        raise ValueError(f"patch must be fractions of the crop's side in (0, 1], got {patch!r}")
    return sides


def _add_maps(
    split: SplitPipeline,
    photos: Sequence[ExplainedPhoto],
    settings: _Settings,
    rng: RandomState,
    verbose: int,
) -> None:
    """Compute the requested maps, and add them to the photographs."""
    crops = [photo.crop for photo in photos]
    n_patches = [grid_side(patch, settings.stride) ** 2 for patch in settings.patches]
    steps = sum(n_patches) if "occlusion" in settings.methods else 0
    steps += settings.n_smooth if "gradient" in settings.methods else 0
    with progress_bar(total=steps, desc="explaining", unit="step", verbose=verbose) as bar:
        if "occlusion" in settings.methods:
            occlusion = occlusion_maps(
                lambda pairs: split.score(split.rows(pair_table(pairs))),
                crops,
                patches=settings.patches,
                stride=settings.stride,
                fill=settings.fill,
                batch_size=settings.batch_size,
                bar=bar,
            )
            for name, maps in occlusion.items():
                for photo, values in zip(photos, maps, strict=True):
                    photo.maps[name] = values
        if "gradient" in settings.methods:
            from sklearn_diffake.inspection._gradient import gradient_maps

            maps = gradient_maps(
                split, crops, n_smooth=settings.n_smooth, noise=settings.noise, rng=rng, bar=bar
            )
            for photo, values in zip(photos, maps, strict=True):
                photo.maps["gradient"] = values
