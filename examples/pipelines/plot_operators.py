"""
Eight ways to take a difference
===============================

A detector of differences sees what :class:`~sklearn_diffake.pairs.PairDifference` makes of two
embeddings. This example compares its eight operators on rendered people: how well genuine pairs
and face swaps are separated by each, how sure that is, and what a threshold would cost.
"""

# %%
# Pairs of people who do not exist
# --------------------------------
# 160 pairs of 24 rendered people: a genuine frame, and one of another video in which either the
# same person is seen or the inner face of somebody else. Each frame is aligned and embedded once,
# by the packaged network for identity; all operators start from the same vectors.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.metrics import DetectionErrorDisplay, confidence_interval
from sklearn_diffake.model_selection import IdentityGroupKFold, cross_val_scores
from sklearn_diffake.novelty import MahalanobisDetector
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
# Scores of people whom the detector has not seen
# -----------------------------------------------
# Each person's pairs are scored by a detector that was fitted on genuine pairs of others. The
# detector is the same for all: the Mahalanobis distance, with a shrunk covariance.

OPERATORS = ["absolute", "subtract", "squared", "cubed", "cosine", "concat", "hadamard", "probe"]
cv = IdentityGroupKFold(4, shuffle=True, random_state=0)
scores = {}
for operator in OPERATORS:
    detector = make_pipeline(PairDifference(operator), MahalanobisDetector())
    scores[operator] = cross_val_scores(
        detector, embeddings, y, groups=people, cv=cv, method="score_samples"
    )

# %%
# AUC, with intervals over people
# -------------------------------
# Pairs of one person are alike, so intervals are over people, not pairs. The right panel compares
# each operator with ``"squared"``, the default, by a bootstrap: where its interval includes
# zero, these data do not tell the two apart.


def auc(y, score):
    """Fraction of genuine-fake couples in the right order: scikit-learn's ROC AUC, but faster."""
    return (score[y == 1][:, np.newaxis] > score[y == -1]).mean()


def gain(y, score, squared):
    """Difference of two areas on the same pairs."""
    return auc(y, score) - auc(y, squared)


GENUINE, FAKE, GRAY = "#0072B2", "#D55E00", "#666666"  # distinct for color-blind people
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained", sharey=True)
for row, operator in enumerate(OPERATORS):
    areas = confidence_interval(roc_auc_score, y, scores[operator], groups=people)
    baseline = {"squared": scores["squared"]}
    gains = confidence_interval(
        gain, y, scores[operator], groups=people, metadata=baseline, n_resamples=500, random_state=0
    )
    for axis, (estimate, low, high) in zip(axes, (areas, gains), strict=True):
        axis.plot([low, high], [row, row], color=GENUINE, linewidth=3, alpha=0.5)
        axis.plot(estimate, row, "o", color=GENUINE, markersize=9)
    print(f"{operator:9} AUC {areas.estimate:.2f} ({areas.low:.2f} to {areas.high:.2f})")
axes[0].axvline(0.5, color=GRAY, linestyle=":", label="chance")
axes[0].set(xlabel="AUC, 95 % interval", yticks=range(len(OPERATORS)), yticklabels=OPERATORS)
axes[0].invert_yaxis()
axes[0].legend(loc="lower right")
axes[1].axvline(0.0, color=GRAY, linestyle=":")
axes[1].set_xlabel('AUC less that of "squared", 95 % interval')
figure.suptitle("Eight operators, the same embeddings and detector", fontsize=13)

# %%
# The four that subtract the embeddings stand close together. The cosine distance is behind, with
# this detector: a Mahalanobis distance takes a pair that is *closer* than usual for unnatural as
# well; :class:`~sklearn_diffake.novelty.SumRuleDetector` would not. The probe alone says nothing,
# as it should be for a network that tells people apart, and two vectors side by side little. The
# product is worse than chance: where the two faces differ it is small and varies less, so that
# fakes lie closer to its mean than genuine pairs do.
#
# What a threshold would cost
# ---------------------------
# The curve of errors shows the same at every threshold: how many genuine pairs are rejected
# (upwards) for how many deepfakes accepted (to the right).

figure, axis = plt.subplots(figsize=(6.5, 6), layout="constrained")
for operator, color, style in (
    ("subtract", GENUINE, "-"),
    ("squared", FAKE, "--"),
    ("cosine", "#56B4E9", "-."),
    ("probe", "black", ":"),
):
    DetectionErrorDisplay.from_predictions(
        y, scores[operator], name=operator, ax=axis, color=color, linestyle=style, linewidth=2
    )
axis.set_title("Four of the operators")
plt.show()
