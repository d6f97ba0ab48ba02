"""Defaults of parameters are those of the docstrings."""

import pytest
from parameter_helpers import check_defaults

from sklearn_diffake import model_selection


@pytest.mark.parametrize("name", [n for n in model_selection.__all__ if "Error" not in n])
def test_defaults_are_those_documented(name):
    check_defaults(getattr(model_selection, name))
