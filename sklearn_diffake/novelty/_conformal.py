"""Conformal thresholds and p-values with a finite-sample guarantee, for any detector."""

from __future__ import annotations

import logging
import math
import warnings
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags, get_tags, indexable
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_diffake.base import check_finite
from sklearn_diffake.novelty._calibration import calibration_of
from sklearn_diffake.novelty._held_out import (
    checked_scores,
    codes_of_groups,
    finite_scores,
    held_out_folds,
)
from sklearn_diffake.novelty._mahalanobis import MahalanobisDetector
from sklearn_diffake.novelty._p_value_verdicts import PValueDetector
from sklearn_diffake.novelty._p_values import (
    ascending,
    check_n_images,
    cross_margin,
    least_n,
    level_for,
    mass_at,
    p_values_of_mass,
    row_weights,
)
from sklearn_diffake.utils._progress import log_step, progress_bar
from sklearn_diffake.utils._sklearn_compat import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
    _num_samples,
    _safe_indexing,
)

_logger = logging.getLogger(__name__)
_LEVEL = Interval(Real, 0, 1, closed="neither")


class ConformalDetector(PValueDetector):
    """Add p-values, and a threshold with a guaranteed rate on genuine pairs, to any detector.

    The detector is fitted on some of the genuine rows, and scores the others, the calibration rows.
    The p-value of a new row is the fraction of scores that are at most its score, among calibration
    scores and the row itself; rows with ``p <= target_bpcer`` are rejected as deepfakes. Then at
    most the fraction `target_bpcer` of new genuine rows is rejected, on average over calibration
    sets, without any assumption on the detector or the distribution [1]_ [2]_.

    Parameters
    ----------
    detector : estimator, default=None
        Anything with ``fit`` and ``score_samples`` (or ``decision_function``), higher meaning more
        genuine, such as a pipeline. It is cloned, and fitted on genuine rows without labels. None
        means :class:`MahalanobisDetector`.
    target_bpcer : float in (0, 1), default=0.01
        Largest allowed fraction of genuine rows rejected: the bona fide presentation classification
        error rate. It needs ``ceil(1 / target_bpcer) - 1`` calibration rows, or groups.
    method : {"split", "cv+"}, default="split"
        ``"split"`` fits once and calibrates on held-out rows. ``"cv+"`` fits `cv` times, so that
        every row is held out once, and keeps all these detectors [3]_ [4]_; it uses all data, but
        its guarantee is weaker, see Notes.
    calibration_size : float in (0, 1) or int, default=0.3
        Fraction or number of the genuine rows (groups) held out by ``"split"``.
    cv : int, default=5
        Number of folds of ``"cv+"``.
    abstain : float in (0, 1), default=None
        Upper end of the abstain band, above `target_bpcer`: ``predict_with_abstention`` abstains
        from rows with ``target_bpcer < p <= abstain``. None means no band.
    random_state : int, RandomState instance or None, default=None
        Seed of the split. The detector has its own seed.
    verbose : int, default=0
        Show a progress bar; 2 also logs the calibration.

    Attributes
    ----------
    detectors_ : list of estimators
        The fitted detectors: one for ``"split"``, `cv` for ``"cv+"``.
    calibration_scores_ : list of ndarray
        For each detector the ascending scores of the genuine rows held out from it.
    calibration_masses_ : list of ndarray
        For each detector the cumulated weights of the lowest 0, 1, 2, ... calibration scores. The
        weight of a row is 1, or one over the size of its group.
    n_calibration_ : int
        Number of calibration rows, or of groups if groups were passed.
    level_ : float
        Rows with ``p <= level_`` are rejected: `target_bpcer`, or ``1 / (n_calibration_ + 1)`` if
        there are too few calibration rows for it.
    categories_ : ndarray of shape (c, 2), int
        Numbers of reference and probe images that were calibrated separately, (1, 1) first. The
        attributes above are those of (1, 1).
    category_scores_, category_masses_ : list of ndarray
        As `calibration_scores_` and `calibration_masses_`, for each category. Empty for ``"cv+"``,
        whose only category is (1, 1).
    category_n_ : ndarray of shape (c,), int
        As `n_calibration_`, for each category.
    category_levels_ : ndarray of shape (c,), float
        As `level_`, for each category.
    bpcer_bound_ : float
        Proven bound on the expected fraction of genuine rows rejected: `level_` for ``"split"``.
    offset_ : float
        Threshold on ``score_samples``; 0 for ``"cv+"``.
    n_genuine_ : int
        Number of genuine rows in fit.
    n_features_in_ : int
        Number of features seen during fit, if the detector has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit, if the detector has them.

    See Also
    --------
    sklearn_diffake.recalibrate : Sets the threshold of a fitted model on other genuine pairs.
    sklearn_diffake.metrics.p_value_drift : Tests whether p-values still hold.
    sklearn.model_selection.FixedThresholdClassifier : A threshold for classifiers, without a
        guarantee.

    Notes
    -----
    **Guarantee.** If new genuine rows are exchangeable with those of fit, then ``P(p <= a) <= a``
    for each of them and every `a`, with ``"split"``. This is an average over calibration sets: with
    `n` calibration rows and no ties, the true rate of one fitted threshold varies as
    ``Beta(k, n + 1 - k)``, ``k = floor(a (n + 1))``. With ``"cv+"`` and `K` folds,
    ``P(p <= a) <= 2 a + 2 (1 - a) (K - 1) / (n + K)`` (`bpcer_bound_`; like Theorem 4 of [4]_, and
    because twice a mean of p-values is a p-value [5]_); in practice the rate is near `a` unless the
    detector is unstable. Nothing is guaranteed for genuine pairs that differ from those of fit
    (other cameras, other compression).

    **Groups.** Pairs of one identity are similar, so they are not exchangeable with pairs of other
    identities. With `groups`, no group is on both sides of a split, and every group has weight one,
    divided among its rows [6]_. The guarantees then hold with `n` the number of groups, if groups
    are exchangeable, for a row drawn at random from a new group; without `groups` they do not hold.
    In a pipeline, route them with ``set_fit_request(groups=True)``.

    **Templates.** The more images a template has, the higher are the scores of genuine pairs, so
    one threshold does not fit all. Therefore calibration is Mondrian [1]_: `n_images` are the
    numbers of reference and probe images of each row, scores are compared within such a category
    only, and the guarantee holds in each. A row whose category was not calibrated uses the nearest
    category with fewer images, whose genuine scores are lower, so it is rejected less often than
    allowed. ``predict`` assumes pairs of single images. :func:`sklearn_diffake.recalibrate` forms
    templates of genuine pictures and calibrates them.

    **Scores.** With ``"split"``, ``score_samples`` returns the scores of the detector. Scores of
    `K` detectors are not comparable, so with ``"cv+"`` the score of a row is the margin by which it
    exceeds enough calibration rows to be accepted, each compared under the detector from which it
    was held out. In both cases ``predict(X) == -1`` exactly where ``p_values(X) <= level_``.

    The package ``nonconform`` (2.0, BSD-3) computes conformal p-values, too, but no threshold: it
    has neither ``predict`` nor ``decision_function``, its scores are higher for anomalies, its
    groups are predefined categories and not identities, and it needs Python 3.12.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", 2005.
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
    >>> detector.p_values(fake).round(4)                 # the smallest of 150 rows
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

    bpcer_bound_: float

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
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        n_images: ArrayLike | None = None,
    ) -> Self:
        """Fit the detector on some genuine rows, and calibrate it on the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Whatever the detector takes.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake. Rows labeled -1 are neither used to fit nor to
            calibrate. None means that all rows are genuine.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, such as the identity. None means that every row is a group.
        n_images : array-like of shape (n_samples, 2), int, default=None
            Numbers of reference and probe images of each row; a clip counts as one. Only for
            ``"split"``. None means one of each.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If the detector gives no scores.
        ValueError
            If there are too few genuine rows or groups to split, `abstain` is not above
            `target_bpcer`, or `n_images` is not valid.

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
        if n_images is not None:
            n_images = check_n_images(n_images, _num_samples(X))
            if self.method == "cv+":
                raise ValueError(
                    'n_images needs method="split": "cv+" compares the scores of several detectors '
                    "and has one category. sklearn_diffake.recalibrate adds categories to the model"
                )
        self._fit_genuine(X, y, groups=groups, n_images=n_images)
        return self

    def p_values(self, X: Any, *, n_images: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the p-value of each row among genuine rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Whatever the detector takes.
        n_images : array-like of shape (n_samples, 2), int, default=None
            Numbers of reference and probe images of each row; None means one of each. See Notes
            of the class.

        Returns
        -------
        p : ndarray of shape (n_samples,), float64
            In ``[1 / (n + 1), 1]`` with the `n` of the row's category; small for deepfakes. A
            row's value does not depend on the others. NaN for a pair without a usable face.
        """
        check_is_fitted(self)
        if len(self.detectors_) == 1:
            return self.p_of_scores(self.score_samples(X), n_images)
        check_n_images(n_images, _num_samples(X))
        return self._of_present(self._cross_p_values, X)

    def _cross_p_values(self, X: Any) -> NDArray[np.float64]:
        scales = zip(self.calibration_scores_, self.calibration_masses_, strict=True)
        masses = [
            mass_at(scores, *scale)
            for scores, scale in zip(self._inner_scores(X), scales, strict=True)
        ]
        return np.asarray(p_values_of_mass(sum(masses), self.n_calibration_))

    def _few_pairs(self) -> str | None:
        """Return a warning if there were few calibration rows, else None."""
        calibration = calibration_of(self)
        return None if calibration is None else calibration.warning()

    def _fit(
        self,
        X: Any,
        groups: ArrayLike | None = None,
        n_images: NDArray[np.int64] | None = None,
        **per_row: Any,
    ) -> None:
        prototype = MahalanobisDetector() if self.detector is None else self.detector
        if not (hasattr(prototype, "score_samples") or hasattr(prototype, "decision_function")):
            raise TypeError(
                f"{prototype!r} has neither score_samples nor decision_function after fit. Give a "
                "detector that scores new rows (for LocalOutlierFactor: novelty=True)."
            )
        codes = codes_of_groups(_num_samples(X), groups)
        folds = held_out_folds(self, codes, grouped=groups is not None)
        self.detectors_ = []
        held_out_scores = []
        with progress_bar(
            total=len(folds), desc="calibrating", unit="fit", verbose=self.verbose
        ) as bar:
            for train, held_out in folds:
                detector = clone(prototype).fit(_safe_indexing(X, train))
                self.detectors_.append(detector)
                held_out_scores.append(finite_scores(detector, _safe_indexing(X, held_out)))
                bar.update()
        self._take_names(self.detectors_[0])
        units = "pairs" if groups is None else "groups"
        held_out_codes = [codes[held_out] for _, held_out in folds]
        if len(folds) == 1:
            counts = check_n_images(n_images, len(codes))[folds[0][1]]
            self._set_categories(held_out_scores[0], held_out_codes[0], counts)
            self._set_level()
        else:
            self._set_cross_calibration(held_out_scores, held_out_codes)
            self._set_level()
            self._set_single_category()
        self._warn_of_target(units)
        message = "calibrated on %d %s: rejects p <= %.3g"
        log_step(_logger, self.verbose, message, self.n_calibration_, units, self.level_)

    def _take_names(self, detector: Any) -> None:
        """Copy number and names of the features from a fitted detector, if it has them."""
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(detector, name):
                setattr(self, name, getattr(detector, name))

    def _set_cross_calibration(self, scores: list[NDArray], codes: list[NDArray]) -> None:
        """Set the calibration scores of every detector from the rows held out from it."""
        sorted_scores = [ascending(s, row_weights(c)) for s, c in zip(scores, codes, strict=True)]
        self.calibration_scores_ = [values for values, _ in sorted_scores]
        self.calibration_masses_ = [masses for _, masses in sorted_scores]
        self.n_calibration_ = round(sum(masses[-1] for masses in self.calibration_masses_))

    def _set_level(self) -> None:
        """Set the level of rejection and its guarantee."""
        n, k = self.n_calibration_, len(self.detectors_)
        self.level_ = level_for(self.target_bpcer, n)
        self.bpcer_bound_ = self.level_
        if k > 1:
            self.bpcer_bound_ = min(1.0, 2 * (self.level_ * (n + 1) + k - 1) / (n + k))

    def _warn_of_target(self, units: str) -> None:
        """Warn if there are too few calibration rows for the target."""
        if self.level_ == self.target_bpcer:
            return
        n_required = total = least_n(self.target_bpcer)
        if len(self.detectors_) == 1 and isinstance(self.calibration_size, float):
            total = math.ceil(n_required / self.calibration_size)
        warnings.warn(
            f"target_bpcer={self.target_bpcer:g} needs at least {n_required} genuine calibration "
            f"{units}, there are {self.n_calibration_}: rows are rejected at the level "
            f"{self.level_:.3g} instead, the lowest with {self.n_calibration_}. Fit on "
            f"{total} genuine {units} or more, or raise target_bpcer.",
            UserWarning,
            stacklevel=2,
        )

    def _offset(self, X: Any) -> float:
        return self.threshold_of(1, 1) if len(self.detectors_) == 1 else 0.0

    def _score(self, X: Any) -> NDArray[np.float64]:
        scores = self._inner_scores(X)
        if len(scores) == 1:
            return scores[0]
        calibration = self.calibration_scores_, self.calibration_masses_
        columns = np.column_stack(scores)
        return cross_margin(columns, *calibration, self.n_calibration_, self.level_)

    def _inner_scores(self, X: Any) -> list[NDArray[np.float64]]:
        return [checked_scores(detector, X) for detector in self.detectors_]

    def _validate(self, X: Any, *, reset: bool) -> Any:
        """Check only for NaN, with row numbers of the whole `X`; the detector checks the rest."""
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
