"""The command ``benchmark``."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sklearn_diffake.cli._exit_codes import JOBS_FAILED, SUCCESS
from sklearn_diffake.cli._options import shows_progress
from sklearn_diffake.utils._messages import printable

if TYPE_CHECKING:
    from sklearn_diffake.benchmark._settings import Config

BENCHMARK_HELP = """\
examples:
  sklearn-diffake benchmark benchmark.toml
  sklearn-diffake benchmark benchmark.toml --list
  sklearn-diffake benchmark benchmark.toml -o results --jobs -1 -v

CONFIG.toml names datasets, candidates and protocols, as the page "Benchmarks" of the documentation
describes. Extractors that it describes are trained first. Finished cells are kept: a benchmark that
was interrupted goes on where it was when started again, also within a training, and tries again
what has failed. Learning from pairs of one mode and judging those of the other is refused, unless
it says mixed_modes = true. Needs the extra plots, and with --dask the extra dask.
"""


def add_benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("config", metavar="CONFIG.toml", help="what is judged, on what, and how")
    add("-o", "--output", metavar="FOLDER", help="where results go, instead of the file's output")
    add("--cache", metavar="FOLDER", help="where embeddings are kept (default: OUTPUT/cache)")
    add("--device", help="cpu, cuda, cuda:1, mps or auto, instead of the file's device")
    workers = parser.add_mutually_exclusive_group()
    workers.add_argument("--jobs", type=int, metavar="N", help="processes; -1 is one per core")
    workers.add_argument("--dask", metavar="ADDRESS", help="let a dask cluster do the work")
    add("--list", action="store_true", help="list the cells and whether they are done; run none")
    add(
        "--trust",
        action="append",
        default=[],
        metavar="NAME",
        help="a backbone module:function that CONFIG.toml may name: it is run (can be given again)",
    )


def benchmark_command(args: argparse.Namespace) -> int:
    """Run a benchmark, or list its cells."""
    from sklearn_diffake.benchmark import plan_benchmark, read_config, run_benchmark

    config = read_config(args.config, trusted=args.trust)
    config = config.replace(args.output, args.cache, args.device)
    shown = shows_progress(args)
    options: dict[str, Any] = {"n_jobs": args.jobs, "dask": args.dask, "verbose": shown}
    if args.list:
        with _without_new_cache(config) as config:
            return _list(plan_benchmark(config, **options))
    result = run_benchmark(config, **options)
    for job, reason in result.failures.items():
        print(printable(f"failed: {job}: {reason}"), file=sys.stderr)
    images, failed = result.images, len(result.failures)
    print(
        f"{result.n_cells} cells: {result.n_before} were done, "
        f"{result.n_cells - result.n_before - failed} done now, {failed} failed; "
        f"{result.seconds:.1f} s"
    )
    print(f"{images['embedded']} of {images['wanted']} images embedded now, "
          f"{images['failed']} failed")  # fmt: skip
    print(printable(f"report: {result.folder / 'report.md'}"))
    return JOBS_FAILED if failed else SUCCESS


@contextlib.contextmanager
def _without_new_cache(config: Config) -> Iterator[Config]:
    """Yield a configuration with which planning creates no cache: one that exists may grow."""
    if config.cache.is_dir():
        yield config
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield config.replace(cache=folder)


def _list(plan: Any) -> int:
    """Print every cell, and how many are done."""
    for name in plan.untrained():
        print(f"to do  train the extractor {printable(name)}, before the cells that need it")
    is_done = {job.key: plan.is_done(job) for job in plan.jobs}
    for job in plan.jobs:
        status = "done" if is_done[job.key] else "to do"
        print(f"{status:<5}  {job.key[:12]}  {printable(str(job))}")
    n_done, total = sum(is_done.values()), len(is_done)
    print(f"{len(plan.jobs)} cells, {total} different: {n_done} done, {total - n_done} to do")
    return SUCCESS
