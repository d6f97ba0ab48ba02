"""Rendered pairs per second on one core, against reading as many pairs of photographs.

The yardstick does what a dataset of photographs costs in place of `make_face_pairs`: for each pair,
two frames of 1920 x 1080 pixels, as videos of faces have, are decoded from JPEG and scaled down.
Goal: no slower.

    python benchmarks/bench_face_pairs.py [--save]
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import tempfile
import time

import numpy as np
from _yardstick import by_turns, report, smooth_images, write_jpegs
from PIL import Image

from sklearn_diffake.datasets import make_face_pairs

N, SIZE = 100, 160


def photographs(n):
    """Different noisy images of 1920 x 1080 pixels."""
    grain = np.random.default_rng(1).integers(0, 24, (1080, 1920, 3), dtype=np.uint8)
    return smooth_images(n, 1920)[:, :1080] // 2 + grain


def read(path):
    """A photograph as an array of the size of the dataset."""
    with Image.open(path) as photo:
        return np.asarray(photo.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX))


def main():
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = write_jpegs(folder, photographs(10))[np.arange(2 * N) % 10].reshape(N, 2)

        def yardstick():
            return np.array([[read(path) for path in pair] for pair in paths])

        for mode in ("reference", "same_video"):
            options = {"mode": mode, "size": SIZE, "random_state": 0}
            made = make_face_pairs(N, **options)
            times = by_turns(lambda: make_face_pairs(N, **options), yardstick, repeats=3)  # noqa: B023
            times["pairs_per_second"] = round(N / times["ours_s"], 1)
            times["yardstick_pairs_per_second"] = round(N / times["yardstick_s"], 1)
            times["frames"] = len(made.images)
            times["ms_per_frame"] = round(1e3 * times["ours_s"] / len(made.images), 2)
            figures[mode] = times
    start = time.perf_counter()
    make_face_pairs(1000, n_jobs=2, random_state=0)
    figures["thousand_pairs_two_processes_s"] = round(time.perf_counter() - start, 1)
    report("face_pairs", {"goal": ">= 1", "pairs": N, "size": SIZE, **figures})


if __name__ == "__main__":
    main()
