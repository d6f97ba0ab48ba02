"""Scoring a million pairs of ready embeddings, in bounded memory.

1,000,000 pairs of 512-d embeddings, 4 GB in a memory-mapped file, go through the part of a pipeline
that comes after the embedding. The yardstick is one pass of numpy over the data, the sum of all
numbers, block by block. Memory is what the process holds beside the file's own pages.

    python benchmarks/bench_scale.py [--save]
"""

import os
import tempfile
import threading
import time

import numpy as np
from _yardstick import report
from sklearn.utils import gen_batches

from sklearn_diffake import make_difffake_pipeline, score_in_batches
from sklearn_diffake.novelty import ConformalDetector, SumRuleDetector

PAIRS, WIDTH, BLOCK = 1_000_000, 512, 8192
HEADS = {
    "cosine + threshold": {"operator": "cosine", "detector": ConformalDetector(SumRuleDetector())},
    "squared + GMM of 3": {"random_state": 0},
}


class Watch(threading.Thread):
    """Looks ten times a second at the memory that is the process's own."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.stopped = 0, threading.Event()

    def run(self):
        while not self.stopped.wait(0.1):
            self.peak = max(self.peak, own_memory())


def own_memory():
    """Return the megabytes that this process holds, pages of files not counted."""
    with open(f"/proc/{os.getpid()}/status") as status:
        line = next(line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) // 1024


def write_pairs(path):
    """Write embeddings of pairs: a person, and twice a little noise."""
    rng = np.random.default_rng(0)
    pairs = np.lib.format.open_memmap(path, "w+", np.float32, (PAIRS, 2, WIDTH))
    for rows in gen_batches(PAIRS, BLOCK):
        shape = (rows.stop - rows.start, 2, WIDTH)
        noise = rng.standard_normal(shape, dtype=np.float32)
        pairs[rows] = 0.5 * noise + noise[:, :1]
    pairs.flush()


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    figures = {"pairs": PAIRS, "width": WIDTH}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pairs.npy")
        write_pairs(path)
        pairs = np.load(path, mmap_mode="r")

        def one_pass():
            return sum(float(pairs[rows].sum()) for rows in gen_batches(PAIRS, BLOCK))

        one_pass()
        for name, settings in HEADS.items():
            head = make_difffake_pipeline(**settings)[2:].fit(pairs[:4000])
            before, watch = own_memory(), Watch()
            watch.start()
            yardstick = timed(one_pass)
            ours = timed(lambda head=head: score_in_batches(head, pairs, batch_size=BLOCK))
            watch.stopped.set()
            figures[name] = {
                "ours_s": round(ours, 2),
                "one pass of numpy_s": round(yardstick, 2),
                "times one pass": round(ours / yardstick, 2),
                "microseconds a pair": round(1e6 * ours / PAIRS, 2),
                "memory beyond the file_MB": watch.peak - before,
            }
    report("scale", figures)


if __name__ == "__main__":
    main()
