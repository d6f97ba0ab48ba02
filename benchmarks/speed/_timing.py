"""What the speed benchmarks share: two things timed alternately in one run, and one form of row.

Each ``bench_NAME.py`` offers ``figures(quick)``, which returns rows made by `row` or `timed`, and
runs by itself: ``python benchmarks/speed/bench_store.py [--quick] [--save]``.
``run.py`` runs them all.
"""

import argparse
import json
import operator
import re
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks._results import report

SUITES = {  # which bench_*.py make up a suite
    "embedding": (
        "transform",
        "dlib_resnet",
        "onnx_network",
        "video_pairs",
        "memory",
        "aligning",
        "aligner_limits",
    ),
    "store": ("store",),
    "generation": ("generation", "face_pairs"),
    "training": ("forgery_training",),
    "detectors": ("gaussian_mixture", "pyod", "deep_svdd"),
    "search": ("grid_search", "dask"),
    "metrics": ("metrics",),
    "video": ("frames",),
    "verdict": ("verify", "peers", "parts"),
    "whole pipeline": ("afternoon", "scale", "streaming", "limits"),
    "faults": ("faults",),
    "gpu": ("gpu",),
}
COMPARE = {">=": operator.ge, ">": operator.gt}


def time_alternately(our_value, yardstick, repeats=5, work=(1, 1), clock=time.perf_counter):
    """Time two functions alternately, after one call of each that does not count.

    Who begins alternates. The ratio, yardstick / ours, is taken within each turn, so that a
    machine that is slower for a while favors neither; its median and quartiles are returned, and
    the median seconds of each. `work` is how much each of the two does: all is then per unit.
    ``clock=time.process_time`` counts the seconds of all threads, whatever else the machine does.
    """
    functions = our_value, yardstick
    for function in functions:
        function()
    timers = (lambda function=function: _seconds(function, clock) for function in functions)
    times = np.array(call_alternately(*timers, repeats)) / work
    ours_s, yardstick_s = (float(seconds) for seconds in np.median(times, axis=0))
    return {"ours_s": ours_s, "yardstick_s": yardstick_s, **spread(times[:, 1] / times[:, 0])}


def call_alternately(our_value, yardstick, repeats):
    """Call two functions in each turn; return what they return, a pair for each turn."""
    functions, outputs = (our_value, yardstick), []
    for turn in range(repeats):
        output = {side: functions[side]() for side in ((0, 1), (1, 0))[turn % 2]}
        outputs.append([output[0], output[1]])
    return outputs


def spread(ratios):
    """Return the median of ratios, and their quartiles where there are several."""
    low, ratio, high = (float(value) for value in np.quantile(ratios, [0.25, 0.5, 0.75]))
    has_quartiles = len(ratios) > 1
    return {
        "ratio": ratio,
        "low": low if has_quartiles else None,
        "high": high if has_quartiles else None,
    }


def _seconds(function, clock):
    start = clock()
    function()
    return clock() - start


def row(measure, yardstick, our_value, their_value, unit, *,
        ratio=None, low=None, high=None, goal=None, more_is_better=False):  # fmt: skip
    """Return one measured claim; a ratio above 1 says that ours is better.

    `goal` is what is asked of the ratio, such as ``">= 4"``; without one nothing is met or missed.
    """
    if ratio is None and our_value and their_value:
        ratio = our_value / their_value if more_is_better else their_value / our_value
    met = None
    if goal is not None:
        sign, bound = goal.split()
        met = ratio is not None and COMPARE[sign](ratio, float(bound))
    numbers = {"ours": our_value, "theirs": their_value, "unit": unit, "ratio": ratio}
    numbers |= {"low": low, "high": high}
    numbers = {k: round(v, 5) if isinstance(v, float) else v for k, v in numbers.items()}
    return {"what": measure, "yardstick": yardstick, **numbers, "goal": goal, "met": met}


def timed(measure, yardstick, times, *, goal=None, unit="s"):
    """Return the row of a result of `time_alternately`; a unit such as ``images/s`` is a rate."""
    our_seconds, their_seconds = times["ours_s"], times["yardstick_s"]
    if unit != "s":
        our_seconds, their_seconds = 1 / our_seconds, 1 / their_seconds
    ratio_figures = {key: times[key] for key in ("ratio", "low", "high")}
    return row(measure, yardstick, our_seconds, their_seconds, unit, goal=goal, **ratio_figures)


def peak_memory():
    """Return the peak memory of this process in MiB.

    On Linux ``ru_maxrss`` is at least the peak of the process that started this one; VmHWM is not.
    """
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def run_alone(figures):
    """Run the script that was started: ``--quick``, ``--save``, ``--rows FILE`` for run.py."""
    parser = argparse.ArgumentParser(
        description=sys.modules["__main__"].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer turns")
    parser.add_argument("--save", action="store_true", help="keep the figures in results/")
    parser.add_argument("--rows", metavar="FILE", help="write the rows there as well")
    quick = parser.parse_known_args()[0].quick  # scripts read options of their own by `option`
    name = Path(sys.argv[0]).stem.removeprefix("bench_")
    suite = next(suite for suite, names in SUITES.items() if name in names)
    rows = [{"suite": suite, **figure} for figure in figures(quick)]
    if file := option("--rows"):
        Path(file).write_text(json.dumps(rows))
    report(name, {"quick": quick, "rows": rows})


def option(name, default=None):
    """Return what follows a name on the command line."""
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default
