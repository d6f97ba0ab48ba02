"""Return DataFrames as `set_output` asks, and keep the index of rows that an array stands for."""

from __future__ import annotations

import weakref
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_diffake.utils._sklearn_compat import _get_container_adapter

# Indexes of the rows of arrays that a transformer returned, by the id of the array.
_INDEX: dict[int, Any] = {}


def keep_index(rows: NDArray[Any], X: Any) -> NDArray[Any]:
    """Record that the rows of an array have the index of the pandas object they were made from.

    Crops and embeddings of pairs do not fit into a DataFrame. A later step of a pipeline that
    returns one takes the index from here, so that `ColumnTransformer` joins the right rows.

    Parameters
    ----------
    rows : ndarray of shape (n, ...)
    X : object
        The input of the transformer.

    Returns
    -------
    rows : ndarray of shape (n, ...)
        The same array.
    """
    index = index_of(X)
    if index is not None and id(rows) not in _INDEX:
        _INDEX[id(rows)] = index
        weakref.finalize(rows, _INDEX.pop, id(rows), None).atexit = False
    return rows


def index_of(X: Any) -> Any:
    """Return the index of the rows of a transformer's input.

    Parameters
    ----------
    X : object
        A table in any form.

    Returns
    -------
    index : pandas.Index or None
        That of a DataFrame, of a Series, or of an array from :func:`keep_index`.
    """
    return X.index if hasattr(X, "iloc") else _INDEX.get(id(X))


def in_container(estimator: Any, rows: NDArray[Any], X: Any) -> Any:
    """Return the output of a transformer as `set_output` or the global configuration asks.

    Parameters
    ----------
    estimator : transformer
        Fitted, with `get_feature_names_out`.
    rows : ndarray of shape (n, k)
    X : object
        The input of the transformer.

    Returns
    -------
    rows : ndarray or DataFrame of shape (n, k)
        A DataFrame of pandas has the index of `X`.
    """
    adapter = _get_container_adapter("transform", estimator)
    if adapter is None:
        return rows
    table = adapter.create_container(rows, None, columns=estimator.get_feature_names_out())
    index = index_of(X)
    if index is not None and adapter.container_lib == "pandas":
        table.index = index
    return table


class ImageOutputMixin:
    """Output manners of transformers whose output is images."""

    def set_output(self, *, transform: Any = None) -> Self:
        """Do nothing: crops are images and stay numpy arrays in every configuration.

        Parameters
        ----------
        transform : str, default=None
            Ignored.

        Returns
        -------
        self : object
            The estimator.
        """
        return self

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Name the columns of images, so that a pipeline can name its output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of the input.

        Returns
        -------
        names : ndarray of str, object dtype
            `input_features`, since each image of the output stands for one cell of the input; None
            gives ``"reference"`` and ``"probe"``, the columns of pairs.
        """
        names = ("reference", "probe") if input_features is None else input_features
        return np.asarray(names, dtype=object)
