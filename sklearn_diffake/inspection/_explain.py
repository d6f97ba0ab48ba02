"""explain_pair: why a pipeline calls a pair genuine or manipulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from ..base import threshold_warning
from ..novelty._calibration import Calibration, calibration_of
from ..utils._numbers import significant
from ..utils._progress import progress_bar
from ._contributions import Contribution, contributions
from ._nearest import NearestGenuine, known_genuine
from ._occlusion import PATCHES, STRIDE, grid_side, occlusion_maps
from ._parts import Parts, pair_table, take_apart, threshold_of
from ._photo import ExplainedPhoto, read_pair
from ._provenance import provenance_of

_METHODS = ("occlusion", "gradient")
_SHARE = Interval(Real, 0, 1, closed="right")


@dataclass(frozen=True, eq=False)
class PairExplanation:
    """Why a pair is called genuine or manipulated; made by `explain_pair`.

    Attributes
    ----------
    score : float
        Of the pair; higher = more genuine.
    threshold : float
        Scores below it are called deepfake.
    p_value : float or None
        How unusual the score is among genuine pairs, in (0, 1], if the last step is a
        :class:`~sklearn_diffake.novelty.ConformalDetector`.
    reference, probe : ExplainedPhoto
        The photographs with their maps, by method:

        - ``"joint occlusion"``: by how much the score rises when a place is hidden in both, so
          that it is left out of the comparison, more than it would if the reference were compared
          with itself. Positive: the place speaks against the pair. The map of both photographs is
          one; of the two by occlusion it finds manipulated places far better;
        - ``"occlusion"``: by how much the score rises when a place is hidden in this photograph
          alone;
        - ``"gradient"``: how strongly the score depends on a place, in squared score per squared
          RGB level of one pixel (levels from 0 to 1), never negative.

    contributions : list of Contribution
        What each of several embedders adds to the score; empty if there is one only, or nothing
        tells what a genuine mean is.
    base_score : float or None
        Score of a pair that shows every embedder the genuine mean.
    nearest : NearestGenuine or None
        Genuine pairs most like this one, if any are known.
    calibration : Calibration or None
        On how many genuine pairs the threshold rests, if the last step is a
        :class:`~sklearn_diffake.novelty.ConformalDetector`: ``(n_pairs, n, target_bpcer,
        level)``, where `n` counts groups if these were given to fit.
    threshold_warning : str or None
        What to know before the verdict is believed, if the threshold rests on few genuine pairs.
    provenance : dict
        Versions, steps and networks of the pipeline, digests of the photographs, and settings:
        plain values that JSON can hold.

    See Also
    --------
    PairReport : The same as a picture or a page.

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
    >>> found = explain_pair(pipe, *crops[0], method="gradient", n_smooth=1, random_state=0)
    >>> found.decision == found.score - found.threshold
    True
    >>> found.provenance["networks"][0]["name"]
    'difffake-lite0-identity'
    """

    score: float
    threshold: float
    p_value: float | None
    reference: ExplainedPhoto
    probe: ExplainedPhoto
    contributions: list[Contribution]
    base_score: float | None
    nearest: NearestGenuine | None
    provenance: dict[str, Any]
    calibration: Calibration | None = None
    threshold_warning: str | None = None

    @property
    def warnings(self) -> list[str]:
        """What to know before the verdict is believed; each text begins with a code."""
        conformal = self.calibration
        message = self.threshold_warning if conformal is None else conformal.warning()
        return [] if message is None else [message]

    @property
    def decision(self) -> float:
        """Score less threshold: zero or more for genuine, negative for deepfake."""
        return self.score - self.threshold

    @property
    def verdict(self) -> str:
        """``"genuine"`` or ``"deepfake"``."""
        return "genuine" if self.decision >= 0 else "deepfake"

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the maps."""
        return tuple(self.probe.maps)

    def __repr__(self) -> str:
        p_value = "" if self.p_value is None else f", p_value={significant(self.p_value, 3)}"
        return (
            f"PairExplanation({self.verdict}: score={self.score:.4g}, "
            f"threshold={self.threshold:.4g}{p_value}, maps: {', '.join(self.methods)})"
        )

    def _repr_html_(self) -> str | None:
        from ._report import PairReport

        return PairReport(self)._repr_html_()


@validate_params(
    {
        "method": [None, StrOptions({"occlusion", "gradient"}), list, tuple],
        "patch": [_SHARE, list, tuple],
        "stride": [_SHARE],
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
    """Explain why a pipeline calls a pair genuine or manipulated.

    Both faces are detected once. Places of the aligned crops are then hidden one after another
    [1]_, and the score is differentiated with respect to the crops [2]_. Where several embedders
    are joined, the score is divided among them [3]_.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, such as :func:`~sklearn_diffake.load_default` gives, or a search with a
        `best_estimator_`. It is not changed, and nothing is written to its stores but the crops of
        the two photographs.
    reference, probe : str, Path, PIL image or ndarray of shape (H, W, 3), uint8
        The trusted photograph and the one in question; aligned crops where the pipeline does not
        begin with a `FaceAligner`.
    method : {"occlusion", "gradient"}, list of these or None, default=None
        Which maps to make. ``"occlusion"`` works with every network and makes two, ``"gradient"``
        needs networks of torch. None makes all that the pipeline allows.
    patch : float or sequence of float, default=(0.15, 0.225)
        Side of the square that is hidden, as a share of the crop's, in (0, 1]; maps of several
        sizes are averaged. Smaller ones see finer, and take longer.
    stride : float, default=0.75
        Step of the square, as a share of its side, in (0, 1].
    fill : {"mean", "blur"}, default="mean"
        What is seen in its place: the mean colour of the crop, or the crop blurred.
    n_smooth : int, default=4
        Copies of the crops with noise over which squared gradients are averaged.
    noise : float, default=0.03
        Standard deviation of this noise, RGB levels counting from 0 to 1.
    genuine : table of m pairs, or ndarray of shape (m, k), default=None
        Genuine pairs to look for similar ones in: photographs as `pipeline` takes them, or
        differences as its last step takes them. Pairs also give the mean against which embedders
        are weighed. None takes what the pipeline keeps: rows that neighbour-based detectors
        remember, means that `DifferenceScaler` has learned.
    n_neighbors : int, default=3
        How many similar genuine pairs to name.
    batch_size : int, default=64
        Crops embedded together.
    random_state : int, RandomState instance or None, default=None
        Seeds the noise. Pass an int for the same gradient map on every call.
    verbose : int, default=0
        Show a progress bar.

    Returns
    -------
    PairExplanation
        Scores, maps and more; show it by `PairReport`.

    Raises
    ------
    TypeError
        If `pipeline` is no pipeline, or gives no scores.
    ImageError
        If a photograph cannot be read or has no face; the message says which.
    ValueError
        If ``"gradient"`` is asked for and a network is not one of torch, or `genuine` does not fit.

    See Also
    --------
    PairReport : Makes a picture or a page of it.

    Notes
    -----
    A map tells what the model looked at. It is no proof that a place was manipulated, nor that
    others were not.

    The gradient goes through the networks exactly, and through the rest of the pipeline, whatever
    it is made of, by central differences in float64 at the two photographs as they are; noise is
    added to what the networks see. A head that scores in steps, as forests do, has no gradient that
    means anything: look at the other maps.

    Crops with hidden places are scored in batches: of a detector whose scores depend on the batch,
    as some of PyOD do, the maps do too.

    References
    ----------
    .. [1] M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks",
       ECCV 2014, section 4.2.
    .. [2] S. Hooker, D. Erhan, P.-J. Kindermans, B. Kim, "A Benchmark for Interpretability Methods
       in Deep Neural Networks", NeurIPS 2019 (SmoothGrad-Squared), after D. Smilkov et al.,
       "SmoothGrad: Removing Noise by Adding Noise", arXiv:1706.03825.
    .. [3] L. S. Shapley, "A Value for n-Person Games", Contributions to the Theory of Games II,
       1953; here with all subsets, and the genuine mean in place of an absent embedder.

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
    >>> found = explain_pair(pipe, *crops[0], method="occlusion", patch=0.5)
    >>> found.verdict, found.methods
    ('genuine', ('joint occlusion', 'occlusion'))
    >>> found.probe.in_photo("joint occlusion").shape
    (32, 32)
    """
    parts = take_apart(pipeline)
    settings = _Settings(
        _methods(method, parts), _patches(patch), stride, fill, n_smooth, noise, batch_size
    )
    photos = read_pair(parts.aligner, reference, probe)
    pair = pair_table([(photos[0].crop, photos[1].crop)])
    features = parts.features(pair)
    row = parts.join(features) if features else parts.rows(pair)
    (score,) = parts.score(row).tolist()
    _add_maps(parts, photos, settings, check_random_state(random_state), verbose)
    known = known_genuine(pipeline, parts, genuine, row)
    shares, base_score = contributions(parts, features, known.features if known else [])
    p_values = getattr(parts.detector, "p_values", None)
    seed = random_state if isinstance(random_state, Integral) else type(random_state).__name__
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}
    plain |= {"n_neighbors": n_neighbors, "random_state": str(seed)}
    return PairExplanation(
        score=score,
        threshold=threshold_of(parts.detector, score, row),
        p_value=None if p_values is None else float(p_values(row)[0]),
        reference=photos[0],
        probe=photos[1],
        contributions=shares,
        base_score=base_score,
        nearest=known.nearest(row, n_neighbors) if known else None,
        provenance=provenance_of(parts, photos, plain),
        calibration=calibration_of(parts.detector),
        threshold_warning=threshold_warning(parts.detector),
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


def _methods(method: str | Sequence[str] | None, parts: Parts) -> tuple[str, ...]:
    """Resolve `method`; an error says why a gradient cannot be had."""
    wanted = (method,) if isinstance(method, str) else tuple(_METHODS if method is None else method)
    unknown = [name for name in wanted if name not in _METHODS]
    if unknown or not wanted:
        raise ValueError(f"method={method!r}, expected some of {_METHODS}, or None for all")
    if "gradient" in wanted:
        from ._gradient import check_torch

        try:
            check_torch(parts)
        except ValueError:
            if method is not None:
                raise
            wanted = ("occlusion",)
    return tuple(name for name in _METHODS if name in wanted)


def _patches(patch: float | Sequence[float]) -> tuple[float, ...]:
    sides = tuple(np.atleast_1d(patch).tolist())
    if not sides or not all(isinstance(side, (int, float)) and 0 < side <= 1 for side in sides):
        raise ValueError(f"patch={patch!r}, expected shares of the crop's side in (0, 1]")
    return sides


def _add_maps(
    parts: Parts,
    photos: Sequence[ExplainedPhoto],
    settings: _Settings,
    rng: RandomState,
    verbose: int,
) -> None:
    """Make the maps that are asked for, and put them into the photographs."""
    crops = [photo.crop for photo in photos]
    places = [grid_side(patch, settings.stride) ** 2 for patch in settings.patches]
    steps = sum(places) if "occlusion" in settings.methods else 0
    steps += settings.n_smooth if "gradient" in settings.methods else 0
    with progress_bar(total=steps, desc="explaining", unit="step", verbose=verbose) as bar:
        if "occlusion" in settings.methods:
            made = occlusion_maps(
                lambda pairs: parts.score(parts.rows(pair_table(pairs))),
                crops,
                patches=settings.patches,
                stride=settings.stride,
                fill=settings.fill,
                batch_size=settings.batch_size,
                bar=bar,
            )
            for name, maps in made.items():
                for photo, values in zip(photos, maps, strict=True):
                    photo.maps[name] = values
        if "gradient" in settings.methods:
            from ._gradient import gradient_maps

            maps = gradient_maps(
                parts, crops, n_smooth=settings.n_smooth, noise=settings.noise, rng=rng, bar=bar
            )
            for photo, values in zip(photos, maps, strict=True):
                photo.maps["gradient"] = values
