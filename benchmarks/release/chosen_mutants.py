"""Introduce fifty faults into important lines, one at a time, and check that tests notice each.

The faults are chosen by hand: outcomes of verdicts, p-values, splitters, checksums, trust, exit
codes. ``chosen_mutants.toml`` declares them. The text that a fault replaces must occur exactly once
in its file, so that a declaration that no longer fits the code is an error.

All is done on a copy of the package and its tests. For each mutant, its test files are run in turn
until a test fails. A mutant is caught if this test passes on the unchanged code. One that outlasts
``--seconds`` counts as not caught.

    python benchmarks/release/chosen_mutants.py [--jobs 2] [--only TEXT] [--seconds 600] [--save]

With --only, mutants whose fault or file contains the text are tried; the saved results of the
others are kept.
"""

import argparse
import ast
import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the import below
from benchmarks._results import RESULTS, report

ROOT = Path(__file__).resolve().parents[2]
DECLARATIONS = Path(__file__).with_suffix(".toml")
COPIED = ("sklearn_diffake", "tests", "conftest.py", "pyproject.toml")
OPTIONS = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-n", "0")
FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


def read_mutants(root=ROOT):
    """Return the declared mutants, after a check of each against the code.

    Raises
    ------
    ValueError
        If the text to replace does not occur exactly once, the changed file is not valid Python,
        or a test file is missing.
    """
    mutants = tomllib.loads(DECLARATIONS.read_text())["mutants"]
    for mutant in mutants:
        name = f"{mutant['file']}: {mutant['fault']}"
        source = (root / "sklearn_diffake" / mutant["file"]).read_text()
        if (count := source.count(mutant["old"])) != 1:
            raise ValueError(f"{name}: the text to replace must occur once, occurs {count} times")
        ast.parse(changed_source(source, mutant))
        for file in mutant["tests"]:
            if not (root / "tests" / file).exists():
                raise ValueError(f"{name}: there is no tests/{file}")
    return mutants


def changed_source(source, mutant):
    """Return the source of a file with the fault."""
    return source.replace(mutant["old"], mutant["new"])


def copy_project(folder):
    """Copy the package and its tests into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for entry in COPIED:
        if (ROOT / entry).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / entry, folder / entry, ignore=ignored)
        else:
            shutil.copyfile(ROOT / entry, folder / entry)


def first_failure(folder, tests, seconds):
    """Run tests in turn, until one fails.

    Returns
    -------
    outcome : {"caught", "survived", "timed out"}
    test : str or None
        The test that failed.
    """
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *OPTIONS, *tests]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return "timed out", None
    if process.returncode == 0:
        return "survived", None
    failure = FIRST_FAILURE.search(output)
    if failure is None:
        raise RuntimeError(f"pytest ended with {process.returncode}:\n{output[-2000:]}")
    return "caught", failure[1]


def try_mutant(folder, mutant, seconds):
    """Run the tests of a mutant; return its row of the result."""
    file = folder / "sklearn_diffake" / mutant["file"]
    source = file.read_text()
    file.write_text(changed_source(source, mutant))
    try:
        outcome, test = first_failure(folder, [f"tests/{t}" for t in mutant["tests"]], seconds)
    finally:
        file.write_text(source)
    if outcome == "caught" and first_failure(folder, [test], seconds)[0] != "survived":
        raise RuntimeError(f"{test} fails on the unchanged code")
    row = {key: mutant[key] for key in ("area", "fault", "file", "old", "new")}
    return row | {"outcome": outcome, "test": test}


def try_all(work, mutants, jobs, seconds):
    """Try mutants, each thread on a copy of its own; yield the rows in the order of the mutants."""
    folders = queue.Queue()
    for number in range(jobs):
        copy_project(work / f"copy-{number}")
        folders.put(work / f"copy-{number}")

    def try_on_free_copy(mutant):
        folder = folders.get()
        try:
            row = try_mutant(folder, mutant, seconds)
        finally:
            folders.put(folder)
        print(f"{row['outcome']}: {row['fault']} ({row['test']})", flush=True)
        return row

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(try_on_free_copy, mutants)


def merge(mutants, rows):
    """Return new rows, and saved rows of mutants that are declared and were not tried."""
    file = RESULTS / "chosen_mutants.json"
    saved = json.loads(file.read_text())["mutants"] if file.exists() else []
    by_change = {(row["file"], row["old"], row["new"]): row for row in [*saved, *rows]}
    changes = [(mutant["file"], mutant["old"], mutant["new"]) for mutant in mutants]
    return [by_change[change] for change in changes if change in by_change]


def main():
    """Try the mutants, and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "chosen_mutants")
    options = parser.parse_args()
    mutants = read_mutants()
    selected = [m for m in mutants if options.only in m["fault"] or options.only in m["file"]]
    rows = list(try_all(options.work.resolve(), selected, options.jobs, options.seconds))
    rows = merge(mutants, rows)
    caught = sum(row["outcome"] == "caught" for row in rows)
    report("chosen_mutants", {"declared": len(mutants), "caught": caught, "mutants": rows})


if __name__ == "__main__":
    main()
