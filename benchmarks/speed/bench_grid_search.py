"""A grid search over differences and detectors, embedding as it goes or on embeddings made before.

24 candidates (4 operators x 6 mixtures) x 5 folds on 600 pairs of image files. Goals: every image
is embedded once, the whole search takes at most 1.15 times the one on ready embeddings, and a
second run embeds nothing.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images, write_jpegs
from benchmarks.speed._timing import row, run_alone
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.novelty import GaussianMixtureDetector
from sklearn_diffake.pairs import PairDifference

QUICK = {"diff__operator": ["squared", "absolute"], "detect__n_components": [1, 2]}
GRID = {
    "diff__operator": ["squared", "absolute", "subtract", "concat"],
    "detect__n_components": [1, 2, 3],
    "detect__covariance_type": ["full", "tied"],
}


def search(steps, X, y, grid):
    """Run the search on a pipeline that begins with the given steps; return its seconds."""
    steps = [*steps, ("diff", PairDifference())]
    steps += [("detect", GaussianMixtureDetector(random_state=0))]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    grid = GridSearchCV(Pipeline(steps), grid, cv=folds, scoring="roc_auc", error_score="raise")
    start = time.perf_counter()
    grid.fit(X, y)
    return time.perf_counter() - start, grid.cv_results_["mean_test_score"]


def figures(quick=False):
    n, images, candidates = (60, 50, QUICK) if quick else (600, 500, GRID)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_jpegs(folder, smooth_images(images, 160))
        time.sleep(2.1)  # files younger than two seconds are not trusted to stay as they are
        picked = [rng.permutation(images), rng.integers(0, images, 2 * n - images)]
        X = paths[np.concatenate(picked)].reshape(n, 2)
        y = np.where(rng.random(n) < 0.3, -1, 1)
        store = EmbeddingStore(f"{folder}/cache")
        embedder = FaceEmbedder("efficientnet-lite0", cache=store, n_jobs=2)
        embeddings = clone(embedder).set_params(cache=None).fit_transform(X)
        cold, scores = search([("embed", embedder)], X, y, candidates)
        n_written = store.info()["writes"]
        ready, expected = search([], embeddings, y, candidates)
        warm, second_search = search([("embed", embedder)], X, y, candidates)
        np.testing.assert_allclose(scores, expected, atol=1e-6)
        np.testing.assert_allclose(second_search, expected, atol=1e-6)
        once, n_more = _seconds_to_embed(embedder, X), store.info()["writes"] - n_written
    size = f"{np.prod([len(v) for v in candidates.values()])} candidates x 5 folds, {n} pairs"
    plain, goal = "the search on ready embeddings", ">= 0.87"  # at most 1.15 times as long
    measure, once_yardstick = f"GridSearchCV, {size}", f"{plain}, and embedding once"
    return [
        row(f"{measure}, first run", once_yardstick, cold, ready + once, "s", goal=goal),
        row(f"{measure}, second run", plain, warm, ready, "s", goal=goal),
        row(f"{measure}, images embedded", "each image once", n_written + n_more, images, "images",
            goal=">= 1"),
    ]  # fmt: skip


def _seconds_to_embed(embedder, X):
    start = time.perf_counter()
    clone(embedder).set_params(cache=None).fit_transform(X)
    return time.perf_counter() - start


if __name__ == "__main__":
    run_alone(figures)
