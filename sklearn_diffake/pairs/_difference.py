"""Compute the difference of two embeddings, the input of one-class detectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_diffake.base import check_finite, row_blocks
from sklearn_diffake.utils._arrays import cosine_distance, reciprocal, row_lengths
from sklearn_diffake.utils._doc_links import DocumentedMixin
from sklearn_diffake.utils._estimators import AddedParametersMixin
from sklearn_diffake.utils._modes import MODES, Mode
from sklearn_diffake.utils._output import in_container
from sklearn_diffake.utils._sklearn_compat import StrOptions, _fit_context

# Every operator takes (first, second, out): `out` is None, or an array of the shape and dtype of
# `first`, possibly `first` itself, into which the result may be written.


def _subtract(first: NDArray, second: NDArray, out: NDArray | None) -> NDArray:
    return np.subtract(first, second, out=out)


def _absolute(first: NDArray, second: NDArray, out: NDArray | None) -> NDArray:
    difference = np.subtract(first, second, out=out)
    return np.abs(difference, out=difference)


def _squared(first: NDArray, second: NDArray, out: NDArray | None) -> NDArray:
    difference = np.subtract(first, second, out=out)
    return np.square(difference, out=difference)


def _cubed(first: NDArray, second: NDArray, out: NDArray | None) -> NDArray:
    difference = np.subtract(first, second, out=out)
    return np.multiply(difference, np.square(difference), out=difference)


def _concat(first: NDArray, second: NDArray, out: NDArray | None) -> NDArray:
    return np.concatenate([first, second], axis=1)


def _hadamard(first: NDArray, second: NDArray, out: NDArray | None) -> NDArray:
    return np.multiply(first, second, out=out)


def _cosine(first: NDArray, second: NDArray, out: NDArray | None) -> NDArray:
    return cosine_distance(first, second).astype(first.dtype)[:, np.newaxis]


def _probe(first: NDArray, second: NDArray, out: NDArray | None) -> NDArray:
    return second


_OPERATORS: dict[str, Callable[[NDArray, NDArray, NDArray | None], NDArray]] = {
    "absolute": _absolute,
    "subtract": _subtract,
    "squared": _squared,
    "cubed": _cubed,
    "concat": _concat,
    "hadamard": _hadamard,
    "cosine": _cosine,
    "probe": _probe,
}
UNSCALED = ("cosine", "probe")  # operators to which `normalize` does not apply


def _unit(rows: NDArray) -> NDArray:
    """Scale every row to L2 norm 1, as a new array of the same dtype."""
    return np.multiply(
        rows, reciprocal(row_lengths(rows))[:, np.newaxis], dtype=rows.dtype, casting="same_kind"
    )


class PairDifference(AddedParametersMixin, DocumentedMixin, TransformerMixin, BaseEstimator):
    """Compute the difference vector of the two embeddings of every pair.

    Embeddings of shape ``(n, 2, d)`` become differences of shape ``(n, k)``. The two columns are
    either a trusted reference and a probe (Ibsen et al. [1]_), or two frames of the video under
    suspicion (DiffFake [2]_); `mode` states which. One embedding per row, of shape ``(n, d)``, is
    refused, because it looks like a difference.

    Parameters
    ----------
    operator : {"absolute", "subtract", "squared", "cubed", "concat", "hadamard", "cosine", \
            "probe"}, default="squared"
        How the embeddings `a` (column 0) and `b` (column 1) are combined, element by element:

        - ``"absolute"``: ``|a - b|``;
        - ``"subtract"``: ``a - b``, with a sign;
        - ``"squared"``: ``(a - b) ** 2``;
        - ``"cubed"``: ``(a - b) ** 3``, which keeps the sign;
        - ``"concat"``: ``[a, b]``, so ``k = 2 d``;
        - ``"hadamard"``: ``a * b``;
        - ``"cosine"``: one minus the cosine similarity, in [0, 2], so ``k = 1``; 1 if `a` or `b`
          is the zero vector;
        - ``"probe"``: `b` alone, for features of a single image, such as the verdict of
          ``FaceEmbedder("difffake-lite0-verdict")``.
    normalize : {"embeddings", "difference", "both"} or None, default="embeddings"
        Vectors to scale to L2 norm 1: each embedding, each row of the result, both, or neither.
        Zero vectors stay zero. It has no effect on ``"cosine"``, which does not depend on length,
        nor on ``"probe"``.
    mode : {"reference", "same-video"}, default=None
        What the two columns are. It changes no number: a model keeps it, so that it is not used for
        pairs of the other mode (see :func:`mode_of`). None states nothing.

    Attributes
    ----------
    n_features_in_ : int
        Width `d` of the embeddings seen in fit.

    See Also
    --------
    make_reference_pairs : Pair probes with trusted images of the same person.
    make_same_video_pairs : Pair frames of one video.
    mode_of : Return the mode of a model.

    Notes
    -----
    float32 and float64 are preserved; other types become float64. The input is never changed, and
    may be a memory-mapped array: only a few megabytes are needed besides input and result.

    References
    ----------
    .. [1] M. Ibsen, L. J. Gonzalez-Soler, C. Rathgeb, P. Drozdowski, M. Gomez-Barrero, C. Busch,
       "Differential Anomaly Detection for Facial Images", WIFS 2021, arXiv:2110.03464.
    .. [2] S. Stamnas, V. Sanchez, "DiffFake: Exposing Deepfakes using Differential Anomaly
       Detection", WACVW 2025, arXiv:2502.16247.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.pairs import PairDifference
    >>> pairs = np.array([[[3.0, 4.0], [0.0, 2.0]]])     # one pair of 2-d embeddings
    >>> PairDifference("subtract").fit_transform(pairs)
    array([[ 0.6, -0.2]])
    >>> PairDifference("cosine").fit_transform(pairs)
    array([[0.2]])
    """

    _parameter_constraints: dict = {
        "operator": [StrOptions(set(_OPERATORS))],
        "normalize": [StrOptions({"embeddings", "difference", "both"}), None],
        "mode": [StrOptions(set(MODES)), None],
    }

    input_ndim_: int
    n_features_in_: int

    def __init__(
        self,
        operator: str = "squared",
        *,
        normalize: str | None = "embeddings",
        mode: Mode | None = None,
    ):
        self.operator = operator
        self.normalize = normalize
        self.mode = mode

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Check the input and store its width.

        Parameters
        ----------
        X : array-like of shape (n_samples, 2, d)
            Pairs of embeddings.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a row does not hold two embeddings, or some values of an embedding are NaN or
            infinite.
        """
        self._validate(X, reset=True)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Compute the differences of pairs of embeddings.

        Parameters
        ----------
        X : array-like of shape (n_samples, 2, d)
            Pairs of embeddings of the width seen in fit.

        Returns
        -------
        differences : ndarray or DataFrame of shape (n_samples, k)
            ``k = d``; ``2 d`` for ``"concat"``; 1 for ``"cosine"``. A row is NaN if an embedding of
            the pair is NaN, because a template has no usable face.

        Raises
        ------
        ValueError
            If the width differs from that seen in fit, a row does not hold two embeddings, or
            some values of an embedding are NaN or infinite.
        """
        check_is_fitted(self)
        pairs, X = X, self._validate(X, reset=False)
        differences = np.empty((len(X), self._width()), dtype=X.dtype)
        for rows in row_blocks(X):
            differences[rows] = self._combine(X[rows])
        differences[_missing_embeddings(X).any(axis=1)] = np.nan
        return in_container(self, differences, pairs)

    def _combine(self, pairs: NDArray) -> NDArray:
        normalize = None if self.operator in UNSCALED else self.normalize
        first, second, out = pairs[:, 0], pairs[:, 1], None
        if normalize in ("embeddings", "both"):
            first, second = _unit(first), _unit(second)
            out = first  # a new array, so it can be overwritten
        differences = _OPERATORS[self.operator](first, second, out)
        if normalize in ("difference", "both"):
            scale = reciprocal(row_lengths(differences))[:, np.newaxis]
            np.multiply(differences, scale, out=differences, casting="same_kind")
        return differences

    def _width(self) -> int:
        if self.operator == "cosine":
            return 1
        return self.n_features_in_ * (2 if self.operator == "concat" else 1)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return the names of the output columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Not used: the columns are ``squared_0, squared_1, ...`` by the operator.

        Returns
        -------
        names : ndarray of str, object dtype
            One name per column.
        """
        check_is_fitted(self)
        if self.operator == "cosine":
            return np.array(["cosine"], dtype=object)
        return np.array([f"{self.operator}_{i}" for i in range(self._width())], dtype=object)

    def _validate(self, X: Any, *, reset: bool) -> NDArray:
        """Return `X` as a finite float array of shape (n, 2, d)."""
        _check_pairs(np.shape(X))
        X = validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            order="C",  # the order of summation must not depend on the layout
            ensure_2d=False,
            allow_nd=True,
            ensure_all_finite=False,
        )
        missing = _missing_embeddings(X)
        check_finite(np.where(missing[..., np.newaxis], 0, X) if missing.any() else X)
        if reset:
            self.n_features_in_ = X.shape[-1]
        elif X.shape[-1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[-1]} features, but PairDifference is expecting "
                f"{self.n_features_in_} features as input."
            )
        return X

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _missing_embeddings(pairs: NDArray) -> NDArray[np.bool_]:
    """Return a mask of embeddings of NaN alone, which mean that there is no usable face."""
    missing = np.zeros(pairs.shape[:2], dtype=bool)
    for rows in row_blocks(pairs):
        missing[rows] = np.isnan(pairs[rows]).all(axis=2)
    return missing


def _check_pairs(shape: tuple[int, ...]) -> None:
    """Raise an error unless `shape` is (n, 2, d) with d >= 1."""
    if len(shape) != 3 or shape[1] != 2 or shape[2] == 0:
        raise ValueError(
            "X must have the shape (n, 2, d), the two embeddings of a pair in every row, got "
            f"{shape}. One pair is written [(reference, probe)]."
        )
