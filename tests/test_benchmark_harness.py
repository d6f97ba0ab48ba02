"""The harness of the benchmarks: rows, failures, and the page made of them."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def paths(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")


@pytest.mark.parametrize(
    ("goal", "more_is_better", "ratio", "met"),
    [(">= 4", False, 5.0, True), (">= 4", True, 0.2, False), ("> 5", False, 5.0, False),
     (None, False, 5.0, None)],
)  # fmt: skip
def test_a_row_is_judged_by_its_goal(goal, more_is_better, ratio, met):
    from benchmarks.speed._timing import row

    outcome = row("what", "yardstick", 2.0, 10.0, "s", goal=goal, more_is_better=more_is_better)
    assert (outcome["ratio"], outcome["met"]) == (ratio, met)


def test_turns_alternate_after_a_warm_up():
    from benchmarks.speed._timing import time_alternately

    calls = []
    outcome = time_alternately(lambda: calls.append("o"), lambda: calls.append("y"), 3, work=(2, 1))
    assert "".join(calls) == "oy" + "oy" + "yo" + "oy"
    assert outcome["low"] <= outcome["ratio"] <= outcome["high"]


def test_one_turn_has_no_spread():
    from benchmarks.speed._timing import spread

    assert spread(np.array([2.0])) == {"ratio": 2.0, "low": None, "high": None}


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is a figure of Linux")
def test_peak_memory_is_not_that_of_the_parent_process():
    code = "from benchmarks.speed._timing import peak_memory; print(peak_memory())"
    b"x" * (400 * 2**20)  # the peak of this process
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert 5 < float(process.stdout) < 300


def test_every_script_belongs_to_a_suite():
    from benchmarks.speed._timing import SUITES

    scripts = {
        path.stem.removeprefix("bench_")
        for path in (ROOT / "benchmarks" / "speed").glob("bench_*.py")
    }
    assert scripts == {name for names in SUITES.values() for name in names}


def scripts_imported(tree):
    """Give the file of each module of the benchmarks that a script imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("benchmarks"):
            folder = ROOT / node.module.replace(".", "/")
            if folder.is_dir():
                yield from (folder / f"{alias.name}.py" for alias in node.names)
            else:
                yield folder.with_suffix(".py")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks").glob("*/*.py")), ids=lambda path: path.stem
)
def test_scripts_import_what_exists_and_can_be_run_by_their_path(path):
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    imported = list(scripts_imported(tree))
    assert all(file.is_file() for file in imported), imported
    if imported and not path.stem.startswith("_"):
        assert "\nsys.path.insert(0, str(Path(__file__).parents[2]))" in source


def test_scripts_that_pages_name_exist():
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile")]
    pages += [*(ROOT / "docs").glob("*.rst"), *(ROOT / "docs" / "guide").glob("*.rst")]
    pages += [*(ROOT / "sklearn_diffake").rglob("*.py"), *(ROOT / "sklearn_diffake").rglob("*.md")]
    pages += (ROOT / "benchmarks").rglob("*.py")
    name_list = {
        name
        for page in pages
        for name in re.findall(r"benchmarks/[\w/]+\.py", page.read_text(encoding="utf-8"))
    }
    assert len(name_list) > 20
    assert not [name for name in sorted(name_list) if not (ROOT / name).is_file()]


def test_a_script_that_fails_is_recorded_and_the_rest_goes_on(tmp_path, monkeypatch, capsys):
    from benchmarks.speed import run

    (tmp_path / "bench_good.py").write_text(
        "import sys; open(sys.argv[sys.argv.index('--rows') + 1], 'w').write('[1]')"
    )
    (tmp_path / "bench_bad.py").write_text("raise ValueError('no luck')")
    (tmp_path / "bench_slow.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    monkeypatch.setattr(run, "SUITES", {"one": ("bad", "slow", "good")})
    (outcome,) = run.run_all(["one"], [], limit=2)
    assert outcome["rows"] == [1]
    assert list(outcome["failed"]) == ["bad", "slow"]
    assert outcome["failed"]["bad"].endswith("no luck")
    assert "not done after 2 s" in outcome["failed"]["slow"]


def saved_run():
    from benchmarks._results import machine, versions

    common = {"date": "2000-01-01", "seconds": 60.0, "cpu": "a", "failed": {}}
    suites = [{"suite": name, **common, "rows": [name]} for name in ("store", "video")]
    settings = {"machine": machine() | {"cpu": "a"}, "versions": versions()}
    return {"quick": False, "date": "2000-01-01", "seconds": 120.0, **settings, "suites": suites}


def test_a_suite_that_is_measured_again_replaces_that_of_the_saved_run(tmp_path, monkeypatch):
    from reliability_rows import describe_run

    from benchmarks.speed import run

    monkeypatch.setattr(run, "run", lambda name, options, limit: ([name], None))
    monkeypatch.setattr(run, "SUITES", {"video": ("frames",)})
    monkeypatch.setattr(run, "show", lambda suite_results: None)
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(saved_run()))
    arguments = ["run.py", "--only", "video", "--update", "-o", str(path)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        run.main()
    assert not stop.value.code
    result = json.loads(path.read_text())
    assert [suite["rows"] for suite in result["suites"]] == [["store"], ["frames"]]
    assert result["suites"][0] == saved_run()["suites"][0]
    assert (result["date"], result["suites"][1]["date"]) == ("2000-01-01", run.today())
    assert 60 <= result["seconds"] < 120
    page = describe_run({**result, "seeds": "0"})
    repeated_suite = f"video ({run.today()}, {result['suites'][1]['cpu']})"
    assert f"Measured by themselves: {repeated_suite}." in page
    assert "by themselves" not in describe_run({**saved_run(), "seeds": "0"})


@pytest.mark.parametrize(("repeated", "date"), [(1, "2000-01-01"), (2, "2001-01-01")])
def test_a_run_has_the_date_of_most_of_its_suites(repeated, date):
    from benchmarks.speed import run

    saved = saved_run()
    suites = [{**suite, "date": "2001-01-01"} for suite in saved["suites"][:repeated]]
    result = run.updated(saved, {**saved, "date": "2001-01-01", "suites": suites})
    assert result["date"] == date
    assert [suite["suite"] for suite in result["suites"]] == ["store", "video"]


def test_a_suite_of_other_versions_does_not_join_a_saved_run(tmp_path, monkeypatch):
    from benchmarks.speed import run

    saved = saved_run()
    saved["versions"]["numpy"] = "0.0"
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(saved))
    monkeypatch.setattr(run, "run_all", lambda *arguments: pytest.fail("it was measured"))
    monkeypatch.setattr(sys, "argv", ["run.py", "--only", "video", "--update", "-o", str(path)])
    with pytest.raises(ValueError, match=r"other versions: .*0\.0.*measure everything again"):
        run.main()
    assert json.loads(path.read_text()) == saved


@pytest.mark.parametrize("arguments", [["--update"], ["--update", "--only", "video", "--quick"]])
def test_an_update_needs_suites_at_full_size(monkeypatch, capsys, arguments):
    from benchmarks.speed import run

    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    with pytest.raises(SystemExit):
        run.main()
    assert "--update needs --only" in capsys.readouterr().err


def test_losses_are_on_the_page():
    from reliability_rows import render_run

    from benchmarks.speed._timing import row

    rows = [row("slower", "plain", 3.0, 1.0, "s"), row("far", "plain", 3.0, 1.0, "s", goal=">= 1")]
    suite = {"suite": "store", "date": "2000-01-01", "cpu": "a", "seconds": 1.0}
    suite |= {"failed": {"bad": "a\nno luck"}, "rows": rows}
    machine = {"cpu": "a", "cores": 2, "memory_GB": 8, "python": "3.11", "device": "cpu"}
    outcome = {"quick": False, "date": "2000-01-01", "seconds": 60, "seeds": "0"}
    page = render_run({**outcome, "machine": machine, "versions": {}, "suites": [suite]})
    for arguments in ("**behind**", "**not met**", "no luck", "2 cores"):
        assert arguments in page


def test_rows_of_a_run_are_chosen_by_their_measure():
    from reliability_rows import bench_rows

    from benchmarks.speed._timing import row

    suites = [
        {"rows": [row(f"{name}, {size} rows", "plain", 1.0, 2.0, "s") for size in (1, 2)]}
        for name in ("fit", "score")
    ]
    rows = bench_rows({"suites": suites}, ["score", "fit, 2"])
    assert [chosen["what"] for chosen in rows] == ["score, 1 rows", "score, 2 rows", "fit, 2 rows"]
    with pytest.raises(ValueError, match="no row whose measure contains 'predict'"):
        bench_rows({"suites": suites}, ["predict"])


def test_quadratic_cost_is_worse_than_linear(monkeypatch):
    pytest.importorskip("av")
    from benchmarks.stress.growth import fit_exponent

    sizes = [1, 2, 4, 8]
    linear = fit_exponent(sizes, [[0.1 * n, 0.1001 * n] for n in sizes])
    assert linear["exponent"] == pytest.approx(1, abs=0.01)
    assert not linear["worse than linear"]
    assert fit_exponent(sizes, [[n**2, 1.001 * n**2] for n in sizes])["worse than linear"]


def test_every_promise_is_held_by_tests_that_exist():
    from benchmarks.release import promises

    for _, tests, _ in promises.PROMISES.values():
        for file, name in (test.split("::") for test in tests):
            tree = ast.parse((ROOT / file).read_text())
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_cases_of_a_release_are_counted_by_outcome(tmp_path):
    from benchmarks.release import wheel

    kinds = {
        "fine": "",
        "wrong": "<failure>no</failure>",
        "broken": "<error>no</error>",
        "absent": '<skipped type="pytest.skip"/>',
        "known": '<skipped type="pytest.xfail"/>',
    }
    cases = "".join(f'<testcase classname="a" name="{n}">{x}</testcase>' for n, x in kinds.items())
    (tmp_path / "report.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    outcome = wheel.outcome(tmp_path / "report.xml")
    assert outcome.pop("failures") == ["a::wrong", "a::broken"]
    assert outcome == {"passed": 1, "failed": 2, "skipped": 1, "expected to fail": 1}


def declared_tables():
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    try:
        import result_tables
    finally:
        sys.path.pop(0)
    return result_tables


def test_every_declared_table_has_a_committed_result_and_rows():
    tables = declared_tables()
    for table in tables.read_tables():
        result = tables.read_result(table.source) if table.source else {}
        text = tables.render(table, result)
        widths = text.split(":widths: ")[1].splitlines()[0].split()
        rows = [row for row in text.split("   * - ")[1:] if row.strip()]
        assert len(rows) > 1, table.name  # the first is the header
        for row in rows:
            cells = row.partition("\n\n")[0].splitlines()
            assert len(cells) == len(widths), table.name


def test_every_declared_table_is_on_a_page():
    pages = [path.read_text() for path in (ROOT / "docs").glob("*.rst")]
    pages += [path.read_text() for path in (ROOT / "docs" / "guide").glob("*.rst")]
    for table in declared_tables().read_tables():
        assert any(f"generated/{table.name}.rst" in page for page in pages), table.name


def test_a_cell_without_a_value_is_an_error_unless_its_format_allows_it():
    tables = declared_tables()
    assert tables.render_rows([("AUC", 10, "{AUC:area}")], [{}]).endswith("- \N{EN DASH}\n")
    with pytest.raises(ValueError, match="no value"):
        tables.render_rows([("EER", 10, "{name}")], [{"nom": "x"}])


def test_a_result_that_is_not_there_yet_is_no_error(tmp_path, monkeypatch):
    tables = declared_tables()
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    assert tables.read_result("faults") is None


def test_areas_and_rates_are_shown_with_their_intervals():
    tables = declared_tables()
    assert tables.show_area(None) == "\u2013"
    assert tables.show_area(0.5) == "0.500"
    assert tables.show_area([0.5, 0.4, 0.6]) == "0.500 (0.400-0.600)"
    assert tables.show_rate([0.125, 0.1, 0.2]) == "12.5 % (10.0-20.0)"


def teardown_module():
    for name in ("quality_rows", "reliability_rows", "result_tables"):
        sys.modules.pop(name, None)
