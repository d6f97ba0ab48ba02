"""How cost grows: seconds by size, on logarithmic scales, and the exponent that fits them.

    python benchmarks/stress/growth.py [--quick] [--only NAME] [-o benchmarks/results/growth.json]

An exponent of 1 is linear. Its standard error is that of the line through all measurements. Where
the line is surely steeper than 1, or the step between the two largest sizes is steeper than 1.15,
cost is marked as worse than linear.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import machine, versions
from benchmarks.speed.bench_frames import write_video
from sklearn_diffake import make_difffake_pipeline, score_in_batches
from sklearn_diffake.datasets import extract_frames
from sklearn_diffake.novelty import MahalanobisDetector

STEEP = 1.15


def draw(n, width):
    """Return embeddings of pairs: a person, and twice a little noise."""
    rng = np.random.default_rng(0)
    person, noise = np.split(rng.standard_normal((n, 3, width), dtype=np.float32), [1], axis=1)
    return person + 0.5 * noise


def pairs(quick):
    """Score ready pairs of 128 in batches."""
    block = draw(1_000, 128)
    detector = make_difffake_pipeline(operator="squared", random_state=0)[2:].fit(block)
    for n in np.geomspace(1e3, 1e5 if quick else 1e6, 3 if quick else 7).astype(int):
        X = np.resize(block, (n, 2, 128))
        yield n, lambda: score_in_batches(detector, X)  # noqa: B023


def widths(quick):
    """Yield embeddings of 2,000 pairs, ever wider."""
    for width in (128, 512, 1792) if quick else (128, 256, 512, 1024, 1792):
        yield (
            width,
            make_difffake_pipeline(operator="squared", random_state=0)[2:],
            draw(2_000, width),
        )


def fit_widths(quick):
    """Fit DiffFake's mixture."""
    for width, detector, X in widths(quick):
        yield width, lambda: detector.fit(X)  # noqa: B023


def score_widths(quick):
    """Score with DiffFake's mixture."""
    for width, detector, X in widths(quick):
        detector.fit(X)
        yield width, lambda: detector.score_samples(X)  # noqa: B023


def search(n_candidates, n_jobs=None):
    """Return a grid search on ready embeddings, to be called."""
    X, y = draw(400, 64), np.where(np.arange(400) % 4, 1, -1)
    head = make_difffake_pipeline(operator="squared", detector=MahalanobisDetector())[2:]
    grid = {"detect__contamination": np.linspace(0.01, 0.4, n_candidates)}
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    grid_search = GridSearchCV(head, grid, cv=folds, scoring="roc_auc", n_jobs=n_jobs)
    return lambda: grid_search.fit(X, y)


def candidates(quick):
    """Search on ready embeddings."""
    for n in (1, 6, 40) if quick else (1, 3, 10, 30, 100):
        yield n, search(n)


def workers(quick):
    """Search with 30 or 100 candidates by that many processes."""
    for n in (1, 2):
        yield n, search(30 if quick else 100, n_jobs=n)


def frames(quick):
    """Extract frames of a minute of video."""
    with tempfile.TemporaryDirectory() as name:
        video, cache = Path(name, "video.mp4"), Path(name, "cache")
        write_video(video, 10 if quick else 60)
        for n in (2, 14, 100) if quick else (2, 5, 14, 37, 100):

            def extract(n=n):
                shutil.rmtree(cache, ignore_errors=True)
                extract_frames(video, cache=cache, n_frames=n)

            yield n, extract


CASES = {  # what grows, in which unit, and what is done
    "pairs, scored": ("pairs", pairs),
    "embedding width, fit": ("features", fit_widths),
    "embedding width, scored": ("features", score_widths),
    "candidates of a search": ("candidates", candidates),
    "frames of a video": ("frames", frames),
    "workers of a search": ("processes", workers),
}


def measure(case, quick):
    """Return sizes, and the seconds of each repeat at each of them."""
    sizes, seconds = [], []
    for size, function in case(quick):
        function()
        sizes.append(int(size))
        seconds.append([])
        for _ in range(3 if quick else 5):
            start = time.perf_counter()
            function()
            seconds[-1].append(round(time.perf_counter() - start, 6))
    return sizes, seconds


def fit_exponent(sizes, seconds):
    """Return slope of the line on logarithmic scales, its error, and the slope of the last step."""
    x = np.repeat(np.log(sizes), len(seconds[0]))
    (slope, _), covariance = np.polyfit(x, np.log(np.ravel(seconds)), 1, cov=True)
    error, center = np.sqrt(covariance[0, 0]), np.log(np.median(seconds, axis=1))
    last = (center[-1] - center[-2]) / np.log(sizes[-1] / sizes[-2])
    worse = slope - 2 * error > 1 or last > STEEP
    fit_figures = {"exponent": slope, "standard error": error, "last step": last}
    fit_figures = {name: round(float(value), 3) for name, value in fit_figures.items()}
    return {**fit_figures, "worse than linear": bool(worse)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    found = []
    for name, (unit, case) in CASES.items():
        if options.only in name:
            sizes, seconds = measure(case, options.quick)
            fitted = fit_exponent(sizes, seconds)
            print(name, sizes, np.median(seconds, axis=1).round(4), fitted, flush=True)
            found.append({"what": name, "unit": unit, "sizes": sizes, "seconds": seconds, **fitted})
    result = {"quick": options.quick, "machine": machine(), "versions": versions(), "cases": found}
    if options.output:
        options.output.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
