"""Compute the contribution of each of several embedders to the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.inspection._split_pipeline import (
    Branch,
    SplitPipeline,
    transformed,
    with_feature_names,
)
from sklearn_diffake.pairs import DifferenceScaler

_MAX_BRANCHES = 10  # the score is computed for every subset of branches


@dataclass(frozen=True)
class Contribution:
    """The contribution of one embedder to the score of a pair.

    Attributes
    ----------
    name : str
        Name of the branch in the pipeline's `FeatureUnion`.
    backbone : str
        Network of the embedder.
    value : float
        In units of the score: negative if the branch makes the pair look manipulated. The values
        of all branches add up to the score less `PairExplanation.base_score`.
    fraction : float
        ``abs(value)`` divided by the sum over all branches, in [0, 1].

    See Also
    --------
    explain_pair : Computes the contributions.
    PairExplanation : The explanation that they are part of.

    Examples
    --------
    >>> from sklearn_diffake.inspection import Contribution
    >>> branch = Contribution("identity", "facenet-vggface2", value=-2.4, fraction=0.8)
    >>> f"{branch.name} lowers the score by {-branch.value}"
    'identity lowers the score by 2.4'
    """

    name: str
    backbone: str
    value: float
    fraction: float


def contributions(
    split: SplitPipeline, features: Sequence[Any], genuine: Sequence[Any]
) -> tuple[list[Contribution], float | None]:
    """Attribute the score of a pair to the branches of a pipeline.

    Parameters
    ----------
    split : SplitPipeline
    features : list of ndarray of shape (1, k)
        Features of the pair, one array for each branch.
    genuine : list of ndarray of shape (m, k)
        Features of genuine pairs, one array for each branch; their mean replaces an absent branch.
        With an empty list, the fitted mean of the branch or of the detector is used.

    Returns
    -------
    list of Contribution
        Empty if there are fewer than two branches, or no mean is known.
    float or None
        The score of a pair with the genuine mean in every branch.
    """
    n = len(split.branches)
    if not 2 <= n <= _MAX_BRANCHES:
        return [], None
    features = [np.asarray(array) for array in features]
    means = _means(split, features, genuine)
    if means is None:
        return [], None
    rows = [
        [f if subset >> i & 1 else m for i, (f, m) in enumerate(zip(features, means, strict=True))]
        for subset in range(2**n)
    ]
    stacked = [np.concatenate(column) for column in zip(*rows, strict=True)]
    scores = split.score(split.join(stacked))
    values = _shapley(scores, n)
    total = float(np.abs(values).sum()) or 1.0
    result = [
        Contribution(branch.name, branch.embedder.backbone_info_["name"], float(v), abs(v) / total)
        for branch, v in zip(split.branches, values.tolist(), strict=True)
    ]
    return result, float(scores[0])


def _shapley(scores: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return exact Shapley values, given the score of every subset of n players by its bits.

    Shapley, "A Value for n-Person Games", 1953. If the score is a sum over players, each value is
    the player's term.
    """
    values = np.zeros(n)
    for i in range(n):
        others_of_i = [j for j in range(n) if j != i]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for subset in combinations(others_of_i, size):
                members = sum(1 << j for j in subset)
                values[i] += weight * (scores[members | 1 << i] - scores[members])
    return values


def _means(
    split: SplitPipeline, features: Sequence[NDArray], genuine: Sequence[Any]
) -> list[NDArray] | None:
    """Return the genuine mean of every branch, of shape (1, k), None if it is unknown."""
    if genuine:
        return [np.asarray(g, dtype=np.float64).mean(axis=0, keepdims=True) for g in genuine]
    means = [_learned_mean(branch) for branch in split.branches]
    if all(mean is not None for mean in means):
        return means
    location = getattr(split.detector, "location_", None)
    widths = [f.shape[1] for f in features]
    if location is None or len(split.detection_steps) > 1 or len(location) != sum(widths):
        return None
    return [
        location_of_branch[np.newaxis]
        for location_of_branch in np.split(location, np.cumsum(widths)[:-1])
    ]


def _learned_mean(branch: Branch) -> Any:
    """Return the fitted mean of the scaler of a branch, transformed by the later steps."""
    for position, step in enumerate(branch.tail):
        if isinstance(step, DifferenceScaler):
            mean = with_feature_names(step.mean_[np.newaxis], step)
            return branch.weight * np.asarray(transformed(branch.tail[position:], mean))
    return None
