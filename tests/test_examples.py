"""The gallery's examples: their form always; that each runs, with ``-m slow``."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").rglob("plot_*.py"))
NETWORK = {"ftplib", "http", "httpx", "requests", "socket", "urllib", "urllib3"}
ABSOLUTE = re.compile(r"/\w|~/|[A-Za-z]:[\\/]|\w+://")
TIMEOUT = 120  # seconds; each takes about ten, but machines may be busy
UNFIT = [
    ("import urllib.request", "urllib"),
    ("from requests import get", "requests"),
    ("open('/data/faces.csv')", "/data/faces.csv"),
    ("folder = f'/data/{name}'", "/data/"),
    ("read('https://example.org/a.png')", "https://example.org/a.png"),
    (
        "from sklearn_diffake.metrics._plotting import FAKE",
        "sklearn_diffake.metrics._plotting.FAKE",
    ),
    ("from sklearn_diffake.metrics import _plotting", "sklearn_diffake.metrics._plotting"),
    ("import sklearn_diffake.demo._run", "sklearn_diffake.demo._run"),
]

pytestmark = pytest.mark.skipif(not EXAMPLES, reason="the examples come with the sources only")
each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def imported(tree):
    """Yield the full name of everything that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden(tree):
    """Return what an example must not have: network, private names, absolute paths."""
    result = []
    for name in imported(tree):
        top, *remainder = name.split(".")
        if top in NETWORK:
            result.append(top)
        if top == "sklearn_diffake" and any(piece.startswith("_") for piece in remainder):
            result.append(name)
    literals = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return result + [text for text in literals if isinstance(text, str) and ABSOLUTE.match(text)]


def calls_of(tree):
    """Return the last part of the name of everything that is called."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {getattr(function, "attr", getattr(function, "id", None)) for function in calls}


def test_there_are_examples():
    assert len(EXAMPLES) >= 14


@each_example
def test_is_in_a_section_of_the_gallery(path):
    assert path.parents[1] == ROOT / "examples", "not in a folder of examples"
    assert (path.parent / "GALLERY_HEADER.rst").is_file()


@each_example
def test_has_a_title_and_says_what_is_seen(path):
    title, line, blank, *text = ast.get_docstring(ast.parse(path.read_text("utf-8"))).split("\n")
    assert line == "=" * len(title), "an RST title, underlined to its length"
    assert not blank
    assert len(" ".join(text)) > 100


@each_example
def test_compiles_and_draws(path):
    source = path.read_text("utf-8")
    compile(source, path.name, "exec")
    assert calls_of(ast.parse(source)) & {"figure", "subplots", "subplot_mosaic"}
    assert "\n# %%\n" in source


@each_example
def test_keeps_to_public_names_and_to_itself(path):
    assert not forbidden(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize(("source", "subject"), UNFIT, ids=[subject for _, subject in UNFIT])
def test_forbidden_things_are_found(source, subject):
    assert subject in forbidden(ast.parse(source))


@pytest.mark.slow  # the build of the documentation runs them too
@pytest.mark.timeout(TIMEOUT + 30)
@each_example
def test_runs_and_leaves_nothing_behind(path, tmp_path):
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert process.returncode == 0, process.stderr
    assert "Warning" not in process.stderr, process.stderr
    assert not list(tmp_path.iterdir())
