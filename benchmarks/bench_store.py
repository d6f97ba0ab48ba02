"""Reading 1,200 embeddings of 5 kB from the store against reading one file for each.

The yardstick is ``numpy.load`` of 1,200 .npy files, already in the operating system's memory.
"""

import tempfile

import numpy as np
from _yardstick import by_turns, report

from sklearn_diffake.embedding import EmbeddingStore

N, WIDTH = 1_200, 1_280


def main():
    vectors = np.random.default_rng(0).normal(size=(N, WIDTH)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddingStore(f"{folder}/store")
        digests = [i.to_bytes(20, "big") for i in range(N)]
        store.put_many("model", dict(zip(digests, map(bytes, vectors), strict=True)))
        for i, vector in enumerate(vectors):
            np.save(f"{folder}/{i}.npy", vector)
        figures = by_turns(
            lambda: store.get_many("model", digests),
            lambda: [np.load(f"{folder}/{i}.npy") for i in range(N)],
        )
        store.close()
    report("store", figures)


if __name__ == "__main__":
    main()
