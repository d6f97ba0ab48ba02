"""
The two objectives of Deep SVDD
===============================

:class:`~sklearn_diffake.novelty.DeepSVDD` learns a network that maps genuine rows close to one
point. Its *one-class* objective pulls all of them there; its *soft boundary* asks only that a
sphere around the point holds all but a share ``nu`` of them. On a problem of two features one can
look at both: at the region that each calls genuine, at the losses that led there, and at what
happens if some of the training rows are not genuine after all.
"""

# %%
# Genuine rows, and a few that are not
# ------------------------------------
# Genuine rows lie on two half moons. Deepfakes may lie anywhere, on the moons too, so that no
# detector can find all of them; they are used in the test only. In the second training set, one row
# in ten is a deepfake that is labeled genuine.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.metrics import roc_auc_score

from sklearn_diffake.novelty import DeepSVDD

LOW, HIGH = (-1.7, -1.2), (2.7, 1.7)
GENUINE, FAKE = "#0072B2", "#D55E00"  # distinct for color-blind people

rng = np.random.default_rng(0)
clean = make_moons(400, noise=0.08, random_state=0)[0]
mixed = np.concatenate([clean[:360], rng.uniform(LOW, HIGH, (40, 2))])
test_rows = np.concatenate(
    [make_moons(400, noise=0.08, random_state=1)[0], rng.uniform(LOW, HIGH, (400, 2))]
)
y = np.repeat([1, -1], 400)

# %%
# Both objectives on both training sets
# -------------------------------------
# Each is fitted four times, with other seeds: one lucky fit of a network would say little.

OBJECTIVES = ("one-class", "soft-boundary")
TRAINING = {"clean rows": clean, "one row in ten mislabeled": mixed}


def fit(objective, rows, seed):
    detector = DeepSVDD(
        objective,
        nu=0.1,
        contamination=0.1,
        hidden_layer_sizes=(64, 64),
        representation_size=16,
        max_epochs=30,
        lr=3e-3,
        device="cpu",
        random_state=seed,
    )
    return detector.fit(rows)


fits = {
    (objective, name): [fit(objective, rows, seed) for seed in range(4)]
    for name, rows in TRAINING.items()
    for objective in OBJECTIVES
}

# %%
# What each calls genuine
# -----------------------
# Brighter is more genuine; on the black line the decision function is zero, which rejects one
# training row in ten. The first of the four fits is drawn. The numbers are the mean AUC of all
# four, and the lowest and highest of them, on 400 new genuine rows and 400 deepfakes.

grid = np.stack(np.meshgrid(np.linspace(LOW[0], HIGH[0], 110), np.linspace(LOW[1], HIGH[1], 80)))
figure, axes = plt.subplots(2, 2, figsize=(9.5, 7), layout="constrained", sharex=True, sharey=True)
for axis, ((objective, name), detectors) in zip(axes.flat, fits.items(), strict=True):
    field = detectors[0].decision_function(grid.reshape(2, -1).T)
    ranks = field.argsort().argsort().reshape(grid.shape[1:]) / field.size
    axis.contourf(*grid, ranks, 12, cmap="Blues", alpha=0.8)
    axis.contour(*grid, field.reshape(ranks.shape), [0], colors="black", linewidths=2)
    rows = TRAINING[name]
    axis.scatter(*clean[:360].T, 8, "white", edgecolors=GENUINE, linewidths=0.6)
    if rows is mixed:
        axis.scatter(*rows[360:].T, 45, FAKE, marker="X", edgecolors="white", label="mislabeled")
        axis.legend(loc="lower left")
    aucs = [roc_auc_score(y, detector.score_samples(test_rows)) for detector in detectors]
    title = f"{objective}, {name}\nAUC {np.mean(aucs):.2f} ({min(aucs):.2f} to {max(aucs):.2f})"
    axis.set_title(title, fontsize=12)
figure.supxlabel("first feature (no unit)")
figure.supylabel("second feature (no unit)")

# %%
# On clean rows both enclose the moons. The mislabeled rows harm both, and the soft boundary *more*,
# though it is meant for such rows. Its loss comes from the rows outside the sphere, so that the
# network may learn most from those that it should ignore. The sphere sets a fraction only: one
# training row in ten is outside, mislabeled or not.

for (objective, name), detectors in fits.items():
    if objective == "soft-boundary":
        outside = [np.mean(detector.score_samples(TRAINING[name]) < 0) for detector in detectors]
        print(f"{name}: {np.mean(outside):.1%} of the training rows are outside the sphere")

# %%
# How they got there
# ------------------
# The one-class loss has no lower end but a network that answers every row alike; what counts is how
# far it falls, and a few hundredths of its start are far enough. In the soft boundary's first ten
# epochs, the warm-up, its radius is zero; only the losses after it can be compared.

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
for axis, objective in zip(axes, OBJECTIVES, strict=True):
    for name, color, style in zip(TRAINING, (GENUINE, FAKE), ("-", "--"), strict=True):
        for detector in fits[objective, name]:
            epochs = [record["epoch"] for record in detector.history_]
            losses = [record["train_loss"] for record in detector.history_]
            label = name if detector is fits[objective, name][0] else None
            axis.plot(epochs, losses, style, color=color, alpha=0.7, label=label)
    axis.set(title=objective, xlabel="epoch", yscale="log")
axes[0].set_ylabel("training loss (no unit)")
axes[0].legend()
axes[1].axvspan(epochs[0], epochs[10], color="#DDDDDD", zorder=0)
axes[1].text(epochs[0] + 0.5, 0.05, "warm-up", transform=axes[1].get_xaxis_transform())
plt.show()
