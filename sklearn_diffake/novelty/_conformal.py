"""Thresholds and p-values with a finite-sample guarantee, for any detector."""

from __future__ import annotations

import logging
import math
import warnings
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, ShuffleSplit
from sklearn.utils import Tags, _safe_indexing, column_or_1d, gen_batches, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _num_samples, check_consistent_length

from sklearn_diffake.base import BaseDetector, check_finite, refuse_missing
from sklearn_diffake.novelty._calibration import calibration_of
from sklearn_diffake.novelty._mahalanobis import MahalanobisDetector
from sklearn_diffake.utils._groups import group_codes
from sklearn_diffake.utils._progress import progress_bar, tell

_logger = logging.getLogger(__name__)
_CHUNK = 4_000_000  # differences of scores held at a time
_LEVEL = Interval(Real, 0, 1, closed="neither")


class ConformalDetector(BaseDetector):
    """Give any detector p-values and a threshold that keeps its promise on genuine pairs.

    The detector is fitted on some of the genuine rows and scores the others, which it has not
    seen. The p-value of a new row is the share of those scores that are as low as its own, the
    row itself counted in; rows with ``p <= target_bpcer`` are called deepfakes. Then, with no
    assumption on the detector or the distribution, at most the share `target_bpcer` of new genuine
    rows is rejected, on average over calibration sets [1]_ [2]_.

    Parameters
    ----------
    detector : estimator, default=None
        Anything with ``fit`` and ``score_samples`` (or else ``decision_function``), higher meaning
        more genuine; a whole pipeline too. It is cloned, and fitted on genuine rows without labels.
        None takes :class:`MahalanobisDetector`.
    target_bpcer : float in (0, 1), default=0.01
        The share of genuine rows that may be rejected: the bona fide presentation classification
        error rate. It needs ``ceil(1 / target_bpcer) - 1`` calibration rows, or groups.
    method : {"split", "cv+"}, default="split"
        ``"split"`` fits once and calibrates on a held-out part. ``"cv+"`` fits `cv` times, so that
        every row is held out once, and keeps all these detectors [3]_ [4]_; it wastes no data, and
        its guarantee is weaker: see Notes.
    calibration_size : float in (0, 1) or int, default=0.3
        Share or number of the genuine rows (groups) held out by ``"split"``.
    cv : int, default=5
        Number of folds of ``"cv+"``.
    abstain : float in (0, 1), default=None
        Upper end of the abstain band, above `target_bpcer`: ``predict_with_abstention`` gives no
        verdict on rows with ``target_bpcer < p <= abstain``. None means no band.
    random_state : int, RandomState instance or None, default=None
        Seeds the split. The detector has a seed of its own.
    verbose : int, default=0
        Show a progress bar; with 2 also say what is done.

    Attributes
    ----------
    detectors_ : list of estimators
        The fitted detectors: one for ``"split"``, `cv` for ``"cv+"``.
    calibration_scores_ : list of ndarray
        For each detector the scores of the genuine rows held out from it, ascending.
    calibration_masses_ : list of ndarray
        For each detector the summed weights of the lowest 0, 1, 2, ... calibration scores. A row
        weighs 1, or one over the size of its group.
    n_calibration_ : int
        Number of calibration rows, or of groups if given.
    level_ : float
        Rows with ``p <= level_`` are rejected: `target_bpcer`, or ``1 / (n_calibration_ + 1)`` if
        there are too few calibration rows for it.
    bpcer_bound_ : float
        Proven bound on the expected share of genuine rows rejected: `level_` for ``"split"``.
    offset_ : float
        Threshold on ``score_samples``; 0 for ``"cv+"``.
    n_genuine_ : int
        Number of genuine rows that were learned from.
    n_features_in_ : int
        Number of features seen during fit, if the detector has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit, if the detector has them.

    Notes
    -----
    **What is guaranteed.** If new genuine rows are exchangeable with those of fit, then
    ``P(p <= a) <= a`` for each of them and every `a` with ``"split"``. This is an average over
    calibration sets as well: with `n` rows in them and no ties the true rate of one fitted
    threshold varies as ``Beta(k, n + 1 - k)``, ``k = floor(a (n + 1))``. With ``"cv+"`` and `K`
    folds ``P(p <= a) <= 2 a + 2 (1 - a) (K - 1) / (n + K)`` (`bpcer_bound_`; like Theorem 4 of
    [4]_, and because twice a mean of p-values is one [5]_); on data the rate is near `a` unless
    the detector is unstable. Nothing is guaranteed for genuine pairs of another kind than those
    of fit (other cameras, other compression).

    **Groups.** Pairs of one identity are alike, so not exchangeable with those of others. If
    `groups` are given, no group is on both sides of a split, and every group has weight one,
    shared by its rows [6]_. The guarantees above then hold with `n` the number of groups, if groups
    are exchangeable, for a row drawn at random from a new group; without `groups` they would not.
    Route them through a pipeline with ``set_fit_request(groups=True)``.

    **Scores.** With ``"split"``, ``score_samples`` are the scores of the one detector. Those of
    `K` detectors cannot be compared, so with ``"cv+"`` a score is the largest amount by which a row
    may exceed, under the detector that did not see them, calibration rows of enough weight to be
    accepted. Either way ``predict(X) == -1`` exactly where ``p_values(X) <= level_``.

    The package ``nonconform`` (2.0, BSD-3) makes conformal p-values too, but no threshold: it has
    neither ``predict`` nor ``decision_function``, its scores are higher for anomalies, its groups
    are categories known beforehand rather than identities, and it needs Python 3.12.

    References
    ----------
    .. [1] Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005.
    .. [2] S. Bates, E. Candes, L. Lei, Y. Romano, M. Sesia, "Testing for Outliers with Conformal
       p-values", Annals of Statistics 51(1), 2023, arXiv:2104.08279.
    .. [3] V. Vovk, "Cross-Conformal Predictors", Annals of Mathematics and Artificial
       Intelligence 74, 2015, arXiv:1208.0806.
    .. [4] R. F. Barber, E. J. Candes, A. Ramdas, R. J. Tibshirani, "Predictive Inference with the
       Jackknife+", Annals of Statistics 49(1), 2021, arXiv:1905.02928.
    .. [5] V. Vovk, R. Wang, "Combining p-values via Averaging", Biometrika 107(4), 2020,
       arXiv:1212.4966.
    .. [6] Y. Lee, R. F. Barber, R. Willett, "Distribution-Free Inference with Hierarchical Data",
       2023, arXiv:2306.06342.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector
    >>> rng = np.random.default_rng(0)
    >>> genuine, fake = rng.normal(size=(500, 4)), rng.normal(5.0, size=(3, 4))
    >>> detector = ConformalDetector(MahalanobisDetector(), random_state=0).fit(genuine)
    >>> detector.predict(fake)
    array([-1, -1, -1])
    >>> detector.p_values(fake).round(4)                 # the least that 150 rows can give
    array([0.0066, 0.0066, 0.0066])
    """

    _parameter_constraints: dict = {
        "detector": [HasMethods(["fit", "get_params"]), None],
        "target_bpcer": [_LEVEL],
        "method": [StrOptions({"split", "cv+"})],
        "calibration_size": [_LEVEL, Interval(Integral, 1, None, closed="left")],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "abstain": [_LEVEL, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    detectors_: list[Any]
    calibration_scores_: list[NDArray[np.float64]]
    calibration_masses_: list[NDArray[np.float64]]
    n_calibration_: int
    level_: float
    bpcer_bound_: float
    offset_: float

    def __init__(
        self,
        detector: BaseEstimator | None = None,
        *,
        target_bpcer: float = 0.01,
        method: Literal["split", "cv+"] = "split",
        calibration_size: float | int = 0.3,
        cv: int = 5,
        abstain: float | None = None,
        random_state: int | RandomState | None = None,
        verbose: int = 0,
    ):
        self.detector = detector
        self.target_bpcer = target_bpcer
        self.method = method
        self.calibration_size = calibration_size
        self.cv = cv
        self.abstain = abstain
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: ArrayLike | None = None, *, groups: ArrayLike | None = None
    ) -> ConformalDetector:
        """Fit the detector on genuine rows, and calibrate it on others.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Whatever the detector takes.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake. Rows labelled -1 are neither learned from nor
            calibrated on. None means that all rows are genuine.
        groups : array-like of shape (n_samples,), default=None
            What rows have in common, such as the identity. None means that every row stands alone.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        TypeError
            If the detector gives no scores.
        ValueError
            If there are too few genuine rows or groups to split, or `abstain` is not above
            `target_bpcer`.

        Warns
        -----
        UserWarning
            If there are too few calibration rows or groups for `target_bpcer`.
        """
        if self.abstain is not None and self.abstain <= self.target_bpcer:
            raise ValueError(
                f"abstain={self.abstain} must be above target_bpcer={self.target_bpcer}: rows "
                "with a p-value between them get no verdict."
            )
        if groups is not None:
            check_consistent_length(X, groups)
        self._fit_genuine(X, y, groups=groups)
        return self

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Say how unusual each row would be among genuine ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Whatever the detector takes.

        Returns
        -------
        p : ndarray of shape (n_samples,), float64
            In ``[1 / (n_calibration_ + 1), 1]``; small for deepfakes. A row's value does not depend
            on the others. NaN for a pair without a usable face.
        """
        return self._of_present(self._p_values, X)

    def _p_values(self, X: Any) -> NDArray[np.float64]:
        masses = (
            masses[np.searchsorted(calibration, score, side="right")]
            for score, calibration, masses in zip(
                self._inner_scores(X),
                self.calibration_scores_,
                self.calibration_masses_,
                strict=True,
            )
        )
        return np.asarray(_p_values(sum(masses), self.n_calibration_))

    def predict_with_abstention(self, X: Any) -> NDArray[np.int_]:
        """Call every row genuine or deepfake, or leave it open.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Whatever the detector takes.

        Returns
        -------
        verdict : ndarray of shape (n_samples,), int
            -1 where ``p <= level_``, 0 where ``level_ < p <= abstain``, else +1; 0 as well for a
            pair without a usable face. The guarantee on
            genuine rows holds for both ends: at most `abstain` of them are not called genuine.

        Warns
        -----
        UserWarning
            As :meth:`predict` does.
        """
        p = self.p_values(X)
        self._warn_few()
        band = self.level_ if self.abstain is None else self.abstain
        return np.where(p <= self.level_, -1, np.where((p <= band) | np.isnan(p), 0, 1))

    def benjamini_hochberg(self, X: Any, *, fdr: float = 0.1) -> NDArray[np.int_]:
        """Pick the deepfakes out of a batch, few genuine rows being among those picked.

        Unlike ``predict``, the verdict on a row depends on the batch: the more small p-values it
        holds, the more of them are picked.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Whatever the detector takes.
        fdr : float in (0, 1), default=0.1
            The expected share of genuine rows among those picked, the false discovery rate. It is
            controlled (Bates et al., 2023) for ``"split"`` without groups, if the genuine rows of
            the batch are independent; for ``"cv+"`` or groups there is no proof.

        Returns
        -------
        verdict : ndarray of shape (n_samples,), int
            -1 for the rows picked as deepfakes, else +1.

        Raises
        ------
        ValueError
            If `fdr` is not between 0 and 1, or a pair has no usable face.

        Warns
        -----
        UserWarning
            As :meth:`predict` does.
        """
        if not 0 < fdr < 1:
            raise ValueError(f"fdr={fdr} must be above 0 and below 1.")
        self._warn_few()
        p = self.p_values(X)
        refuse_missing(np.isnan(p))
        return np.where(false_discovery_control(p) <= fdr, -1, 1)

    def _few_pairs(self) -> str | None:
        """Return what to warn of if the threshold rests on few calibration rows, else None."""
        calibration = calibration_of(self)
        return None if calibration is None else calibration.warning()

    def _fit(self, X: Any, groups: ArrayLike | None = None, **per_row: Any) -> None:
        prototype = MahalanobisDetector() if self.detector is None else self.detector
        if not (hasattr(prototype, "score_samples") or hasattr(prototype, "decision_function")):
            raise TypeError(
                f"{prototype!r} has neither score_samples nor decision_function after fit. Give a "
                "detector that scores new rows (for LocalOutlierFactor: novelty=True)."
            )
        folds, weights = self._folds(_num_samples(X), groups)
        self.detectors_ = []
        self.calibration_scores_ = []
        self.calibration_masses_ = []
        with progress_bar(
            total=len(folds), desc="calibrating", unit="fit", verbose=self.verbose
        ) as bar:
            for rest, held_out in folds:
                detector = clone(prototype).fit(_safe_indexing(X, rest))
                scores = _scores(detector, _safe_indexing(X, held_out))
                self._keep(detector, scores, weights[held_out])
                bar.update()
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.detectors_[0], name):
                setattr(self, name, getattr(self.detectors_[0], name))
        self.n_calibration_ = round(sum(masses[-1] for masses in self.calibration_masses_))
        units = "pairs" if groups is None else "groups"
        self._set_level(units)
        done = "calibrated on %d %s: rejects p <= %.3g"
        tell(_logger, self.verbose, done, self.n_calibration_, units, self.level_)

    def _keep(self, detector: Any, scores: NDArray, weights: NDArray) -> None:
        """Keep a fitted detector, with the scores and weights of the rows held out from it."""
        if not np.isfinite(scores).all():
            raise ValueError(f"{detector!r} gives infinite scores to held-out genuine rows.")
        order = np.argsort(scores, kind="stable")
        self.detectors_.append(detector)
        self.calibration_scores_.append(scores[order])
        self.calibration_masses_.append(np.cumsum([0.0, *weights[order]]))

    def _folds(self, n_samples: int, groups: ArrayLike | None) -> tuple[list, NDArray]:
        """Split row numbers into those to fit on and those held out; weigh every row."""
        codes = np.arange(n_samples)
        if groups is not None:
            codes = group_codes(column_or_1d(groups).tolist())
        counts = np.bincount(codes)
        if len(counts) < 2:
            raise ValueError(
                f"Too few genuine rows to calibrate on: got n_samples={n_samples} in {len(counts)} "
                "groups, need at least 2 groups. A row without a group counts as one."
            )
        splitter: Any
        if self.method == "split":
            shuffle = ShuffleSplit if groups is None else GroupShuffleSplit
            splitter = shuffle(1, test_size=self.calibration_size, random_state=self.random_state)
        else:  # shuffled: folds that are balanced by the size of groups are not exchangeable
            k_fold = KFold if groups is None else GroupKFold
            splitter = k_fold(self.cv, shuffle=True, random_state=self.random_state)
        folds = splitter.split(codes, groups=None if groups is None else codes)
        return list(folds), 1 / counts[codes]

    def _set_level(self, units: str) -> None:
        """Set the level of rejection and what it guarantees; warn if the target is out of reach."""
        n, k = self.n_calibration_, len(self.detectors_)
        least = float(_p_values(0.0, n))
        self.level_ = max(self.target_bpcer, least)
        self.bpcer_bound_ = self.level_
        if k > 1:
            self.bpcer_bound_ = min(1.0, 2 * (self.level_ * (n + 1) + k - 1) / (n + k))
        if least <= self.target_bpcer:
            return
        needed = total = math.ceil(round(1 / self.target_bpcer, 9)) - 1
        if k == 1 and isinstance(self.calibration_size, float):
            total = math.ceil(needed / self.calibration_size)
        warnings.warn(
            f"target_bpcer={self.target_bpcer:g} needs at least {needed} genuine calibration "
            f"{units}, there are {n}: rows are rejected at the level {self.level_:.3g} instead, "
            f"the least that {n} allow. Fit on {total} genuine {units} or more, or raise "
            "target_bpcer.",
            UserWarning,
            stacklevel=2,
        )

    def _offset(self, X: Any) -> float:
        if len(self.detectors_) > 1:
            return 0.0
        (scores,), (masses,) = self.calibration_scores_, self.calibration_masses_
        p = _p_values(masses[np.searchsorted(scores, scores, side="right")], self.n_calibration_)
        return float(scores[p > self.level_][0])

    def _score(self, X: Any) -> NDArray[np.float64]:
        scores = self._inner_scores(X)
        return scores[0] if len(scores) == 1 else self._margin(np.column_stack(scores))

    def _margin(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far every row exceeds calibration scores of enough weight to be accepted.

        By how much it exceeds each of them, under the detector that did not see it, is sorted
        downwards; the margin is the amount at which their weight makes ``p > level_``. So it is
        zero or more exactly where the row's own p-value is above `level_`.
        """
        lowest = []  # scores of each detector that matter: those it takes to weigh enough
        for masses in self.calibration_masses_:
            enough = _p_values(masses[1:], self.n_calibration_) > self.level_
            lowest.append(int(enough.argmax()) + 1 if enough.any() else len(enough))
        cut = list(zip(self.calibration_scores_, self.calibration_masses_, lowest, strict=True))
        calibration = np.concatenate([values[:n] for values, _, n in cut])
        weight = np.concatenate([np.diff(masses)[:n] for _, masses, n in cut])
        detector = np.repeat(np.arange(len(cut)), lowest)
        margin = np.empty(len(scores))
        for rows in gen_batches(len(scores), max(1, _CHUNK // len(calibration))):
            above = scores[rows][:, detector] - calibration
            order = np.argsort(-above, axis=1)
            p = _p_values(np.cumsum(weight[order], axis=1), self.n_calibration_)
            last = np.argmax(p > self.level_, axis=1)[:, np.newaxis]
            margin[rows] = np.take_along_axis(above, np.take_along_axis(order, last, 1), 1)[:, 0]
        return margin

    def _inner_scores(self, X: Any) -> list[NDArray[np.float64]]:
        return [_scores(detector, X) for detector in self.detectors_]

    def _validate(self, X: Any, *, reset: bool) -> Any:
        """Leave `X` to the detector, but name bad rows by their number in the whole of it."""
        (X,) = indexable(X)
        floats = isinstance(X, np.ndarray) and X.dtype.kind == "f" and X.ndim > 1 and X.size
        if floats and not get_tags(self).input_tags.allow_nan:
            check_finite(X)
        return X

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if self.detector is not None:
            tags.input_tags = get_tags(self.detector).input_tags
        return tags


def _p_values(mass: Any, n_calibration: int) -> NDArray[np.float64]:
    """Turn the weight of calibration scores at or below a row's own into its p-value.

    The row itself counts among them: this is the finite-sample correction. Rounded, so that
    weights such as 1/3 may be added up in any order.
    """
    return np.round((1.0 + mass) / (n_calibration + 1.0), 12)


def _scores(detector: Any, X: Any) -> NDArray[np.float64]:
    """Score rows by a fitted detector; raise an error if it cannot tell."""
    score = getattr(detector, "score_samples", None) or detector.decision_function
    scores = np.asarray(score(X), dtype=np.float64)
    if np.isnan(scores).any():
        raise ValueError(f"{detector!r} scores row {np.isnan(scores).argmax()} with NaN.")
    return scores
