"""Explain verdicts: image regions, contributions of embedders, and similar genuine pairs."""

from typing import TYPE_CHECKING

from sklearn_diffake.utils._lazy_names import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Contribution": "._contributions",
        "ExplainedPhoto": "._photo",
        "NearestGenuine": "._nearest",
        "PairExplanation": "._explanation",
        "explain_pair": "._explain",
    },
)
