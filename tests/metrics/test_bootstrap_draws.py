"""Draws of groups of the bootstrap, and its checks of groups."""

import numpy as np
import pytest

from sklearn_diffake.metrics import bpcer, confidence_interval
from sklearn_diffake.metrics._bootstrap import _Draws, check_extras, warn_too_few

LABELS = np.array([1, -1, 1, -1, 1, 1, -1, -1])
CODES = np.array([0, 1, 2, 2, 3, 0, 4, 1])  # genuine, deepfakes, mixed, genuine, deepfake


def make_draws(seed=0):
    values = np.arange(8.0)
    extras = {"second": values + 10, "name": np.array(list("abcdefgh"))}
    return _Draws(LABELS, values, extras, CODES, np.random.RandomState(seed))


def test_groups_are_drawn_from_those_of_the_same_composition():
    draws = make_draws()
    strata = [stratum.tolist() for stratum in draws.strata]
    assert sorted(strata) == [[0, 3], [1, 4], [2]]
    members = [group.tolist() for group in draws.members]
    assert members == [[0, 5], [1, 7], [2, 3], [4], [6]]
    assert draws.rows[1].tolist() == [0, 2, 4, 5]
    assert draws.rows[-1].tolist() == [1, 3, 6, 7]


@pytest.mark.parametrize("seed", range(5))
def test_a_draw_has_all_rows_of_as_many_groups_of_every_composition(seed):
    labels, values, extras = make_draws(seed).draw(contaminated=False)
    rows = values.astype(int)
    np.testing.assert_array_equal(labels, LABELS[rows])
    np.testing.assert_array_equal(extras["second"], values + 10)
    np.testing.assert_array_equal(extras["name"], np.array(list("abcdefgh"))[rows])
    times = np.bincount(rows, minlength=8)
    assert times[0] == times[5]
    assert times[1] == times[7]
    assert times[2] == times[3] == 1
    assert times[0] + times[4] == 2
    assert times[1] + times[6] == 2


def test_without_groups_every_row_is_a_group():
    extras, codes = check_extras(3, None, None)
    assert extras == {}
    np.testing.assert_array_equal(codes, [0, 1, 2])
    extras, codes = check_extras(3, ["b", "a", "b"], {"second": [1.0, 2.0, 3.0]})
    np.testing.assert_array_equal(extras["second"], [1.0, 2.0, 3.0])
    assert codes[0] == codes[2] != codes[1]
    assert sorted(set(codes.tolist())) == [0, 1]


@pytest.mark.parametrize(
    ("classes", "counts"),
    [
        ((1, -1), "genuine rows in 3 and deepfakes in 3,"),
        ((1,), "are genuine rows in 3,"),
        ((-1,), "are deepfakes in 3,"),
    ],
)
def test_warning_counts_the_groups_of_every_required_class(classes, counts):
    with pytest.warns(UserWarning, match=f"{counts} at least 7 are"):
        warn_too_few(LABELS, CODES, 7, classes=classes)


def test_a_single_draw_is_enough():
    labels = np.repeat([1, -1], 6)
    interval = confidence_interval(
        bpcer, labels, labels, method="bootstrap", n_resamples=1, random_state=0
    )
    assert interval.estimate == 0.0
