"""Which rows belong together, and splits that are refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    StratifiedKFold,
)

from sklearn_diffake.model_selection import (
    IdentityGroupKFold,
    LeakageError,
    LeakageGuard,
    check_no_leakage,
    connected_groups,
)
from sklearn_diffake.novelty import MahalanobisDetector

PAIRS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=25)


def brute_components(pairs):
    """Merge until nothing is shared."""
    group = list(range(len(pairs)))
    for _ in pairs:
        for i, first in enumerate(pairs):
            for j, second in enumerate(pairs):
                if set(first) & set(second):
                    group[i] = group[j] = min(group[i], group[j])
    return [sorted(set(group)).index(number) for number in group]


@given(PAIRS)
def test_components_against_merging(pairs):
    assert connected_groups(pairs).tolist() == brute_components(pairs)


@pytest.mark.parametrize(
    "groups",
    [
        [("a", "b"), ("c", None), ("b", "d")],
        np.array([("a", "b"), ("c", ""), ("b", "d")]),
        pd.DataFrame({"x": ["a", "c", "b"], "y": ["b", np.nan, "d"]}),
        pd.Series(["a", "c", "a"]),
        ["a", "c", "a"],
        np.array([7, 3, 7]),
    ],
)
def test_forms_of_groups(groups):
    assert connected_groups(groups).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (None, "should not be None"),
        ([], "at least one row, got none"),
        (np.zeros((2, 2, 2)), "1-D or 2-D"),
        (["a", None, ""], r"Row 1 of groups has no value .* \(2 such rows\)"),
        ([("a", "b"), (None, "")], "Row 1 of groups"),
    ],
)
def test_bad_groups(groups, message):
    with pytest.raises(ValueError, match=message):
        connected_groups(groups)


def test_leak_is_named():
    groups = [("ann", "bob"), ("cid", ""), ("dan", "ann"), ("cid", "eve")]
    check_no_leakage([([0, 2], [1, 3]), ([1, 3], [0, 2])], groups)
    with pytest.raises(
        LeakageError, match="Split 1 has 'ann', 'cid' on both sides: 'ann' is in row 0 of training"
    ) as caught:
        check_no_leakage([([0, 2], [1, 3]), ([0, 1], [2, 3])], groups)
    assert "row 2 of test" in str(caught.value)
    with pytest.raises(LeakageError, match="'cid' is in row 1 of training and in row 4 of test"):
        check_no_leakage([([3, 1, 0], [6, 5, 4])], [*groups, ("cid", ""), ("cid", ""), ("f", "")])
    assert isinstance(caught.value, ValueError)


def test_leak_by_masks_and_columns():
    frame = pd.DataFrame({"video": ["v1", "v2", "v3"], "person": ["p", "q", "p"]})
    train, test = np.array([True, True, False]), np.array([False, False, True])
    check_no_leakage([(train, test)], frame[["video"]])
    with pytest.raises(LeakageError, match=r"'p' on both sides \(column 'person'\)"):
        check_no_leakage([(train, test)], frame[["person"]])


@given(PAIRS.filter(lambda pairs: len(pairs) > 1), st.integers(0, 99))
def test_leak_against_sets(pairs, seed):
    shuffled = np.random.default_rng(seed).permutation(len(pairs))
    train, test = np.split(shuffled, [len(pairs) // 2])
    folder, present = ({name for row in rows for name in pairs[row]} for rows in (train, test))
    if folder & present:
        with pytest.raises(LeakageError):
            check_no_leakage([(train, test)], pairs)
    else:
        check_no_leakage([(train, test)], pairs)


def test_many_leaks_are_counted():
    with pytest.raises(LeakageError, match="and 3 more"):
        check_no_leakage([(range(8), range(8, 16))], list(range(8)) * 2)


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(24), 5)
    return pd.DataFrame(
        {
            "dataset": np.where(person < 12, "one", "two"),
            "person": [f"p{number}" for number in person],
            "video": [f"v{number}" for number in range(120)],
            "y": np.where(rng.random(120) < 0.5, 1, -1),
        }
    )


def test_guard_lets_pass_what_is_clean(frame):
    X = np.zeros((120, 2))
    table = frame[["dataset", "person", "video"]]
    guard = LeakageGuard(LeaveOneGroupOut(), by="dataset")
    plain = LeaveOneGroupOut()
    assert guard.get_n_splits(X, frame.y, table) == 2
    for our_value, reference_value in zip(
        guard.split(X, frame.y, table), plain.split(X, frame.y, frame.dataset), strict=True
    ):
        np.testing.assert_array_equal(our_value[0], reference_value[0])
        np.testing.assert_array_equal(our_value[1], reference_value[1])


@pytest.mark.parametrize(
    "cv",
    [KFold(3, shuffle=True, random_state=0), StratifiedKFold(3), 7, [([0, 1], [2])]],
    ids=repr,
)
def test_guard_refuses(cv, frame):
    guard = LeakageGuard(cv, disjoint=["person"])
    with pytest.raises(LeakageError, match=r"Split 0 has 'p\d+'.* on both sides"):
        list(guard.split(np.zeros((120, 2)), frame.y, frame[["person", "video"]]))
    videos = LeakageGuard(cv, disjoint=["video"])
    assert list(videos.split(np.zeros((120, 2)), frame.y, frame[["person", "video"]]))


def test_guard_with_whole_groups(frame):
    X, persons = np.zeros((120, 2)), frame[["person", "video"]]
    for cv in (IdentityGroupKFold(4), GroupKFold(4)):
        groups = persons if isinstance(cv, IdentityGroupKFold) else frame.person
        assert len(list(LeakageGuard(cv).split(X, frame.y, groups))) == 4
    assert LeakageGuard(KFold(4)).get_n_splits() == 4
    assert LeakageGuard().get_n_splits() == 5
    with pytest.raises(ValueError, match="no column 'tribe'"):
        list(LeakageGuard(4, disjoint=["tribe"]).split(X, frame.y, persons))
    assert repr(LeakageGuard(3)) == "LeakageGuard(by=None, cv=3, disjoint=None)"


def test_guard_stops_a_search(frame):
    X = np.random.default_rng(1).normal(size=(120, 2))
    grid = {"contamination": [0.05, 0.1]}
    options = {"scoring": "roc_auc", "error_score": "raise"}
    table = frame[["dataset", "person"]]
    clean = LeakageGuard(GroupKFold(3), by="person", disjoint=["person"])
    search = GridSearchCV(MahalanobisDetector(), grid, cv=clean, **options)
    assert np.isfinite(search.fit(X, frame.y, groups=table).best_score_)
    search = GridSearchCV(MahalanobisDetector(), grid, cv=LeakageGuard(KFold(7)), **options)
    with pytest.raises(LeakageError, match="on both sides"):
        search.fit(X, frame.y, groups=table)


def test_a_guarded_splitter_gets_all_columns_unless_one_is_named():
    groups = np.array([["ann", "v1"], ["bob", "v1"], ["cid", "v2"], ["dan", "v2"]])
    X, y = np.zeros((4, 1)), [1, -1, 1, -1]
    cv = LeakageGuard(IdentityGroupKFold(2))
    assert sorted(test.tolist() for _, test in cv.split(X, y, groups)) == [[0, 1], [2, 3]]
