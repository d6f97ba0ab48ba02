"""Private parts of scikit-learn are imported in one module."""

import ast
from pathlib import Path

import pytest

import sklearn_diffake
from sklearn_diffake.utils import _sklearn_compat

PACKAGE = Path(sklearn_diffake.__file__).parent


def private_imports(source):
    """Give the private names of scikit-learn that a module imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sklearn":
            for alias in node.names:
                path = f"{node.module}.{alias.name}"
                if any(piece.startswith("_") for piece in path.split(".")):
                    yield path


def test_only_one_module_imports_private_names():
    modules = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if list(private_imports(path.read_text(encoding="utf-8")))
    }
    assert modules == {"utils/_sklearn_compat.py"}


def test_private_imports_are_recognized():
    source = "from sklearn.utils._tags import a\nfrom sklearn.base import _b, clone\n"
    assert list(private_imports(source)) == ["sklearn.utils._tags.a", "sklearn.base._b"]


@pytest.mark.parametrize("name", _sklearn_compat.__all__)
def test_every_name_exists_in_the_installed_scikit_learn(name):
    assert getattr(_sklearn_compat, name).__name__ == name


def test_other_names_are_no_attributes():
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = _sklearn_compat.missing
