"""A random sample, of bounded size, of rows that come in chunks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

# Unlikely to be anybody's: of rows made with the same seed, the sample would not be random.
_SEED = 0x9F6C_4B31_D87A_02E5_7713_C0DE_55A8_3E9D


class RowSample(BaseEstimator):
    """Every row so far, or a uniform random sample of them where there are too many.

    Each row gets a random key, and the rows of the smallest keys are kept (reservoir sampling). The
    keys are one fixed sequence, so the sample depends on the order of the rows alone, not on where
    the chunks begin.

    Parameters
    ----------
    max_rows : int
        Most rows in the sample.

    Attributes
    ----------
    n_seen_ : int
        Number of rows so far.
    rows_ : ndarray of shape (n_kept, n_features)
        The sample, in the order in which the rows came.
    keys_ : ndarray of shape (n_kept,)
        Their keys, in [0, 1).
    """

    n_seen_: int
    rows_: NDArray[np.float64]
    keys_: NDArray[np.float64]

    def __init__(self, max_rows: int):
        self.max_rows = max_rows

    def partial_fit(self, X: NDArray[np.float64]) -> RowSample:
        """Look at more rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), float64

        Returns
        -------
        self : RowSample
        """
        if not hasattr(self, "rows_"):
            self.n_seen_, self.rows_, self.keys_ = 0, X[:0].copy(), np.empty(0)
        keys = np.random.Generator(np.random.PCG64(_SEED).advance(self.n_seen_)).random(len(X))
        self.n_seen_ += len(X)
        if len(self.keys_) == self.max_rows:  # most of many new rows need not be looked at again
            smaller = keys < self.keys_.max()
            X, keys = X[smaller], keys[smaller]
        keys = np.concatenate([self.keys_, keys])
        if len(keys) > self.max_rows:
            sampled = np.sort(np.argpartition(keys, self.max_rows)[: self.max_rows])
            n_old = np.searchsorted(sampled, len(self.keys_))
            old, new = sampled[:n_old], sampled[n_old:] - len(self.keys_)
            self.rows_ = np.concatenate([self.rows_[old], X[new]])
            self.keys_ = keys[sampled]
        elif len(X):
            self.rows_, self.keys_ = np.concatenate([self.rows_, X]), keys
        return self
