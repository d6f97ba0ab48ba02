"""Rendered pairs per second on one core, against reading as many pairs of photographs.

The yardstick does what a dataset of photographs costs in place of `make_face_pairs`: for each pair,
two frames of 1920 x 1080 pixels, as videos of faces have, are decoded from JPEG and scaled down.
Goal: no slower.

    python benchmarks/speed/bench_face_pairs.py [--save]
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images, write_jpegs
from benchmarks.speed._timing import run_alone, time_alternately, timed
from sklearn_diffake.datasets import make_face_pairs

SIZE = 160


def photographs(n):
    """Different noisy images of 1920 x 1080 pixels."""
    grain = np.random.default_rng(1).integers(0, 24, (1080, 1920, 3), dtype=np.uint8)
    return smooth_images(n, 1920)[:, :1080] // 2 + grain


def read(path):
    """A photograph as an array of the size of the dataset."""
    with Image.open(path) as photo:
        return np.asarray(photo.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX))


def figures(quick=False):
    n, rows = 20 if quick else 100, []
    with tempfile.TemporaryDirectory() as folder:
        paths = write_jpegs(folder, photographs(10))[np.arange(2 * n) % 10].reshape(n, 2)

        def yardstick():
            return np.array([[read(path) for path in pair] for pair in paths])

        for mode in ("reference", "same-video"):
            options = {"mode": mode, "size": SIZE, "random_state": 0}
            times = time_alternately(
                lambda: make_face_pairs(n, **options),  # noqa: B023
                yardstick,
                repeats=3,
                work=(n, n),
            )
            measure = f"make_face_pairs, {n} pairs of {SIZE} pixels, {mode}"
            photos = "reading and scaling 1080p photographs"
            rows.append(timed(measure, photos, times, goal=">= 1", unit="pairs/s"))
    return rows


if __name__ == "__main__":
    run_alone(figures)
