"""
The pipeline, step by step
==========================

From two photographs to a verdict in four steps: the face is aligned, embedded, compared, and the
comparison judged by what genuine comparisons look like. This example runs the steps one by one on
pairs of rendered people, and draws what goes from one to the next.
"""

# %%
# The four steps
# --------------
# :func:`~sklearn_diffake.make_difffake_pipeline` builds them; fitted on genuine pairs, the pipeline
# is a detector like any other of scikit-learn's.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.metrics import ScoreHistogramDisplay, confidence_interval
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector

faces = make_face_pairs(
    120, n_identities=20, n_videos=2, n_frames=2, techniques=["swap"], size=160, random_state=0
)
test = (faces.frame["split"] != "train").to_numpy()  # no person is on both sides
pairs, y = faces.data, faces.target

detector = ConformalDetector(
    MahalanobisDetector(), target_bpcer=0.1, calibration_size=0.5, random_state=0
)
pipe = make_difffake_pipeline("difffake-lite0-identity", operator="squared", detector=detector)
pipe.set_params(align__min_face_size=0.4)
print(pipe.fit(pairs[~test], y[~test]))  # rows with y == -1 are not learned from

# %%
# What goes from step to step
# ---------------------------
# One genuine pair and one face swap of a person that the pipeline has not seen. Each step takes
# what the one before returns.

people = faces.groups[test & (y == -1)]
example_rows = [
    next(i for i in np.flatnonzero(test & (y == label)) if faces.groups[i] == people[0])
    for label in (1, -1)
]
aligned = pipe["align"].align(pairs[example_rows])
crops = aligned.crops  # (2, 2) objects: crops of 160 x 160 pixels
landmarks = aligned.landmarks.reshape(2, 2, 5, 2)  # in the photographs
embeddings = pipe["embed"].transform(crops)  # (2, 2, 128)
differences = pipe["diff"].transform(embeddings)  # (2, 128)
scores = pipe["detect"].score_samples(differences)  # (2,)
verdicts = pipe["detect"].predict(differences)
print(embeddings.shape, differences.shape, scores.round(1), verdicts)

# %%
# Drawn from left to right
# ------------------------
# Both photographs with the landmarks that were found, the crops that are aligned by them, the
# embedding of the probe against that of the reference (one point for each feature, on the line if
# both agree), and the squared difference of the two, each scaled to length one.

GENUINE, FAKE = "#0072B2", "#D55E00"  # distinct for color-blind people
figure, grid = plt.subplots(
    2, 6, figsize=(13, 5), layout="constrained", width_ratios=[1, 1, 1, 1, 1.7, 1.7]
)
top = 1.1 * differences.max()
for row, (axes, name, color) in enumerate(
    zip(grid, ("genuine", "face swap"), (GENUINE, FAKE), strict=True)
):
    for column, side in enumerate(("reference", f"probe: {name}")):
        axes[column].imshow(pairs[example_rows[row]][column])
        axes[column].plot(*landmarks[row, column].T, "o", color="white", markeredgecolor="black")
        axes[column].set_title(side)
        axes[2 + column].imshow(crops[row, column])
        axes[2 + column].set_title("aligned")
    for axis in axes[:4]:
        axis.set_axis_off()
    axes[4].axline((0, 0), slope=1, color="#999999", linewidth=1)
    axes[4].scatter(*embeddings[row], 12, color)
    axes[4].set(title="128 features", xlabel="reference (no unit)", ylabel="probe")
    axes[4].set(xlim=(-25, 25), ylim=(-25, 25))
    axes[5].bar(range(differences.shape[1]), differences[row], 1.0, color=color)
    axes[5].set(title="squared difference", xlabel="feature", ylim=(0, top))

# %%
# The last step
# -------------
# How unnatural is a difference? The score is minus the squared Mahalanobis distance to the mean of
# genuine differences. Half of the genuine pairs were kept out of the mean and the covariance, and
# set the threshold: one genuine pair in ten may be rejected. The histograms have the pairs of eight
# people whom the pipeline has not seen; the marks are the two pairs drawn above.

scores_of_strangers = pipe.score_samples(pairs[test])
threshold = pipe["detect"].offset_
auc, low, high = confidence_interval(
    roc_auc_score, y[test], scores_of_strangers, groups=faces.groups[test]
)
figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
ScoreHistogramDisplay.from_predictions(
    y[test], scores_of_strangers, threshold=threshold, ax=axis, bins=20
)
for score, color, name in zip(scores, (GENUINE, FAKE), ("genuine", "face swap"), strict=True):
    axis.plot(score, 0.01, "v", color=color, markeredgecolor="black", markersize=13, zorder=3)
    axis.text(score, 0.03, name, ha="center", backgroundcolor="white")
axis.legend(loc="upper left", fontsize="small")
axis.set_title(f"AUC {auc:.2f} (95 % interval {low:.2f} to {high:.2f})")
plt.show()
