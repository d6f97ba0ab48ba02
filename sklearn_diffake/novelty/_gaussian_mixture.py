"""A Gaussian mixture over the differences of genuine pairs, after DiffFake."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from sklearn_diffake.novelty._mixture_sums import MixtureStream
from sklearn_diffake.novelty._partial_fit import (
    SAMPLE_ROWS,
    PartialFitDetector,
    TooFewRows,
    rows_without_spread,
)
from sklearn_diffake.utils._arrays import exceeds_rounding
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions
from sklearn_diffake.utils._threads import one_thread

_MAX_SHRINKAGE = 0.99  # of "auto": at 1 the data would have no say
_ROWS_PER_FEATURE = 4  # genuine rows per covariance and feature below which "auto" reduces


class GaussianMixtureDetector(PartialFitDetector):
    """Score a difference by its likelihood under a Gaussian mixture of genuine differences.

    The detector of DiffFake [1]_, three components with full covariances, fitted by
    expectation-maximisation (:class:`~sklearn.mixture.GaussianMixture`), with two ways to stay
    well-posed when there are fewer genuine pairs than full covariances need: fewer features
    (`n_pca`), or shrunk covariances (`shrinkage`).

    Parameters
    ----------
    n_components : int, default=3
        Number of Gaussians. At least ``2 * n_components`` genuine rows are needed.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        One covariance matrix per Gaussian, one matrix for all, one variance per Gaussian and
        feature, or one variance per Gaussian.
    n_pca : int, float in (0, 1), "auto" or None, default="auto"
        Number of principal components of the genuine rows that the mixture sees; a float keeps
        this fraction of their variance; None keeps every feature. ``"auto"`` keeps every feature as
        long as each covariance matrix has at least four rows per feature, that is,
        ``n_genuine >= 4 * n_components * n_features`` for ``"full"`` and
        ``n_genuine >= 4 * n_features`` for ``"tied"``; below that it keeps
        ``n_genuine // (4 * n_components)`` and ``n_genuine // 4`` components, at least one.
        It never reduces ``"diag"`` and ``"spherical"``, whose every variance is estimated from
        all rows of its Gaussian, nor when `shrinkage` is given, which solves the same problem.
        What lies outside the kept components is not seen: it can neither raise nor lower a score.
    shrinkage : float in [0, 1), "auto" or None, default=None
        Pull covariances towards a multiple of the identity: to their diagonal is added
        ``s / (1 - s)`` times the mean variance of the genuine rows in every step of the fit. Up to
        the factor ``1 / (1 - s)`` this is the shrunk covariance of Ledoit and Wolf [2]_.
        ``"auto"`` takes their coefficient for the covariance of all genuine rows, at most 0.99.
    reg_covar : float >= 0, default=1e-6
        Added to the diagonal of covariances, relative to the mean variance of the features that
        the mixture sees. (An absolute amount, as in scikit-learn, would swamp differences of unit
        embeddings, whose variances are about 1e-8.) Features on very different scales should be
        standardized first.
    contamination : float in (0, 0.5], default=0.05
        Fraction of the genuine training rows that the threshold rejects, that is, which
        ``predict`` calls -1.
    max_iter : int, default=200
        Most iterations of expectation-maximisation; if they do not suffice,
        :class:`~sklearn.exceptions.ConvergenceWarning` is issued.
    n_init : int, default=1
        Number of starts, of which the likeliest result is kept.
    device : str, default="cpu"
        Where the mixture is fitted. ``"cpu"`` is scikit-learn's own fit. ``"cuda"`` (or
        ``"cuda:1"`` and so on) takes the same steps in float64 on a GPU if `covariance_type` is
        ``"full"`` or ``"tied"``, with likelihoods that agree to rounding; it pays where features
        are many. ``"auto"`` takes a CUDA GPU if there is one, else scikit-learn. The fitted state
        is of one kind either way, and ``score_samples`` always runs on the CPU.
    random_state : int, RandomState instance or None, default=None
        Seeds the k-means that starts the fit. Pass an int for the same result on every fit.

    Attributes
    ----------
    mixture_ : :class:`~sklearn.mixture.GaussianMixture`
        The fitted mixture, of rows less ``location_`` and, if any, projected by ``pca_``.
    pca_ : :class:`~sklearn.decomposition.PCA` or None
        The fitted projection; None if every feature is kept.
    location_ : ndarray of shape (n_features,)
        Mean of the genuine training rows, subtracted from every row.
    shrinkage_ : float
        The coefficient used; 0 for none.
    n_iter_ : int
        Number of iterations of the kept start.
    converged_ : bool
        Whether the kept start converged.
    stream_ : object or None
        What `partial_fit` goes on from, see Notes; None after `fit`.
    offset_ : float
        The `contamination` quantile of ``score_samples`` over the genuine training rows, in nats
        (after `partial_fit`: over a sample of them, see Notes);
        ``decision_function = score_samples - offset_``.
    n_genuine_ : int
        Number of genuine rows that were learned from.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit, if all of them are strings.

    See Also
    --------
    sklearn_diffake.pairs.PairDifference : Makes the differences.

    Notes
    -----
    ``score_samples`` is the log-likelihood in nats. Where rows are projected it is that of the
    projection, and so comparable only between detectors that keep as many components.

    k-means runs on one thread: several add up in an order of chance, which would show in the last
    digits of scores. For the rest, a fit repeats bit for bit where the linear algebra library uses
    as many threads; another number changes rounding only.

    `partial_fit` holds the first rows, ``max(8192, 4 * n_components * n_features)`` for ``"full"``
    and ``max(8192, 4 * n_features)`` for the other types, and as long as there are no more it is
    `fit` on all of them. On further rows the mixture goes on by online expectation-maximization
    [3]_ with step 1/n, on the CPU: the responsibilities for a row are estimated once, when the row
    comes, and all rows have the same weight. With one component, that equals `fit` on all rows to
    rounding. With several it is approximate: on rows in random order the mean log-likelihood of new
    rows was within 0.004 nats of that after `fit`, and the AUC within 0.0003 (60,000 differences of
    16 or 24 features, three full components). A fit on the first 8,192 of these rows alone was 0.02
    to 0.08 nats below. The order matters, so shuffle the rows: video by video, the likelihood was
    lower by up to 0.02 nats, and on rows sorted by length by up to 7 nats (AUC 0.001). Iterations
    and convergence are those of the first rows. `n_pca` must be ``"auto"``, which keeps every
    feature of so many rows, or None.

    The threshold after `partial_fit` is that of a uniform random sample of as many rows as were
    held at first, scored again after each chunk: the fraction of all genuine rows below it is
    `contamination` with a standard error of at most
    ``sqrt(contamination * (1 - contamination) / 8192)``. The sample is in ``stream_``, and so in a
    saved model; as these rows are differences of real people, set ``stream_ = None`` before you
    hand the model on. Verdicts stay the same; `partial_fit` then begins from the start.

    References
    ----------
    .. [1] S. Stamnas, V. Sanchez, "DiffFake: Exposing Deepfakes using Differential Anomaly
       Detection", WACVW 2025, arXiv:2502.16247.
    .. [2] O. Ledoit, M. Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance
       Matrices", Journal of Multivariate Analysis 88(2), 2004.
    .. [3] O. Cappé, E. Moulines, "On-Line Expectation-Maximization Algorithm for Latent Data
       Models", Journal of the Royal Statistical Society B 71(3), 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.novelty import GaussianMixtureDetector
    >>> rng = np.random.default_rng(0)
    >>> genuine, fake = rng.normal(size=(200, 4)), rng.normal(5.0, size=(3, 4))
    >>> detector = GaussianMixtureDetector(random_state=0).fit(genuine)
    >>> detector.predict(fake)
    array([-1, -1, -1])
    """

    _parameter_constraints: dict = {
        **PartialFitDetector._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions({"full", "tied", "diag", "spherical"})],
        "n_pca": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            StrOptions({"auto"}),
            None,
        ],
        "shrinkage": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"}), None],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "random_state": ["random_state"],
    }

    mixture_: Any
    pca_: Any
    location_: Any
    shrinkage_: Any
    converged_: bool
    n_iter_: int

    def __init__(
        self,
        n_components: int = 3,
        *,
        covariance_type: Literal["full", "tied", "diag", "spherical"] = "full",
        n_pca: int | float | Literal["auto"] | None = "auto",
        shrinkage: float | Literal["auto"] | None = None,
        reg_covar: float = 1e-6,
        contamination: float = 0.05,
        max_iter: int = 200,
        n_init: int = 1,
        device: str = "cpu",
        random_state: int | RandomState | None = None,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.n_pca = n_pca
        self.shrinkage = shrinkage
        self.reg_covar = reg_covar
        self.contamination = contamination
        self.max_iter = max_iter
        self.n_init = n_init
        self.device = device
        self.random_state = random_state

    def _fit(self, X: NDArray[np.float64], **per_row: Any) -> None:
        self.stream_ = None
        self._fit_rows(X)

    def _fit_rows(self, X: NDArray[np.float64]) -> None:
        """Fit projection and mixture on rows that are held together."""
        self._check_rows(X)
        self.location_ = X.mean(axis=0)
        Z = X - self.location_
        n_pca = self._n_pca(*X.shape)
        # Both are exact, and the same for every seed; of many rows the covariance is quicker.
        solver = "covariance_eigh" if len(X) > X.shape[1] else "full"
        pca = PCA(n_pca, svd_solver=solver).set_output(transform="default")
        self.pca_ = None if n_pca is None else pca.fit(Z)
        Z = Z if self.pca_ is None else self.pca_.transform(Z)
        self.shrinkage_ = self._shrinkage(Z)
        self.mixture_ = GaussianMixture(
            self.n_components,
            covariance_type=self.covariance_type,
            reg_covar=self._ridge(Z.var(axis=0)),
            max_iter=self.max_iter,
            n_init=self.n_init,
            random_state=self.random_state,
        )
        device = self._accelerator()
        if device is None:
            with one_thread("openmp"):
                self.mixture_.fit(Z)
        else:
            from sklearn_diffake.novelty import _torch_mixture

            _torch_mixture.fit(self.mixture_, Z, device)
        self.n_iter_ = self.mixture_.n_iter_
        self.converged_ = self.mixture_.converged_

    def _check_chunks(self) -> None:
        if self.n_pca not in (None, "auto"):
            raise AttributeError(
                f"n_pca={self.n_pca} cannot be learned chunk by chunk, since the components change "
                'with each chunk. Use n_pca="auto" or None, and learn a projection before the '
                "detector: DifferenceScaler(n_components) has partial_fit as well."
            )

    def _new_stream(self, n_features: int) -> MixtureStream:
        # So many rows that n_pca="auto" keeps every feature of them.
        enough = _ROWS_PER_FEATURE * self._n_matrices() * n_features
        max_rows = max(SAMPLE_ROWS, 2 * self.n_components, enough)
        return MixtureStream(self.n_components, self.covariance_type, max_rows)

    def _learn_chunk(self, X: NDArray[np.float64]) -> None:
        stream = self.stream_
        for name in ("n_components", "covariance_type"):
            if getattr(self, name) != getattr(stream, name):
                raise ValueError(
                    f"{name} was {getattr(stream, name)!r} for the chunks before and cannot become "
                    f"{getattr(self, name)!r}. Begin with a clone."
                )
        if not stream.has_sums:
            X = self._fit_held(X)
        if len(X):
            stream.partial_fit(X)
            self.location_ = stream.moments_.mean_
            if self.shrinkage == "auto":
                self.shrinkage_ = min(stream.moments_.ledoit_wolf(), _MAX_SHRINKAGE)
            self.mixture_.reg_covar = self._ridge(stream.moments_.variances)
            stream.set_parameters(self.mixture_, self.location_)
            stream.update(self.mixture_, X, self.location_)

    def _fit_held(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fit on all rows so far, as long as they are held; return those that are too many."""
        stream = self.stream_
        n_free = stream.max_rows - stream.n_rows
        if n_free:
            stream.partial_fit(X[:n_free])
        rows = stream.sample_.rows_
        try:
            self._fit_rows(rows)
        except TooFewRows as error:
            if stream.n_rows < stream.max_rows:
                raise
            raise ValueError(str(error)) from error  # no more rows can be held
        if len(X) > n_free:
            stream.begin(rows, self.mixture_.predict_proba(rows - self.location_))
            for name in ("lower_bound_", "lower_bounds_"):  # which hold for these rows only
                vars(self.mixture_).pop(name, None)
        return X[n_free:]

    def _score(self, X: NDArray[np.float64], device: str | None = None) -> NDArray[np.float64]:
        Z = X - self.location_
        Z = Z if self.pca_ is None else self.pca_.transform(Z)
        if device is None:
            return self.mixture_.score_samples(Z)
        from sklearn_diffake.novelty import _torch_mixture

        return _torch_mixture.score_samples(self.mixture_, Z, device)

    def _offset(self, X: NDArray[np.float64]) -> float:
        return float(np.quantile(self._score(X, self._accelerator()), self.contamination))

    def _accelerator(self) -> str | None:
        """Return the torch device to fit on; None for scikit-learn's own fit."""
        if self.device == "cpu":
            return None
        from sklearn_diffake.utils._device import resolve_device

        device = resolve_device(self.device)
        if device.startswith("cuda"):
            return device if self.covariance_type in ("full", "tied") else None
        if self.device == "auto":
            return None
        raise ValueError(
            f"device={self.device!r} cannot fit a mixture, which needs float64: "
            'use "cuda", "cpu" or "auto".'
        )

    def _check_rows(self, X: NDArray[np.float64]) -> None:
        """Raise an error if there are too few rows, or all of them are the same."""
        n_samples = len(X)
        if n_samples < 2 * self.n_components:
            raise TooFewRows(
                f"Too few genuine rows for n_components={self.n_components}: got "
                f"n_samples={n_samples}, need at least {2 * self.n_components}. Give more genuine "
                "pairs or reduce n_components."
            )
        if not exceeds_rounding(np.ptp(X, axis=0).max(), np.abs(X).max()):
            raise rows_without_spread(n_samples)

    def _n_pca(self, n_samples: int, n_features: int) -> int | float | None:
        """Resolve `n_pca` for this many genuine rows and features."""
        if self.n_pca == "auto":
            if self.shrinkage is not None or self.covariance_type in ("diag", "spherical"):
                return None
            affordable = max(1, n_samples // (_ROWS_PER_FEATURE * self._n_matrices()))
            return affordable if affordable < n_features else None
        if isinstance(self.n_pca, Integral) and self.n_pca > min(n_samples, n_features):
            raise ValueError(
                f"n_pca={self.n_pca} exceeds what {n_samples} genuine rows of {n_features} "
                f"features hold: at most {min(n_samples, n_features)} components."
            )
        return self.n_pca

    def _n_matrices(self) -> int:
        return self.n_components if self.covariance_type == "full" else 1

    def _ridge(self, variances: NDArray[np.float64]) -> float:
        """Return what is added to the diagonal of covariances, given the variances of features."""
        return (self.reg_covar + self.shrinkage_ / (1 - self.shrinkage_)) * float(variances.mean())

    def _shrinkage(self, Z: NDArray[np.float64]) -> float:
        """Resolve `shrinkage` for these centered rows."""
        if self.shrinkage == "auto":
            return float(min(ledoit_wolf_shrinkage(Z, assume_centered=True), _MAX_SHRINKAGE))
        return float(self.shrinkage or 0.0)
