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
from benchmarks.speed._timing import row, run_alone
from sklearn_diffake import make_difffake_pipeline, score_in_batches
from sklearn_diffake.novelty import ConformalDetector, SumRuleDetector

WIDTH, BLOCK = 512, 8192
DETECTORS = {
    "cosine + threshold": {"detector": ConformalDetector(SumRuleDetector())},
    "squared + GMM of 3": {"operator": "squared", "random_state": 0},
}


class MemoryMonitor(threading.Thread):
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
        for name, settings in DETECTORS.items():
            detector = make_difffake_pipeline(**settings)[2:].fit(pairs[:4000])
            memory_before, monitor = own_memory(), MemoryMonitor()
            monitor.start()
            yardstick = seconds(one_pass)
            our_seconds = seconds(
                lambda detector=detector: score_in_batches(detector, pairs, batch_size=BLOCK)
            )
            monitor.stopped.set()
            measure = f"{name}, {n:,} ready pairs of {WIDTH}"
            rows.append(
                row(measure, "one pass of numpy over the data", our_seconds, yardstick, "s")
            )
            held_memory, total_memory = max(1, monitor.peak - memory_before), n * WIDTH * 8 // 2**20
            rows.append(
                row(measure, "all differences held at once", held_memory, total_memory, "MB")
            )
    return rows


if __name__ == "__main__":
    run_alone(figures)
