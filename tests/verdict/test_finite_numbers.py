"""A score or threshold that is no finite number gives no verdict."""

import numpy as np
import pytest
from image_helpers import noise

from sklearn_diffake import make_difffake_pipeline, verify
from sklearn_diffake.novelty import MahalanobisDetector


@pytest.fixture
def model():
    images = noise(12)
    pairs = [(images[i], images[i + 1]) for i in range(11)]
    detector = MahalanobisDetector(contamination=0.2)
    pipe = make_difffake_pipeline(
        "tiny_backbones:colors",
        aligner=False,
        operator="squared",
        device="cpu",
        detector=detector,
    )
    return images, pipe.fit(pairs)


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score(monkeypatch, model, score):
    images, pipe = model
    assert verify(images[0], images[1], model=pipe).outcome != "error"
    monkeypatch.setattr(MahalanobisDetector, "_score", lambda self, X: np.full(len(X), score))
    verdict = verify(images[0], images[1], model=pipe)
    assert (verdict.outcome, verdict.score, verdict.p_value) == ("error", None, None)
    assert verdict.reason == f"the model's score is {score}, no finite number"


@pytest.mark.parametrize("threshold", [np.nan, np.inf, -np.inf])
def test_a_threshold(model, threshold):
    images, pipe = model
    pipe["detect"].offset_ = threshold
    verdict = verify(images[0], images[1], model=pipe)
    assert verdict.outcome == "error"
    assert "no finite number" in verdict.reason
