"""What the speed benchmarks share: two things timed by turns in one run, and one form of row.

Each ``bench_NAME.py`` offers ``figures(quick)``, which returns rows made by `row` or `timed`, and
runs by itself: ``python benchmarks/bench_store.py [--quick] [--save]``. ``run.py`` runs them all.
"""

import json
import operator
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
SUITES = {  # which bench_*.py make up a suite
    "embedding": ("transform", "dlib_resnet", "video_pairs", "memory", "aligning"),
    "store": ("store",),
    "generation": ("generation", "face_pairs"),
    "training": ("forgery_training",),
    "heads": ("gaussian_mixture", "pyod", "deep_svdd"),
    "search": ("grid_search", "dask"),
    "metrics": ("metrics",),
    "video": ("frames",),
    "verdict": ("verify",),
    "whole pipeline": ("afternoon", "scale", "streaming", "limits"),
    "faults": ("faults",),
    "gpu": ("gpu",),
}
PACKAGES = (
    *("sklearn-diffake", "numpy", "scipy", "scikit-learn", "pandas", "joblib", "pillow", "torch"),
    *("torchvision", "timm", "facenet-pytorch", "skorch", "pyod", "onnxruntime", "av"),
    *("opencv-python-headless", "distributed"),
)
COMPARE = {">=": operator.ge, ">": operator.gt}


def by_turns(ours, yardstick, repeats=5, work=(1, 1)):
    """Time two functions by turns, after one call of each that does not count.

    Who begins alternates. The ratio, yardstick / ours, is taken within each turn, so that a
    machine that is slower for a while favours neither; its median and quartiles are returned, and
    the median seconds of each. `work` is how much each of the two does: all is then per unit.
    """
    functions, times = (ours, yardstick), []
    for function in functions:
        function()
    for turn in range(repeats):
        seconds = {which: _seconds(functions[which]) for which in ((0, 1), (1, 0))[turn % 2]}
        times.append([seconds[0] / work[0], seconds[1] / work[1]])
    times = np.array(times)
    ours_s, yardstick_s = (float(seconds) for seconds in np.median(times, axis=0))
    return {"ours_s": ours_s, "yardstick_s": yardstick_s, **spread(times[:, 1] / times[:, 0])}


def spread(ratios):
    """Return the median of ratios, and their quartiles where there are several."""
    low, ratio, high = (float(value) for value in np.quantile(ratios, [0.25, 0.5, 0.75]))
    several = len(ratios) > 1
    return {"ratio": ratio, "low": low if several else None, "high": high if several else None}


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def row(what, yardstick, ours, theirs, unit, *, ratio=None, low=None, high=None, goal=None,
        more_is_better=False):  # fmt: skip
    """Return one measured claim; a ratio above 1 says that ours is better.

    `goal` is what is asked of the ratio, such as ``">= 4"``; without one nothing is met or missed.
    """
    if ratio is None and ours and theirs:
        ratio = ours / theirs if more_is_better else theirs / ours
    met = None
    if goal is not None:
        sign, bound = goal.split()
        met = ratio is not None and COMPARE[sign](ratio, float(bound))
    numbers = {"ours": ours, "theirs": theirs, "unit": unit, "ratio": ratio}
    numbers |= {"low": low, "high": high}
    numbers = {k: round(v, 5) if isinstance(v, float) else v for k, v in numbers.items()}
    return {"what": what, "yardstick": yardstick, **numbers, "goal": goal, "met": met}


def timed(what, yardstick, times, *, goal=None, unit="s"):
    """Return the row of what `by_turns` found; any unit but s is a rate, such as ``images/s``."""
    ours, theirs = times["ours_s"], times["yardstick_s"]
    if unit != "s":
        ours, theirs = 1 / ours, 1 / theirs
    found = {key: times[key] for key in ("ratio", "low", "high")}
    return row(what, yardstick, ours, theirs, unit, goal=goal, **found)


def alone(figures):
    """Run the script that was started: ``--quick``, ``--save``, ``--rows FILE`` for run.py."""
    name, quick = Path(sys.argv[0]).stem.removeprefix("bench_"), "--quick" in sys.argv
    suite = next(suite for suite, names in SUITES.items() if name in names)
    rows = [{"suite": suite, **found} for found in figures(quick)]
    if file := option("--rows"):
        Path(file).write_text(json.dumps(rows))
    report(name, {"quick": quick, "rows": rows})


def option(name, default=None):
    """Return what follows a name on the command line."""
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def smooth_images(n, size, seed=0):
    """Make n different images of shape (size, size, 3), uint8, that compress like photographs."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, size // 16, size // 16, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


def write_jpegs(folder, images):
    """Write images as JPEG files; return their paths."""
    from PIL import Image

    paths = []
    for i, image in enumerate(images):
        paths.append(str(Path(folder) / f"{i:05d}.jpg"))
        Image.fromarray(image).save(paths[-1])
    return np.array(paths, dtype=object)


def machine():
    """Return what the figures depend on: processor, cores, memory, Python, device."""
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "memory_GB": round(memory / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions():
    """Return the versions of this package, and of those it is measured with."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def report(name, figures):
    """Print figures as JSON, and keep them beside the benchmarks when asked with --save."""
    import torch

    about = {**machine(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    text = json.dumps({"benchmark": name, "machine": about, **figures}, indent=1)
    print(text)
    if "--save" in sys.argv:
        (RESULTS / f"{name}.json").write_text(text + "\n")
