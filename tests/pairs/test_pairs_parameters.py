"""Defaults and ranges of parameters are those of the docstrings."""

import pytest
from parameter_helpers import check_defaults, check_range

from sklearn_diffake import pairs
from sklearn_diffake.pairs import DifferenceScaler, make_reference_pairs, make_same_video_pairs


@pytest.mark.parametrize("name", sorted(set(pairs.__all__) - {"ModeError", "TableError"}))
def test_defaults_are_those_documented(name):
    check_defaults(getattr(pairs, name))


def test_ranges_are_those_documented():
    accepted, refused = [None, 1, 2, 1e-9, 1 - 1e-9], [0, -1, 0.0, 1.0, 1.5, -0.5]
    check_range(DifferenceScaler(), "n_components", accepted, refused)


@pytest.mark.parametrize("make", [make_reference_pairs, make_same_video_pairs])
@pytest.mark.parametrize(
    "refused",
    [
        {"k": 0},
        {"k": "both"},
        {"path": 1},
        {"label": 1},
        {"random_state": -1},
    ],
)
def test_parameters_that_are_refused(make, refused):
    table = {"path": ["a.png", "b.png"], "identity": [1, 1], "video": [1, 1]}
    (name,) = refused
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {make.__name__}"):
        make(table, **refused)
