"""Wrap PyOD detectors in scikit-learn's conventions, fitted on genuine rows only."""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from sklearn_diffake.base import BaseDetector
from sklearn_diffake.novelty._pyod_networks import (
    NETWORKS,
    fit_network,
    name_of,
    own_randomness,
    pack,
    unpack,
)
from sklearn_diffake.utils._optional import import_pyod
from sklearn_diffake.utils._progress import log_step
from sklearn_diffake.utils._sklearn_compat import HasMethods, _clone_parametrized
from sklearn_diffake.utils._threads import one_thread

_logger = logging.getLogger(__name__)

# Detectors that use only their `random_state` and score each row independently, or do so with
# `_tail_scores`. The value is whether `fit` scores a training row without that row, so that
# `decision_function` gives another score.
_ROW_WISE = {
    "pyod.models.copod.COPOD": True,
    "pyod.models.ecod.ECOD": True,
    "pyod.models.gmm.GMM": False,
    "pyod.models.hbos.HBOS": False,
    "pyod.models.iforest.IForest": False,
    "pyod.models.inne.INNE": False,
    "pyod.models.knn.KNN": True,
    "pyod.models.lof.LOF": True,
    "pyod.models.mcd.MCD": False,
    "pyod.models.ocsvm.OCSVM": False,
    "pyod.models.pca.PCA": False,
}
# Types in a saved PyODDetector besides numpy, scikit-learn and this package: data only.
PYOD_TYPES = frozenset(_ROW_WISE)

# How ECOD and COPOD combine the two tails of a feature without skewness.
_TAILS: dict[str, Any] = {
    "pyod.models.copod.COPOD": lambda left, right: (left + right) / 2,
    "pyod.models.ecod.ECOD": np.maximum,
}
_MIXERS = np.array([0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93], dtype=np.uint64)  # odd, no pattern
_PROBE_ROWS = 8
_PROBE_TOLERANCE = 1e-5  # relative to the range of scores: more than rounding of float32


class PyODDetector(BaseDetector):
    """Wrap a PyOD detector in the conventions of scikit-learn's outlier detectors.

    PyOD is installed with the extra ``pyod``: ``pip install 'sklearn-diffake[pyod]'``.

    The sign of scores is changed (higher is more genuine), ``predict`` returns +1 and -1, rows
    labeled -1 are ignored by fit, and one `random_state` controls all randomness. Parameters of the
    inner detector can be searched: ``detector__n_neighbors``.

    Parameters
    ----------
    detector : PyOD detector or None, default=None
        An instance such as ``pyod.models.knn.KNN()``; a clone of it is fitted. None means
        ``pyod.models.ecod.ECOD()``, which has no parameters and no randomness. For scikit-learn's
        detectors, use :class:`GenuineOnly`.
    contamination : float in (0, 0.5], default=0.05
        Fraction of the genuine training rows that the threshold rejects, for which ``predict``
        returns -1. It replaces the `contamination` of `detector`.
    random_state : int, RandomState instance or None, default=None
        Seed of the detector, also of one without such a parameter. None keeps the detector's
        `random_state`. Pass an int for the same result on every fit.
    verbose : bool or int, default=False
        Replaces the `verbose` of `detector`, if it has one: networks of PyOD print by default.
        2 also logs the duration of the fit.

    Attributes
    ----------
    detector_ : PyOD detector
        The fitted clone of `detector`.
    batch_dependent_ : bool
        Whether the score of a row depends on the other rows in the batch; see Notes.
    offset_ : float
        The `contamination` quantile of ``score_samples`` over the genuine training rows;
        ``decision_function = score_samples - offset_``.
    n_genuine_ : int
        Number of genuine rows in fit.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit, if all of them are strings.

    See Also
    --------
    GenuineOnly : For scikit-learn's detectors.

    Notes
    -----
    **Training rows.** A training row is scored against all *other* rows, as in PyOD: KNN, LOF,
    ECOD, COPOD and LUNAR exclude it when they score their training sample. If it were scored as a
    new row, it would be its own nearest neighbor, and the threshold would reject more new genuine
    rows than `contamination` (all of them with one neighbor). Training rows are recognized by their
    values, so ``score_samples`` of the training rows is ``-detector_.decision_scores_``.

    **Batches.** PyOD's ECOD and COPOD add the batch to the training sample. Here each row is added
    separately: its score is that of PyOD for a batch of one row. VAE scores by a random draw in
    PyOD, here by the mean of the latent distribution. Networks are trained in float32 and score in
    float64, in which rows depend on their batch only by rounding. ECOD, COPOD, IForest, KNN, LOF,
    OCSVM, PCA, MCD, GMM, HBOS, INNE, LUNAR, AutoEncoder, VAE and DeepSVDD are known to score rows
    independently. Any other detector is tested: it scores one row alone and with seven others. If
    the scores differ, or if it cannot score one row, a warning is issued and ``batch_dependent_``
    is True. (In PyOD 3.6: CD, COF, DIF, KPCA, LMDD, RGraph, ROD, SOD, SOS.) With such a detector,
    always score the same batches.

    **Randomness.** Detectors that draw from global generators (those with a network, and all but
    the fifteen) are fitted and score one at a time even in threads, on one OpenMP thread, with
    these generators seeded and restored. Other code that uses the generators in another thread
    meanwhile, such as a constructor of PyOD's networks, is not blocked.

    **Adjustments.** If the detector has these parameters, `n_features` is set to the number of
    features, and `batch_size` is limited to the number of genuine rows (PyOD drops incomplete
    batches).

    Examples
    --------
    >>> import numpy as np
    >>> from pyod.models.knn import KNN
    >>> from sklearn_diffake.novelty import PyODDetector
    >>> rng = np.random.default_rng(0)
    >>> genuine, fake = rng.normal(size=(200, 4)), rng.normal(5.0, size=(3, 4))
    >>> detector = PyODDetector(KNN(n_neighbors=3)).fit(genuine)
    >>> detector.predict(fake)
    array([-1, -1, -1])
    """

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "detector": [HasMethods(["fit", "decision_function"]), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    detector_: Any
    batch_dependent_: bool
    _tails_: dict[str, NDArray[np.float64]] | None
    _known_keys_: NDArray[np.uint64]
    _known_scores_: NDArray[np.float64]

    def __init__(
        self,
        detector: Any = None,
        *,
        contamination: float = 0.05,
        random_state: int | RandomState | None = None,
        verbose: bool | int = False,
    ):
        self.detector = detector
        self.contamination = contamination
        self.random_state = random_state
        self.verbose = verbose

    def _fit(self, X: NDArray[np.float64], **per_row: Any) -> None:
        template = self._checked_detector()
        name = name_of(template)
        if len(X) < 2:
            raise ValueError(
                f"Too few genuine rows for {name}: got n_samples={len(X)}, need at least 2."
            )
        settings, seed = self._settings(template, *X.shape)
        start = time.perf_counter()
        with _surroundings(name, seed):
            # Cloned again, because some create in their constructor what they use in fit.
            self.detector_ = clone(clone(template).set_params(**settings))
            if name in NETWORKS:
                fit_network(self.detector_, X)
            else:
                self.detector_.fit(X)
        seconds = time.perf_counter() - start
        log_step(_logger, self.verbose, "fitted %s on %d rows in %.1f s", name, len(X), seconds)
        self._tails_ = _make_tails(self.detector_, X)
        self._prepare_scoring(X, name)

    def _checked_detector(self) -> Any:
        base = import_pyod("pyod.models.base")
        if self.detector is None:
            return import_pyod("pyod.models.ecod").ECOD()
        if not isinstance(self.detector, base.BaseDetector):
            raise TypeError(
                f"detector must be an instance of a PyOD detector, got {self.detector!r}. "
                "For scikit-learn's detectors, use GenuineOnly."
            )
        return self.detector

    def _settings(self, template: Any, n_samples: int, n_features: int) -> tuple[dict, int]:
        """Return parameters of the detector to change, and a seed."""
        params = template.get_params(deep=True)
        settings: dict[str, Any] = {"contamination": self.contamination}
        settings["verbose"] = int(bool(self.verbose))  # with 2, some print and show no bar
        settings["n_features"] = n_features
        if isinstance(params.get("batch_size"), int):
            settings["batch_size"] = min(params["batch_size"], n_samples)
        detector_state = params.get("random_state")
        source = check_random_state(
            detector_state if self.random_state is None else self.random_state
        )
        seed = int(source.randint(np.iinfo(np.int32).max))
        if self.random_state is not None:
            random = [key for key in params if key.rpartition("__")[2] == "random_state"]
            settings.update(dict.fromkeys(random, seed))
        return {key: value for key, value in settings.items() if key in params}, seed

    def _prepare_scoring(self, X: NDArray[np.float64], name: str) -> None:
        """Test how the fitted detector scores, and store scores of training rows if necessary."""
        scores = np.ravel(self.detector_.decision_scores_).astype(np.float64)
        if not np.isfinite(scores).all():
            row = np.flatnonzero(~np.isfinite(scores))[0]
            raise ValueError(f"{name} gives genuine row {row} the score {scores[row]}.")
        self.batch_dependent_ = False
        leaves_out = _ROW_WISE.get(name, name.endswith(".LUNAR"))
        if name not in _ROW_WISE and name not in NETWORKS:
            self.batch_dependent_, leaves_out = self._probe(X[:_PROBE_ROWS], scores)
        if self.batch_dependent_:
            warnings.warn(
                f"The score of {name} for a row depends on the other rows in the batch. Always "
                "score the same batches.",
                UserWarning,
                stacklevel=2,
            )
        keys, first = np.unique(_row_keys(X if leaves_out else X[:0]), return_index=True)
        self._known_keys_, self._known_scores_ = keys, -scores[first]

    def _probe(self, X: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[bool, bool]:
        """Return if scores depend on the batch, and if those of training rows differ from `scores`.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            The first training rows.
        scores : ndarray of shape (n_training_samples,)
            Scores of the training rows by PyOD in fit.
        """
        tolerance = _PROBE_TOLERANCE * np.ptp(scores)
        try:
            with own_randomness(0):
                batch_scores = np.ravel(self.detector_.decision_function(X))
                single_score = np.ravel(self.detector_.decision_function(X[:1]))
        except Exception:  # any error: some cannot score fewer rows than neighbors
            return True, True
        same_alone = np.abs(batch_scores[:1] - single_score).max() <= tolerance
        as_in_fit = np.abs(batch_scores - scores[: len(X)]).max() <= tolerance
        return not same_alone, not as_in_fit

    def _score(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._tails_ is not None:
            new = _tail_scores(self.detector_, self._tails_, X)
        elif name_of(self.detector_) in _ROW_WISE:
            new = self.detector_.decision_function(X)
        else:
            with own_randomness(0):  # loading batches draws a random number, and scoring may, too
                new = self.detector_.decision_function(X)
        scores = -np.ravel(new).astype(np.float64)
        if len(self._known_keys_):
            keys = _row_keys(X)
            positions = np.searchsorted(self._known_keys_, keys).clip(
                max=len(self._known_keys_) - 1
            )
            is_training_row = self._known_keys_[positions] == keys
            scores[is_training_row] = self._known_scores_[positions[is_training_row]]
        return scores

    def _offset(self, X: NDArray[np.float64]) -> float:
        # the scores of the training rows that PyOD computed in fit
        return float(np.quantile(-np.ravel(self.detector_.decision_scores_), self.contamination))

    def __sklearn_clone__(self) -> PyODDetector:
        with own_randomness():  # constructors of PyOD's networks seed global generators
            return _clone_parametrized(self)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {key: pack(v) if name_of(v) in NETWORKS else v for key, v in state.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        packed = {key for key, v in state.items() if isinstance(v, dict) and "pyod" in v}
        super().__setstate__({k: unpack(v) if k in packed else v for k, v in state.items()})


def _surroundings(name: str, seed: int) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which to fit a detector."""
    if name.endswith(".GMM"):  # threads of k-means sum in random order
        return one_thread("openmp")
    return contextlib.nullcontext() if name in _ROW_WISE else own_randomness(seed)


def _row_keys(X: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return a hash of each row's values, equal in all processes and batches.

    Multilinear hashing of mixed bits: the probability of a collision is about 2**-64.
    """
    weights = _mix(np.arange(1, X.shape[1] + 1, dtype=np.uint64)) | np.uint64(1)
    # Arithmetic of uint64 is exact, whatever the batch; + 0.0 changes -0.0 to 0.0
    return _mix((X + 0.0).view(np.uint64)) @ weights


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of each number by a bijection."""
    for factor in _MIXERS:
        bits = (bits ^ (bits >> np.uint64(32))) * factor
    return bits ^ (bits >> np.uint64(32))


def _make_tails(detector: Any, X: NDArray[np.float64]) -> dict[str, NDArray[np.float64]] | None:
    """Return the tables of `_tail_scores` for ECOD or COPOD, else None.

    Returns
    -------
    tables : dict or None
        For each feature of the training sample its mean and the sums of squared and cubed
        deviations, and the score of each possible tail.
    """
    if name_of(detector) not in _TAILS:
        return None
    # Each feature is sorted separately: ECOD and COPOD use features independently.
    values = np.ascontiguousarray(X.T)
    values.sort(axis=1)
    detector.X_train = values.T
    for leftover in ("U_l", "U_r", "U_skew"):  # left by scoring, as large as the training sample
        vars(detector).pop(leftover, None)
    mean = X.mean(axis=0)
    deviation = X - mean
    square, cube = (
        (deviation * deviation).sum(axis=0),
        (deviation * deviation * deviation).sum(axis=0),
    )
    # Tails that hold 0, 1 ... n training rows, and the scored row itself
    tails = -np.log(np.arange(1, len(X) + 2) / (len(X) + 1))
    return {"mean": mean, "square": square, "cube": cube, "tails": tails}


def _tail_scores(
    detector: Any, tables: dict[str, NDArray[np.float64]], X: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the scores of ECOD or COPOD for each row in a batch of its own.

    The score is based on tail probabilities in the training sample and the row; higher means less
    genuine.
    """
    combine = _TAILS[name_of(detector)]
    n = len(detector.X_train)
    scores = np.zeros(len(X))
    for j, values in enumerate(detector.X_train.T):
        x = np.ascontiguousarray(X[:, j])
        below = np.searchsorted(values, x)
        at_most = below.copy()
        tied = values[np.minimum(below, n - 1)] == x
        at_most[tied] = np.searchsorted(values, x[tied], side="right")
        left, right = tables["tails"][at_most], tables["tails"][n - below]
        # Shift of the mean by the row, and sum of cubed deviations from the new mean.
        shift = (x - tables["mean"][j]) / (n + 1)
        cube = tables["cube"][j] - 3 * shift * tables["square"][j]
        cube += n * (n**2 - 1.0) * shift * shift * shift
        skewed = np.where(cube > 0, right, np.where(cube < 0, left, left + right))
        scores += np.maximum(skewed, combine(left, right))
    return scores
