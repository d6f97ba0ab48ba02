"""Verdicts by p-values: with an abstain band, and with a false discovery rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_diffake.base import BaseDetector, refuse_missing
from sklearn_diffake.novelty._categories import CategoryMixin


class PValueDetector(CategoryMixin, BaseDetector):
    """A detector with p-values by category, which subclasses compute in `p_values`."""

    abstain: float | None

    def p_values(self, X: Any, *, n_images: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the p-value of each row among genuine rows."""
        raise NotImplementedError

    def predict_with_abstention(
        self, X: Any, *, n_images: ArrayLike | None = None
    ) -> NDArray[np.int_]:
        """Return a verdict on each row: genuine, deepfake or none.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Whatever the detector takes.
        n_images : array-like of shape (n_samples, 2), int, default=None
            As for :meth:`p_values`.

        Returns
        -------
        verdict : ndarray of shape (n_samples,), int
            -1 where ``p`` is at most the level of the category (`level_` for single images), 0
            where it is above and ``p <= abstain``, and for a pair without a usable face,
            otherwise +1. The guarantee on genuine rows holds for both limits: at most a fraction
            `abstain` of them does not get +1.

        Warns
        -----
        UserWarning
            As :meth:`predict` does.
        """
        p = self.p_values(X, n_images=n_images)
        self._warn_few()
        levels = self.category_levels_[self._positions(n_images, len(p))]
        band = levels if self.abstain is None else self.abstain
        return np.where(p <= levels, -1, np.where((p <= band) | np.isnan(p), 0, 1))

    def benjamini_hochberg(self, X: Any, *, fdr: float = 0.1) -> NDArray[np.int_]:
        """Select deepfakes in a batch, with a controlled false discovery rate.

        Unlike with ``predict``, the verdict on a row depends on the batch: the more small p-values
        it holds, the more rows are selected.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Whatever the detector takes.
        fdr : float in (0, 1), default=0.1
            The false discovery rate: the expected fraction of genuine rows among the selected
            rows. It is controlled (Bates et al., 2023) for ``"split"`` without groups, if the
            genuine rows of the batch are independent; for ``"cv+"`` or groups there is no proof.

        Returns
        -------
        verdict : ndarray of shape (n_samples,), int
            -1 for the rows selected as deepfakes, else +1.

        Raises
        ------
        ValueError
            If `fdr` is not between 0 and 1, or a pair has no usable face.

        Warns
        -----
        UserWarning
            As :meth:`predict` does.
        """
        from scipy.stats import false_discovery_control

        if not 0 < fdr < 1:
            raise ValueError(f"fdr must be above 0 and below 1, got {fdr}.")
        self._warn_few()
        p = self.p_values(X)
        refuse_missing(np.isnan(p))
        return np.where(false_discovery_control(p) <= fdr, -1, 1)
