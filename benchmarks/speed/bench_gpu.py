"""What a GPU brings: embedding, training, the mixture, Deep SVDD and a whole search.

Every figure is a ratio within one run: to the rate of a large matrix product measured on the same
device, to a bare torch loop on it, or to the processor of the same machine. Without a GPU nothing
is measured. ``python benchmarks/speed/bench_gpu.py --save`` keeps the rows with the device's name.
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images
from benchmarks.speed._timing import row, run_alone, time_alternately, timed
from benchmarks.speed.bench_deep_svdd import per_epoch
from benchmarks.speed.bench_gaussian_mixture import squared_differences
from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.novelty import GaussianMixtureDetector, _torch_mixture

BATCH = 256
RESNET50_FLOPS = 2 * 4.089e9  # an image of 224 pixels; He et al., CVPR 2016, count multiply-adds


def network(name, classifier):
    """Build a network of torchvision with random weights: speed does not depend on them."""
    from torchvision import models

    module = getattr(models, name)(weights=None)
    setattr(module, classifier, torch.nn.Identity())
    module.input_size = 224
    module.mean, module.std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return module


def resnet50():
    """Return a ResNet-50."""
    return network("resnet50", "fc")


def small_network():
    """Return a network whose embedding is cheap to compute on a processor too."""
    return network("mobilenet_v3_small", "classifier")


def peak_flops(dtype, n=8192, repeats=20):
    """Measure the operations a second of a large matrix product on random data."""
    a, b = (torch.randn(n, n, device="cuda", dtype=dtype) for _ in range(2))
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        a @ b
    torch.cuda.synchronize()
    return 2 * n**3 * repeats / (time.perf_counter() - start)


def bare_loop(module, crops, dtype):
    """Embed crops on the GPU as one would by hand."""
    mean = torch.tensor(module.mean, device="cuda").view(1, 3, 1, 1) * 255
    std = torch.tensor(module.std, device="cuda").view(1, 3, 1, 1) * 255
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            x = torch.from_numpy(crops[start : start + BATCH]).cuda().permute(0, 3, 1, 2)
            module(((x.float() - mean) / std).to(dtype)).float().cpu()


def embedding(n):
    crops = np.random.default_rng(0).integers(0, 256, (n, 224, 224, 3), dtype=np.uint8)
    rows = []
    for dtype in ("float32", "bfloat16"):
        kind = getattr(torch, dtype)
        embedder = FaceEmbedder(
            "bench_gpu:resnet50", device="cuda", dtype=dtype, batch_size=BATCH, n_jobs=8
        ).fit(crops[:2])
        module = resnet50().eval().cuda().to(kind).to(memory_format=torch.channels_last)
        times = time_alternately(
            lambda embedder=embedder: embedder.transform(crops),
            lambda module=module, kind=kind: bare_loop(module, crops, kind),
            work=(n, n),
        )
        measure = f"FaceEmbedder, ResNet-50, {dtype}, {n:,} crops of 224 pixels"
        rows.append(timed(measure, "bare torch loop on the GPU", times, unit="images/s"))
        rate, peak = RESNET50_FLOPS / times["ours_s"], peak_flops(kind)
        rows.append(
            row(
                f"{measure}: operations",
                "matrix product 8192 on the GPU",
                rate / 1e12,
                peak / 1e12,
                "TFLOP/s",
                more_is_better=True,
            )
        )
    return rows


def mixture(n, d):
    X = squared_differences(n, d)
    X -= X.mean(axis=0)
    settings = {"n_components": 3, "max_iter": 5, "tol": 0, "random_state": 0}
    settings["reg_covar"] = 1e-6 * X.var(axis=0).mean()
    our_mixture, their_mixture = GaussianMixture(**settings), GaussianMixture(**settings)
    times = time_alternately(
        lambda: _torch_mixture.fit(our_mixture, X, "cuda"), lambda: their_mixture.fit(X), repeats=1
    )
    gap = np.abs(our_mixture.score_samples(X[:2000]) - their_mixture.score_samples(X[:2000])).max()
    if gap > 1e-6 * np.abs(their_mixture.score_samples(X[:2000])).max():
        raise AssertionError(f"log-likelihoods differ by {gap:.1e}")
    measure = f"mixture of 3, 5 iterations, {n:,} x {d}"
    return [timed(measure, "scikit-learn, all cores", times, goal=">= 20")]


def extractor(n, n_jobs):
    images = smooth_images(n, 224)
    rows = []
    for rho in (0.0, 0.05):
        epochs = 2
        settings = {"input_size": 224, "batch_size": 64, "rho": rho, "validation_fraction": 0}
        settings |= {"dtype": "bfloat16", "device": "cuda", "random_state": 0, "n_jobs": n_jobs}
        start = time.perf_counter()
        ForgeryEmbedder(max_epochs=epochs, **settings).fit(images)
        rate = 2 * epochs * n / (time.perf_counter() - start)
        what = f"ForgeryEmbedder, training at 224 pixels, rho={rho}, n_jobs={n_jobs}, fit in all"
        rows.append(row(what, "none", rate, None, "images/s"))
    return rows


def search(n):
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (n, 2, 224, 224, 3), dtype=np.uint8)
    grid = {"diff__operator": ["squared", "absolute"], "detect__n_components": [1, 3]}

    def run(device):
        pipe = make_difffake_pipeline(
            "bench_gpu:small_network",
            aligner=False,
            operator="squared",
            detector=GaussianMixtureDetector(device=device, random_state=0),
            device=device,
        )
        GridSearchCV(pipe, grid, scoring=lambda model, X, y=None: 0.0, cv=3).fit(crops)

    times = time_alternately(lambda: run("cuda"), lambda: run("cpu"), repeats=1)
    what = f"GridSearchCV, 4 candidates, 3 folds, {n} pairs of crops, nothing cached"
    return [timed(what, "the processor of the same machine", times)]


def figures(quick=False):
    if not torch.cuda.is_available():
        return []
    sections = {
        "embedding": lambda: embedding(512 if quick else 4096),
        "deep svdd": lambda: [
            per_epoch(100_000 if quick else 1_000_000, "cuda", batch, 2, 3)
            for batch in (4096, 65536)
        ],
        "mixture": lambda: mixture(*((2000, 128) if quick else (23_000, 1792))),
        "search": lambda: search(32 if quick else 256),
        "extractor": lambda: extractor(128 if quick else 1024, 12),
    }
    rows = []
    for name, measure in sections.items():
        start = time.perf_counter()
        try:
            rows += measure()
        except Exception as error:  # the other sections are worth having
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            rows.append(row(f"{name}: failed, {type(error).__name__}: {error}", "", None, None, ""))
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    run_alone(figures)
