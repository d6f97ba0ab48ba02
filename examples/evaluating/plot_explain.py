"""
Why this verdict?
=================

A score alone convinces nobody. Here the inner face of a rendered person is replaced by that of
somebody else, and the pair is explained: which places of the two photographs moved the score,
which of two networks saw it, and which genuine pairs are most like it. As the face is rendered, it
is known where the picture was manipulated, so one will also see how far the maps are right.
"""

# %%
# A manipulated pair
# ------------------
# The pipeline joins two small networks that come with the package: one for identity, and one that
# looks for traces of forgery. It is fitted on genuine pairs of the kind at hand; the pair in
# question is of a person who is not among them.

import os
import tempfile

import matplotlib.pyplot as plt
import numpy as np

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.inspection import explain_pair

faces = make_face_pairs(
    36, n_identities=12, n_videos=2, n_frames=2, techniques="swap", masks=True, size=208,
    random_state=0,
)  # fmt: skip
fake_row = np.flatnonzero(faces.target == -1)[0]
reference, probe = faces.data[fake_row]
genuine = faces.data[(faces.target == 1) & (faces.groups != faces.groups[fake_row])]

model = make_difffake_pipeline(
    ["difffake-lite0-identity", "difffake-lite0-verdict"],
    operator=["cosine", "probe"],
    weights=[1.0, 0.2],
    random_state=0,
)
model.set_params(align__min_face_size=0.4, detect__target_bpcer=0.1, detect__calibration_size=0.8)
model.fit(genuine)
print(f"Threshold from {len(genuine)} genuine pairs: {model[-1].offset_:.2f}")

# %%
# The explanation
# ---------------
# :func:`~sklearn_diffake.inspection.explain_pair` takes any fitted pipeline and two photographs.

explanation = explain_pair(model, reference, probe, genuine=genuine, patch=0.2, random_state=0)
print(explanation)

# %%
# Places
# ------
# Maps are made on the aligned crop; ``in_photo`` lays them over the photograph, with nothing
# beside the crop (its outline is dashed). Orange in the first two maps: the score would be higher
# without this place, so it speaks against the pair. Purple: it speaks for it. The black line is
# what the maps could not know: where the probe was manipulated.

TITLES = {
    "joint occlusion": "left out of the comparison",
    "occlusion": "hidden here alone",
    "gradient": "sensitivity",
}
mask = faces.masks[fake_row, 1] > 127
figure, axes = plt.subplots(2, 4, figsize=(12, 6.2), layout="constrained")
for row, side in zip(axes, ("reference", "probe"), strict=True):
    photo = getattr(explanation, side)
    row[0].imshow(photo.image)
    row[0].set_ylabel(side, fontsize=14)
    for axis, (method, title) in zip(row[1:], TITLES.items(), strict=True):
        heats = [explanation.reference.in_photo(method), explanation.probe.in_photo(method)]
        limit = max(np.nanmax(np.abs(heat)) for heat in heats)
        signed = method != "gradient"
        axis.imshow(photo.image.mean(axis=2), cmap="gray")
        image = axis.imshow(
            photo.in_photo(method),
            cmap="PuOr_r" if signed else "viridis",
            vmin=-limit if signed else 0,
            vmax=limit,
            alpha=0.6,
        )
        if side == "probe":
            axis.contour(mask, levels=[0.5], colors="black", linewidths=1.5)
            figure.colorbar(image, ax=axis, location="bottom", format="%.2g", shrink=0.8)
        else:
            axis.set_title(title, fontsize=13)
    for axis in row:
        axis.plot(*np.vstack([photo.corners, photo.corners[:1]]).T, "k--", linewidth=1)
        axis.set(xticks=[], yticks=[], xlim=(-5, 212), ylim=(212, -5))
figure.supxlabel("change of the score; for the sensitivity, its square per squared level of color")

# %%

for method, title in TITLES.items():
    x, y = explanation.probe.peak(method)
    heat = np.nan_to_num(explanation.probe.in_photo(method)).clip(min=0)
    inside = "inside" if mask[int(y), int(x)] else "outside"
    print(f"{title:27} peak {inside}, {heat[mask].sum() / heat.sum():.0%} of the map inside")
reached = np.isfinite(explanation.probe.in_photo("gradient"))
print(f"{'manipulated':27} {mask[reached].mean():.0%} of the crop")

# %%
# All three point into the manipulated face, and well over half of their orange, or of the
# sensitivity, lies in it, which is a sixth of the crop. But faces are manipulated in the middle,
# and there models look most in any case; one orange cheek is no outline of a swapped face; and
# what is hidden in one photograph alone is a difference by itself, hence mostly purple. This is
# one pair, on which it went well. How often it does, against what controls, is in
# :doc:`/guide/explaining`.

# %%
# Networks
# --------
# The pipeline joins two networks: one compares the identities, one looks for traces of forgery in
# the probe. The score is divided between them, from that of a pair which shows both the genuine
# mean.

GENUINE, FAKE = "#0072B2", "#D55E00"  # distinct for color-blind people; signs say the same
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
running_score = explanation.base_score
for position, contribution in enumerate(explanation.contributions):
    axis.barh(
        position,
        contribution.value,
        left=running_score,
        color=FAKE if contribution.value < 0 else GENUINE,
        height=0.6,
    )
    axis.text(
        running_score + contribution.value / 2,
        position - 0.4,
        f"{contribution.value:+.2f}",
        ha="center",
        va="bottom",
    )
    running_score += contribution.value
    axis.plot(
        [running_score, running_score], [position - 0.3, position + 1.3], color="black", linewidth=1
    )
axis.axvline(explanation.base_score, color="#666666", linestyle=":", label="genuine mean")
axis.axvline(explanation.threshold, color="black", linestyle="--", label="threshold")
axis.plot(
    explanation.score, len(explanation.contributions), "kD", label=f"score {explanation.score:.2f}"
)
axis.set_yticks(
    range(3), [*(contribution.backbone for contribution in explanation.contributions), "score"]
)
span = (
    min(explanation.score, explanation.base_score) - 0.25,
    max(explanation.score, explanation.base_score) + 0.15,
)
axis.set(xlim=span, ylim=(2.5, -0.9), xlabel="score (no unit; higher = more genuine)")
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))

# %%
# It is the identity that speaks against this pair. The verdict on the probe finds nothing amiss:
# the donor's face was rendered in the same light and blended in before the picture was taken.

# %%
# The report
# ----------
# :meth:`~sklearn_diffake.inspection.PairExplanation.report` puts all this on one picture, or on a
# page (``.html``), with the genuine pairs that are nearest, and with what it takes to do it again:
# versions, networks, digests of the photographs.

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "why.png")
    explanation.report(path)
    picture = plt.imread(path)
figure = plt.figure(figsize=(picture.shape[1] / 100, picture.shape[0] / 100))
axis = figure.add_axes((0, 0, 1, 1))
axis.imshow(picture)
axis.axis("off")
plt.show()
