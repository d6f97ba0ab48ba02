"""Helpers of the displays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.metrics._scorers import RESPONSES
from sklearn_diffake.utils._colors import BLUE, ORANGE
from sklearn_diffake.utils._optional import import_extra
from sklearn_diffake.utils._sklearn_compat import _get_response_values

GENUINE, FAKE = BLUE, ORANGE


def axes_or_new(display: Any, ax: Any) -> Any:
    """Return the axes to draw on, or new axes.

    Parameters
    ----------
    display : object
        Named in the error if matplotlib is not installed.
    ax : matplotlib Axes or None

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    import_extra("matplotlib", "plots", f"Plots of {type(display).__name__}")
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots()[1]


def estimator_scores(
    estimator: Any, X: Any, responses: Sequence[str] = RESPONSES
) -> NDArray[np.float64]:
    """Return the scores of a fitted estimator: higher means more genuine.

    Parameters
    ----------
    estimator : detector, or classifier whose labels are +1 and -1
    X : rows that it takes
    responses : sequence of str
        Names of methods; the first one that the estimator has returns the scores.

    Returns
    -------
    score : ndarray of shape (n_samples,), float64
    """
    scores = _get_response_values(estimator, X, response_method=list(responses))[0]
    return np.asarray(scores, dtype=np.float64)
