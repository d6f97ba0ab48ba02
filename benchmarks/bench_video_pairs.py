"""All pairs of the frames of one video: embedding each frame once against each pair's two images.

40 frames make 780 pairs, 1,560 images of which 40 differ. Goals: 40 forward passes, and at least
15 times the pairs per second of embedding 1,560 images.
"""

import itertools

import numpy as np
from _yardstick import by_turns, report, smooth_images

from sklearn_diffake.embedding import FaceEmbedder

FRAMES = 40


def main():
    frames = smooth_images(FRAMES, 224)
    pairs = frames[np.array(list(itertools.combinations(range(FRAMES), 2)))]
    everything = smooth_images(2 * len(pairs), 224, seed=1)  # as many images, none of them twice
    embedder = FaceEmbedder(n_jobs=2).fit(pairs)
    embedder.transform(pairs)
    figures = {"pairs": len(pairs), "forward passes": embedder.n_embedded_}
    figures |= by_turns(
        lambda: embedder.transform(pairs), lambda: embedder.transform(everything), repeats=1
    )
    report("video_pairs", {"goal": "ratio >= 15, 40 forward passes", **figures})


if __name__ == "__main__":
    main()
