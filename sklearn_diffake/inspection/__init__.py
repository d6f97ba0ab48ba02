"""Explain verdicts: image regions, contributions of embedders, and similar genuine pairs."""

from ._contributions import Contribution
from ._explain import explain_pair
from ._explanation import PairExplanation
from ._nearest import NearestGenuine
from ._photo import ExplainedPhoto

__all__ = [
    "Contribution",
    "ExplainedPhoto",
    "NearestGenuine",
    "PairExplanation",
    "explain_pair",
]
