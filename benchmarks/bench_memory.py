"""Peak memory of embedding many pairs of few image files.

100,000 pairs of 2,000 files against 10,000 pairs of the same files: beyond the returned array, the
peak must not grow with the pairs. Every case runs in a process of its own.
"""

import json
import subprocess
import sys
import tempfile

import numpy as np
from _yardstick import report, smooth_images, write_jpegs

IMAGES = 2_000
CASE = """
import json, resource, sys, numpy as np
from sklearn_diffake.pipeline import make_difffake_pipeline
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
paths, n_pairs, align = np.load(sys.argv[1], allow_pickle=False), int(sys.argv[2]), sys.argv[3]
X = paths[np.random.default_rng(0).integers(0, len(paths), (n_pairs, 2))].astype(object)
pipe = make_difffake_pipeline(aligner=align == "align", on_missing="crop", n_jobs=2)[:2]
pipe.fit(X[:8]); pipe.transform(X[:64]); before = peak()
out = pipe.transform(X)
print(json.dumps({"before_MB": round(before), "peak_MB": round(peak()),
                  "output_MB": round(out.nbytes / 2**20)}))
"""


def main():
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = write_jpegs(folder, smooth_images(IMAGES, 160))
        np.save(f"{folder}/paths.npy", paths.astype(str))
        for align in ("crops", "align"):
            for n_pairs in (10_000, 100_000):
                command = [sys.executable, "-c", CASE, f"{folder}/paths.npy", str(n_pairs), align]
                run = subprocess.run(command, capture_output=True, text=True, check=True)
                case = json.loads(run.stdout)
                case["beyond output_MB"] = case["peak_MB"] - case["before_MB"] - case["output_MB"]
                figures[f"{align}, {n_pairs} pairs of {IMAGES} files"] = case
    report("memory", figures)


if __name__ == "__main__":
    main()
