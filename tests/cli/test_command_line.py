"""The manners of the command line: errors, warnings, color, help, pipes."""

import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import forked_programs
import pytest
from cli_helpers import error_of
from image_helpers import astronaut
from named_verdicts import verdict_of
from PIL import Image

import sklearn_diffake
from sklearn_diffake import make_difffake_pipeline, persistence
from sklearn_diffake.cli import _judge, main
from sklearn_diffake.pairs import PairDifference

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["score", "no-such-model", "a", "b"], "no such file"),
        (["score", "MODEL", "a"], "at least one PROBE"),
        (["score", "MODEL", "a", "b", "--csv", "CSV"], "in one way, not in two"),
        (["score", "MODEL", "a", "--reference", "b"], "in one way, not in two"),
        (["score", "MODEL", "--reference", "b"], "--probe is missing"),
        (["score", "MODEL", "--probe", "b"], "--reference is missing"),
        (["score", "MODEL", "a", "b"], "not trusted"),
        (["score", "PHOTO", "a", "b"], "damaged or was not written by"),
        (["compare", "--csv", "no-such.csv"], "no-such.csv"),
        (["fit", "no-such.csv", "-o", "m"], "no-such.csv"),
    ],
)
def test_errors_are_one_line(folder, capsys, arguments, expected):
    positions = {"MODEL": str(folder / "model"), "PHOTO": str(folder / "000.png")}
    positions["CSV"] = str(folder / "pairs.csv")
    assert main([positions.get(argument, argument) for argument in arguments]) == 2
    assert expected in error_of(capsys)


def test_a_model_that_gives_no_verdicts_is_refused(tmp_path, capsys):
    persistence.save(PairDifference(), tmp_path / "m")
    assert main(["score", str(tmp_path / "m"), "a", "b"]) == 2
    assert "holds a PairDifference, which gives no verdicts" in error_of(capsys)


def test_debug_shows_the_traceback_and_the_code_is_the_same(capsys):
    assert main(["score", "no-such-model", "a", "b", "--debug"]) == 2
    output = capsys.readouterr().err
    assert output.startswith("Traceback (most recent call last):")
    assert "FileNotFoundError" in output
    assert output.splitlines()[-1].startswith("sklearn-diffake: error: ")


@pytest.mark.parametrize(
    "arguments", [[], ["judge"], ["fit", "p.csv"], ["score", "m", "--no-such"]]
)
def test_wrong_usage_is_one_line_and_two(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "--help" in error_of(capsys)


def fails_with(error):
    def fail(**options):
        raise error

    return fail


def test_unexpected_errors_say_their_kind_and_extras_are_named(monkeypatch, capsys):
    monkeypatch.setattr(sklearn_diffake, "load_default", fails_with(KeyError("x")), raising=False)
    assert main(["compare", "a", "b"]) == 3
    assert "KeyError: 'x'" in error_of(capsys)
    missing = ImportError("timm is not installed: pip install\n'sklearn-diffake[timm]'")
    monkeypatch.setattr(sklearn_diffake, "load_default", fails_with(missing), raising=False)
    assert main(["compare", "a", "b"]) == 2
    assert "pip install 'sklearn-diffake[timm]'\n" in error_of(capsys)


def test_interrupted(monkeypatch, capsys):
    stop = fails_with(KeyboardInterrupt())
    monkeypatch.setattr(sklearn_diffake, "load_default", stop, raising=False)
    assert main(["compare", "a", "b"]) == 130
    assert error_of(capsys).endswith("interrupted\n")


def test_warnings_are_one_line_and_quiet_silences_them(recorder, capsys, monkeypatch):
    def warn(reference, probe):
        warnings.warn("this and\nthat", RuntimeWarning, stacklevel=1)
        return verdict_of(probe)

    monkeypatch.setattr(recorder, "judge", warn)
    assert main(["compare", "a", "good"]) == 0
    note, warned, reason = capsys.readouterr().err.splitlines()
    assert "see its model card" in note
    assert warned == "sklearn-diffake: warning: this and that"
    assert reason == "genuine: it is good"
    assert main(["compare", "a", "good", "-q"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("terminal", "no_color"), [(True, ""), (True, "1"), (False, "")])
def test_color_only_on_a_terminal_with_color(recorder, capsys, monkeypatch, terminal, no_color):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    main(["compare", "a", "good", "fake"])
    out = capsys.readouterr().out
    assert ("\033[38;5;33mgenuine\033[0m" in out) == (terminal and not no_color)
    assert ("\033[" in out) == (terminal and not no_color)


def test_options_may_stand_between_photographs(recorder, capsys):
    assert main(["compare", "a", "--json", "good", "b"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["reference"], row["probe"]) for row in rows] == [("a", "good"), ("a", "b")]


@pytest.mark.parametrize("command", [[], ["score"], ["compare"]])
def test_help_documents_exit_codes(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "exit codes:" in out
    assert "130  interrupted" in out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"sklearn-diffake {sklearn_diffake.__version__}\n"


def python(code, **kwargs):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        text=True,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'cli'}"},
        **kwargs,
    )


def test_import_and_help_load_nothing_heavy():
    code = """
import sys
from sklearn_diffake.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
heavy = {"torch", "sklearn", "numpy", "scipy", "PIL", "matplotlib"}
sys.exit(", ".join(heavy & set(sys.modules)))
"""
    process = python(code, stdout=subprocess.DEVNULL)
    assert process.communicate()[1].strip() == ""


def modules_that_old_releases_use():
    """Return what older releases of scikit-learn and torchvision use while they are imported."""
    uses = {
        "pandas": ("sklearn", "utils/fixes.py", "parse_version(pd.__version__)"),
        "av": ("torchvision", "io/video.py", "import av"),
    }
    modules = set()
    for module, (package, file, line) in uses.items():
        path = Path(importlib.util.find_spec(package).origin).parent / file
        if line in path.read_text(encoding="utf-8"):
            modules.add(module)
    return modules


def test_a_verdict_loads_nothing_that_it_does_not_need(tmp_path):
    for name, picture in (("a", astronaut()), ("b", astronaut()[:, ::-1])):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    code = f"""
import os, sys
from sklearn_diffake.cli import main
sys.stdout = open(os.devnull, "w")  # the verdict
assert main(["compare", "-q", {str(tmp_path / "a.png")!r}, {str(tmp_path / "b.png")!r}]) == 0
heavy = {{"torch._dynamo", "timm", "skorch", "skops.io", "pyod", "dask", "matplotlib", "pandas"}}
heavy |= {{"scipy.stats", "av", "jinja2", "requests", "cv2"}}
heavy |= {{f"sklearn.{{name}}" for name in ("cluster", "linear_model", "metrics", "neighbors")}}
heavy -= {modules_that_old_releases_use()}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    messages = forked_programs.run(code, cwd=tmp_path, libraries=forked_programs.TORCH)
    assert messages == ""


def test_reader_that_goes_away_is_no_error():
    code = """
import sys, named_verdicts
from sklearn_diffake.cli import main
named_verdicts.install()
sys.exit(main(["compare", "--quiet", "a", *["b"] * 20_000]))
"""
    process = python(code, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141


def test_options_reach_every_embedder_of_a_model():
    pipe = make_difffake_pipeline(["facenet-vggface2", "difffake-lite0"], operator="squared")
    _judge.set_everywhere(pipe, device="cpu", cache="folder", n_jobs=2)
    embedders = [branch["embed"] for _, branch in pipe["features"].transformer_list]
    for piece in (pipe["align"], *embedders):
        assert (piece.device, piece.cache, piece.n_jobs) == ("cpu", "folder", 2)
    assert pipe["detect"].device == "cpu"
