"""How much each of several embedders adds to the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pairs import DifferenceScaler
from ._parts import Branch, Parts, named, transformed

_MOST = 10  # branches: the score is computed for every subset of them


@dataclass(frozen=True)
class Contribution:
    """What one embedder adds to the score of a pair.

    Attributes
    ----------
    name : str
        Of the branch in the pipeline's `FeatureUnion`.
    backbone : str
        Its network.
    value : float
        In units of the score: negative where the branch makes the pair look manipulated. The
        values of all branches add up to the score less `PairExplanation.base_score`.
    share : float
        ``abs(value)`` as a share of the sum over all branches, in [0, 1].

    Examples
    --------
    >>> from sklearn_diffake.inspection import Contribution
    >>> part = Contribution("identity", "facenet-vggface2", value=-2.4, share=0.8)
    >>> f"{part.name} lowers the score by {-part.value}"
    'identity lowers the score by 2.4'
    """

    name: str
    backbone: str
    value: float
    share: float


def contributions(
    parts: Parts, features: Sequence[Any], genuine: Sequence[Any]
) -> tuple[list[Contribution], float | None]:
    """Divide the score of a pair among the branches of a pipeline.

    Parameters
    ----------
    parts : Parts
    features : list of ndarray of shape (1, k)
        Of the pair, one for each branch.
    genuine : list of ndarray of shape (m, k)
        Features of genuine pairs, one array for each branch, whose mean stands for a branch that
        has nothing to say; an empty list takes the mean that the branch or the head has learned.

    Returns
    -------
    list of Contribution
        Empty if there are fewer than two branches, or no mean is known.
    float or None
        The score of a pair in which every branch shows the genuine mean.
    """
    n = len(parts.branches)
    if not 2 <= n <= _MOST:
        return [], None
    features = [np.asarray(part) for part in features]
    means = _means(parts, features, genuine)
    if means is None:
        return [], None
    rows = [
        [f if there >> i & 1 else m for i, (f, m) in enumerate(zip(features, means, strict=True))]
        for there in range(2**n)
    ]
    stacked = [np.concatenate(column) for column in zip(*rows, strict=True)]
    scores = parts.score(parts.join(stacked))
    values = _shapley(scores, n)
    total = float(np.abs(values).sum()) or 1.0
    found = [
        Contribution(branch.name, branch.embedder.backbone_info_["name"], float(v), abs(v) / total)
        for branch, v in zip(parts.branches, values.tolist(), strict=True)
    ]
    return found, float(scores[0])


def _shapley(scores: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return exact Shapley values, given the worth of every subset of n players by its bits.

    Shapley, "A Value for n-Person Games", 1953. Where the worth is a sum over players, each gets
    its own term.
    """
    values = np.zeros(n)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for chosen in combinations(others, size):
                without = sum(1 << j for j in chosen)
                values[i] += weight * (scores[without | 1 << i] - scores[without])
    return values


def _means(
    parts: Parts, features: Sequence[NDArray], genuine: Sequence[Any]
) -> list[NDArray] | None:
    """Return the genuine mean of every branch, of shape (1, k), as far as anything knows it."""
    if genuine:
        return [np.asarray(g, dtype=np.float64).mean(axis=0, keepdims=True) for g in genuine]
    known = [_learned_mean(branch) for branch in parts.branches]
    if all(mean is not None for mean in known):
        return known
    location = getattr(parts.detector, "location_", None)
    widths = [f.shape[1] for f in features]
    if location is None or len(parts.head) > 1 or len(location) != sum(widths):
        return None
    return [part[np.newaxis] for part in np.split(location, np.cumsum(widths)[:-1])]


def _learned_mean(branch: Branch) -> Any:
    """Return the mean that the scaler of a branch has learned, as the branch would give it."""
    for place, step in enumerate(branch.tail):
        if isinstance(step, DifferenceScaler):
            mean = named(step.mean_[np.newaxis], step)
            return branch.weight * np.asarray(transformed(branch.tail[place:], mean))
    return None
