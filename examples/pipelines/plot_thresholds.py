"""
Thresholds that keep their promise
==================================

"At most one genuine pair in ten is rejected" is a promise that a threshold should keep on pairs it
was not set on. :class:`~sklearn_diffake.novelty.ConformalDetector` sets thresholds, and gives
p-values, that keep it whatever the detector inside. Left, the p-values of genuine pairs are
uniform, as they must be, and those of deepfakes are small; right, the fraction of genuine pairs
rejected against the fraction promised, beside a threshold read off the training scores.
"""

# %%
# One genuine pair of each of many people
# ---------------------------------------
# Pairs of one person resemble each other; with one pair each, all rows stand on their own. (With
# more, give their people as ``groups`` to ``fit``.)

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import ShuffleSplit

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.novelty import ConformalDetector, GaussianMixtureDetector

people = 120
faces = make_face_pairs(
    160,
    fake_share=0.25,
    n_identities=people,
    n_videos=2,
    n_frames=1,
    techniques=["swap", "splice"],
    size=112,
    random_state=0,
)
extractor = make_difffake_pipeline("difffake-lite0-identity", operator="subtract", aligner=False)
X = extractor[:-1].fit_transform(faces.data)
genuine, fake = X[faces.target == 1], X[faces.target == -1]
print(f"{len(genuine)} genuine pairs, {len(fake)} deepfakes")

# %%
# Many draws of the calibration set
# ---------------------------------
# The promise is about the average over calibration sets. So the genuine pairs are divided again
# and again: a quarter to test on, and of the rest a third to calibrate. The plain threshold is
# that of the same detector, which rejects this fraction of its training pairs.

levels = np.array([0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
detector = GaussianMixtureDetector(1, shrinkage="auto", random_state=0)
conformal = ConformalDetector(detector, target_bpcer=0.05, calibration_size=1 / 3, random_state=0)
p_genuine, p_fake, plain = [], [], []
for train, test in ShuffleSplit(30, test_size=0.25, random_state=0).split(genuine):
    conformal.fit(genuine[train])
    p_genuine.append(conformal.p_values(genuine[test]))
    p_fake.append(conformal.p_values(fake))
    fitted = detector.fit(genuine[train])
    thresholds = np.quantile(fitted.score_samples(genuine[train]), levels)
    plain.append((fitted.score_samples(genuine[test])[:, None] < thresholds).mean(axis=0))
conformal_rates = (np.array(p_genuine)[:, :, None] <= levels).mean(axis=1)
plain = np.array(plain)

# %%
# Promised and found
# ------------------

BLUE, VERMILION = "#0072B2", "#D55E00"
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
bins = np.linspace(0, 1, 11)
style = {"bins": bins, "density": True}
left.hist(np.concatenate(p_genuine), color=BLUE, alpha=0.75, label="genuine", **style)
left.hist(
    np.concatenate(p_fake),
    histtype="step",
    color=VERMILION,
    linewidth=2.5,
    label="deepfake",
    **style,
)
left.axhline(1, color="black", linestyle=":", label="uniform")
left.set(xlabel="p-value", ylabel="density", title="p-values", xlim=(0, 1))
left.legend()

right.plot([0, 0.35], [0, 0.35], color="black", linestyle=":", label="promise")
for rates, color, marker, label in (
    (plain, VERMILION, "s", "plain threshold"),
    (conformal_rates, BLUE, "o", "conformal"),
):
    low, high = np.quantile(rates, [0.1, 0.9], axis=0)
    right.fill_between(levels, low, high, color=color, alpha=0.2)
    right.plot(levels, rates.mean(axis=0), color=color, marker=marker, linewidth=2.5, label=label)
right.set(
    xlabel="BPCER promised",
    ylabel="BPCER found",
    title="Genuine pairs rejected",
    xlim=(0, 0.35),
    ylim=(0, None),
)
right.legend(loc="center right")
plt.show()

# %%
# Lines are means over 30 draws, bands hold four fifths of them: a single calibration set of some
# thirty pairs may still be lucky or unlucky.

for level, conformal_rate, plain_rate in zip(
    levels, conformal_rates.mean(axis=0), plain.mean(axis=0), strict=True
):
    print(f"promised {level:.0%}: conformal {conformal_rate:.1%}, plain threshold {plain_rate:.1%}")
accepted = np.mean(np.concatenate(p_fake) > 0.1)
print(f"At the level of 10 %, {accepted:.0%} of the deepfakes pass.")

# %%
# The detector is fitted so closely to its training pairs that their own scores say nothing of new
# ones; the plain threshold rejects far more than it was meant to. Neither tells how many deepfakes
# pass: that is a matter of the embedding, and of deepfakes, which no threshold was shown.
