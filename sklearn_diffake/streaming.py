"""Fit a pipeline on more pairs than fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_diffake.base import genuine_mask, missing_rows, take_rows, warn_of_missing
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.pairs import PairDifference
from sklearn_diffake.utils._estimators import active_steps
from sklearn_diffake.utils._progress import progress_bar
from sklearn_diffake.utils._sklearn_compat import _num_samples, _safe_indexing

__all__ = ["fit_in_batches"]

_LEARN_NOTHING = (FaceAligner, FaceEmbedder, PairDifference)
# Iterates over all pairs once, given the text of a progress bar; over the first alone, given None.
Batches = Callable[[str | None], Iterator[Any]]


def fit_in_batches(
    model: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    batch_size: int = 8192,
    shuffle: bool = True,
    random_state: int | RandomState | None = None,
    verbose: int = 0,
) -> Any:
    """Fit a pipeline on more pairs than fit in memory, a batch at a time.

    Embeddings and differences of one batch are held, never those of all pairs. Each step that
    learns does so by its ``partial_fit``, in one pass over all pairs; a step behind it has a pass
    of its own, when the steps before it are fitted. For photographs give aligner and embedder a
    `cache`: an image that occurs in several batches or passes is then embedded once.

    Parameters
    ----------
    model : estimator
        A pipeline, or part of one, such as ``pipe[2:]`` for embeddings. Whatever learns in it must
        have ``partial_fit``, as `MahalanobisDetector`, `GaussianMixtureDetector` and
        `DifferenceScaler` have, or be fitted already and wrapped in a
        :class:`~sklearn.frozen.FrozenEstimator`. It is not changed.
    X : table of n pairs or array of shape (n, ...)
        Anything that `model` takes; a memory-mapped array is read as it is needed.
    y : array-like of shape (n,), default=None
        +1 for genuine, -1 for deepfake. Pairs labeled -1 are not even read. None means that all
        pairs are genuine.
    batch_size : int, default=8192
        Most pairs in a batch; all batches are of one size or differ by one pair.
    shuffle : bool, default=True
        Draw the pairs in random order, so that the first batches are of all videos. A mixture
        depends on the order. False reads in the order of `X`.
    random_state : int, RandomState instance or None, default=None
        Seeds the order. Pass an int for the same model on every call.
    verbose : int, default=0
        Show a progress bar for each pass.

    Returns
    -------
    estimator
        A fitted clone of `model`.

    Raises
    ------
    ValueError
        If a step learns and has no ``partial_fit``, no pair is genuine or too few to learn from,
        a label is neither +1 nor -1, `y` has another length, or `batch_size` is not positive.

    See Also
    --------
    score_in_batches : Scores so many pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake import fit_in_batches, make_difffake_pipeline
    >>> from sklearn_diffake.novelty import MahalanobisDetector
    >>> embeddings = np.random.default_rng(0).normal(size=(500, 2, 8))
    >>> detector = make_difffake_pipeline(operator="squared", detector=MahalanobisDetector())[2:]
    >>> batched = fit_in_batches(detector, embeddings, batch_size=100)
    >>> at_once = detector.fit(embeddings)
    >>> bool(np.allclose(batched.score_samples(embeddings), at_once.score_samples(embeddings)))
    True
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be positive, got {batch_size}")
    n_pairs = _num_samples(X)
    if not n_pairs:
        raise ValueError("X must hold at least one pair, got none")
    rows = np.flatnonzero(genuine_mask(y, n_pairs))
    if shuffle:
        rows = check_random_state(random_state).permutation(rows)

    def batches(purpose: str | None) -> Iterator[Any]:
        if purpose is None:
            yield _safe_indexing(X, rows[:1])
            return
        n_batches = -(-len(rows) // batch_size)
        with progress_bar(total=len(rows), desc=purpose, unit="pair", verbose=verbose) as bar:
            for batch in np.array_split(rows, n_batches):
                yield _safe_indexing(X, batch)
                bar.update(len(batch))

    model = clone(model)
    _fit(model, batches, "model")
    return model


def _fit(step: Any, batches: Batches, name: str) -> None:
    """Fit a step of a pipeline, or a pipeline, on batches of genuine pairs."""
    if isinstance(step, Pipeline):
        for inner_name, inner in active_steps(step.steps):
            _fit(inner, batches, inner_name)
            batches = _transformed(inner, batches)
    elif isinstance(step, FeatureUnion):
        for inner_name, inner in active_steps(step.transformer_list):
            _fit(inner, batches, inner_name)
    elif isinstance(step, FrozenEstimator):
        check_is_fitted(step)
    elif isinstance(step, _LEARN_NOTHING) or not get_tags(step).requires_fit:
        step.fit(next(batches(None)))  # which looks at the form of a row
    else:
        _fit_by_batches(step, batches, name)


def _fit_by_batches(step: Any, batches: Batches, name: str) -> None:
    """Fit a step by its ``partial_fit`` in one pass."""
    try:
        partial_fit = step.partial_fit
    except AttributeError as error:
        raise ValueError(
            f"step {name!r}, {type(step).__name__}, cannot learn in batches: "
            f"{error.__cause__ or 'it has no partial_fit'}. Detectors that have it: "
            "MahalanobisDetector and GaussianMixtureDetector; sklearn_diffake.recalibrate then "
            "calibrates the fitted pipeline."
        ) from error
    for batch in batches(f"fitting {name}"):
        missing = missing_rows(batch)
        warn_of_missing(missing)
        if not missing.all():
            partial_fit(take_rows(batch, ~missing))
    try:
        check_is_fitted(step)
    except ValueError as error:
        raise ValueError(
            f"step {name!r}, {type(step).__name__}, has too few genuine pairs with a face to "
            "learn from."
        ) from error


def _transformed(step: Any, batches: Batches) -> Batches:
    def transformed(purpose: str | None) -> Iterator[NDArray[Any]]:
        return (step.transform(batch) for batch in batches(purpose))

    return transformed
