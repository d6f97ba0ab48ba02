"""What the speed benchmarks share: ratios of two things timed by turns in one run."""

import json
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np


def by_turns(ours, yardstick, repeats=5):
    """Time two functions by turns; return the seconds of each and yardstick / ours.

    The ratio is the median over the turns, so that a machine that is slower for a while does not
    favour either.
    """
    ours(), yardstick()
    times = []
    for _ in range(repeats):
        times.append((_seconds(ours), _seconds(yardstick)))
    return {
        "ours_s": round(min(a for a, _ in times), 3),
        "yardstick_s": round(min(b for _, b in times), 3),
        "ratio": round(statistics.median(b / a for a, b in times), 3),
    }


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


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


def report(name, figures):
    """Print figures as JSON, and keep them beside the benchmarks when asked with --save."""
    import torch

    machine = {"python": platform.python_version(), "torch": torch.__version__}
    machine["threads"] = torch.get_num_threads()
    machine["device"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    text = json.dumps({"benchmark": name, "machine": machine, **figures}, indent=1)
    print(text)
    if "--save" in sys.argv:
        (Path(__file__).parent / "results" / f"{name}.json").write_text(text + "\n")
