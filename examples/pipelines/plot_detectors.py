"""
Which detector?
===============

The detector, the last step of a pipeline, learns what genuine differences look like and scores new
ones. All detectors can be swapped for one another. This example fits seven of them to the same
differences of rendered people, and shows how well and how surely each tells genuine pairs from
face swaps, and how the scores of four of them are spread.
"""

# %%
# Differences of people who do not exist
# --------------------------------------
# 160 pairs of 24 rendered people: a genuine frame, and one of another video in which either the
# same person is seen or the inner face of somebody else. Aligning and embedding, the slow steps,
# are done once for all detectors.

import matplotlib.pyplot as plt
from pyod.models.knn import KNN
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM

from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.metrics import ScoreHistogramDisplay, confidence_interval
from sklearn_diffake.model_selection import IdentityGroupKFold, cross_val_scores
from sklearn_diffake.novelty import (
    DeepSVDD,
    GaussianMixtureDetector,
    GenuineOnly,
    MahalanobisDetector,
    PyODDetector,
    SumRuleDetector,
)
from sklearn_diffake.pairs import PairDifference

faces = make_face_pairs(
    160, n_identities=24, n_videos=2, n_frames=2, techniques=["swap", "splice"], size=128,
    random_state=0,
)  # fmt: skip
embed = make_pipeline(
    FaceAligner(160, margin=0.2, min_face_size=0.4), FaceEmbedder("difffake-lite0-identity")
)
embeddings = embed.fit_transform(faces.data)
y, people = faces.target, faces.groups

# %%
# Seven detectors
# ---------------
# The last one learns nothing: it takes the cosine distance of the two embeddings as it is. A
# detector that does not beat it has found nothing in the 128 numbers that their plain distance does
# not say.

squared = PairDifference("squared")
detectors = {
    "Mahalanobis": make_pipeline(squared, MahalanobisDetector()),
    "mixture of 3": make_pipeline(squared, GaussianMixtureDetector(3, random_state=0)),
    "mixture of 3, shrunk": make_pipeline(
        squared, GaussianMixtureDetector(3, shrinkage="auto", random_state=0)
    ),
    "Deep SVDD": make_pipeline(squared, DeepSVDD(max_epochs=20, device="cpu", random_state=0)),
    "PyOD: nearest neighbors": make_pipeline(squared, PyODDetector(KNN(n_neighbors=5))),
    "scikit-learn: one-class SVM": make_pipeline(squared, GenuineOnly(OneClassSVM())),
    "cosine distance alone": make_pipeline(PairDifference("cosine"), SumRuleDetector()),
}

# %%
# Each person's pairs are scored by a detector that was fitted on genuine pairs of others.
# Decision functions, zero at the detector's own threshold, can be put together from several fits.

cv = IdentityGroupKFold(4, shuffle=True, random_state=0)
scores = {
    name: cross_val_scores(detector, embeddings, y, groups=people, cv=cv)
    for name, detector in detectors.items()
}

# %%
# How well, and how surely
# ------------------------
# The intervals come from drawing people, not pairs: pairs of one person are alike.


figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
for row, score in enumerate(scores.values()):
    estimate, low, high = confidence_interval(roc_auc_score, y, score, groups=people)
    axis.plot([low, high], [row, row], color="#0072B2", linewidth=3, alpha=0.5)
    axis.plot(estimate, row, "o", color="#0072B2", markersize=9)
    axis.text(estimate, row - 0.18, f"{estimate:.2f}", ha="center", va="bottom")
axis.axvline(0.5, color="#666666", linestyle=":", label="chance")
axis.set(yticks=range(len(detectors)), yticklabels=detectors, xlim=(0.45, 1.0), ylim=(6.6, -0.8))
axis.set_xlabel("AUC, 95 % interval over 24 people")
axis.set_title("Seven detectors on the same embeddings")
axis.legend(loc="lower left")

# %%
# The intervals of six detectors overlap widely: 24 people do not tell them apart, nor from the
# plain distance. The mixture without shrinkage is behind: three full covariances cannot be had from
# sixty genuine pairs, so that it keeps five principal components of 128 and is blind to the rest.
#
# The scores behind it
# --------------------
# The dashed line is the threshold of each detector, which rejects 5 % of its genuine pairs in fit.
# BPCER is the fraction rejected of genuine pairs of *others*: far more if a detector with many
# parameters overfits its sixty pairs. Overfitting does not change ranks, but thresholds;
# :class:`~sklearn_diffake.novelty.ConformalDetector` sets them on pairs that are not in the fit.

figure, axes = plt.subplots(2, 2, figsize=(9.5, 6.4), layout="constrained")
shown_names = ["Mahalanobis", "mixture of 3", "Deep SVDD", "cosine distance alone"]
for axis, name in zip(axes.flat, shown_names, strict=True):
    ScoreHistogramDisplay.from_predictions(
        y, scores[name], threshold=0.0, name=name, ax=axis, bins=24
    )
    axis.set_xlabel("decision function")
plt.show()

# sphinx_gallery_thumbnail_number = 2
