"""A small fitted model, and pictures for it."""

import functools

import numpy as np
from image_helpers import faces
from sklearn.pipeline import FeatureUnion, Pipeline

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector
from sklearn_diffake.pairs import PairDifference

COLORS, MEANS = "tiny_backbones:colors", "tiny_backbones:means"


def make_model(
    detector=None, *, aligned=True, two_branches=False, operator="squared", mode=None, **settings
):
    """Build a pipeline over tiny networks."""
    steps = []
    if aligned:
        options = {"size": 48, "min_face_size": 0.4, "device": "cpu", **settings}
        steps.append(("align", FaceAligner(**options)))
    if two_branches:
        branches = [
            (name, Pipeline([("embed", FaceEmbedder(name, device="cpu")), ("diff", difference)]))
            for name, difference in (
                (COLORS, PairDifference(operator, mode=mode)),
                (MEANS, PairDifference("probe", mode=mode)),
            )
        ]
        steps.append(("features", FeatureUnion(branches)))
    else:
        embedder = FaceEmbedder(COLORS, device="cpu")
        steps += [("embed", embedder), ("diff", PairDifference(operator, mode=mode))]
    if detector is None:
        detector = ConformalDetector(
            MahalanobisDetector(), target_bpcer=0.1, calibration_size=0.6, random_state=0
        )
    return Pipeline([*steps, ("detect", detector)])


def fitted(n=30, *, seed=1, times=1, **settings):
    """Fit a model on n pairs of retakes of one face; `times` over, for a larger calibration."""
    model = make_model(**settings)
    pairs = list(aligned_pairs(n, seed)) * times
    return model.fit(pairs) if "align" not in model.named_steps else _fit_head(model, pairs)


@functools.cache
def aligned_pairs(n, seed):
    """Align pairs once for all models."""
    photos = faces(2 * n, seed)
    pairs = list(zip(photos[::2], photos[1::2], strict=True))
    crops = FaceAligner(48, min_face_size=0.4, device="cpu").fit_transform(pairs)
    return [tuple(pair) for pair in crops]


def _fit_head(model, crops):
    model["align"].fit(crops)
    model[1:].fit(crops)  # its steps are those of the model
    return model


def altered(image):
    """Give a face other colors: it is still found, and far from genuine."""
    return np.round(image * np.array([1.0, 1.0, 0.3])).astype(np.uint8)
