"""Defaults and ranges of parameters are those of the docstrings, and messages stay short."""

import inspect
from typing import get_overloads

import pytest
from parameter_helpers import check_defaults

from sklearn_diffake import metrics
from sklearn_diffake.metrics import (
    bootstrap_interval,
    bpcer_at_apcer,
    confidence_interval,
    equal_error_rate,
    get_scorer,
    get_scorers,
    p_value_drift,
    threshold_transfer,
    video_level,
)
from sklearn_diffake.utils._messages import list_first
from sklearn_diffake.utils._sklearn_compat import InvalidParameterError

Y, SCORE = [1, 1, -1, -1], [4.0, 3.0, 2.0, 1.0]
VALID_ARGUMENTS = {
    bootstrap_interval: {"metric": equal_error_rate, "y_true": Y, "score": SCORE},
    bpcer_at_apcer: {"y_true": Y, "score": SCORE},
    confidence_interval: {"metric": equal_error_rate, "y_true": Y, "score": SCORE},
    get_scorer: {"name": "roc_auc"},
    get_scorers: {},
    p_value_drift: {"p_values": [0.5, 0.6], "n_calibration": 10},
    threshold_transfer: {"y_dev": Y, "score_dev": SCORE, "y_test": Y, "score_test": SCORE},
    video_level: {"score": SCORE, "video": list("aabb")},
}
CHECKED_PARAMETERS = [
    pytest.param(function, name, id=f"{function.__name__}-{name}")
    for function in VALID_ARGUMENTS
    for name in inspect.signature(function).parameters
]


def transfer(**options):
    return threshold_transfer(Y, SCORE, Y, SCORE, **{"at": "apcer", **options})


def pool(**options):
    return video_level(SCORE, list("aabb"), **{"how": "trimmed", **options})


def bootstrap(**options):
    options = {"n_resamples": 2, "random_state": 0, **options}
    return bootstrap_interval(equal_error_rate, Y, SCORE, groups=None, **options)


def closed_interval(**options):
    return confidence_interval(equal_error_rate, [1, 1, -1, -1], SCORE, **options)


def at_apcer(**options):
    return bpcer_at_apcer(Y, SCORE, **options)


def drift(**options):
    return p_value_drift(**{"p_values": [0.5, 0.6], "n_calibration": 10, **options})


def scorer(**options):
    return get_scorer("roc_auc", **options)


def scorers(**options):
    return get_scorers(["roc_auc"], **options)


@pytest.mark.parametrize("name", metrics.__all__)
def test_defaults_are_those_documented(name):
    check_defaults(getattr(metrics, name))


@pytest.mark.parametrize(
    ("function", "name", "accepted", "refused"),
    [
        (at_apcer, "apcer", [0, 0.5, 1], [-1e-9, 1 + 1e-9]),
        (transfer, "rate", [0, 0.5, 1 - 1e-9], [-1e-9, 1]),
        (transfer, "at", ["eer"], ["hter"]),
        (pool, "trim", [0, 0.25, 0.5 - 1e-9], [-1e-9, 0.5]),
        (pool, "how", ["mean", "median", "min", "max", "trimmed"], ["mode", None]),
        (scorer, "pool", ["mean", "median", "min", "max", "trimmed", None], ["mode"]),
        (scorers, "pool", ["mean", "median", "min", "max", "trimmed", None], ["mode"]),
        (transfer, "at", ["eer", "apcer", "bpcer"], ["acer", None]),
        (drift, "n_calibration", [1, 2], [0, -1, 1.5, None]),
        (drift, "level", [1e-9, 0.5, 1 - 1e-9, None], [-0.5, 0, 1, 1.5]),
        (drift, "alpha", [1e-9, 0.5, 1 - 1e-9], [-0.5, 0, 1, 1.5, None]),
        (drift, "alternative", ["two-sided", "lower", "higher"], ["less", "greater", None]),
        (drift, "random_state", [0, None], [-1, "0"]),
        (bootstrap, "n_resamples", [1, 2], [0, 1.5]),
        (bootstrap, "confidence_level", [1e-9, 1 - 1e-9], [0, 1]),
        (closed_interval, "confidence_level", [1e-9, 1 - 1e-9], [0, 1]),
        (closed_interval, "method", ["auto"], ["wald"]),
    ],
)
def test_ranges_are_those_documented(function, name, accepted, refused):
    for value in accepted:
        function(**{name: value})
    for value in refused:
        with pytest.raises(ValueError, match=f"The '{name}' parameter of"):
            function(**{name: value})


@pytest.mark.parametrize(("function", "name"), CHECKED_PARAMETERS)
def test_each_parameter_is_checked(function, name):
    with pytest.raises(InvalidParameterError, match=f"^The '{name}' parameter of"):
        function(**{**VALID_ARGUMENTS[function], name: object()})


def test_no_function_with_ranges_is_left_out():
    functions = [getattr(metrics, name) for name in metrics.__all__]
    constrained = {item for item in functions if hasattr(item, "_skl_parameter_constraints")}
    assert constrained == set(VALID_ARGUMENTS)


@pytest.mark.parametrize("function", [equal_error_rate, bpcer_at_apcer])
def test_type_checkers_see_both_kinds_of_result(function):
    function = inspect.unwrap(function)
    returned = [overload.__annotations__["return"] for overload in get_overloads(function)]
    assert returned == ["float", "tuple[float, float]"]


@pytest.mark.parametrize(
    ("names", "text"),
    [("a", "'a'"), (range(5), "0, 1, 2, 3, 4"), (range(7), "0, 1, 2, 3, 4 and 2 more")],
)
def test_messages_name_five_of_many(names, text):
    assert list_first(names) == text
