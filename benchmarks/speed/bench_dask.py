"""A benchmark in one process and on two workers of a dask cluster on this machine.

60 rendered pairs, their probes degraded in 4 ways, two candidates. Goals: the same bytes, every
image embedded once, and on two idle cores at least 1.5 times as fast (torch alone uses both
already). Left out of a quick run.
"""

import sys
import tempfile
import textwrap
import time
from pathlib import Path

from distributed import Client, LocalCluster

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import row, run_alone
from sklearn_diffake.benchmark import read_config, run_benchmark

CONFIG = """\
bootstrap = 100

[datasets.faces]
loader = "make_face_pairs"
arguments = { n_pairs = 60 }

[candidates.squared]
embedder = "difffake-lite0-identity"

[candidates.joined]
embedder = ["difffake-lite0-identity", "difffake-lite0"]
operator = "subtract"
detector = { name = "GaussianMixtureDetector", n_components = 1, shrinkage = "auto" }

[protocols.cross-manipulation]

[protocols.robustness]
jpeg = [75, 30]
blur = [1, 3]
kinds = ["jpeg", "blur"]
"""


def results(folder):
    names = ["results.json", "report.md", *(f"cells/{p.name}" for p in folder.glob("cells/*"))]
    return {name: (folder / name).read_bytes() for name in names}


def timed(config, folder, **options):
    start = time.perf_counter()
    result = run_benchmark(config.replace(folder), **options)
    return time.perf_counter() - start, result


def figures(quick=False):
    if quick:
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "benchmark.toml").write_text(textwrap.dedent(CONFIG), encoding="utf-8")
        config = read_config(folder / "benchmark.toml")
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            client.run(__import__, "sklearn_diffake.benchmark._run")
            timed(config, folder / "warm", dask=cluster.scheduler_address)
            spread, on_two = timed(config, folder / "two", dask=cluster.scheduler_address)
        alone_s, on_one = timed(config, folder / "one")
        if results(folder / "one") != results(folder / "two"):
            raise AssertionError("two workers gave other bytes than one process")
    measure, plain = f"benchmark of {on_one.n_cells} cells, 60 pairs, the same bytes", "one process"
    n_single, n_dask = (
        benchmark_results.images["embedded"] for benchmark_results in (on_one, on_two)
    )
    return [
        row(f"{measure}, two dask workers", plain, spread, alone_s, "s", goal=">= 1.5"),
        row(
            f"{measure}, images embedded by two workers",
            plain,
            n_dask,
            n_single,
            "images",
            goal=">= 1",
        ),
    ]


if __name__ == "__main__":
    run_alone(figures)
