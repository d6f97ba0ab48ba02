"""What the project files say agrees with one another."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest

import sklearn_diffake
from sklearn_diffake import _versions

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [*PROJECT["dependencies"], *itertools.chain(*EXTRAS.values())]
OWN_NAME = PROJECT["name"]


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement).group().lower()


def pins(file):
    lines = (ROOT / "constraints" / file).read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {name.lower(): version for name, version in pinned}


def floors():
    """Every bound of the form NAME>=VERSION in pyproject.toml."""
    bounds = [re.match(r"([\w.-]+)(?:\[\w+\])?>=([\w.]+)", r) for r in REQUIREMENTS]
    return [bound.groups() for bound in bounds if bound]


@pytest.mark.parametrize(("name", "floor"), floors())
def test_floor_is_the_version_of_the_oldest_run(name, floor):
    assert pins("oldest.txt")[name] == floor


def test_every_dependency_is_pinned_for_development():
    assert {name_of(r) for r in REQUIREMENTS} - {OWN_NAME} <= set(pins("dev.txt"))


def test_every_core_dependency_has_a_floor():
    assert {name_of(r) for r in PROJECT["dependencies"]} <= {name for name, _ in floors()}


def test_show_versions_lists_the_dependencies():
    names = ("onnx", "timm", "generation", "dlib", "pyod", "video", "plots", "demo", "cli", "dask")
    runtime = [r for name in names for r in EXTRAS[name]]
    assert set(_versions._DEPENDENCIES) == {name_of(r) for r in PROJECT["dependencies"]}
    assert set(_versions._EXTRAS) == {name_of(r) for r in runtime} - {OWN_NAME}


def test_citation_names_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {sklearn_diffake.__version__}\n" in citation


@pytest.mark.parametrize(
    "subpackage",
    [
        "datasets",
        "embedding",
        "faces",
        "generation",
        "metrics",
        "model_selection",
        "novelty",
        "pairs",
    ],
)
def test_every_public_name_is_on_the_api_page(subpackage):
    entries = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8").split()
    public = getattr(sklearn_diffake, subpackage).__all__
    assert {f"{subpackage}.{name}" for name in public} <= set(entries)
