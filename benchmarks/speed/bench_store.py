"""Reading 1,200 embeddings of 5 kB from the store against files, and against joblib.Memory.

The yardsticks are ``numpy.load`` of 1,200 .npy files, already in the operating system's memory, and
a function of one crop wrapped by ``joblib.Memory``. Against the latter both begin with the crops,
and so with their fingerprints.
"""

import sys
import tempfile
from pathlib import Path

import joblib
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images
from benchmarks.speed._timing import run_alone, time_alternately, timed
from sklearn_diffake.embedding import EmbeddingStore
from sklearn_diffake.images.read import image_digest

N, WIDTH, SIZE = 1_200, 1_280, 112


def invent(crop):
    """Stand for a network: only how fast the answer is found again counts."""
    return np.full(WIDTH, crop[0, 0, 0], np.float32)


def figures(quick=False):
    repeats = 3 if quick else 9
    crops = smooth_images(N, SIZE)
    vectors = np.random.default_rng(0).normal(size=(N, WIDTH)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddingStore(f"{folder}/store")
        digests = [i.to_bytes(20, "big") for i in range(N)]
        store.put_many("model", dict(zip(digests, map(bytes, vectors), strict=True)))
        for i, vector in enumerate(vectors):
            np.save(f"{folder}/{i}.npy", vector)
        files = time_alternately(
            lambda: store.get_many("model", digests),
            lambda: [np.load(f"{folder}/{i}.npy") for i in range(N)],
            repeats=repeats,
            work=(N, N),
        )
        digests = [image_digest(crop) for crop in crops]
        store.put_many("crops", dict(zip(digests, map(bytes, vectors), strict=True)))
        joblib_cached = joblib.Memory(f"{folder}/joblib", verbose=0).cache(invent)
        memory = time_alternately(
            lambda: store.get_many("crops", [image_digest(crop) for crop in crops]),
            lambda: [joblib_cached(crop) for crop in crops],
            repeats=repeats,
            work=(N, N),
        )
        store.close()
    unit = "embeddings/s"
    return [
        timed(f"{N:,} embeddings by key", "numpy.load, one file for each", files, unit=unit),
        timed(f"{N:,} embeddings by crop", "joblib.Memory, a call for each", memory, unit=unit),
    ]


if __name__ == "__main__":
    run_alone(figures)
