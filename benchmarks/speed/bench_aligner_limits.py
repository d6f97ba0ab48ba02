"""What the mixture of files costs FaceAligner: sizes that vary, and one bad file among good ones.

Peak memory with photographs of 240 to 960 pixels against as many of 960 pixels each; the peak must
not be above 1.2 times that. Then the processor time of files of which one shows no face, or cannot
be read, against files that are all good, in turn: no slow path for the rest. Every case runs in a
process of its own.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import call_alternately, row, run_alone, spread

SMALLEST, LARGEST = 240, 960
CASE = """
import json, re, sys, time
from pathlib import Path
from sklearn_diffake import load_default
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.verdict import verify_many
paths = json.loads(Path(sys.argv[1]).read_text())
if sys.argv[2] == "align":
    aligner = FaceAligner(on_missing="crop", n_jobs=2)
    aligner.transform(paths[:2])
    start = time.process_time()
    aligner.transform(paths)
else:
    model = load_default()
    list(verify_many([paths[:2]], model=model))
    start = time.process_time()
    list(verify_many([(paths[0], path) for path in paths], model=model))
seconds = time.process_time() - start
# ru_maxrss is at least that of the process that started this one; VmHWM is not
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(json.dumps({"peak": int(peak) / 1024, "seconds": seconds}))
"""


def write_photographs(folder, sizes):
    """Write the astronaut at each size; return the paths."""
    photo, rng, paths = Image.fromarray(astronaut()), np.random.default_rng(0), []
    for number, size in enumerate(sizes):
        left, top = rng.integers(0, 32, 2)
        crop = photo.crop((left, top, left + 480, top + 480)).resize((size, size))
        paths.append(f"{folder}/{number:04d}.jpg")
        crop.save(paths[-1])
    return paths


def run_case(paths, step, folder):
    """Return the peak memory in MiB and the processor seconds of a case."""
    file = Path(folder, "paths.json")
    file.write_text(json.dumps(paths))
    command = [sys.executable, "-c", CASE, file, step]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def memory_row(n, folder):
    """Return the row of the peak with sizes that vary."""
    sizes = np.random.default_rng(0).integers(SMALLEST, LARGEST + 1, n)
    peaks = [
        run_case(write_photographs(folder, case_sizes), "align", folder)["peak"]
        for case_sizes in (sizes, np.full(n, LARGEST))
    ]
    measure = f"peak memory of aligning {n:,} photographs of {SMALLEST} to {LARGEST} pixels"
    yardstick = f"as many of {LARGEST} pixels"
    return row(measure, yardstick, *(round(peak) for peak in peaks), "MiB", goal=">= 0.833")


def bad_file_rows(n, turns, folder):
    """Return rows of processor time with one bad file; the case that starts alternates."""
    good_paths = write_photographs(folder, [360] * n)
    faceless, unreadable = f"{folder}/faceless.jpg", f"{folder}/unreadable.jpg"
    Image.new("RGB", (360, 360)).save(faceless)
    Path(unreadable).write_bytes(b"no picture")
    rows = []
    for step, bad_path, measure in (
        ("align", faceless, "aligning {} photographs, one without a face"),
        ("verify", unreadable, "verify_many of {} probes, one that cannot be read"),
    ):
        paths = list(good_paths)
        paths[n // 2] = bad_path
        runs = (
            lambda case=case, step=step: run_case(case, step, folder)["seconds"]
            for case in (paths, good_paths)
        )
        times = call_alternately(*runs, turns)
        bad_s, good_s = map(float, np.median(times, axis=0))
        ratios = spread([good / bad for bad, good in times])
        case_name = measure.format(f"{n:,}")
        rows.append(
            row(case_name, "all of them good", bad_s, good_s, "CPU s", goal=">= 0.9", **ratios)
        )
    return rows


def figures(quick=False):
    """Measure all rows."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [memory_row(100 if quick else 1_000, folder)]
        return rows + bad_file_rows(100 if quick else 600, 1 if quick else 3, folder)


if __name__ == "__main__":
    run_alone(figures)
