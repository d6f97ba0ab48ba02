"""The one place where a name becomes code."""

import ast
from pathlib import Path

import pytest

import sklearn_diffake
from sklearn_diffake.utils._imports import import_function, is_reference, untrusted_references


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mine:network", True),
        ("package.module:network", True),
        ("módulo:función", True),
        ("timm:resnet18", False),
        ("timm.models:create_model", False),
        ("efficientnet-lite0", False),
        ("model.onnx", False),
        ("c:/model.onnx", False),
        ("C:model.onnx", False),
        ("cuda:0", False),
        ("mine:a.b", False),
        (".mine:network", False),
        ("mine.:network", False),
        (" mine:network", False),
        ("mine:network\n", False),
        ("mine:", False),
        (":network", False),
        ("mine:a:b", False),
    ],
)
def test_what_is_a_reference(text, expected):
    assert is_reference(text) is expected
    assert untrusted_references([text], []) == [text] * expected
    assert untrusted_references([text, text], [text]) == []


@pytest.mark.parametrize("text", ["timm:create_model", "math", "math:", "math: sqrt", "os.:getcwd"])
def test_what_is_no_reference_is_not_imported(text):
    with pytest.raises(ValueError, match=r"encoder must be of the form 'module:function', got"):
        import_function(text, "encoder")


def test_import():
    assert import_function("math:sqrt", "encoder")(4) == 2
    with pytest.raises(ValueError, match=r"backbone='math:no_such' cannot be imported"):
        import_function("math:no_such", "backbone")


def test_nothing_else_imports_what_a_string_names():
    """Modules that call `import_module`; each name there is a constant or in a fixed list."""
    root = Path(sklearn_diffake.__file__).parent
    callers = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__")
    }
    assert callers == {
        "__init__.py",
        "benchmark/_registry.py",
        "benchmark/protocols/__init__.py",  # the files of its folder
        "novelty/_pyod_networks.py",
        "persistence/_objects.py",
        "persistence/_plain.py",  # types that are trusted, see _trust.py
        "persistence/_skops.py",
        "persistence/_trust.py",
        "utils/_deferred_imports.py",
        "utils/_facenet_pytorch.py",
        "utils/_lazy_names.py",
        "utils/_optional.py",
        "utils/_imports.py",
        "utils/_torchvision.py",
    }
