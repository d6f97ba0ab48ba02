"""What docstrings say of parameters, checked against what the code does."""

import ast
import inspect
import re

import pytest
from sklearn.base import clone


def documented_defaults(item):
    """Return the defaults that a docstring states, as they are written."""
    doc = inspect.getdoc(item) or ""
    section = r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)"
    body = re.search(section, doc, re.DOTALL | re.MULTILINE)
    entries = re.findall(
        r"^(\w+(?:, \w+)*) : .*default=(.+)$", body[1] if body else "", re.MULTILINE
    )
    return {name: default for names, default in entries for name in names.split(", ")}


def check_defaults(item):
    """Fail unless a function, or a class and its methods, default to what they document."""
    methods = [
        method
        for name, method in inspect.getmembers(item, inspect.isroutine)
        if inspect.isclass(item) and not re.match("_|set_", name)
    ]
    for routine in [item, *methods]:
        parameters = inspect.signature(routine).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        output_text = documented_defaults(routine)
        assert output_text.keys() == defaults.keys() or routine in methods
        for name, text in output_text.items():
            default = defaults[name]
            if callable(default):
                assert text.rpartition(".")[2] == default.__name__
            else:
                assert repr(ast.literal_eval(text)) == repr(default)


def check_range(estimator, name, accepted, refused):
    """Fail unless an estimator takes some values of a parameter, and refuses others."""
    for value in accepted:
        clone(estimator).set_params(**{name: value})._validate_params()
    for value in refused:
        with pytest.raises(ValueError, match=f"The '{name}' parameter of"):
            clone(estimator).set_params(**{name: value})._validate_params()
