"""Numbers for names, and for rows that belong together."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_diffake.utils._groups import connected_rows, group_codes, name_codes, value_codes


@pytest.mark.parametrize(
    ("values", "codes", "names"),
    [
        (["b", "a", "b"], [0, 1, 0], ["b", "a"]),
        ([3, "a", 3.0, "3"], [0, 1, 0, 0], [3, "a"]),
        ([" x", "x", None, "", np.nan], [0, 0, -1, -1, -1], ["x"]),
        ([("a", 1), "a", ("a", 1)], [0, 1, 0], [("a", 1), "a"]),
        (np.array([2.5, 1.0, 2.5]), [0, 1, 0], [2.5, 1.0]),
        ([], [], []),
    ],
)
def test_codes_are_by_appearance(values, codes, names):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coded = name_codes(values, kind="people")
    assert coded.codes.tolist() == codes
    assert coded.names == names
    assert coded.codes.dtype == np.int64


def test_values_have_one_spelling():
    values = ["Ann ", None, "Ann", 4]
    coded = name_codes(values, kind=None)
    assert coded.values(values) == ["Ann", None, "Ann", 4]


def test_missing_names_are_one_group():
    assert group_codes(["a", None, "b", np.nan, " "]).tolist() == [0, 1, 2, 1, 1]


def test_spellings_of_one_name_are_reported_once():
    values = ["Zo\u00eb", "ann", "Zoe\u0308", "Zo\u00eb", "Zoe\u0308", "ann "]
    with pytest.warns(UserWarning, match="people") as caught:
        name_codes(values, kind="people")
    assert len(caught) == 1
    assert r"2 names are spelled in several ways" in str(caught[0].message)
    assert r"'Zo\xeb' = 'Zoe\u0308'; 'ann' = 'ann '" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_names_that_look_alike_are_reported_and_differ():
    with pytest.warns(UserWarning, match=r"count as different: 'Ann' = 'ann'") as caught:
        coded = name_codes(["Ann", "bob", "ann"], kind="people")
    assert len(caught) == 1
    assert coded.codes.tolist() == [0, 1, 2]


def test_many_are_shortened():
    values = [f"p{number}{space}" for number in range(8) for space in ("", " ")]
    with pytest.warns(UserWarning, match=r"8 names are .*; and 3 more"):
        name_codes(values, kind="people")


@given(st.lists(st.integers(0, 5) | st.sampled_from(["a", "b"])))
def test_value_codes_against_first_places(values):
    different = list(dict.fromkeys(values))
    assert value_codes(values).tolist() == [different.index(value) for value in values]


def test_connected_rows():
    rows, items = np.array([0, 1, 2, 2, 4]), np.array([5, 0, 5, 2, 2])
    assert connected_rows(rows, items, 6).tolist() == [0, 1, 0, 2, 0, 3]
    assert connected_rows(rows[:0], items[:0], 2).tolist() == [0, 1]
