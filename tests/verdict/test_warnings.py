"""Codes of warnings: one table, and the guide has it."""

import re
from pathlib import Path

import pytest

from sklearn_diffake.verdict._warnings import CODES, make_warning

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "verdicts.rst"


def test_the_guide_lists_every_code_with_its_meaning():
    rows = re.findall(r"\* - (\*\*|``)(\w+)(?:\*\*|``)\n\s+- (.*)", GUIDE.read_text())
    names = {code: (meaning, marker == "**") for marker, code, meaning in rows}
    assert names == {code: tuple(value) for code, value in CODES.items()}


def test_an_unknown_code_is_refused():
    assert make_warning("blurred", "x").code == "blurred"
    with pytest.raises(KeyError):
        make_warning("blurry", "x")
