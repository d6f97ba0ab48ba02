"""How much of a verdict, a fit and a benchmark is spent in the detector, the network and decoders.

These parts are libraries: facenet-pytorch's detection of faces, the modules of torch, Pillow's
and PyAV's decoding with the conversion of colors. All else is ours, with scikit-learn and numpy.
CPU seconds of the thread that is in a part, as a fraction of those of the process, on one thread
of torch, after one call that does not count. Goal: at least 85 %.

``--pairs 6000`` fits so many pairs of photographs, and measures nothing else.
"""

import contextlib
import os
import sys
import tempfile
import threading
import time
from functools import wraps
from pathlib import Path
from unittest import mock

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # so that the work of a part is that of the thread that calls it

import numpy as np
from PIL import ImageFile
from skimage.data import astronaut
from torch.nn.modules import module as torch_module

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import write_jpegs, write_portraits
from benchmarks.speed._timing import option, row, run_alone
from benchmarks.speed.bench_peers import N_FRAMES, write_clip
from sklearn_diffake import load_default, make_difffake_pipeline, verify
from sklearn_diffake.benchmark import read_config, run_benchmark
from sklearn_diffake.faces import _detection
from sklearn_diffake.images import _decoding, _frame_pixels

GOAL = 0.85
N_WARM_UP = 20  # pairs: enough to import and to load all
YARDSTICK = "the whole call, of which detector, network and decoders are this fraction"
CONFIG = """\
bootstrap = 100

[datasets.faces]
pairs = "pairs.csv"

[candidates.plain]
embedder = "difffake-lite0-identity"

[protocols.cross-manipulation]

[protocols.robustness]
jpeg = [75]
kinds = ["jpeg"]
"""


class Parts:
    """Counts CPU seconds in parts; a part within a part counts once."""

    def __init__(self):
        self.seconds, self._lock, self._thread = 0.0, threading.Lock(), threading.local()

    @contextlib.contextmanager
    def count(self):
        """Count what is done in the context."""
        if getattr(self._thread, "is_inside", False):
            yield
            return
        start, self._thread.is_inside = time.thread_time(), True
        try:
            yield
        finally:
            self._thread.is_inside = False
            with self._lock:
                self.seconds += time.thread_time() - start

    def counted(self, function):
        """Return a function whose calls count."""

        @wraps(function)
        def call(*args, **kwargs):
            with self.count():
                return function(*args, **kwargs)

        return call

    @contextlib.contextmanager
    def installed(self):
        """Count detection, modules of torch and decoding in the context."""
        cascade, decode = _detection._cascade, _decoding.Decoder._decode

        def counted_cascade(device):
            nets, detect_face = cascade(device)
            return nets, self.counted(detect_face)

        def counted_decode(decoder, packet_decode, pts):
            return decode(decoder, self.counted(packet_decode), pts)

        with (
            mock.patch.object(_detection, "_cascade", counted_cascade),
            mock.patch.object(_decoding.Decoder, "_decode", counted_decode),
            mock.patch.object(_frame_pixels, "_convert", self.counted(_frame_pixels._convert)),
            mock.patch.object(ImageFile.ImageFile, "load", self.counted(ImageFile.ImageFile.load)),
            mock.patch.object(
                torch_module.Module, "__call__", self.counted(torch_module.Module.__call__)
            ),
        ):
            yield


def fraction(function, warm_up=None):
    """Return the fraction of the CPU seconds of a call that is spent in parts, and the seconds."""
    (warm_up or function)()
    parts = Parts()
    with parts.installed():
        start = time.process_time()
        function()
        seconds = time.process_time() - start
    return parts.seconds / seconds, seconds


def part_row(what, function, warm_up=None):
    """Return the row of a call, after one of `warm_up`, or of itself."""
    ratio, seconds = fraction(function, warm_up)
    return row(what, YARDSTICK, ratio * seconds, seconds, "CPU s", ratio=ratio, goal=f">= {GOAL}")


def fit_row(folder, n_pairs):
    """Return the row of a fit on pairs of files."""
    paths = write_portraits(folder, 2 * n_pairs).reshape(-1, 2)
    model = make_difffake_pipeline()
    return part_row(
        f"fit on {n_pairs:,} pairs of photographs",
        lambda: model.fit(paths),
        warm_up=lambda: model.fit(paths[:N_WARM_UP]),
    )


def benchmark_row(folder, n_pairs):
    """Return the row of a benchmark, whose results and store are new in every call."""
    paths = write_portraits(folder, 2 * n_pairs).reshape(-1, 2)
    lines = [
        f"{a},{b},{'genuine' if i % 2 else 'deepfake'},{'' if i % 2 else 'swap'}"
        for i, (a, b) in enumerate(paths)
    ]
    header = "reference,probe,label,technique"
    Path(folder, "pairs.csv").write_text("\n".join([header, *lines]), encoding="utf-8")
    Path(folder, "benchmark.toml").write_text(CONFIG, encoding="utf-8")
    config = read_config(Path(folder, "benchmark.toml"))
    outputs = iter(["first", "second"])
    return part_row(
        f"benchmark of {n_pairs} pairs, degraded by JPEG too",
        lambda: run_benchmark(config.replace(Path(folder, next(outputs)))),
    )


def figures(quick=False):
    """Measure all rows."""
    with tempfile.TemporaryDirectory() as folder:
        if n_pairs := option("--pairs"):
            return [fit_row(folder, int(n_pairs))]
        model, photo = load_default(), astronaut()
        clip = Path(folder, "clip.mp4")
        write_clip(clip, photo)
        paths = write_jpegs(folder, [photo, np.ascontiguousarray(photo[:, ::-1])])
        verdicts = [
            part_row("verify of a pair of photographs", lambda: verify(*paths, model=model)),
            part_row(
                f"verify of a photograph and {N_FRAMES} frames of a clip",
                lambda: verify(paths[0], clip, model=model, n_frames=N_FRAMES),
            ),
        ]
        n_pairs = 20 if quick else 300
        return [*verdicts, fit_row(folder, n_pairs), benchmark_row(folder, 20 if quick else 100)]


if __name__ == "__main__":
    run_alone(figures)
