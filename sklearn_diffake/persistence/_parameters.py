"""Parameters of the estimators in a model: within the range that their classes declare."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

from ..base import BaseDetector
from ..novelty._categories import CategoryMixin
from ..novelty._pyod import PYOD_TYPES
from ..novelty._pyod_networks import NETWORKS, name_of
from ..utils._estimators import estimators
from ._schema import Refusal


def check_parameters(model: Any) -> None:
    """Check the parameters of every estimator in a model.

    Parameters
    ----------
    model : object
        What a file holds. No attribute in it hides what its class defines.

    Raises
    ------
    Refusal
        If a parameter has a value that ``fit`` would refuse; the message names class and parameter.
    """
    for part in estimators(model):
        constraints = getattr(type(part), "_parameter_constraints", {})
        values = {name: value for name, value in vars(part).items() if name in constraints}
        try:
            validate_parameter_constraints(constraints, values, type(part).__name__)
        except InvalidParameterError as error:
            raise Refusal(f"is refused: {error}") from error
        if isinstance(part, BaseDetector):
            _check_threshold(part)
        if isinstance(part, CategoryMixin):
            _check_calibration(part)
        for value in vars(part).values():
            if name_of(value) in PYOD_TYPES | NETWORKS.keys():
                _check_contamination(value)


def _check_threshold(detector: BaseDetector) -> None:
    """Check that the threshold of a fitted detector is one finite number."""
    value = vars(detector).get("offset_", 0.0)
    number = isinstance(value, (int, float, np.floating)) and not isinstance(value, bool)
    try:
        finite = number and math.isfinite(value)
    except OverflowError:  # an integer beyond the range of a float
        finite = False
    if not finite:
        raise Refusal(
            f"is refused: the attribute 'offset_' of {type(detector).__name__} must be a finite "
            f"number, got {value!r:.80}"
        )


def _check_calibration(detector: CategoryMixin) -> None:
    """Check that what thresholds and p-values are read from is as ``fit`` makes it."""
    try:
        detector._check_calibration()
    except (TypeError, ValueError, AttributeError) as error:  # of values of any type
        raise Refusal(
            f"is refused: the calibration of {type(detector).__name__}: {error}"
        ) from error


def _check_contamination(detector: Any) -> None:
    """Check the one parameter that decides the verdicts of a detector of PyOD."""
    value = getattr(detector, "contamination", None)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (number and math.isfinite(value) and 0 < value <= 0.5):
        raise Refusal(
            f"is refused: the 'contamination' parameter of {type(detector).__name__} must be a "
            f"number in the range (0, 0.5], got {value!r:.80}"
        )
