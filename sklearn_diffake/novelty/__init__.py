"""One-class detectors, fitted on the differences of genuine pairs."""

from typing import TYPE_CHECKING

from sklearn_diffake.utils._lazy_names import lazy_names

if TYPE_CHECKING:
    from sklearn_diffake.novelty._conformal import ConformalDetector
    from sklearn_diffake.novelty._deep_svdd import DeepSVDD
    from sklearn_diffake.novelty._gaussian_mixture import GaussianMixtureDetector
    from sklearn_diffake.novelty._genuine_only import GenuineOnly
    from sklearn_diffake.novelty._mahalanobis import MahalanobisDetector
    from sklearn_diffake.novelty._nearest_reference import (
        NearestReferenceDetector,
        stack_references,
    )
    from sklearn_diffake.novelty._pyod import PyODDetector
    from sklearn_diffake.novelty._sum_rule import SumRuleDetector

__all__ = [
    "ConformalDetector",
    "DeepSVDD",
    "GaussianMixtureDetector",
    "GenuineOnly",
    "MahalanobisDetector",
    "NearestReferenceDetector",
    "PyODDetector",
    "SumRuleDetector",
    "stack_references",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ConformalDetector": "._conformal",
        "DeepSVDD": "._deep_svdd",
        "GaussianMixtureDetector": "._gaussian_mixture",
        "GenuineOnly": "._genuine_only",
        "MahalanobisDetector": "._mahalanobis",
        "NearestReferenceDetector": "._nearest_reference",
        "PyODDetector": "._pyod",
        "SumRuleDetector": "._sum_rule",
        "stack_references": "._nearest_reference",
    },
)
