"""Calibrate by category: thresholds and p-values for each number of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_diffake.novelty._p_values import (
    SINGLE,
    Floats,
    ascending,
    check_n_images,
    level_for,
    lowest_accepted,
    mass_at,
    nearest_category,
    p_values_of_mass,
    row_weights,
)

_STATE = ("categories_", "category_n_", "category_levels_", "category_scores_", "category_masses_")
_OTHER_STATE = ("detectors_", "calibration_scores_", "level_")


class CategoryMixin:
    """Calibration scores of a detector, separately for each number of images in the templates.

    The class must have `target_bpcer`, and set `detectors_`, `calibration_scores_`,
    `n_calibration_`, `level_` and `offset_`.
    """

    target_bpcer: float
    detectors_: list[Any]
    calibration_scores_: list[Floats]
    calibration_masses_: list[Floats]
    n_calibration_: int
    level_: float
    offset_: float
    categories_: NDArray[np.int64]
    category_scores_: list[Floats]
    category_masses_: list[Floats]
    category_n_: NDArray[np.int64]
    category_levels_: Floats

    def category_of(self, k: int, m: int) -> tuple[int, int]:
        """Return the category whose calibration is used for a pair of templates.

        Parameters
        ----------
        k : int
            Number of reference images, 1 or more; a clip counts as one.
        m : int
            Number of probe images, in the same way.

        Returns
        -------
        category : tuple of (int, int)
            Of the calibrated categories with at most these numbers of images, the one with the
            most images; of equal ones, the one with more references.
        """
        reference, probe = self.categories_[self._position(k, m)].tolist()
        return reference, probe

    def level_of(self, k: int, m: int) -> float:
        """Return the level of rejection for a pair of templates.

        Parameters
        ----------
        k, m : int
            Numbers of reference and probe images.

        Returns
        -------
        level : float in (0, 1)
            P-values up to this are rejected: `target_bpcer`, or the smallest possible p-value of
            the category if that is larger.
        """
        return float(self.category_levels_[self._position(k, m)])

    def threshold_of(self, k: int, m: int, *, level: float | None = None) -> float:
        """Return the lowest accepted score of a pair of templates.

        Parameters
        ----------
        k, m : int
            Numbers of reference and probe images.
        level : float in (0, 1), default=None
            Level of rejection; None is :meth:`level_of`.

        Returns
        -------
        threshold : float
            Scores below it have ``p <= level``. ``threshold_of(1, 1)`` is `offset_`. Minus infinity
            if even the smallest possible p-value is above the level.

        Raises
        ------
        ValueError
            If a level is given and ``method="cv+"``, whose scores are relative to its level.
        """
        position = self._position(k, m)
        if not self.category_scores_:
            if level is not None:
                raise ValueError(_CROSS.format(what="threshold of another level"))
            return self.offset_
        return lowest_accepted(
            self.category_scores_[position],
            self.category_masses_[position],
            int(self.category_n_[position]),
            float(self.category_levels_[position]) if level is None else level,
        )

    def p_of_scores(self, scores: ArrayLike, n_images: ArrayLike | None = None) -> Floats:
        """Return the p-values of scores, as :meth:`p_values` does without computing scores.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            From ``score_samples``.
        n_images : array-like of shape (n_samples, 2), int, default=None
            Numbers of reference and probe images of each row; None means one of each.

        Returns
        -------
        p : ndarray of shape (n_samples,), float64
            NaN where the score is NaN.

        Raises
        ------
        ValueError
            If ``method="cv+"``, whose p-values compare the scores of several detectors; or
            `n_images` is not valid.
        """
        check_is_fitted(self)
        values = np.asarray(scores, dtype=np.float64)
        if values.ndim != 1:
            raise ValueError(f"scores must have one dimension, got the shape {values.shape}")
        position = self._positions(n_images, len(values))
        if not self.category_scores_:
            raise ValueError(_CROSS.format(what="p-value of a score alone"))
        p = np.full(len(values), np.nan)
        for number in np.unique(position):
            rows = (position == number) & ~np.isnan(values)
            scale = self.category_scores_[number], self.category_masses_[number]
            p[rows] = p_values_of_mass(mass_at(values[rows], *scale), self.category_n_[number])
        return p

    def _position(self, k: int, m: int) -> int:
        check_is_fitted(self)
        return int(self._positions([[k, m]], 1)[0])

    def _positions(self, n_images: ArrayLike | None, n_rows: int) -> NDArray[np.intp]:
        """Return the category of each row, as a position in `categories_`."""
        return nearest_category(self.categories_, check_n_images(n_images, n_rows))

    def _set_categories(
        self, scores: Floats, codes: NDArray[np.integer], n_images: NDArray[np.int64]
    ) -> None:
        """Calibrate every category that occurs by the scores of held-out genuine rows.

        Parameters
        ----------
        scores : ndarray of shape (n,)
        codes : ndarray of shape (n,), int
            Group of each row.
        n_images : ndarray of shape (n, 2), int
        """
        self.categories_, position = np.unique(n_images, axis=0, return_inverse=True)
        if tuple(self.categories_[0]) != SINGLE:
            raise ValueError(
                "some genuine calibration rows must have one reference and one probe image, got "
                "none: the category (1, 1) is the fallback of all other numbers of images"
            )
        rows_by_category = [position.ravel() == number for number in range(len(self.categories_))]
        sorted_parts = [
            ascending(scores[rows], row_weights(codes[rows])) for rows in rows_by_category
        ]
        self.category_scores_ = [values for values, _ in sorted_parts]
        self.category_masses_ = [masses for _, masses in sorted_parts]
        self.category_n_ = np.array([round(masses[-1]) for masses in self.category_masses_])
        levels = [level_for(self.target_bpcer, int(n)) for n in self.category_n_]
        self.category_levels_ = np.array(levels)
        self.calibration_scores_ = self.category_scores_[:1]
        self.calibration_masses_ = self.category_masses_[:1]
        self.n_calibration_ = int(self.category_n_[0])

    def _set_single_category(self) -> None:
        """Set (1, 1) as the only category, with the calibration scores of all detectors."""
        is_single = len(self.detectors_) == 1
        self.categories_ = np.array([SINGLE], dtype=np.int64)
        self.category_scores_ = list(self.calibration_scores_) if is_single else []
        self.category_masses_ = list(self.calibration_masses_) if is_single else []
        self.category_n_ = np.array([self.n_calibration_], dtype=np.int64)
        self.category_levels_ = np.array([self.level_], dtype=np.float64)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        if "calibration_scores_" in state and "categories_" not in state:  # saved by version 0.1
            self._set_single_category()

    def _check_calibration(self) -> None:
        """Check calibration arrays that were loaded from a file.

        Raises
        ------
        ValueError
            If they cannot be the result of `fit`; the message names the attribute.
        """
        values = vars(self)
        if not any(name in values for name in _STATE):
            return
        missing = [name for name in (*_STATE, *_OTHER_STATE) if name not in values]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        _check_categories(self.categories_)
        _check_numbers(values, len(self.categories_))
        if self.category_levels_.max() >= 1 or self.category_levels_[0] != self.level_:
            raise ValueError("category_levels_ holds other levels than fit sets")
        n_arrays = 0 if len(self.detectors_) > 1 else len(self.categories_)
        for name in ("category_scores_", "category_masses_"):
            if not isinstance(values[name], list) or len(values[name]) != n_arrays:
                raise ValueError(f"{name} has not one array for each category")
        for number in range(n_arrays):
            arrays = self.category_scores_[number], self.category_masses_[number]
            _check_ascending(*arrays, self.category_n_[number], number)
        if n_arrays and not np.array_equal(self.calibration_scores_[0], self.category_scores_[0]):
            raise ValueError("calibration_scores_ are others than those of the category (1, 1)")


_CROSS = (
    'a detector with method="cv+" has no {what}: it compares the scores of several detectors. Use '
    "p_values, or calibrate the model by sklearn_diffake.recalibrate"
)


def _check_categories(categories: Any) -> None:
    """Raise an error unless an array holds distinct categories, (1, 1) first."""
    array = isinstance(categories, np.ndarray) and categories.dtype.kind in "iu"
    if not array or categories.ndim != 2 or categories.shape[1] != 2 or not len(categories):
        raise ValueError("categories_ is no (c, 2) array of integers")
    if tuple(categories[0]) != SINGLE or categories.min() < 1:
        raise ValueError("categories_ does not begin with (1, 1), or holds a number below 1")
    if len(np.unique(categories, axis=0)) < len(categories):
        raise ValueError("categories_ lists a category twice")


def _check_numbers(values: dict[str, Any], n: int) -> None:
    """Raise an error unless each category has a positive number of rows and a level."""
    for name, kind in (("category_n_", "iu"), ("category_levels_", "f")):
        numbers = values[name]
        if not (isinstance(numbers, np.ndarray) and numbers.shape == (n,)):
            raise ValueError(f"{name} is no array of {n} numbers, one for each category")
        if numbers.dtype.kind not in kind or not (numbers > 0).all():
            raise ValueError(f"{name} does not hold positive numbers of the right type")


def _check_ascending(scores: Any, masses: Any, n: Any, number: int) -> None:
    """Raise an error unless the arrays are calibration scores and their cumulated weights."""
    for name, array in (("category_scores_", scores), ("category_masses_", masses)):
        if not (isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype == np.float64):
            raise ValueError(f"{name}[{number}] is no array of numbers")
        if not len(array) or not np.isfinite(array).all() or (np.diff(array) < 0).any():
            raise ValueError(f"{name}[{number}] is not finite and ascending")
    if len(masses) != len(scores) + 1 or masses[0] != 0 or round(float(masses[-1])) != int(n):
        raise ValueError(
            f"category_masses_[{number}] does not sum up the weights of {len(scores)} scores"
        )
