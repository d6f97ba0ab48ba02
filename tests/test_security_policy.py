"""SECURITY.md: each promise names tests, and these are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
POLICY = ROOT / "SECURITY.md"
if not POLICY.is_file():
    pytest.skip("the source tree is not here", allow_module_level=True)
TEXT = POLICY.read_text(encoding="utf-8")
TABLE = TEXT.partition("\n## Promises and the tests that hold them\n")[2]
ROWS = [line for line in TABLE.splitlines() if line.startswith("| ")][2:]


def test_the_table_is_not_empty():
    assert len(ROWS) > 20


@pytest.mark.parametrize("row", ROWS)
def test_every_promise_has_tests(row):
    assert re.search(r"`tests/[^`]+`", row.split(" | ")[-1])


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/[^`]+)`", TEXT))))
def test_every_test_that_is_named_is_there(name):
    path, _, function = name.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert function in tests if function else any(test.startswith("test_") for test in tests)
