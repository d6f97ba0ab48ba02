"""Draw the picture of the page on explaining: ``explaining_figure.py docs/_static``.

It shows rendered people.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sklearn_diffake import load_default
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.inspection import explain_pair
from sklearn_diffake.inspection._report.figure import draw_map, draw_photo, limit_of
from sklearn_diffake.inspection._report.text import MAPS

ROW = 4  # of the deepfakes


def explained():
    """Explain a pair whose probe has the inner face of somebody else."""
    faces = make_face_pairs(24, n_identities=6, techniques="swap", size=256, random_state=0)
    reference, probe = faces.data[faces.target == -1][ROW]
    return explain_pair(load_default(), reference, probe, stride=0.5, random_state=0)


def main():
    """Draw photographs and maps."""
    found = explained()
    photos = (found.reference, found.probe)
    figure, axes = plt.subplots(2, 4, figsize=(9, 4.8), dpi=110)
    for row, photo in zip(axes, photos, strict=True):
        draw_photo(row[0], photo)
        for axis, method in zip(row[1:], found.methods, strict=True):
            draw_map(axis, photo, method, limit_of(photos, method))
    for axis, title in zip(axes[0], ("", *(MAPS[m][0] for m in found.methods)), strict=True):
        axis.set_title(title, fontsize=11)
    for row, side in zip(axes, ("reference", "probe"), strict=True):
        row[0].set_title(side, fontsize=11, loc="left")
    figure.subplots_adjust(0.005, 0.01, 0.995, 0.94, wspace=0.03, hspace=0.12)
    file = Path(sys.argv[1]) / "guide_explaining.jpg"
    figure.savefig(file, pil_kwargs={"quality": 88})
    print(file, np.round([found.score, found.threshold], 2))


if __name__ == "__main__":
    main()
