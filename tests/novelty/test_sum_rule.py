"""Evidence from several sources, added up."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sklearn_diffake.novelty import MahalanobisDetector, SumRuleDetector


def test_score_is_minus_the_sum():
    X = np.random.default_rng(0).normal(size=(30, 4))
    detector = SumRuleDetector(contamination=0.1).fit(X)
    np.testing.assert_allclose(detector.score_samples(X), -X.sum(axis=1), atol=1e-12)
    assert (detector.predict(X) == -1).sum() == 3


def test_fakes_do_not_move_the_threshold():
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = np.repeat([1, -1], [30, 10])
    shifted = X + 100 * (y == -1)[:, np.newaxis]
    assert SumRuleDetector().fit(shifted, y).offset_ == SumRuleDetector().fit(X[:30]).offset_


def test_two_weak_witnesses_are_better_than_one():
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], 2000)
    X = rng.normal(size=(4000, 2)) + (y == -1)[:, np.newaxis]
    combined = roc_auc_score(y, SumRuleDetector().fit(X, y).score_samples(X))
    single = roc_auc_score(y, SumRuleDetector().fit(X[:, :1], y).score_samples(X[:, :1]))
    assert combined > single + 0.05


def test_what_is_more_natural_than_usual_is_accepted():
    X = np.random.default_rng(0).normal(size=(500, 2))
    very_close = [[-6.0, -6.0]]
    assert SumRuleDetector().fit(X).predict(very_close) == 1
    assert MahalanobisDetector().fit(X).predict(very_close) == -1


def test_a_row_that_is_no_number():
    with pytest.raises(ValueError, match="NaN in row 1"):
        SumRuleDetector().fit([[0.0], [np.nan]])
