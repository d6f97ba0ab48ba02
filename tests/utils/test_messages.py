"""Messages: the first items of many, and warnings at the caller's line."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from sklearn_diffake.utils._groups import group_codes
from sklearn_diffake.utils._messages import list_first, nearest, warn_caller


@pytest.mark.parametrize(
    ("items", "text"),
    [([], ""), (["a", 2], "'a', 2"), (list("abcd"), "'a', 'b' and 2 more")],
)
def test_first_items_of_many(items, text):
    assert list_first(items, n_shown=2) == text


def test_warning_stands_at_the_line_that_called_the_package():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_caller("beware")
        group_codes(["Zo\u00eb", "Zoe\u0308"])  # one name, spelled in two ways
    assert len(caught) == 2
    assert {warning.filename for warning in caught} == {__file__}


def test_module_loads_no_library():
    code = "import sys, sklearn_diffake.utils._messages; print('sklearn' in sys.modules)"
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, cwd=root, text=True, capture_output=True, check=True).stdout
    assert output == "False\n"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("compere", "did you mean 'compare'?"),
        ("FIT", "did you mean 'fit'?"),
        (None, "expected one of compare, fit"),
        (3, "expected one of compare, fit"),
        ("xyz", "expected one of compare, fit"),
    ],
)
def test_nearest(name, advice):
    assert nearest(name, ["fit", "compare"]) == advice
