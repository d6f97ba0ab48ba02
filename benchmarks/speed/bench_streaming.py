"""Fitting on a million same-video pairs, in bounded memory.

Pairs of 64-d embeddings, two frames of one video each, lie in a memory-mapped file and go through
`fit_in_batches`: squared difference, and a detector that learns by ``partial_fit``. Memory is that
of a process of its own, the file's pages not counted, with 1,000,000 pairs against 100,000. Time
is that of ``partial_fit`` on ready differences, in chunks of 8,192, against ``fit`` on all of them;
so is the AUC of the mixture, which only approximates that fit, with rows in random order and video
by video. The fakes there are pairs whose second frame shows a little of another video.

    python benchmarks/speed/bench_streaming.py [--quick] [--save]
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils import gen_batches

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import row, run_alone, time_alternately, timed
from benchmarks.speed.bench_scale import MemoryMonitor, own_memory
from sklearn_diffake import fit_in_batches, make_difffake_pipeline
from sklearn_diffake.novelty import GaussianMixtureDetector, MahalanobisDetector
from sklearn_diffake.pairs import PairDifference

WIDTH, CHUNK, PAIRS_OF_A_VIDEO = 64, 8192, 40
DETECTORS = {
    "Mahalanobis": MahalanobisDetector(),
    "mixture of 3": GaussianMixtureDetector(3, random_state=0),
}


def make_pairs(n, seed):
    """Make n pairs of frames: what the video shows, and twice noise, in some videos more."""
    rng = np.random.default_rng(seed)
    n_videos = -(-n // PAIRS_OF_A_VIDEO)
    video = rng.standard_normal((n_videos, 1, WIDTH), dtype=np.float32)
    amount = 0.2 * np.exp(0.5 * rng.standard_normal((n_videos, 1, 1), dtype=np.float32))
    noise = rng.standard_normal((n, 2, WIDTH), dtype=np.float32)
    return video.repeat(PAIRS_OF_A_VIDEO, 0)[:n] + amount.repeat(PAIRS_OF_A_VIDEO, 0)[:n] * noise


def write_pairs(path, n):
    """Write pairs into a file, video by video."""
    pairs = np.lib.format.open_memmap(path, "w+", np.float32, (n, 2, WIDTH))
    for rows in gen_batches(n, 100 * PAIRS_OF_A_VIDEO):
        pairs[rows] = make_pairs(rows.stop - rows.start, rows.start)
    pairs.flush()


def fit_and_watch(name, path):
    """Fit on the pairs of a file; print the own memory of this process, before and at most."""
    pairs = np.load(path, mmap_mode="r")
    model = make_difffake_pipeline(operator="squared", detector=DETECTORS[name])[2:]
    memory_before, monitor = own_memory(), MemoryMonitor()
    monitor.start()
    fit_in_batches(model, pairs, batch_size=CHUNK, random_state=0)
    monitor.stopped.set()
    print(json.dumps([memory_before, max(memory_before, monitor.peak)]))


def memory(name, path):
    """Return megabytes before and at most of a process of its own."""
    command = [sys.executable, __file__, "--fit", name, path]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(process.stdout)


def in_chunks(detector, X):
    detector = clone(detector)
    for rows in gen_batches(len(X), CHUNK):
        detector.partial_fit(X[rows])
    return detector


def auc(detector, differences, seed=2, n=20_000):
    """Return the AUC of a fitted detector on other genuine pairs and on fakes."""
    genuine, fakes = make_pairs(n, seed), make_pairs(n, seed + 1)
    fakes[:, 1] += 0.4 * make_pairs(n, seed + 2)[:, 0]
    scores = [detector.score_samples(differences.transform(pairs)) for pairs in (genuine, fakes)]
    return roc_auc_score(np.repeat([1, -1], n), np.concatenate(scores))


def accuracy(quick):
    """Return rows for the AUC of a mixture that has learned in chunks."""
    n, detector = 20_000 if quick else 60_000, DETECTORS["mixture of 3"]
    differences = PairDifference("squared")
    X = differences.fit_transform(make_pairs(n, 1))
    orders = {"random order": np.random.default_rng(0).permutation(n), "by video": np.arange(n)}
    full_auc = auc(clone(detector).fit(X), differences)
    for name, order in orders.items():
        chunked = auc(in_chunks(detector, X[order]), differences)
        measure = f"AUC after chunks of {CHUNK:,}, {n:,} x {WIDTH}, {name}, mixture of 3"
        yield row(measure, "fit on all rows", chunked, full_auc, "AUC", more_is_better=True,
                  goal=">= 0.995")  # fmt: skip


def figures(quick=False):
    few, n_many = (20_000, 60_000) if quick else (100_000, 1_000_000)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        paths = {n: os.path.join(folder, f"{n}.npy") for n in (few, n_many)}
        for n, path in paths.items():
            write_pairs(path, n)
        for name in DETECTORS:
            (_, few_peak), (few_before, many_peak) = (memory(name, paths[n]) for n in (few, n_many))
            measure = f"peak memory of a fit, {n_many:,} pairs of {WIDTH}, {name}"
            rows.append(
                row(measure, f"ours, {few:,} pairs", many_peak, few_peak, "MB", goal=">= 0.833")
            )
            measure = f"memory beyond the start, {n_many:,} pairs of {WIDTH}, {name}"
            total_memory = n_many * 2 * WIDTH * 4 // 2**20
            rows.append(
                row(
                    measure, "the embeddings themselves", many_peak - few_before, total_memory, "MB"
                )
            )
    n = 20_000 if quick else 100_000
    X = PairDifference("squared").fit_transform(make_pairs(n, 1)).astype(np.float64)
    X = X[np.random.default_rng(0).permutation(n)]
    for name, detector in DETECTORS.items():
        times = time_alternately(
            lambda detector=detector: in_chunks(detector, X),
            lambda detector=detector: clone(detector).fit(X),
            repeats=2 if quick else 5,
            work=(n, n),
        )
        measure = f"a row in chunks of {CHUNK:,}, {n:,} x {WIDTH}, {name}"
        rows.append(timed(measure, "fit on all rows", times, unit="rows/s"))
    return [*rows, *accuracy(quick)]


if __name__ == "__main__":
    if "--fit" in sys.argv:
        fit_and_watch(*sys.argv[2:])
    else:
        run_alone(figures)
