"""
Atlas of pseudo-deepfakes
=========================

A network can learn what forgery looks like from genuine faces alone: take a face, blend a changed
copy of it into itself, and there is a fake with every trace of blending but with no generator
behind it. These sheets show every technique of
:class:`~sklearn_diffake.generation.PseudoDeepfakeGenerator` and every family of masks on one face,
and what each changed.
"""

# %%
# One genuine face, and another for the blends between two identities
# -------------------------------------------------------------------
# The aligner tells where the eyes, the nose and the corners of the mouth are; the mean shape of 68
# landmarks is brought to them. The astronaut gives the face. The other identity must be somebody
# else's face. The photograph (NASA, public domain) has one person only, so the astronaut seen in a
# mirror, in other colors, stands in: enough to see the blend, though not a swap.

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import astronaut

from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.generation import (
    GLOBAL_FAMILIES,
    LOCAL_FAMILIES,
    TECHNIQUES,
    PseudoDeepfakeGenerator,
    apply,
    draw,
    fitted_shape,
)

margin = 0.25
aligner = FaceAligner(224, margin=margin)
photo = astronaut()
stand_in = np.clip(photo[:, ::-1] * [0.85, 0.95, 1.1] + 12, 0, 255).astype(np.uint8)
faces = aligner.align([photo, stand_in])
crops, points = faces.crops, faces.crop_landmarks


# %%
# Every technique
# ---------------
# Left the fake, in the middle the mask (white where the source replaces the face), right what
# differs between the fake and the genuine image beside it, four times enlarged. The genuine image
# has what was done to the *target* as well, so that only the blend remains to tell them apart.


def show(axes, images, title):
    for axis, image in zip(axes, images, strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        axis.set_axis_off()
    axes[0].set_title(title, loc="left", fontsize=12)


def enlarged(fake, real):
    return np.clip(128 + 4 * (fake.astype(int) - real), 0, 255).astype(np.uint8)


figure, grid = plt.subplots(4, 9, figsize=(12, 6.6), layout="constrained")
cells = grid.reshape(-1, 3)
unchanged = [crops[0], np.zeros_like(crops[0]), enlarged(crops[0], crops[0])]
show(cells[0], unchanged, "genuine\n(no mask)")
for seed, (cell, name) in enumerate(zip(cells[1:], TECHNIQUES, strict=True)):
    generator = PseudoDeepfakeGenerator([name], margin=margin, random_state=seed)
    pseudo_deepfakes = generator.fit(crops).generate(crops, points=points)
    family = pseudo_deepfakes.records[0]["mask"]["family"]
    images = [
        pseudo_deepfakes.images[0],
        pseudo_deepfakes.masks[0],
        enlarged(pseudo_deepfakes.images[0], pseudo_deepfakes.reals[0]),
    ]
    show(cell, images, f"{name}\n(mask: {family})")

# %%
# Every family of masks
# ---------------------
# Global masks cover the face in four ways, local ones a part of it. All of them are moved,
# deformed, blurred, cut and blurred again; here each is drawn three times.

families = (*GLOBAL_FAMILIES, *LOCAL_FAMILIES)
landmarks = fitted_shape(crops[0], points=points[0])
figure, grid = plt.subplots(3, len(families), figsize=(12, 5.6), layout="constrained")
for column, family in enumerate(families):
    grid[0, column].set_title(family, fontsize=13)
    for row in range(3):
        record = draw(np.random.default_rng(row), ["self_blend_global"])
        record["mask"].update(family=family, ratio=1.0)
        _, mask = apply(record, crops[0], landmarks)
        lit = crops[0] * (0.3 + 0.7 * mask[..., None] / 255)
        grid[row, column].imshow(lit.astype(np.uint8))
        grid[row, column].set_axis_off()
plt.show()

# %%
# The record of a fake
# --------------------
# What was drawn is plain numbers. Kept as JSON, it gives the same fake again, bit for bit.

pseudo_deepfakes.records[0]

# %%
replayed = generator.replay(crops, pseudo_deepfakes.records, points=points)
bool((replayed.images == pseudo_deepfakes.images).all())

# sphinx_gallery_thumbnail_number = 2
