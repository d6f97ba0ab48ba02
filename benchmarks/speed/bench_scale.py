"""Scoring a million pairs of ready embeddings, in bounded memory.

1,000,000 pairs of 512-d embeddings, 4 GB in a memory-mapped file, go through the part of a pipeline
that comes after the embedding. The yardstick is one pass of numpy over the data, the sum of all
numbers, block by block. Memory is what the process holds beside the file's own pages.

    python benchmarks/speed/bench_scale.py [--save]
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from sklearn.utils import gen_batches

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import alone, row
from sklearn_diffake import make_difffake_pipeline, score_in_batches
from sklearn_diffake.novelty import ConformalDetector, SumRuleDetector

WIDTH, BLOCK = 512, 8192
HEADS = {
    "cosine + threshold": {"detector": ConformalDetector(SumRuleDetector())},
    "squared + GMM of 3": {"operator": "squared", "random_state": 0},
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


def write_pairs(path, n):
    """Write embeddings of pairs: a person, and twice a little noise."""
    rng = np.random.default_rng(0)
    pairs = np.lib.format.open_memmap(path, "w+", np.float32, (n, 2, WIDTH))
    for rows in gen_batches(n, BLOCK):
        shape = (rows.stop - rows.start, 2, WIDTH)
        noise = rng.standard_normal(shape, dtype=np.float32)
        pairs[rows] = 0.5 * noise + noise[:, :1]
    pairs.flush()


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def figures(quick=False):
    n, rows = 100_000 if quick else 1_000_000, []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pairs.npy")
        write_pairs(path, n)
        pairs = np.load(path, mmap_mode="r")

        def one_pass():
            return sum(float(pairs[rows].sum()) for rows in gen_batches(n, BLOCK))

        one_pass()
        for name, settings in HEADS.items():
            head = make_difffake_pipeline(**settings)[2:].fit(pairs[:4000])
            before, watch = own_memory(), Watch()
            watch.start()
            yardstick = seconds(one_pass)
            ours = seconds(lambda head=head: score_in_batches(head, pairs, batch_size=BLOCK))
            watch.stopped.set()
            what = f"{name}, {n:,} ready pairs of {WIDTH}"
            rows.append(row(what, "one pass of numpy over the data", ours, yardstick, "s"))
            held, whole = max(1, watch.peak - before), n * WIDTH * 8 // 2**20
            rows.append(row(what, "all differences held at once", held, whole, "MB"))
    return rows


if __name__ == "__main__":
    alone(figures)
