"""Calibrate a fitted detector again."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from sklearn_diffake.base import BaseDetector
from sklearn_diffake.novelty._conformal import ConformalDetector

_TARGET = 0.05


def target_of(detector: Any) -> float:
    """Return the target fraction of genuine rows that a fitted detector rejects.

    Parameters
    ----------
    detector : estimator

    Returns
    -------
    target_bpcer : float in (0, 1)
        Its `target_bpcer`, or the `contamination` of a detector of this package, or 0.05 if there
        is none, or it is None.
    """
    if isinstance(detector, ConformalDetector):
        return float(detector.target_bpcer)
    contamination = getattr(detector, "contamination", None)
    if isinstance(detector, BaseDetector) and contamination is not None:
        return float(contamination)
    return _TARGET


def recalibrated(
    detector: Any,
    scores: NDArray[np.float64],
    codes: NDArray[np.int64],
    n_images: NDArray[np.int64],
    target_bpcer: float,
) -> ConformalDetector:
    """Calibrate a fitted detector again, by its scores of other genuine rows.

    Parameters
    ----------
    detector : estimator
        Fitted; it does not change.
    scores : ndarray of shape (n,), float64
        Its scores of genuine rows that were not in its fit.
    codes : ndarray of shape (n,), int64
        Group of each row.
    n_images : ndarray of shape (n, 2), int64
        Reference and probe images of each row.
    target_bpcer : float in (0, 1)

    Returns
    -------
    calibrated : ConformalDetector
        Fitted, with the scores of `detector`: a `ConformalDetector` with one inner detector is
        copied, any other detector is wrapped.

    Raises
    ------
    ValueError
        If `abstain` is not above the target, or no row has one image on each side.
    """
    if isinstance(detector, ConformalDetector) and len(detector.detectors_) == 1:
        calibrated = copy.deepcopy(detector)
    else:
        calibrated = ConformalDetector(clone(detector))
        calibrated.detectors_ = [copy.deepcopy(detector)]
        calibrated._take_names(detector)
    if calibrated.abstain is not None and calibrated.abstain <= target_bpcer:
        raise ValueError(
            f"abstain must be above target_bpcer={target_bpcer:g}, got {calibrated.abstain} in the "
            "model: set it first, for example by model[-1].set_params(abstain=None)"
        )
    calibrated.set_params(target_bpcer=target_bpcer)
    calibrated._set_categories(scores, codes, n_images)
    calibrated._set_level()
    calibrated.offset_ = calibrated.threshold_of(1, 1)
    calibrated.n_genuine_ = len(calibrated.calibration_scores_[0])
    return calibrated
