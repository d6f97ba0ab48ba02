"""Disturb work, damage files, and see that nothing is lost or wrong.

Kills: work runs in a process that gets SIGKILL at a moment drawn at random. Another process then
looks at what is on disk: what the work had told as finished must be there, whatever else is there
must be right, and work that goes on must end with the very result of an undisturbed run.
Interrupts: the same with Ctrl-C, which must also end the work soon, and leave no process behind.
Signals: SIGINT and SIGTERM end each command with the exit code that is documented; its files are
whole or absent, no temporary files are left, and the command ends as ever when it is run again.
Disks: the work meets a full disk or a read-only folder, and goes on when there is room again.
Damage: byte for byte, files are overwritten or cut off; the right content comes back, or a refusal
that names the file. Crowds: eight processes read and write one embedding store.

    python benchmarks/stress/faults.py [--times 50] [--seed 0] [--only kill] [--save]

With --only, saved rows of the other faults are kept.
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import RESULTS, machine, report
from benchmarks.stress import (
    _concurrent_fits,
    _corruption,
    _full_disks,
    _interrupts,
    _resumable_tasks,
    _signals,
)
from benchmarks.stress._kills import Wrong, kill_within

ROOT = Path(__file__).resolve().parents[2]
TIMES = 50  # kills of each kind of work; everything else follows


def kills(folder, times, rng):
    """Kill each kind of work again and again."""
    for kind in _resumable_tasks.KINDS:
        (folder / kind.__name__).mkdir()
        start, case, n_killed, wrong = time.perf_counter(), kind(folder / kind.__name__), 0, []
        while (n_killed < times or not case.finished) and len(wrong) < 10:
            try:
                patience = max(1.0, n_killed / times)  # it must get done on slow machines too
                killed, steps = kill_within(kind.seconds * patience, case.work, rng)
                n_killed += killed
                case.after(killed, steps)
            except Wrong as error:
                wrong.append(str(error))
        yield kind.name, "killed at a random moment", n_killed, wrong, start


def interrupts(folder, times, rng):
    """Press Ctrl-C while a progress bar runs."""
    for kind in _interrupts.KINDS:
        start = time.perf_counter()
        found = _interrupts.trials(kind, folder / kind.__name__, max(1, times // 4), rng)
        yield kind.name, "Ctrl-C at a random moment", *found, start


def signals(folder, times, rng):
    """End every command by a signal."""
    start = time.perf_counter()
    for name, *found in _signals.trials(folder, max(1, times // 12), rng):
        yield f"the command {name}", "SIGINT or SIGTERM at a random moment", *found, start
        start = time.perf_counter()


def disks(folder, times, rng):
    """Fill the disk, or forbid to write."""
    for kind in _resumable_tasks.KINDS:
        start = time.perf_counter()
        try:
            for found in _full_disks.trials(kind, folder / kind.__name__, max(1, times // 10)):
                yield kind.name, *found, start
                start = time.perf_counter()
        except _full_disks.NoSmallDisk as reason:
            yield kind.name, "full disk, read-only folder", 0, [], start, str(reason)


def corruption_trials(folder, times, rng):
    """Overwrite bytes, and cut files off."""
    for number, kind in enumerate(_corruption.KINDS):
        start = time.perf_counter()
        description, found = _corruption.trials(
            kind, folder / str(number), min(1, times / TIMES), rng
        )
        yield description, _corruption.FAULT, *found, start


def crowds(folder, times, rng):
    """Let eight processes use one store."""
    start = time.perf_counter()
    for what, *found in _concurrent_fits.trials(folder, max(1, times // 5)):
        yield what, f"{_concurrent_fits.PROCESSES} processes at once", *found, start
        start = time.perf_counter()


FAULTS = {
    "kill": kills,
    "ctrl-c": interrupts,
    "signal": signals,
    "disk": disks,
    "damage": corruption_trials,
    "crowd": crowds,
}


def cases(times, seed, only=""):
    """Try all faults, or those whose name holds `only`; yield one entry for each kind of work."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        for name, fault in FAULTS.items():
            if only not in name:
                continue
            Path(folder, name).mkdir()
            for what, fault_name, n, wrong, start, *skipped in fault(
                Path(folder, name), times, rng
            ):
                yield {
                    "what": what,
                    "fault": fault_name,
                    "cases": n,
                    "findings": len(wrong),
                    "first": wrong[0].replace(f"{ROOT}/", "") if wrong else None,
                    "seconds": round(time.perf_counter() - start, 1),
                    "skipped": skipped[0] if skipped else None,
                    "cpu": machine()["cpu"],
                }


def kept_cases(only, new_cases):
    """Return the saved cases of faults that were not tried again."""
    file = RESULTS / "faults.json"
    if not only or not file.exists():
        return []
    faults = {case["fault"] for case in new_cases}
    return [case for case in json.loads(file.read_text())["cases"] if case["fault"] not in faults]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=TIMES, help="kills of each kind of work")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="faults whose name holds this")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    new_cases = []
    for case in cases(options.times, options.seed, options.only):
        print(case, flush=True)
        new_cases.append(case)
    report(
        "faults", {"seed": options.seed, "cases": kept_cases(options.only, new_cases) + new_cases}
    )
    raise SystemExit(any(case["findings"] for case in new_cases))


if __name__ == "__main__":
    main()
