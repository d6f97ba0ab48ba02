"""One person or video under several spellings is never on both sides of a split."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, LeaveOneGroupOut

from sklearn_diffake.model_selection import (
    IdentityGroupKFold,
    LeakageError,
    LeakageGuard,
    LeaveOneDatasetOut,
    LeaveOneTechniqueOut,
    check_no_leakage,
    connected_groups,
)

NFC, NFD = "Zo\u00eb", "Zoe\u0308"
SPELLINGS = [
    str,
    lambda name: unicodedata.normalize("NFD", name),
    lambda name: f" {name}",
    lambda name: f"{name}\u00a0",
    lambda name: f"\ufeff{name}\n",
    lambda name: name.replace(" ", " \u200b "),
]
PEOPLE = [
    *(f"person {number}" for number in range(8)),
    "Zo\u00eb",
    "J\u00fcrgen M",
    "\u00c5sa B",
    "ann",
    "7",
    "\u1ed9",
    "Li Wei",
]
SPLITTERS = {
    "identity": (IdentityGroupKFold(2), ["person", "donor"]),
    "shuffled": (IdentityGroupKFold(2, shuffle=True, random_state=0), ["person", "donor"]),
    "dataset": (LeaveOneDatasetOut(one_class="keep"), ["dataset", "person", "donor"]),
    "technique": (LeaveOneTechniqueOut(n_folds=2), ["technique", "person", "donor"]),
    "rotated": (LeaveOneTechniqueOut(n_folds=2, rotate=True), ["technique", "person", "donor"]),
    "guarded identity": (LeakageGuard(IdentityGroupKFold(2)), ["person", "donor"]),
}


def spell_names(names):
    return st.tuples(st.sampled_from(names), st.sampled_from(SPELLINGS)).map(lambda p: p[1](p[0]))


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "dataset": spell_names(["ff \u00e9", "dfdc"]),
            "technique": spell_names(["swap", "warp \u00e9"]),
            "person": spell_names(PEOPLE) | st.just(7),
            "donor": spell_names(PEOPLE) | st.sampled_from([None, "", " ", np.nan]),
            "y": st.sampled_from([1, 1, -1]),
        }
    ),
    min_size=8,
    max_size=24,
)


def people_of(rows, numbers):
    return set().union(*(people_of_row(rows[number]) for number in numbers))


def people_of_row(row):
    """Name the people of a row, written without the package: NFC, blanks and such removed."""
    texts = [
        str(row[column]) for column in ("person", "donor") if isinstance(row[column], (str, int))
    ]
    cleaned = [t.replace("\u200b", "").replace("\ufeff", "") for t in texts]
    return {" ".join(unicodedata.normalize("NFC", text).split()) for text in cleaned} - {""}


def splits_of(name, frame):
    """Split a table; return no splits where the splitter refuses it."""
    splitter, columns = SPLITTERS[name]
    try:
        return list(splitter.split(np.zeros((len(frame), 1)), frame["y"], frame[columns]))
    except ValueError:  # too few groups, or none that is genuine
        return []


@pytest.mark.filterwarnings("ignore")
@given(ROWS)
@settings(deadline=None, max_examples=60)
def test_nobody_is_on_both_sides(rows):
    frame = pd.DataFrame(rows)
    for name in SPLITTERS:  # all of them on one table, which takes longer to draw than to split
        splits = splits_of(name, frame)
        check_no_leakage(splits, frame[["person", "donor"]])
        for train, test in splits:
            assert not people_of(rows, train) & people_of(rows, test), name


@pytest.mark.parametrize("name", ["dataset", "technique", "rotated"])
def test_datasets_and_techniques_have_one_spelling(name):
    splitter, columns = SPLITTERS[name]
    frame = pd.DataFrame(
        {
            "dataset": ["a\u00e9", "ae\u0301", "b", "b ", "b", "b"],
            "technique": [None, None, "a\u00e9", "ae\u0301", "b", "b "],
            "person": list("uvwxyz"),
            "y": [1, 1, -1, -1, -1, -1],
        }
    )
    if name == "dataset":
        frame["y"] = [1, -1, 1, -1, 1, -1]
    X, groups = np.zeros((6, 1)), frame[[columns[0]]]
    with pytest.warns(UserWarning, match="spelled in several ways") as caught:
        splits = list(splitter.split(X, frame["y"], groups))
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="spelled in several ways"):
        names = splitter.held_out(X, frame["y"], groups)
    assert len(names) == len(splits)
    assert list(dict.fromkeys(names)) == ["a\u00e9", "b"]
    if name == "dataset":
        assert [test.tolist() for _, test in splits] == [[0, 1], [2, 3, 4, 5]]
    else:
        assert {2, 3} <= set(splits[0][1].tolist())
        assert not {2, 3} & set(splits[0][0].tolist())


def test_guards_see_through_spellings():
    groups = [NFC, NFD, "bob", "bob "]
    with (
        pytest.warns(UserWarning, match=r"'Zo\\xeb' = 'Zoe\\u0308'; 'bob' = 'bob '"),
        pytest.raises(LeakageError, match="Split 0 has 'Zo\u00eb', 'bob' on both sides"),
    ):
        check_no_leakage([([0, 2], [1, 3])], groups)
    with (
        pytest.warns(UserWarning, match="spelled in several ways"),
        pytest.raises(LeakageError, match="'Zo\u00eb' is in row 1 of training and in row 0"),
    ):
        next(LeakageGuard(KFold(4)).split(np.zeros((4, 1)), groups=groups))


@pytest.mark.parametrize("grouping", [None, 0])
def test_a_guarded_splitter_is_given_one_spelling(grouping):
    groups = np.array([NFC, NFD, "bob", "bob "], dtype=object)
    guard = LeakageGuard(LeaveOneGroupOut(), by=grouping)
    with pytest.warns(UserWarning, match="spelled in several ways") as caught:
        splits = list(guard.split(np.zeros((4, 1)), groups=groups))
    assert sorted(test.tolist() for _, test in splits) == [[0, 1], [2, 3]]
    assert len(caught) == 1


def test_across_columns():
    with pytest.warns(UserWarning, match=r"'Zo\\xeb' = 'Zoe\\u0308'") as caught:
        assert connected_groups([(NFC, "a"), ("b", ""), ("c", NFD)]).tolist() == [0, 1, 0]
    assert len(caught) == 1


def test_names_that_differ_in_case_are_reported():
    with pytest.warns(UserWarning, match=r"count as different: 'Zo\\xeb' = 'zo\\xeb'"):
        assert connected_groups(["Zo\u00eb", "zo\u00eb"]).tolist() == [0, 1]


def test_blank_names_nobody():
    with pytest.raises(ValueError, match="Row 1 of groups has no value"):
        connected_groups(["a", " \u200b", "b"])


@pytest.mark.parametrize("values", [[3, "a", 3, "b"], np.array([3, "a", 3, "b"], dtype=object)])
def test_mixed_numbers_and_text(values):
    assert connected_groups(values).tolist() == [0, 1, 0, 2]
    X, y = np.zeros((8, 1)), [1] * 4 + [-1] * 4
    for groups in (list(values) * 2, pd.DataFrame({"g": list(values) * 2})):
        for splitter in (
            IdentityGroupKFold(2),
            LeaveOneDatasetOut(one_class="keep"),
            LeakageGuard(LeaveOneGroupOut()),
            LeakageGuard(LeaveOneGroupOut(), by=0 if isinstance(groups, list) else "g"),
        ):
            splits = list(splitter.split(X, y, groups))
            assert splits
            check_no_leakage(splits, groups)
