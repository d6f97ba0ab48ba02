"""Types of the public names, as editors and type checkers see them: checked by mypy, never run.

scikit-learn has no types of its own, so that a pipeline is Any for mypy.
"""

from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import sklearn_diffake
from sklearn_diffake import (
    PairScores,
    Reference,
    Verdict,
    fit_in_batches,
    load_default,
    make_difffake_pipeline,
    recalibrate,
    score_in_batches,
    score_pairs,
    show_versions,
    verify,
    verify_many,
)
from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.generation import PseudoDeepfakeGenerator
from sklearn_diffake.metrics import get_scorer_names, get_scorers
from sklearn_diffake.model_selection import cross_val_scores
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
    assert_type(load_default(), Any)
    assert_type(make_difffake_pipeline(), Any)
    assert_type(score_pairs(load_default(), [("a.jpg", "b.jpg")]), PairScores)
    assert_type(score_in_batches(load_default(), [("a.jpg", "b.jpg")]), NDArray[Any])
    assert_type(fit_in_batches(make_difffake_pipeline(), [("a.jpg", "b.jpg")]), Any)
    assert_type(recalibrate(load_default(), [("a.jpg", "b.jpg")]), Any)
    assert_type(show_versions(), dict[str, dict[str, Any]] | None)
    assert_type(sklearn_diffake.__version__, str)


def check_evaluation() -> None:
    detector, y = MahalanobisDetector(), [1, -1] * 4
    assert_type(cross_val_scores(detector, X, y, cv=2), NDArray[np.float64])
    assert_type(
        cross_val_scores(detector, X, y, cv=2, return_folds=True),
        tuple[NDArray[np.float64], NDArray[np.int64]],
    )
    assert_type(get_scorers(get_scorer_names()), dict[str, Any])


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
    assert_type(DifferenceScaler().partial_fit(X), DifferenceScaler)
    assert_type(FaceAligner().set_output(transform="pandas"), FaceAligner)
    assert_type(FaceEmbedder().set_output(transform="pandas"), FaceEmbedder)


class OwnEmbedder(FaceEmbedder):
    """A subclass keeps its own type."""


def check_subclasses() -> None:
    assert_type(OwnEmbedder().fit(X), OwnEmbedder)
    assert_type(OwnEmbedder().set_output(transform="pandas"), OwnEmbedder)
