"""All pairs of the frames of one video: embedding each frame once against each pair's two images.

40 frames make 780 pairs, 1,560 images of which 40 differ. Goals: 40 forward passes, and at least
15 times the pairs per second of embedding 1,560 images.
"""

import itertools
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images
from benchmarks.speed._timing import row, run_alone, time_alternately, timed
from sklearn_diffake.embedding import FaceEmbedder

FRAMES = 40


def figures(quick=False):
    n, repeats = (40, 1) if quick else (780, 3)  # pairs of the yardstick
    frames = smooth_images(FRAMES, 224)
    pairs = frames[np.array(list(itertools.combinations(range(FRAMES), 2)))]
    all_images = smooth_images(2 * n, 224, seed=1)  # none of them twice
    embedder = FaceEmbedder("efficientnet-lite0", n_jobs=2).fit(pairs)
    embedder.transform(pairs)
    passes = embedder.n_embedded_
    times = time_alternately(
        lambda: embedder.transform(pairs),
        lambda: embedder.transform(all_images),
        repeats=repeats,
        work=(len(pairs), n),
    )
    measure, plain = f"{FRAMES} frames paired every way", "embedding both images of each pair"
    return [
        timed(measure, plain, times, goal=">= 15", unit="pairs/s"),
        row(
            measure, plain, passes, 2 * len(pairs), "forward passes", goal=f">= {len(pairs) // 20}"
        ),
    ]


if __name__ == "__main__":
    run_alone(figures)
