"""
Training the extractor
======================

A :class:`~sklearn_diffake.embedding.ForgeryEmbedder` learns what forgery looks like from genuine
faces alone: it makes fakes of them on the fly, and learns to tell each from its original. Training
one from the beginning takes hours; to teach the packaged one something new takes seconds. Here it
learns to see the faint grid that up-sampling decoders leave, on crops of only 48 pixels, and is
judged on people who were not in its training.
"""

# %%
# Genuine faces, and what is to be found in them
# ----------------------------------------------
# Rendered people, who do not exist, all of them genuine. One half of them is for training; of each
# face of the others a fake is made, once, to judge the network before and after. Landmarks of
# rendered faces are known, so that no face has to be detected: they are brought to where
# :class:`~sklearn_diffake.faces.FaceAligner` would bring them.

import matplotlib.pyplot as plt
import numpy as np
from skimage.transform import estimate_transform, warp
from sklearn.metrics import roc_auc_score

from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.generation import PseudoDeepfakeGenerator, mean_shape
from sklearn_diffake.metrics import ScoreHistogramDisplay, confidence_interval

SIZE, MARGIN = 48, 0.1  # side of the crops in pixels, and room around the face
faces = make_face_pairs(
    96, n_identities=48, n_videos=2, n_frames=2, fake_share=0.0, size=128, random_state=0
)
_, first = np.unique(faces.index, return_index=True)  # each frame once, though in several pairs
frames = faces.data.reshape(-1, 128, 128, 3)[first]
people = np.repeat(faces.groups, 2)[first]
canonical = mean_shape(SIZE, margin=MARGIN)  # of 68 landmarks
views = [
    estimate_transform("similarity", canonical, landmarks)
    for landmarks in faces.landmarks.reshape(-1, 68, 2)[first]
]
crops = np.stack([
    warp(frame, view, output_shape=(SIZE, SIZE), preserve_range=True).round().astype(np.uint8)
    for frame, view in zip(frames, views, strict=True)
])  # fmt: skip

held_out = np.isin(people, np.unique(people)[::2])
train, test = crops[~held_out], crops[held_out]
generator = PseudoDeepfakeGenerator(["upsampling_grid"], margin=MARGIN, random_state=1).fit(test)
fakes = generator.generate(test).images
print(f"{len(train)} crops to train on, {len(test)} genuine crops and their fakes to judge by")

figure, grid = plt.subplots(3, 7, figsize=(9, 4.2), layout="constrained")
traces = np.clip(128 + 4 * (fakes.astype(int) - test), 0, 255).astype(np.uint8)
for row, (images, name) in enumerate(
    ((test, "genuine"), (fakes, "fake"), (traces, "difference\nx 4"))
):
    for axis, image in zip(grid[row], images[::3], strict=False):
        axis.imshow(image)
        axis.set(xticks=[], yticks=[])
    grid[row, 0].set_ylabel(name, fontsize=12)
figure.suptitle("The only difference is a faint grid", fontsize=13)

# %%
# Before and after
# ----------------
# With ``max_epochs=0`` the packaged network is used as it is. Then six epochs of training, with a
# fifth of the training people held out for the learning curve; ``groups`` says who is who.

untrained = ForgeryEmbedder("difffake-lite0", input_size=SIZE, max_epochs=0, device="cpu").fit(
    train
)
after = ForgeryEmbedder(
    "difffake-lite0",
    techniques=["upsampling_grid"],
    margin=MARGIN,
    input_size=SIZE,
    augment=False,
    max_epochs=6,
    batch_size=16,
    lr=0.01,
    rho=0.0,
    validation_fraction=0.2,
    device="cpu",
    random_state=0,
).fit(train, groups=people[~held_out])

epochs = [record["epoch"] for record in after.history_]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
losses = {"training": "train_loss", "validation": "valid_loss"}
for (name, key), color, style in zip(
    losses.items(), ("#0072B2", "#D55E00"), ("o-", "s--"), strict=True
):
    values = [record[key] for record in after.history_]
    axes[0].plot(epochs, values, style, color=color, label=name)
axes[0].set(xlabel="epoch", ylabel="loss (nats per image)", xticks=epochs)
axes[0].legend()
axes[1].plot(epochs, [record["valid_auc"] for record in after.history_], "s--", color="#D55E00")
axes[1].axhline(0.5, color="#666666", linestyle=":", label="chance")
axes[1].set(xlabel="epoch", ylabel="validation AUC", xticks=epochs, ylim=(0.4, 1.0))
axes[1].legend()
figure.suptitle("Learning curves", fontsize=13)

# %%
# Separation on held-out people
# -----------------------------
# The score is the classifier's logit that a single image is genuine; where it is zero, the
# classifier is undecided. The intervals are over people, the same ones before and after.


def auc(y, score):
    """Fraction of genuine-fake couples in the right order: scikit-learn's ROC AUC, but faster."""
    return (score[y == 1][:, np.newaxis] > score[y == -1]).mean()


def gain(y, score, earlier):
    return auc(y, score) - auc(y, earlier)


y = np.repeat([1, -1], len(test))
person_of_image = np.tile(people[held_out], 2)
figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained", sharey=True)
test_images = np.concatenate([test, fakes])
scores = {"before": untrained.score_images(test_images), "after": after.score_images(test_images)}
for axis, (name, score) in zip(axes, scores.items(), strict=True):
    ScoreHistogramDisplay.from_predictions(y, score, ax=axis, bins=16)
    area, low, high = confidence_interval(roc_auc_score, y, score, groups=person_of_image)
    axis.set_title(f"{name}: AUC {area:.2f} ({low:.2f} to {high:.2f})")
    axis.set_xlabel("logit of being genuine (nats)")
plt.show()

earlier = {"earlier": scores["before"]}
gained = confidence_interval(
    gain, y, scores["after"], groups=person_of_image, metadata=earlier, random_state=0
)
print(f"AUC gained: {gained.estimate:.2f} ({gained.low:.2f} to {gained.high:.2f})")

# %%
# Eighty crops and seconds of training suffice for a gain on what was trained on. They also suffice
# for overconfidence: in the last epochs the validation loss rises though its AUC does not fall, and
# the score's zero, where both classes should part, is off. Training on a machine with another
# number of threads ends with another network. How to train for every kind of forgery, and when it
# is worth the time, is in :doc:`/guide/extractor`.
