"""Any detector of PyOD as one of scikit-learn's, fitted on genuine rows only."""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.base import _clone_parametrized, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods

from sklearn_diffake.base import BaseDetector
from sklearn_diffake.novelty._pyod_networks import (
    NETWORKS,
    fit_network,
    name_of,
    own_randomness,
    pack,
    unpack,
)
from sklearn_diffake.utils._extras import import_pyod
from sklearn_diffake.utils._progress import log_step
from sklearn_diffake.utils._threads import one_thread

_logger = logging.getLogger(__name__)

# Detectors that draw from their own `random_state` only and score each row alone, or are made to
# by `_tail_scores`. The value tells whether a training row's score in `fit` leaves that row out,
# so that `decision_function` gives it another one.
_KNOWN = {
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
# What skops finds in a saved PyODDetector beside numpy, scikit-learn and this package: data only.
PYOD_TYPES = frozenset(_KNOWN)

# What ECOD and COPOD take of a feature's two tails if it is not skewed.
_TAILS: dict[str, Any] = {
    "pyod.models.copod.COPOD": lambda left, right: (left + right) / 2,
    "pyod.models.ecod.ECOD": np.maximum,
}
_MIXERS = np.array([0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93], dtype=np.uint64)  # odd, no pattern
_PROBE_ROWS = 8
_PROBE_TOLERANCE = 1e-5  # of the spread of scores: more than rounding of float32


class PyODDetector(BaseDetector):
    """Put a detector of PyOD behind the conventions of scikit-learn's outlier detectors.

    PyOD comes with the extra ``pyod``: ``pip install 'sklearn-diffake[pyod]'``.

    The sign is turned (higher is more genuine), ``predict`` gives +1 and -1, rows labelled -1 are
    not learned from, and one `random_state` decides all that is random. Parameters of the inner
    detector can be searched: ``detector__n_neighbors``.

    Parameters
    ----------
    detector : PyOD detector or None, default=None
        An instance such as ``pyod.models.knn.KNN()``; a clone of it is fitted. None takes
        ``pyod.models.ecod.ECOD()``, which has no parameters to choose and draws nothing at random.
        scikit-learn's own detectors go into :class:`GenuineOnly` instead.
    contamination : float in (0, 0.5], default=0.05
        Share of the genuine training rows that the threshold gives up, that is, which
        ``predict`` calls -1. It replaces the `contamination` of `detector`.
    random_state : int, RandomState instance or None, default=None
        Seeds the detector, also one that has no such parameter of its own. None leaves the
        detector's `random_state` as it is. Pass an int for the same result on every fit.
    verbose : bool or int, default=False
        Replaces the `verbose` of `detector`, if it has one: networks of PyOD print by default.
        With 2 also say how long the fit took.

    Attributes
    ----------
    detector_ : PyOD detector
        The fitted clone of `detector`.
    batch_dependent_ : bool
        Whether the score of a row depends on what other rows are scored with it; see Notes.
    offset_ : float
        The `contamination` quantile of ``score_samples`` over the genuine training rows;
        ``decision_function = score_samples - offset_``.
    n_genuine_ : int
        Number of genuine rows that were learned from.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit, if all of them are strings.

    See Also
    --------
    GenuineOnly : The same for scikit-learn's own detectors.

    Notes
    -----
    **Training rows.** A row that was learned from is scored against all the *other* rows, here as
    in PyOD: KNN, LOF, ECOD, COPOD and LUNAR leave it out when they score their training sample.
    Were it scored as a new row, it would be its own nearest neighbour, and the threshold would
    reject more unseen genuine rows than `contamination` says (all of them with one neighbour). Such
    rows are recognised by their values, so that ``score_samples`` of the training rows is
    ``-detector_.decision_scores_``.

    **Rows scored together.** PyOD's ECOD and COPOD add the rows to score to the training sample.
    Here each row is added alone: its score is what PyOD gives to it in a batch of one. VAE scores
    by a random draw in PyOD, by the mean of the latent distribution here. Networks are trained in
    float32 and score in float64, where rows do not depend on their batch but for rounding.
    ECOD, COPOD, IForest, KNN, LOF, OCSVM, PCA, MCD, GMM, HBOS, INNE, LUNAR, AutoEncoder, VAE and
    DeepSVDD are known to score rows alone. Any other detector is asked for the score of one row
    twice, alone and among seven others: if the two differ, or if it cannot score one row, a warning
    is issued and ``batch_dependent_`` is True. (In PyOD 3.6: CD, COF, DIF, KPCA, LMDD, RGraph, ROD,
    SOD, SOS.) Score such a detector's rows in batches that stay the same.

    **Randomness.** Detectors that draw from generators that all of a process share (those with a
    network, and any but the fifteen) are fitted and score one at a time even in threads, with these
    generators seeded for the time and put back as they were, and on one OpenMP thread. Other code
    that seeds or uses them in another thread meanwhile, such as a constructor of PyOD's networks,
    is not held back.

    **Adjustments.** `n_features`, if the detector has that parameter, becomes the number of
    features, and `batch_size` at most the number of genuine rows (PyOD drops batches that are not
    full).

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
            # Once more cloned, as some build in their constructor what they use in fit.
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
                "scikit-learn's own detectors go into GenuineOnly."
            )
        return self.detector

    def _settings(self, template: Any, n_samples: int, n_features: int) -> tuple[dict, int]:
        """Choose what to change in the parameters of the detector, and a seed."""
        params = template.get_params(deep=True)
        settings: dict[str, Any] = {"contamination": self.contamination}
        settings["verbose"] = int(bool(self.verbose))  # with 2 some print and show no bar
        settings["n_features"] = n_features
        if isinstance(params.get("batch_size"), int):
            settings["batch_size"] = min(params["batch_size"], n_samples)
        own = params.get("random_state")
        source = check_random_state(own if self.random_state is None else self.random_state)
        seed = int(source.randint(np.iinfo(np.int32).max))
        if self.random_state is not None:
            random = [key for key in params if key.rpartition("__")[2] == "random_state"]
            settings.update(dict.fromkeys(random, seed))
        return {key: value for key, value in settings.items() if key in params}, seed

    def _prepare_scoring(self, X: NDArray[np.float64], name: str) -> None:
        """Find out how the fitted detector scores, and remember training rows if it must be so."""
        scores = np.ravel(self.detector_.decision_scores_).astype(np.float64)
        if not np.isfinite(scores).all():
            row = np.flatnonzero(~np.isfinite(scores))[0]
            raise ValueError(f"{name} gives genuine row {row} the score {scores[row]}.")
        self.batch_dependent_ = False
        leaves_out = _KNOWN.get(name, name.endswith(".LUNAR"))
        if name not in _KNOWN and name not in NETWORKS:
            self.batch_dependent_, leaves_out = self._probe(X[:_PROBE_ROWS], scores)
        if self.batch_dependent_:
            warnings.warn(
                f"The score that {name} gives to a row depends on what other rows are scored "
                "with it. Score in batches that stay the same.",
                UserWarning,
                stacklevel=2,
            )
        keys, first = np.unique(_row_keys(X if leaves_out else X[:0]), return_index=True)
        self._known_keys_, self._known_scores_ = keys, -scores[first]

    def _probe(self, X: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[bool, bool]:
        """Tell if scores depend on the batch, and if those of training rows differ from `scores`.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            The first of the training rows.
        scores : ndarray of shape (n_training_samples,)
            What PyOD gave to the training rows in fit.
        """
        tolerance = _PROBE_TOLERANCE * np.ptp(scores)
        try:
            with own_randomness(0):
                together = np.ravel(self.detector_.decision_function(X))
                alone = np.ravel(self.detector_.decision_function(X[:1]))
        except Exception:  # of any kind: some cannot score fewer rows than neighbours
            return True, True
        same_alone = np.abs(together[:1] - alone).max() <= tolerance
        as_in_fit = np.abs(together - scores[: len(X)]).max() <= tolerance
        return not same_alone, not as_in_fit

    def _score(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._tails_ is not None:
            new = _tail_scores(self.detector_, self._tails_, X)
        elif name_of(self.detector_) in _KNOWN:
            new = self.detector_.decision_function(X)
        else:
            with own_randomness(0):  # loading batches draws a number, and so may scoring
                new = self.detector_.decision_function(X)
        scores = -np.ravel(new).astype(np.float64)
        if len(self._known_keys_):
            keys = _row_keys(X)
            at = np.searchsorted(self._known_keys_, keys).clip(max=len(self._known_keys_) - 1)
            known = self._known_keys_[at] == keys
            scores[known] = self._known_scores_[at[known]]
        return scores

    def _offset(self, X: NDArray[np.float64]) -> float:
        # They are the scores of the training rows, which PyOD has computed in fit.
        return float(np.quantile(-np.ravel(self.detector_.decision_scores_), self.contamination))

    def __sklearn_clone__(self) -> PyODDetector:
        with own_randomness():  # constructors of PyOD's networks seed what all share
            return _clone_parametrized(self)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {key: pack(v) if name_of(v) in NETWORKS else v for key, v in state.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        packed = {key for key, v in state.items() if isinstance(v, dict) and "pyod" in v}
        super().__setstate__({k: unpack(v) if k in packed else v for k, v in state.items()})


def _surroundings(name: str, seed: int) -> contextlib.AbstractContextManager[Any]:
    """Choose what a detector of this name is to be fitted within."""
    if name.endswith(".GMM"):  # several threads of k-means add up in an order of chance
        return one_thread("openmp")
    return contextlib.nullcontext() if name in _KNOWN else own_randomness(seed)


def _row_keys(X: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Give each row a number by its values, the same in any process and any batch.

    Multilinear hashing of mixed bits: two rows that differ share a number once in about 2**64.
    """
    weights = _mix(np.arange(1, X.shape[1] + 1, dtype=np.uint64)) | np.uint64(1)
    return _mix((X + 0.0).view(np.uint64)) @ weights  # of integers, exact; -0.0 becomes 0.0


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit over the whole number, one to one."""
    for factor in _MIXERS:
        bits = (bits ^ (bits >> np.uint64(32))) * factor
    return bits ^ (bits >> np.uint64(32))


def _make_tails(detector: Any, X: NDArray[np.float64]) -> dict[str, NDArray[np.float64]] | None:
    """Make the tables that `_tail_scores` needs, if this is ECOD or COPOD.

    Returns
    -------
    tables : dict or None
        Of each feature of the training sample its mean, and the sums of the second and third
        powers of what it differs from its mean; and the score of each possible tail.
    """
    if name_of(detector) not in _TAILS:
        return None
    # Features are seen one by one, so each may be sorted; PyOD can do with these rows as well.
    values = np.ascontiguousarray(X.T)
    values.sort(axis=1)
    detector.X_train = values.T
    for leftover in ("U_l", "U_r", "U_skew"):  # of scoring, as large as the training sample
        vars(detector).pop(leftover, None)
    mean = X.mean(axis=0)
    apart = X - mean
    square, cube = (apart * apart).sum(axis=0), (apart * apart * apart).sum(axis=0)
    tails = -np.log(np.arange(1, len(X) + 2) / (len(X) + 1))  # of 0, 1 ... n rows and itself
    return {"mean": mean, "square": square, "cube": cube, "tails": tails}


def _tail_scores(
    detector: Any, tables: dict[str, NDArray[np.float64]], X: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Score each row as ECOD or COPOD of PyOD would if it was alone.

    That is, by its tail probabilities in the training sample and itself; higher means less genuine.
    """
    either = _TAILS[name_of(detector)]
    n = len(detector.X_train)
    scores = np.zeros(len(X))
    for j, values in enumerate(detector.X_train.T):
        x = np.ascontiguousarray(X[:, j])
        below = np.searchsorted(values, x)
        upto = below.copy()
        tied = values[np.minimum(below, n - 1)] == x
        upto[tied] = np.searchsorted(values, x[tied], side="right")
        left, right = tables["tails"][upto], tables["tails"][n - below]
        # By how much the row moves the mean, and the sum of cubes about the mean with it.
        shift = (x - tables["mean"][j]) / (n + 1)
        cube = tables["cube"][j] - 3 * shift * tables["square"][j]
        cube += n * (n**2 - 1.0) * shift * shift * shift
        skewed = np.where(cube > 0, right, np.where(cube < 0, left, left + right))
        scores += np.maximum(skewed, either(left, right))
    return scores
