"""What has a limit of its own in seconds, on two cores: the yardstick is that limit.

The demonstration takes at most two minutes; `make_face_pairs` renders 1,000 pairs in 10 seconds;
the five protocols of examples/benchmark.toml, on rendered faces, end within five minutes (left out
in a quick run). Each runs once, in a process of its own, start and imports included.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import row, run_alone

EXAMPLE = Path(__file__).parents[2] / "examples" / "benchmark.toml"
COMMAND = "import sys; from sklearn_diffake.cli import main; sys.exit(main(sys.argv[1:]))"
RENDER = """
from sklearn_diffake.datasets import make_face_pairs
if __name__ == "__main__":
    make_face_pairs(1000, n_jobs=2, random_state=0)
"""


def seconds(code, *arguments, folder):
    """Run Python code in a folder; return how long it took."""
    Path(folder, "case.py").write_text(code)
    start = time.perf_counter()
    subprocess.run([sys.executable, "case.py", *arguments], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    return time.perf_counter() - start


def figures(quick=False):
    cases = [
        ("the demonstration", 120, COMMAND, ["demo"]),
        ("1,000 pairs of rendered faces, two processes", 10, RENDER, []),
    ]
    if not quick:
        protocols = ["benchmark", EXAMPLE.name, "--jobs", "2"]
        cases.append(("five protocols of examples/benchmark.toml", 300, COMMAND, protocols))
    rows = []
    for measure, limit, code, arguments in cases:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(EXAMPLE, folder)
            took = seconds(code, *arguments, folder=folder)
            rows.append(row(measure, "the limit", took, limit, "s", goal=">= 1"))
    return rows


if __name__ == "__main__":
    run_alone(figures)
