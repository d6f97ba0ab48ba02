"""Run the speed and memory benchmarks, each script in a process of its own, into one file.

    python benchmarks/speed/run.py [--quick] [--only SUITE,SUITE [--update]] [--data FOLDER] \\
        [--network FILE.onnx]

The whole run goes to benchmarks/results/bench.json, of which docs/performance is made; a quick or
partial one to build/bench-quick.json. With --update, a partial one replaces its suites in the whole
run, if that was made with the same versions; each suite says when, and on which processor.
A script that fails is recorded, the others go on, and the exit status is 1. With FOLDER, laid out
as real_pairs.py says, detection quality is measured too.
"""

import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import RESULTS, machine, versions
from benchmarks.speed._timing import SUITES

FOLDER = Path(__file__).parent
LAST_LINES = 5  # of the error output of a failed script
LIMIT_S, QUICK_LIMIT_S = 3600, 900  # of a script; a slow and busy machine is not a failure


def run(name, options, limit):
    """Run one script; return its rows, and the error message if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.json")
        command = [sys.executable, FOLDER / f"bench_{name}.py", "--rows", file, *options]
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            error_text = process.communicate(timeout=limit)[1]
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                return [], f"not done after {limit} s"
            raise
        if process.returncode or not file.exists():
            last_lines = error_text.strip().splitlines()[-LAST_LINES:]
            return [], "\n".join(last_lines) or "no error message"
        return json.loads(file.read_text()), None


def today():
    """Return the date, in UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def run_all(suites, options, limit):
    """Run suites one after the other; return a description of each."""
    suite_results = []
    for suite in suites:
        start, rows, failed = time.perf_counter(), [], {}
        for name in SUITES[suite]:
            print(f"{suite}: {name} ...", end=" ", file=sys.stderr, flush=True)
            begun = time.perf_counter()
            script_rows, error = run(name, options, limit)
            rows += script_rows
            if error:
                failed[name] = error
            outcome = f"FAILED\n{error}" if error else "done"
            print(f"{outcome}, {time.perf_counter() - begun:.0f} s", file=sys.stderr)
        seconds = round(time.perf_counter() - start, 1)
        suite_results.append(
            {"suite": suite, "date": today(), "cpu": machine()["cpu"], "seconds": seconds}
            | {"failed": failed, "rows": rows}
        )
    return suite_results


def check_update(saved):
    """Raise if suites that are measured now may not stand beside those of a saved run."""
    changes = sorted(set(saved["versions"].items()) ^ set(versions().items()))
    if changes:
        raise ValueError(f"the saved run has other versions: {changes}; measure everything again")


def updated(saved, result):
    """Return a saved run in which suites are replaced by those of the same name.

    Date and machine stay those of the saved run, unless most suites are measured again.
    """
    new_suites = {suite["suite"]: suite for suite in result["suites"]}
    suites = [new_suites.get(suite["suite"], suite) for suite in saved["suites"]]
    header = result if 2 * len(new_suites) > len(suites) else saved
    return {**header, "suites": suites, "seconds": round(sum(s["seconds"] for s in suites), 1)}


def show(suite_results):
    """Print all rows as one table."""
    print(f"{'':8} {'ratio':>9}  {'quartiles':17} {'goal':9} what / yardstick")
    for suite in suite_results:
        print(f"\n{suite['suite']} ({suite['seconds']:.0f} s)")
        for row in suite["rows"]:
            verdict = {True: "met", False: "NOT MET", None: ""}[row["met"]]
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
            spread = "" if row["low"] is None else f"{row['low']:.3f}-{row['high']:.3f}"
            row_name = f"{row['what']} / {row['yardstick']}"
            print(f"{verdict:8} {ratio:>9}  {spread:17} {row['goal'] or '':9} {row_name}")
        for name, error in suite["failed"].items():
            print(f"FAILED   {name}: {error.splitlines()[-1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer turns")
    parser.add_argument("--only", help="suites, separated by commas: " + ", ".join(SUITES))
    parser.add_argument("--update", action="store_true", help="replace them in the saved run")
    parser.add_argument("--data", help="folder of real photographs, for detection quality")
    parser.add_argument("--network", help="face network in ONNX, to be used on them as well")
    parser.add_argument("--with-faults", action="store_true", help="the suite of kills as well")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    chosen_suites = [name for name in SUITES if name != "faults" or options.with_faults]
    if options.only:
        chosen_suites = [name.strip() for name in options.only.split(",")]
        if unknown_suites := set(chosen_suites) - set(SUITES):
            parser.error(f"no such suite: {', '.join(sorted(unknown_suites))}")
    partial = options.quick or options.only
    output = options.output
    saved = None
    if options.update:
        if options.quick or not options.only:
            parser.error("--update needs --only, and no --quick")
        output = output or RESULTS / "bench.json"
        saved = json.loads(output.read_text())
        check_update(saved)
    if output is None:
        build = FOLDER.parents[1] / "build"
        output = build / "bench-quick.json" if partial else RESULTS / "bench.json"
    size_options = ["--quick"] if options.quick else []
    for name in ("data", "network"):
        if value := getattr(options, name):
            size_options += [f"--{name}", value]
    start = time.perf_counter()
    limit = QUICK_LIMIT_S if options.quick else LIMIT_S
    suite_results = run_all(chosen_suites, size_options, limit)
    seconds = round(time.perf_counter() - start, 1)
    result = {
        "quick": options.quick,
        "date": today(),
        "seconds": seconds,
        "seeds": "fixed in each script: 0, and where several are drawn 0 to n - 1",
        "machine": machine(),
        "versions": versions(),
        "suites": suite_results,
    }
    if saved is not None:
        result = updated(saved, result)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    show(suite_results)
    print(f"\n{output}: {seconds:.0f} s", file=sys.stderr)
    raise SystemExit(any(suite["failed"] for suite in suite_results))


if __name__ == "__main__":
    main()
