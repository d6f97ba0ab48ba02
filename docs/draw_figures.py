"""Draw the pictures of the user guide: ``python docs/draw_figures.py docs/_static``.

They show rendered people and NASA's portrait of Eileen Collins (public domain, of scikit-image).
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from skimage.data import astronaut

from sklearn_diffake import load_default
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.inspection import explain_pair
from sklearn_diffake.inspection._report.figure import draw_map, draw_photo, limit_of
from sklearn_diffake.inspection._report.text import MAPS
from sklearn_diffake.utils._colors import BLUE, ORANGE

COLUMNS = {
    "reference": ("reference mode", "trusted photo", "probe"),
    "same-video": ("same-video mode", "earlier frame", "later frame"),
}
GENUINE, FAKE = BLUE, ORANGE
MARGINS = (-0.1, 0.0, 0.2, 0.5)
EXPLAINED_ROW = 4  # of the deepfakes


def two_pairs(mode):
    """Return a genuine pair and a deepfake pair of one person."""
    faces = make_face_pairs(
        24,
        mode=mode,
        n_identities=6,
        techniques="swap",
        size=200,
        recompressed_share=0,
        random_state=3,
    )
    of_person = faces.frame["identity"].str.endswith("002")
    return [faces.data[np.flatnonzero((faces.target == y) & of_person)[0]] for y in (1, -1)]


def draw_pairs(folder):
    """Draw the two ways to form a pair."""
    figure, axes = plt.subplots(2, 5, figsize=(8.6, 4.7), dpi=110, width_ratios=(1, 1, 0.02, 1, 1))
    for row, (mode, (name, *captions)) in zip(axes, COLUMNS.items(), strict=True):
        row[2].set_axis_off()
        for y, positions, pair in zip((1, -1), ((0, 1), (3, 4)), two_pairs(mode), strict=True):
            for column, position in enumerate(positions):
                axis = row[position]
                axis.imshow(pair[column])
                axis.set(xticks=[], yticks=[])
                axis.set_xlabel(captions[column], fontsize=11)
                forged = y == -1 and (mode == "same-video" or column == 1)
                for side in axis.spines.values():
                    side.set(edgecolor=FAKE if forged else GENUINE, linewidth=3)
                    side.set_linestyle("--" if forged else "-")
        row[0].set_ylabel(name, fontsize=12)
    figure.subplots_adjust(0.04, 0.06, 0.985, 0.92, wspace=0.06, hspace=0.18)
    for x, title in ((0.265, "genuine pair: +1"), (0.755, "deepfake pair: \N{MINUS SIGN}1")):
        figure.text(x, 0.955, title, ha="center", fontsize=13, weight="bold")
    figure.savefig(folder / "guide_pairs.jpg", pil_kwargs={"quality": 88})


def draw_margins(folder):
    """Draw what a crop holds, by margin."""
    crops = [FaceAligner(160, margin=margin).fit_transform([astronaut()])[0] for margin in MARGINS]
    figure, axes = plt.subplots(1, len(crops), figsize=(8.6, 2.35), dpi=110)
    for axis, crop, margin in zip(axes, crops, MARGINS, strict=True):
        axis.imshow(crop)
        axis.set(xticks=[], yticks=[])
        axis.set_xlabel(f"margin={margin:g}", fontsize=11, family="monospace")
    figure.subplots_adjust(0.005, 0.12, 0.995, 0.995, wspace=0.04)
    figure.savefig(folder / "guide_margins.jpg", pil_kwargs={"quality": 88})


def explain_fake():
    """Explain a pair whose probe has the inner face of somebody else."""
    faces = make_face_pairs(24, n_identities=6, techniques="swap", size=256, random_state=0)
    reference, probe = faces.data[faces.target == -1][EXPLAINED_ROW]
    return explain_pair(load_default(), reference, probe, stride=0.5, random_state=0)


def draw_explanation(folder):
    """Draw photographs and maps of an explanation."""
    explanation = explain_fake()
    photos = (explanation.reference, explanation.probe)
    figure, axes = plt.subplots(2, 4, figsize=(9, 4.8), dpi=110)
    for row, photo in zip(axes, photos, strict=True):
        draw_photo(row[0], photo)
        for axis, method in zip(row[1:], explanation.methods, strict=True):
            draw_map(axis, photo, method, limit_of(photos, method))
    for axis, title in zip(axes[0], ("", *(MAPS[m][0] for m in explanation.methods)), strict=True):
        axis.set_title(title, fontsize=11)
    for row, side in zip(axes, ("reference", "probe"), strict=True):
        row[0].set_title(side, fontsize=11, loc="left")
    figure.subplots_adjust(0.005, 0.01, 0.995, 0.94, wspace=0.03, hspace=0.12)
    figure.savefig(folder / "guide_explaining.jpg", pil_kwargs={"quality": 88})


if __name__ == "__main__":
    draw_pairs(Path(sys.argv[1]))
    draw_margins(Path(sys.argv[1]))
    draw_explanation(Path(sys.argv[1]))
