"""Defaults and ranges of parameters are those of the docstrings, and messages stay short."""

import pytest
from parameter_helpers import check_defaults

from sklearn_diffake import metrics
from sklearn_diffake.metrics import (
    bootstrap_interval,
    bpcer_at_apcer,
    confidence_interval,
    equal_error_rate,
    threshold_transfer,
    video_level,
)
from sklearn_diffake.utils._messages import list_first

Y, SCORE = [1, 1, -1, -1], [4.0, 3.0, 2.0, 1.0]


def transfer(**options):
    return threshold_transfer(Y, SCORE, Y, SCORE, **{"at": "apcer", **options})


def pool(**options):
    return video_level(SCORE, list("aabb"), "trimmed", **options)


def bootstrap(**options):
    options = {"n_resamples": 2, "random_state": 0, **options}
    return bootstrap_interval(equal_error_rate, Y, SCORE, groups=None, **options)


def closed_interval(**options):
    return confidence_interval(equal_error_rate, [1, 1, -1, -1], SCORE, **options)


def at_apcer(**options):
    return bpcer_at_apcer(Y, SCORE, **options)


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


@pytest.mark.parametrize(
    ("names", "text"),
    [("a", "'a'"), (range(5), "0, 1, 2, 3, 4"), (range(7), "0, 1, 2, 3, 4 and 2 more")],
)
def test_messages_name_five_of_many(names, text):
    assert list_first(names) == text
