"""Explain verdicts: image regions, contributions of embedders, and similar genuine pairs."""

from ._contributions import Contribution
from ._explain import PairExplanation, explain_pair
from ._nearest import NearestGenuine
from ._photo import ExplainedPhoto
from ._report import PairReport

__all__ = [
    "Contribution",
    "ExplainedPhoto",
    "NearestGenuine",
    "PairExplanation",
    "PairReport",
    "explain_pair",
]
