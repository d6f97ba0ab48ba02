"""Peak memory of embedding many pairs of few image files.

100,000 pairs of 2,000 files against 10,000 pairs of the same files: beyond the returned array, the
peak must not grow with the pairs. Every case runs in a process of its own.
A quick run has 40 times fewer of each.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images, write_jpegs
from benchmarks.speed._timing import row, run_alone

CASE = """
import json, resource, sys, numpy as np
from sklearn_diffake.pipeline import make_difffake_pipeline
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
paths, n_pairs, align = np.load(sys.argv[1], allow_pickle=False), int(sys.argv[2]), sys.argv[3]
X = paths[np.random.default_rng(0).integers(0, len(paths), (n_pairs, 2))].astype(object)
pipe = make_difffake_pipeline(
    "efficientnet-lite0", aligner=align == "align", on_missing="crop", n_jobs=2
)[:2]
pipe.fit(X[:8])
out = pipe.transform(X)
print(json.dumps(peak() - out.nbytes / 2**20))
"""


def peak(paths, n_pairs, align):
    """Return the peak of a process of its own, less the array that it returns, in MB."""
    command = [sys.executable, "-c", CASE, paths, str(n_pairs), align]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return round(json.loads(run.stdout))


def figures(quick=False):
    images, few, n_many = (50, 250, 2_500) if quick else (2_000, 10_000, 100_000)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        paths = write_jpegs(folder, smooth_images(images, 160))
        np.save(f"{folder}/paths.npy", paths.astype(str))
        for align in ("crops",) if quick else ("crops", "align"):
            many_peak, few_peak = (peak(f"{folder}/paths.npy", n, align) for n in (n_many, few))
            measure = (
                f"peak memory beyond the output, {n_many:,} pairs of {images:,} files, {align}"
            )
            rows.append(
                row(measure, f"ours, {few:,} pairs", many_peak, few_peak, "MB", goal=">= 0.95")
            )
    return rows


if __name__ == "__main__":
    run_alone(figures)
