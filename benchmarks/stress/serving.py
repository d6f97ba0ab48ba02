"""Memory and open files of a service: many single calls of `verify`, each with new pictures.

    python benchmarks/stress/serving.py [--quick] [--only NAME] [-o benchmarks/results/serving.json]

Each case runs in a process of its own, and gets what a service gets: the content of files. No two
calls get the same pictures, so that whatever is kept for a picture would show. After a tenth of the
calls, the warm-up, resident memory and open file descriptors are noted a hundred times. Memory is
called flat if its end, the median of the last tenth, is at most 16 MiB or 2 % above its start, the
median of the first tenth. Linux only: the numbers come from ``/proc/self``.
"""

import argparse
import io
import json
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import machine, versions
from benchmarks.stress._resumable_tasks import TINY
from sklearn_diffake import Reference, load_default, verify
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector
from sklearn_diffake.pairs import PairDifference
from sklearn_diffake.pipeline import Pipeline

N_SAMPLES = 100
ALLOWED_MIB, ALLOWED_FRACTION = 16, 0.02
N_THREADS, N_FRAMES = 8, 8


def retakes(n, seed):
    """Return n pictures of one face, 130 x 105, that differ in the gain of each channel."""
    face = Image.fromarray(astronaut()[0:260, 120:330]).resize((105, 130))
    gains = np.random.default_rng(seed).uniform(0.75, 1.0, size=(n, 3))
    return [np.round(np.asarray(face) * gain).astype(np.uint8) for gain in gains]


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


def clip(images):
    """Encode frames as an MP4 file; return its content."""
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.height, stream.width = (side // 2 * 2 for side in images[0].shape[:2])
            stream.bit_rate, stream.pix_fmt = 2_000_000, "yuv420p"
            for image in images:
                frame = np.ascontiguousarray(image[: stream.height, : stream.width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        return path.read_bytes()


def small_model():
    """Fit a pipeline over a network of a few thousand weights: its calls are short."""
    model = Pipeline(
        [
            ("align", FaceAligner(48, min_face_size=0.4, device="cpu")),
            (
                "embed",
                FaceEmbedder(TINY, mean=0.5, std=0.5, device="cpu"),
            ),
            ("diff", PairDifference()),
            (
                "detect",
                ConformalDetector(MahalanobisDetector(), target_bpcer=0.1, random_state=0),
            ),
        ]
    )
    photos = retakes(80, seed=0)
    return model.fit(list(zip(photos[::2], photos[1::2], strict=True)))


def one_picture():
    reference = Reference(retakes(3, seed=0), small_model())
    return lambda seed: verify(reference, png(retakes(1, seed)[0]))


def two_pictures():
    model = small_model()
    return lambda seed: verify(*map(png, retakes(2, seed)), model=model)


def packaged_model():
    reference = Reference(retakes(3, seed=0), load_default())
    return lambda seed: verify(reference, png(retakes(1, seed)[0]))


def short_clip():
    model = small_model()
    return lambda seed: verify(
        png(retakes(1, seed)[0]), clip(retakes(N_FRAMES, seed)), model=model, n_frames=N_FRAMES
    )


CASES = {  # what makes the call, number of calls, threads
    "an enrolled reference and a picture, a small network": (one_picture, 5000, 1),
    "two pictures, a small network, 8 threads": (two_pictures, 1000, N_THREADS),
    "an enrolled reference and a picture, the packaged model": (packaged_model, 500, 1),
    "a picture and a clip of 8 frames, a small network": (short_clip, 200, 1),
}


def resident_mib():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def open_files():
    return len(os.listdir("/proc/self/fd"))


def measure(name, n_calls):
    """Make the calls of a case; return seconds, memory and open files."""
    make_call, _, n_threads = CASES[name]
    call = make_call()
    seeds = iter(range(1, 10**9))
    memory, files, outcomes = [], [], {}

    def repeat(n, run):
        for verdict in run(call, [next(seeds) for _ in range(n)]):
            outcomes[verdict.outcome] = outcomes.get(verdict.outcome, 0) + 1

    with ThreadPoolExecutor(n_threads) as pool:
        run = map if n_threads == 1 else pool.map
        repeat(n_calls // 10, run)
        start = time.perf_counter()
        ends = np.linspace(0, n_calls - n_calls // 10, N_SAMPLES + 1).astype(int)
        for n in np.diff(ends).tolist():
            repeat(n, run)
            memory.append(resident_mib())
            files.append(open_files())
        seconds = time.perf_counter() - start
    row = {"case": name, "n_threads": n_threads, "n_calls": sum(outcomes.values())}
    return row | {"outcomes": outcomes, "seconds": seconds} | summary(memory, files)


def summary(memory, files):
    """Return start and end of what was noted, and whether both are flat."""
    tenth = max(1, len(memory) // 10)
    start, end = (float(np.median(window)) for window in (memory[:tenth], memory[-tenth:]))
    allowed = max(ALLOWED_MIB, ALLOWED_FRACTION * start)
    return {
        "start_mib": start,
        "end_mib": end,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        "start_files": files[0],
        "end_files": files[-1],
        "is_flat": end - start <= allowed and files[-1] <= files[0],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a twentieth of the calls")
    parser.add_argument("--only", choices=CASES, action="append", help="this case; may be repeated")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    rows = []
    for name in args.only or CASES:
        n_calls = CASES[name][1] // (20 if args.quick else 1)
        with ProcessPoolExecutor(1, get_context("spawn")) as process:  # with memory of its own
            result = process.submit(measure, name, n_calls).result()
        rows.append({k: round(v, 1) if isinstance(v, float) else v for k, v in result.items()})
        print(json.dumps(rows[-1]), flush=True)
    result = {"machine": machine(), "versions": versions(), "cases": rows}
    if args.output:
        args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    raise SystemExit(0 if all(row["is_flat"] for row in rows) else 1)


if __name__ == "__main__":
    main()
