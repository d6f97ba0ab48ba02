"""Hold out rows from a fit, and score them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from sklearn_diffake.utils._groups import group_codes

Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def codes_of_groups(n_samples: int, groups: ArrayLike | None) -> NDArray[np.int64]:
    """Return the group number of each row; without groups, every row is a group."""
    if groups is None:
        return np.arange(n_samples)
    return group_codes(column_or_1d(groups).tolist())


def held_out_folds(options: Any, codes: NDArray[np.int64], *, grouped: bool) -> Folds:
    """Split row numbers into training and held-out rows.

    Parameters
    ----------
    options : object
        Has the parameters `method`, `calibration_size`, `cv` and `random_state` of
        :class:`~sklearn_diffake.novelty.ConformalDetector`.
    codes : ndarray of shape (n,), int
        Group of each row.
    grouped : bool
        Whether groups were passed.

    Returns
    -------
    folds : list of (ndarray, ndarray)
        One fold for ``"split"``, `cv` folds for ``"cv+"``.

    Raises
    ------
    ValueError
        If there are fewer than two groups.
    """
    from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, ShuffleSplit

    n_groups = len(np.unique(codes))
    if n_groups < 2:
        raise ValueError(
            f"Too few genuine rows to calibrate on: got n_samples={len(codes)} in {n_groups} "
            "groups, need at least 2 groups. A row without a group counts as one."
        )
    seed = options.random_state
    splitter: Any
    if options.method == "split":
        shuffle = GroupShuffleSplit if grouped else ShuffleSplit
        splitter = shuffle(1, test_size=options.calibration_size, random_state=seed)
    else:  # shuffled, because folds balanced by the size of groups are not exchangeable
        k_fold = GroupKFold if grouped else KFold
        splitter = k_fold(options.cv, shuffle=True, random_state=seed)
    return list(splitter.split(codes, groups=codes if grouped else None))


def checked_scores(detector: Any, X: Any) -> NDArray[np.float64]:
    """Score rows by a fitted detector; raise an error if a score is NaN."""
    score = getattr(detector, "score_samples", None) or detector.decision_function
    scores = np.asarray(score(X), dtype=np.float64)
    if np.isnan(scores).any():
        raise ValueError(f"{detector!r} scores row {np.isnan(scores).argmax()} with NaN.")
    return scores


def finite_scores(detector: Any, X: Any) -> NDArray[np.float64]:
    """Score held-out rows; raise an error if a score is NaN or infinite."""
    scores = checked_scores(detector, X)
    if not np.isfinite(scores).all():
        raise ValueError(f"{detector!r} gives infinite scores to held-out genuine rows.")
    return scores
