"""
A first verdict
===============

Two photographs go in: one that is trusted, and one that is not. Out come a score, a p-value and a
verdict. The pipeline that does it comes fitted with the package; here it judges new takes of one
portrait, some genuine and some with another face in it. The plots show what each scores, that the
threshold of the packaged pipeline is too lenient for them, and how forty genuine pairs of the same
person set a better one.
"""

# %%
# Photographs to judge
# --------------------
# The trusted photograph is scikit-image's portrait of the astronaut Eileen Collins (NASA, public
# domain). A *re-take* shows it in another pose, light and compression, as another camera on
# another day might. The fakes have another inner face: that of a rendered person, who does not
# exist, her own in a mirror, or her own with its skin smoothed.

import io

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from skimage.data import astronaut
from skimage.draw import ellipse
from skimage.filters import gaussian
from skimage.transform import estimate_transform, warp

from sklearn_diffake import load_default, recalibrate
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.faces import FaceAligner

reference = astronaut()
rendered = make_face_pairs(12, n_identities=12, fake_share=0.0, size=224, random_state=1)
donors = [rendered.data[6, 0], reference[:, ::-1]]
landmarks = (
    FaceAligner().align([reference, *donors]).landmarks
)  # of eyes, nose and corners of the mouth, in pixels

mask = np.zeros(reference.shape[:2])
mask[ellipse(*landmarks[0].mean(axis=0)[::-1], 42, 32, rotation=-0.1)] = 1.0
mask = gaussian(mask, 4)[..., np.newaxis]


def retake(photo, seed):
    """Photograph a picture once more."""
    rng = np.random.default_rng(seed)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    corners = landmarks[0].mean(axis=0) + 220 * (square - 0.5) + rng.uniform(-16, 16, (4, 2))
    view = warp(photo, estimate_transform("projective", 256 * square, corners), None, (256, 256))
    light = rng.uniform(0.85, 1.15) * view ** rng.uniform(0.8, 1.25)
    file = io.BytesIO()
    pixels = (255 * light.clip(0, 1)).astype(np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(70, 96)))
    return np.asarray(Image.open(file))


def blend(face):
    """Put other pixels in place of the inner face, in its colors."""
    color = (mask * reference).sum(axis=(0, 1)) / (mask * face).sum(axis=(0, 1))
    return (mask * face * color + (1 - mask) * reference).clip(0, 255).astype(np.uint8)


def face_of(donor):
    """Bring a donor's face to where the reference has one."""
    view = estimate_transform("similarity", landmarks[0], landmarks[1 + donor])
    return warp(donors[donor], view, None, reference.shape[:2], preserve_range=True)


smooth = gaussian(reference, 2, preserve_range=True, channel_axis=2)
probes = {
    "genuine A": retake(reference, 0),
    "genuine B": retake(reference, 1),
    "genuine C": retake(reference, 2),
    "fake D: another's face": retake(blend(face_of(0)), 3),
    "fake E: face mirrored": retake(blend(face_of(1)), 4),
    "fake F: skin smoothed": retake(blend(smooth), 5),
}

# %%
# Scores, p-values and a threshold
# --------------------------------
# ``load_default().predict(pairs)`` is all it takes. To have the numbers behind it as well, the
# pairs go once through all steps but the last, and the last one, a
# :class:`~sklearn_diffake.novelty.ConformalDetector`, is asked for what it knows: the *score*
# (higher is more genuine), the *threshold* below which a pair is called a deepfake, and the
# *p-value*: the fraction of its genuine calibration pairs that look as unnatural as this one,
# itself counted in.

model = load_default()
features, detector = model[:-1], model[-1]
differences = features.transform([(reference, probe) for probe in probes.values()])
scores = detector.score_samples(differences)

# %%
# The threshold rejects one in twenty of the genuine pairs it was set on: press photographs of one
# person, years apart, which differ more than two takes of one portrait do. So set it on genuine
# pairs of the kind that will be judged. Forty will do for a start; nothing but the threshold
# changes, and no fake is needed. :func:`~sklearn_diffake.recalibrate` says how sure it is.

own_pairs = [(reference, retake(reference, seed)) for seed in range(100, 140)]
own_model, report = recalibrate(model, own_pairs, return_report=True)
own_detector = own_model[-1]
print(report)

# %%
# Verdicts
# --------
# The frame and the last line under each photograph are those of the recalibrated threshold.

GENUINE, FAKE = "#0072B2", "#D55E00"  # distinct for color-blind people; words say the same


def verdict(detector, index):
    p = detector.p_values(differences)[index]
    outcome = "genuine" if detector.predict(differences)[index] == 1 else "DEEPFAKE"
    return f"{outcome}, p = {p:.2f}"


def show(axis, image, title, text, color="black"):
    axis.imshow(image)
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=13)
    axis.set_xlabel(text, fontsize=11, color=color)
    for side in axis.spines.values():
        side.set(color=color, linewidth=4)


figure = plt.figure(figsize=(11, 7), layout="constrained")
figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
panels = figure.subplot_mosaic("RABC\nRDEF", width_ratios=[1.1, 1, 1, 1])
show(panels["R"], reference[:260, 95:355], "trusted reference", "photograph: NASA")
for index, (name, probe) in enumerate(probes.items()):
    text = f"score {scores[index]:.3f}\npackaged: {verdict(detector, index)}"
    color = GENUINE if own_detector.predict(differences)[index] == 1 else FAKE
    show(
        panels["ABCDEF"[index]],
        probe,
        name,
        f"{text}\nrecalibrated: {verdict(own_detector, index)}",
        color,
    )

# %%
# With the packaged threshold, the pipeline rejects the face of somebody else, and accepts two fakes
# that show her own face. With the recalibrated threshold, it rejects the smoothed face too, and no
# genuine re-take. It still accepts the mirrored face, which scores like one of the more unusual
# genuine pairs.

figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
rows = {
    "40 genuine pairs of her": (own_detector.calibration_scores_[0], GENUINE, "o"),
    "genuine A, B, C": (scores[:3], GENUINE, "o"),
    "fakes D, E, F": (scores[3:], FAKE, "X"),
}
for height, (values, color, marker) in enumerate(rows.values()):
    axis.scatter(values, np.full(len(values), -height), 90, color, marker=marker, alpha=0.6)
for letter, height, score in zip("ABCDEF", [-1] * 3 + [-2] * 3, scores, strict=True):
    axis.annotate(letter, (score, height), (0, 9), textcoords="offset points", ha="center")
for style, name, threshold in (
    (":", "packaged", detector.offset_),
    ("--", "recalibrated", own_detector.offset_),
):
    axis.axvline(
        threshold, color="black", linestyle=style, label=f"{name} threshold: {threshold:.3f}"
    )
axis.set(xlabel="score (no unit; higher = more genuine)", ylim=(-2.6, 0.6))
axis.set_yticks([0, -1, -2], list(rows))
axis.set_title("The same scores, two thresholds")
axis.legend(loc="upper left", bbox_to_anchor=(0.2, 0.93))
plt.show()

# %%
# The recalibrated threshold rests on forty pairs, and with *n* of them no p-value is below
# 1/(*n* + 1). And six probes of one person are no measure of
# quality: :doc:`/detection_quality` has that, on real deepfakes.
