"""Explain verdicts: image regions, contributions of embedders, and similar genuine pairs."""

from sklearn_diffake.inspection._contributions import Contribution
from sklearn_diffake.inspection._explain import explain_pair
from sklearn_diffake.inspection._explanation import PairExplanation
from sklearn_diffake.inspection._nearest import NearestGenuine
from sklearn_diffake.inspection._photo import ExplainedPhoto

__all__ = [
    "Contribution",
    "ExplainedPhoto",
    "NearestGenuine",
    "PairExplanation",
    "explain_pair",
]
