"""Change the code in small ways, one at a time, and see whether the tests notice.

The changes are cosmic-ray's: another operator or comparison, a number one more or less, a condition
negated, a loop that never runs, True for False, a decorator left out. Every place that can be
changed is changed once; the seed decides how, and in which order places are taken. Type hints and
f-strings, which hold messages, are left alone.

All is done on a copy of the package and its tests. First every test file is run on the code as it
stands, to note which test runs which line. Then, for each mutant, a process that has loaded other
packages but not this one is forked, and runs the tests of the changed line, quick ones first, until
one fails. A mutant is caught if a test fails, or the process crashes. Whatever outlasts its limit
counts as not caught. A run that was stopped goes on where it was; survivors are tried again when
the tests have changed.

    pip install cosmic-ray coverage
    python benchmarks/release/mutation.py [--packages pairs] [--minutes 60] [--seed 0] [--save]

``--test-seconds`` (25) is how long the tests of one mutant may take on the code as it stands: slow
tests beyond that are left out, and so are files that run for more than ``--trace-seconds`` (600),
which can only make the figures worse.
"""

import argparse
import ast
import contextlib
import hashlib
import importlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from importlib import metadata
from pathlib import Path

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import RESULTS, report

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pairs", "novelty", "metrics", "model_selection")
CONTROLS = 3  # files run once more as they are, chosen tests in chosen order
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist")


def mutants(source, name, seed):
    """Return a mutant of each place that can be changed: its line, operator and occurrence."""
    hands_off, tree, cached = list(_left_alone(source)), get_ast(source), defaultdict(list)
    for operator in operator_names():
        if "Variable" in operator:  # needs arguments
            continue
        family, changes, occurrence = operator.split("_")[0], get_operator(operator)(), -1
        for node in ast_nodes(tree):
            for start, end in changes.mutation_positions(node):
                occurrence += 1
                if not any(low <= start and end <= high for low, high in hands_off):
                    cached[start, family].append((operator, occurrence))
    for (start, family), choices in sorted(cached.items()):
        random.Random(f"{seed} {name} {start} {family}").shuffle(choices)
        if compiling := next((choice for choice in choices if _compiles(source, *choice)), None):
            yield start[0], *compiling


def _compiles(source, operator, occurrence):
    with contextlib.suppress(SyntaxError):
        return ast.parse(mutate_code(source, get_operator(operator)(), occurrence))


def _left_alone(source):
    """Yield where hints and f-strings are, and stars of signatures, which multiply nothing."""
    for number, line in enumerate(source.splitlines(), 1):
        for star in re.finditer(r"\*, |\*,$", line):
            yield (number, star.start()), (number, star.end())
    for node in ast.walk(ast.parse(source)):
        hints = [getattr(node, key, None) for key in ("annotation", "returns")]
        overload = "overload" in map(ast.unparse, getattr(node, "decorator_list", ()))
        if overload:
            hints += [*node.decorator_list, node]
        for operand in (*hints, node if isinstance(node, ast.JoinedStr) else None):
            if isinstance(operand, ast.AST):
                yield (
                    (operand.lineno, operand.col_offset),
                    (operand.end_lineno, operand.end_col_offset),
                )


def all_mutants(package, seed, work):
    """Return the mutants of a package in an order drawn from the seed, by what marks them."""
    sources = {f"{package}/{file.name}": file.read_text() for file in code_of(package)}
    cache = work / f"mutants-{digest(seed, sources)}.json"
    if not cache.exists():
        cached = [[n, *mutant] for n, text in sources.items() for mutant in mutants(text, n, seed)]
        random.Random(seed).shuffle(cached)
        cache.write_text(json.dumps(cached))
    cached = json.loads(cache.read_text())
    return {digest(name, sources[name], location): (name, *location) for name, *location in cached}


def code_of(package):
    """Return the files to be changed."""
    return sorted((ROOT / "sklearn_diffake" / package).glob("*.py"))


def tests_of(package):
    """Return the files with tests: its own, the examples in docstrings, scikit-learn's checks."""
    test_files = sorted((ROOT / "tests" / package).glob("*.py"))
    common = [ROOT / "tests" / "test_common.py"] if package in ("pairs", "novelty") else []
    return [*test_files, *code_of(package), *common]


def digest(*items):
    """Return a hash of anything that prints the same every time."""
    return hashlib.sha1(repr(items).encode(), usedforsecurity=False).hexdigest()


class TestRecorder:
    """Part of pytest: run the chosen tests only, in their order; note the first that fails.

    With `coverage` tell it which test is running. How long each takes is noted.
    """

    def __init__(self, selected=None, coverage=None):
        self.selected, self.coverage = selected, coverage
        self.failed, self.seconds = None, Counter()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        """Leave the chosen tests."""
        if self.selected is not None:
            by_name = {item.nodeid: item for item in items}
            items[:] = [by_name[name] for name in self.selected if name in by_name]

    def pytest_runtest_setup(self, item):
        """Name the test to the coverage."""
        if self.coverage:
            self.coverage.switch_context(item.nodeid)

    def pytest_runtest_logreport(self, report):
        """Note how long a test took, and whether it failed."""
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report):
        """Note a file that could not be read."""
        if report.failed:
            self.failed = self.failed or f"{report.nodeid} (collecting)"


def forked(work, limit, call, *args):
    """Call a function in a forked process: return its value, or "late", "crash" or "error"."""
    answer = work / "answer.json"
    answer.unlink(missing_ok=True)
    if not (child := os.fork()):
        with contextlib.suppress(BaseException):
            os.setsid()
            log = os.open(work / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1), os.dup2(log, 2)
            resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30,) * 2)
            (work / "part.json").write_text(json.dumps(call(*args)))
            (work / "part.json").rename(answer)
        os._exit(0)
    end, ended = time.monotonic() + limit, None
    while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):  # its own children too
        os.killpg(child, signal.SIGKILL)
    if not ended[0]:
        os.waitpid(child, 0)
        return "late"
    if answer.exists():
        return json.loads(answer.read_text())
    return "crash" if os.WIFSIGNALED(ended[1]) else "error"


def trace(file, package):
    """Run a test file as it is: seconds and lines of each test, and what modules are loaded."""
    from coverage import Coverage

    pattern = f"*/sklearn_diffake/{package}/*"
    coverage = Coverage(data_file=None, include=[pattern], config_file=False)
    coverage.start()
    recorder = TestRecorder(coverage=coverage)
    code = pytest.main([*OPTIONS, file], plugins=[recorder])
    coverage.stop()
    lines, data = defaultdict(lambda: defaultdict(list)), coverage.get_data()
    for path in data.measured_files():
        for line, tests in data.contexts_by_lineno(path).items():
            for test in filter(None, tests):
                lines[test][f"{package}/{Path(path).name}"].append(line)
    origins = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    loaded = [
        name
        for name, origin in origins.items()
        if origin and not origin.startswith(str(Path.cwd()))
    ]
    return {"code": int(code), "seconds": recorder.seconds, "lines": lines, "loaded": loaded}


def run_tests(stages):
    """Run tests file by file until one fails: the code of pytest and the test."""
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    for file, tests in stages:
        recorder = TestRecorder(tests)
        code = int(pytest.main([*OPTIONS, file], plugins=[recorder]))
        if code not in (0, 5):  # passed, or none to run
            return {"code": code, "test": recorder.failed}
    return {"code": 0, "test": None}


class Bench:
    """A copy of the package and its tests, and which test runs which line."""

    def __init__(self, work, package, test_seconds, trace_seconds):
        self.work, self.package, self.copy = work, package, work / "copy"
        self.test_seconds, self.trace_seconds = test_seconds, trace_seconds
        for entry in ("sklearn_diffake", "benchmarks", "tests", "conftest.py", "pyproject.toml"):
            for file in [ROOT / entry, *(ROOT / entry).rglob("*")]:
                to = self.copy / file.relative_to(ROOT)
                if file.is_file() and file.suffix != ".pyc":
                    to.parent.mkdir(parents=True, exist_ok=True)
                    if not to.exists() or to.read_bytes() != file.read_bytes():
                        shutil.copyfile(file, to)
        os.chdir(self.copy)
        # tests that import a benchmark must get that of the copy
        sys.path[:] = [str(self.copy), *(path for path in sys.path if path != str(ROOT))]
        for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
            del sys.modules[name]
        os.environ["PYTHONPATH"] = str(self.copy)
        files = [os.path.relpath(file, ROOT) for file in tests_of(package)]
        self.traces = {file: self._trace(file) for file in files}
        for name in sorted(
            {
                name
                for mutants_of_package in self.traces.values()
                for name in mutants_of_package["loaded"]
            }
        ):
            with contextlib.suppress(BaseException):
                importlib.import_module(name)

    def _trace(self, file):
        """Trace a test file, unless it and the code are as they were."""
        code = [path.read_bytes() for path in [ROOT / file, *code_of(self.package)]]
        cache = self.work / f"trace-{digest(file, code)}.json"
        if not cache.exists():
            print("unchanged", file, flush=True)
            found = forked(self.work, self.trace_seconds, trace, file, self.package)
            if found == "late":
                print("left out", file, flush=True)
                found = {"code": 5, "seconds": {}, "lines": {}, "loaded": []}
            if not isinstance(found, dict) or found["code"] not in (0, 5):
                sys.exit(f"{file} fails without any change: see {self.work / 'log.txt'}")
            cache.write_text(json.dumps(found))
        return json.loads(cache.read_text())

    def stages(self, name, line):
        """Return tests that run a line, or any of a file if line is None: by test file."""
        tests, tests_of_line = [], {}
        for file, found in self.traces.items():
            is_own_test = file.startswith(f"tests/{self.package}/")
            ran = {test: lines[name] for test, lines in found["lines"].items() if name in lines}
            hits = [test for test in ran if line is None or line in ran[test]]
            tests_of_line[file] = len(hits) / max(1, len(found["seconds"]))
            if (
                is_own_test and line is None
            ):  # those too that fail, or look at signatures, before any line
                hits = [test for test in found["seconds"] if hits or test not in found["lines"]]
            tests += [(not is_own_test, found["seconds"][test], file, test) for test in hits]
        selected, seconds_left = defaultdict(list), self.test_seconds
        for _, seconds, file, test in sorted(tests):
            if (seconds_left := seconds_left - seconds) > 0:
                selected[file].append(test)
        if not selected and line:  # when imported, or in other processes only
            return self.stages(name, None)
        return sorted(selected.items(), key=lambda stage: -tests_of_line[stage[0]])

    def outcome(self, name, line, source):
        """Run the tests of a line on a changed file: what came of it, and the test it failed."""
        file = self.copy / "sklearn_diffake" / name
        original = file.read_bytes()
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            compiled.unlink()
        limit = 60 + 3 * self.test_seconds
        if line and _runs_at_import(original.decode(), line):
            line = None  # noted for the test that happened to import the module
        try:
            file.write_text(source)
            found = forked(self.work, limit, run_tests, self.stages(name, line))
        finally:
            file.write_bytes(original)
        if isinstance(found, str):
            return {"late": "timed out", "crash": "caught", "error": "no verdict"}[found], found
        if found["code"] == 2 or (found["code"] == 1 and found["test"]):  # 2: it was interrupted
            return "caught", found["test"]
        return "survived" if found["code"] == 0 else "no verdict", found["test"]


def _runs_at_import(source, line):
    functions = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return not any(node.body[0].lineno <= line <= node.end_lineno for node in functions)


def try_all(package, options, end):
    """Try survivors of other tests, then mutants that nothing is known of, until the end."""
    tests = digest(options.test_seconds, [file.read_bytes() for file in tests_of(package)])
    known_results_by_key = known_results(options.work)
    found = all_mutants(package, options.seed, options.work)
    pending = [
        m for m in found if m in known_results_by_key and _run_again(known_results_by_key[m], tests)
    ]
    pending += [m for m in found if m not in known_results_by_key]
    print(f"{package}: {len(found)} mutants, {len(pending)} to try", flush=True)
    if not pending or time.monotonic() > end:
        return
    bench = Bench(options.work, package, options.test_seconds, options.trace_seconds)
    checked = set()
    for mutant in pending:
        name, line, operator, occurrence = found[mutant]
        source = (bench.copy / "sklearn_diffake" / name).read_text()
        if name not in checked and len(checked) < CONTROLS:  # do tests pass on what is not changed?
            checked.add(name)
            outcome, test = bench.outcome(name, None, source)
            if outcome != "survived":
                sys.exit(f"{name} without any change: {outcome}, {test}")
        if time.monotonic() > end:
            return
        new = mutate_code(source, get_operator(operator)(), occurrence)
        outcome, test = bench.outcome(name, line, new)
        lines = zip(source.splitlines(), new.splitlines(), strict=False)
        old, new = next(((a.strip(), b.strip()) for a, b in lines if a != b), ("", ""))
        row = {"mark": mutant, "file": name, "line": line, "operator": operator, "old": old}
        row |= {"new": new, "outcome": outcome, "by": test, "tests": tests}
        keep(options.work, known_results_by_key, row)
        print(outcome, f"{name}:{line}", new, "" if test is None else test, flush=True)


def _run_again(row, tests):
    return row["outcome"] != "caught" and row["tests"] != tests


def known_results(work):
    """Return the results that are kept, by the mark of the mutant."""
    file = work / "results.jsonl"
    rows = map(json.loads, file.read_text().splitlines()) if file.exists() else ()
    return {row["mark"]: row for row in rows}


def keep(work, results_by_key, row):
    """Keep one more result."""
    results_by_key[row["mark"]] = row
    with (work / "results.jsonl").open("a") as results:
        results.write(json.dumps(row) + "\n")


def figures(options):
    """Return counts by package and by file, and what was not caught, with what was noted on it."""
    file = RESULTS / "mutation.json"
    notes = {
        (was["old"], was["new"]): {key: was[key] for key in ("equivalent", "reason") if key in was}
        for was in (json.loads(file.read_text())["survivors"] if file.exists() else ())
    }
    known, packages, survivors = known_results(options.work), {}, []
    for package in PACKAGES:
        found = all_mutants(package, options.seed, options.work)
        rows = [{**known[mark], "place": found[mark][:2]} for mark in found if mark in known]
        packages[package] = counts(rows, len(found))
        packages[package]["files"] = {
            name: counts(
                [row for row in rows if row["file"] == name],
                sum(name == mutant[0] for mutant in found.values()),
            )
            for name in sorted({mutant[0] for mutant in found.values()})
        }
        for row in sorted(rows, key=lambda row: row["place"]):
            if row["outcome"] != "caught":
                location = {"at": f"{row['file']}:{row['line']}"}
                outcome = {key: row[key] for key in ("outcome", "old", "new")}
                survivors.append(location | outcome | notes.get((row["old"], row["new"]), {}))
    tools = {tool: metadata.version(tool) for tool in ("cosmic-ray", "pytest", "coverage")}
    return {"tools": tools, "seed": options.seed, "packages": packages, "survivors": survivors}


def counts(rows, total):
    """Count outcomes; the fraction of a sample comes with its 95 % interval after Wilson."""
    found = Counter(row["outcome"] for row in rows)
    result = {"places": total, "tried": len(rows), "caught": found["caught"]}
    result |= {"survived": found["survived"], "timed out": found["timed out"]}
    result |= {"no verdict": found["no verdict"]}
    if rows:
        test = binomtest(found["caught"], len(rows))
        result["share"] = round(test.statistic, 4)
        if len(rows) < total:
            result["interval"] = [round(end, 4) for end in test.proportion_ci(method="wilson")]
    return result


def main():
    """Try what is left to try, and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", nargs="*", default=PACKAGES, choices=PACKAGES)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--test-seconds", type=float, default=25)
    parser.add_argument("--trace-seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "mutation")
    options = parser.parse_args()
    options.work = options.work.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    for package in options.packages:
        if not (child := os.fork()):  # the next has nothing loaded
            try_all(package, options, end)
            sys.exit()
        if os.waitpid(child, 0)[1]:
            sys.exit(1)
    report("mutation", figures(options))


if __name__ == "__main__":
    main()
