"""The package stays light on import, and its modules import one another one way only."""

import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import sklearn_diffake

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchvision", "skorch", "pyod", "cv2", "matplotlib", "onnxruntime", "timm")


def loaded_by(code):
    """Names of the top-level modules that a fresh Python has loaded after `code`."""
    listing = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    process = subprocess.run(
        [sys.executable, "-c", f"{code}\n{listing}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(process.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import sklearn_diffake",
        "import sklearn_diffake; dir(sklearn_diffake); sklearn_diffake.show_versions",
    ],
)
def test_import_loads_nothing_heavy(code):
    assert loaded_by(code).isdisjoint(HEAVY)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        sklearn_diffake.no_such_name  # noqa: B018


def test_imports_run_one_way():
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("import-linter is not installed")
    process = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr


def test_show_versions_names_what_is_installed():
    versions = sklearn_diffake.show_versions(as_dict=True)
    assert versions["system"]["sklearn-diffake"] == sklearn_diffake.__version__
    assert versions["dependencies"]["torch"] == metadata.version("torch")
    assert None not in versions["dependencies"].values()
    assert set(versions["devices"]) == {"cpu threads", "cuda", "mps"}


def test_show_versions_prints_missing_extras(capsys, monkeypatch):
    def version(name):
        if name == "timm":
            raise metadata.PackageNotFoundError(name)
        return "1.2.3"

    monkeypatch.setattr(metadata, "version", version)
    assert sklearn_diffake.show_versions() is None
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "timm: not installed" in lines
    assert "scipy: 1.2.3" in lines


def test_show_versions_tells_that_torch_cannot_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    devices = sklearn_diffake.show_versions(as_dict=True)["devices"]
    assert list(devices) == ["torch"]
    assert devices["torch"].startswith("cannot be imported: ")
