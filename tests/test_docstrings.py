"""What docstrings promise of tabular estimators is there."""

import inspect
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from sklearn_diffake import novelty, pairs

TABULAR = [
    estimator
    for package in (pairs, novelty)
    for estimator in (getattr(package, name) for name in package.__all__)
    if inspect.isclass(estimator) and issubclass(estimator, BaseEstimator)
]


def documented(estimator, section):
    """Names in one section of a numpydoc docstring."""
    doc = inspect.cleandoc(estimator.__doc__) + "\n\nEnd\n---\n"
    body = re.search(rf"^{section}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n)", doc, re.DOTALL | re.MULTILINE)
    entries = re.findall(r"^(\w+(?:, \w+)*) :", body.group(1), re.MULTILINE) if body else []
    return [name for entry in entries for name in entry.split(", ")]


@pytest.mark.parametrize("estimator", TABULAR)
def test_every_documented_attribute_exists_after_fit(estimator):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=list("abcd"))
    fitted = estimator().fit(X)
    attributes = documented(estimator, "Attributes")
    assert attributes
    missing = [name for name in attributes if not hasattr(fitted, name)]
    assert not missing


@pytest.mark.parametrize("estimator", TABULAR)
def test_every_fitted_attribute_is_documented(estimator):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=list("abcd"))
    public = {name for name in vars(estimator().fit(X)) if re.fullmatch(r"[a-z]\w*_", name)}
    assert public <= set(documented(estimator, "Attributes"))


@pytest.mark.parametrize("estimator", TABULAR)
def test_every_parameter_is_documented_in_order(estimator):
    assert documented(estimator, "Parameters") == list(inspect.signature(estimator).parameters)


@pytest.mark.parametrize("estimator", TABULAR)
def test_public_methods_have_docstrings(estimator):
    for name, method in inspect.getmembers(estimator, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.getdoc(method), f"{estimator.__name__}.{name}"
