"""Check that the parameters of the estimators in a model are in their declared range."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sklearn_diffake.base import BaseDetector
from sklearn_diffake.novelty._categories import CategoryMixin
from sklearn_diffake.novelty._pyod import PYOD_TYPES
from sklearn_diffake.novelty._pyod_networks import NETWORKS, name_of
from sklearn_diffake.persistence._schema import Refusal
from sklearn_diffake.utils._estimators import estimators
from sklearn_diffake.utils._sklearn_compat import (
    InvalidParameterError,
    validate_parameter_constraints,
)


def check_loaded_parameters(model: Any) -> None:
    """Check the parameters of every estimator in a model.

    Parameters
    ----------
    model : object
        Content of a file, without attributes that override members of their class.

    Raises
    ------
    Refusal
        If a parameter has a value that ``fit`` would refuse; the message names class and parameter.
    """
    for estimator in estimators(model):
        constraints = getattr(type(estimator), "_parameter_constraints", {})
        values = {name: value for name, value in vars(estimator).items() if name in constraints}
        try:
            validate_parameter_constraints(constraints, values, type(estimator).__name__)
        except InvalidParameterError as error:
            raise Refusal(f"is refused: {error}") from error
        if isinstance(estimator, BaseDetector):
            _check_threshold(estimator)
        if isinstance(estimator, CategoryMixin):
            _check_calibration(estimator)
        for value in vars(estimator).values():
            if name_of(value) in PYOD_TYPES | NETWORKS.keys():
                _check_contamination(value)


def _check_threshold(detector: BaseDetector) -> None:
    """Check that the threshold of a fitted detector is one finite number."""
    value = vars(detector).get("offset_", 0.0)
    number = isinstance(value, (int, float, np.floating)) and not isinstance(value, bool)
    try:
        finite = number and math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        finite = False
    if not finite:
        raise Refusal(
            f"is refused: the attribute 'offset_' of {type(detector).__name__} must be a finite "
            f"number, got {value!r:.80}"
        )


def _check_calibration(detector: CategoryMixin) -> None:
    """Check the calibration, from which thresholds and p-values are computed."""
    try:
        detector._check_calibration()
    except (TypeError, ValueError, AttributeError) as error:  # values may be of any type
        raise Refusal(
            f"is refused: the calibration of {type(detector).__name__}: {error}"
        ) from error


def _check_contamination(detector: Any) -> None:
    """Check the parameter that determines the verdicts of a PyOD detector."""
    value = getattr(detector, "contamination", None)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (number and math.isfinite(value) and 0 < value <= 0.5):
        raise Refusal(
            f"is refused: the 'contamination' parameter of {type(detector).__name__} must be a "
            f"number in the range (0, 0.5], got {value!r:.80}"
        )
