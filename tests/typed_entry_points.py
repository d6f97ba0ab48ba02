"""Types of the public names, as editors and type checkers see them: checked by mypy, never run.

scikit-learn has no types of its own, so that a pipeline is Any for mypy.
"""

from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np

import sklearn_diffake
from sklearn_diffake import (
    PairScores,
    Reference,
    Verdict,
    load_default,
    make_difffake_pipeline,
    score_pairs,
    verify,
    verify_many,
)
from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.generation import PseudoDeepfakeGenerator
from sklearn_diffake.novelty import (
    ConformalDetector,
    DeepSVDD,
    GaussianMixtureDetector,
    GenuineOnly,
    MahalanobisDetector,
    NearestReferenceDetector,
    PyODDetector,
    SumRuleDetector,
)
from sklearn_diffake.pairs import DifferenceScaler, PairDifference

X = np.zeros((8, 4))


def check_functions() -> None:
    assert_type(verify("reference.jpg", "probe.jpg"), Verdict)
    assert_type(sklearn_diffake.verify("reference.jpg", "probe.jpg"), Verdict)
    assert_type(verify_many([("a.jpg", "b.jpg")]), Iterator[Verdict])
    assert_type(verify(Reference("reference.jpg"), "probe.jpg"), Verdict)
    assert_type(score_pairs(load_default(), [("a.jpg", "b.jpg")]), PairScores)
    assert_type(sklearn_diffake.__version__, str)
    assert_type(make_difffake_pipeline(), Any)


def check_estimators() -> None:
    assert_type(FaceAligner().fit(X), FaceAligner)
    assert_type(FaceEmbedder().fit(X), FaceEmbedder)
    assert_type(ForgeryEmbedder().fit(X), ForgeryEmbedder)
    assert_type(PairDifference().fit(X), PairDifference)
    assert_type(DifferenceScaler().fit(X), DifferenceScaler)
    assert_type(PseudoDeepfakeGenerator().fit(X), PseudoDeepfakeGenerator)
    assert_type(MahalanobisDetector().fit(X), MahalanobisDetector)
    assert_type(GaussianMixtureDetector().fit(X), GaussianMixtureDetector)
    assert_type(DeepSVDD().fit(X), DeepSVDD)
    assert_type(PyODDetector("ECOD").fit(X), PyODDetector)
    assert_type(SumRuleDetector().fit(X), SumRuleDetector)
    assert_type(NearestReferenceDetector().fit(X), NearestReferenceDetector)
    assert_type(ConformalDetector(SumRuleDetector()).fit(X), ConformalDetector)
    assert_type(GenuineOnly(DeepSVDD()).fit(X), GenuineOnly)
