"""Splitters: what is on which side, and that scikit-learn takes them."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    cross_validate,
)
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_diffake.model_selection import (
    IdentityGroupKFold,
    LeaveOneDatasetOut,
    LeaveOneTechniqueOut,
    check_no_leakage,
)
from sklearn_diffake.novelty import GenuineOnly, MahalanobisDetector


@pytest.fixture(scope="module")
def frame():
    """Pairs of 40 persons in two datasets; a fake shows one person and is made from another."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(40), 8)
    technique = np.tile(["", "", "", "", "swap", "swap", "warp", "blend"], 40)
    donor = person - person % 4 + rng.integers(0, 4, 320)  # within circles of four
    return pd.DataFrame(
        {
            "dataset": np.where(person < 20, "one", "two"),
            "technique": technique,
            "person": [f"p{number}" for number in person],
            "donor": np.where(technique == "", None, [f"p{number}" for number in donor]),
            "y": np.where(technique == "", 1, -1),
        }
    )


@pytest.fixture(scope="module")
def X(frame):
    shift = frame.technique.map({"": 0.0, "swap": 1.0, "warp": 2.0, "blend": 3.0}).to_numpy()
    return np.random.default_rng(1).normal(size=(320, 3)) + shift[:, np.newaxis]


PERSONS = ["person", "donor"]
CASES = [
    (IdentityGroupKFold(4), PERSONS, 4),
    (LeaveOneDatasetOut(), ["dataset", *PERSONS], 2),
    (LeaveOneTechniqueOut(), ["technique", *PERSONS], 3),
    (LeaveOneTechniqueOut("technique", rotate=True, n_folds=4), ["technique", *PERSONS], 12),
    (LeaveOneTechniqueOut(), ["technique"], 3),
]
IDS = ["identity", "dataset", "technique", "technique-rotated", "technique-alone"]


@pytest.mark.parametrize(("cv", "columns", "n_splits"), CASES, ids=IDS)
def test_every_split_is_sound(cv, columns, n_splits, X, frame):
    y = frame.y.to_numpy()
    splits = list(cv.split(X, y, frame[columns]))
    assert len(splits) == cv.get_n_splits(X, y, frame[columns]) == n_splits
    for train, test in splits:
        assert not set(train) & set(test)
        assert (y[train] == 1).any()
        assert set(y[test]) == {1, -1}
    if "person" in columns:
        check_no_leakage(splits, frame[PERSONS])


@pytest.mark.parametrize(("cv", "columns", "n_splits"), CASES, ids=IDS)
def test_grid_search(cv, columns, n_splits, X, frame):
    detector = make_pipeline(StandardScaler(), GenuineOnly(LocalOutlierFactor(novelty=True)))
    grid = {"genuineonly__estimator__n_neighbors": [5, 15]}
    search = GridSearchCV(detector, grid, cv=cv, scoring="roc_auc", error_score="raise")
    search.fit(X, frame.y, groups=frame[columns])
    assert search.n_splits_ == n_splits
    assert search.best_score_ > 0.7


@pytest.mark.parametrize(("cv", "columns", "n_splits"), CASES, ids=IDS)
def test_with_metadata_routing(cv, columns, n_splits, X, frame):
    with sklearn.config_context(enable_metadata_routing=True):
        result = cross_validate(
            MahalanobisDetector(),
            X,
            frame.y,
            cv=clone(cv, safe=False).set_split_request(groups=True),
            scoring="roc_auc",
            params={"groups": frame[columns]},
            error_score="raise",
        )
    assert len(result["test_score"]) == n_splits
    assert np.isfinite(result["test_score"]).all()


@pytest.mark.parametrize(("cv", "columns", "n_splits"), CASES, ids=IDS)
def test_halving(cv, columns, n_splits, X, frame):
    search = HalvingGridSearchCV(
        MahalanobisDetector(),
        {"contamination": [0.05, 0.1, 0.2]},
        cv=cv,
        scoring="roc_auc",
        min_resources=160,
        random_state=0,
        error_score="raise",
    )
    search.fit(X, frame.y, groups=frame[columns])
    assert search.n_splits_ == n_splits


@pytest.mark.parametrize(("cv", "columns", "n_splits"), CASES, ids=IDS)
def test_forms_of_rows_and_groups(cv, columns, n_splits, frame):
    y = frame.y.to_numpy()
    images = np.arange(640).reshape(320, 2)
    forms = [
        images,
        [tuple(pair) for pair in images],
        pd.DataFrame(images),
        np.broadcast_to(np.uint8(0), (320, 2, 4, 4, 3)),
    ]
    by_number = clone(cv, safe=False)
    if getattr(cv, "technique", None):
        by_number.technique = 0
    array = frame[columns].to_numpy()
    expected = list(cv.split(forms[0], y, frame[columns]))
    for rows in forms:
        for groups in (array, array.tolist()):
            outcome = list(by_number.split(rows, y.tolist(), groups))
            assert len(outcome) == n_splits
            for our_value, reference_value in zip(outcome, expected, strict=True):
                np.testing.assert_array_equal(our_value[0], reference_value[0])
                np.testing.assert_array_equal(our_value[1], reference_value[1])


def test_identity_folds_are_a_stratified_partition(X, frame):
    y = frame.y.to_numpy()
    folds = [test for _, test in IdentityGroupKFold(5).split(X, y, frame[PERSONS])]
    assert sorted(np.concatenate(folds)) == list(range(320))
    for fold in folds:
        assert abs(np.mean(y[fold] == 1) - 0.5) < 0.05
    for train, test in IdentityGroupKFold(5).split(X, y, frame[PERSONS]):
        assert len(train) + len(test) == 320


def test_identity_folds_of_single_groups_are_scikit_learns(X, frame):
    person = frame.person.str[1:].astype(int)
    our_value = IdentityGroupKFold(4).split(X, frame.y, person)
    reference_value = StratifiedGroupKFold(4).split(X, frame.y, person)
    for (_, outcome), (_, expected) in zip(our_value, reference_value, strict=True):
        np.testing.assert_array_equal(outcome, expected)


def test_identity_folds_without_labels(X, frame):
    assert len(list(IdentityGroupKFold(3).split(X, None, frame.person))) == 3
    assert len(list(IdentityGroupKFold(3).split(X, np.ones(320), frame.person))) == 3


@pytest.mark.parametrize("columns", [["dataset"], ["dataset", "person"]])
def test_leave_one_dataset_out_is_leave_one_group_out(columns, X, frame):
    our_value = LeaveOneDatasetOut().split(X, frame.y, frame[columns])
    reference_value = LeaveOneGroupOut().split(X, frame.y, frame.dataset)
    for outcome, expected in zip(our_value, reference_value, strict=True):
        np.testing.assert_array_equal(outcome[0], expected[0])
        np.testing.assert_array_equal(outcome[1], expected[1])


def test_persons_of_several_datasets_are_left_out_of_training():
    groups = [
        ("one", "a", ""),
        ("one", "b", ""),
        ("two", "a", "c"),
        ("two", "c", ""),  # linked to dataset one through another row only: stays
        ("two", "", "d"),
        ("one", "e", ""),
    ]
    y = [1, -1, -1, 1, 1, 1]
    splits = LeaveOneDatasetOut().split(np.zeros((6, 1)), y, groups)
    outcome = [(train.tolist(), test.tolist()) for train, test in splits]
    assert outcome == [([3, 4], [0, 1, 5]), ([1, 5], [2, 3, 4])]
    free = LeaveOneDatasetOut(disjoint=[]).split(np.zeros((6, 1)), y, groups)
    assert next(free)[0].tolist() == [2, 3, 4]


def test_datasets_of_one_class(X):
    X, y, dataset = X[:5], [1, -1, 1, -1, 1], ["ff", "ff", "dfdc", "dfdc", "lfw"]
    with pytest.raises(ValueError, match="All rows of dataset 'lfw' are genuine"):
        LeaveOneDatasetOut().get_n_splits(X, y, dataset)
    skip, keep = LeaveOneDatasetOut(one_class="skip"), LeaveOneDatasetOut(one_class="keep")
    assert skip.held_out(X, y, dataset) == ["dfdc", "ff"]
    assert keep.held_out(None, y, dataset) == ["dfdc", "ff", "lfw"]
    assert [test.tolist() for _, test in keep.split(X, y, dataset)] == [[2, 3], [0, 1], [4]]
    assert [train.tolist() for train, _ in skip.split(X, y, dataset)] == [[0, 1, 4], [2, 3, 4]]
    assert LeaveOneDatasetOut().get_n_splits(X, None, dataset) == 3  # no labels, no classes


def test_leave_one_technique_out_alone(X, frame):
    y, technique = frame.y.to_numpy(), frame.technique.to_numpy()
    cv = LeaveOneTechniqueOut()
    names = cv.held_out(X, y, technique)
    assert names == ["blend", "swap", "warp"]
    tested = []
    for name, (train, test) in zip(names, cv.split(X, y, technique), strict=True):
        assert set(technique[test]) == {"", name}
        assert set(technique[train]) == {"", *names} - {name}
        assert np.sum(technique[test] == name) == np.sum(technique == name)
        assert len(train) + len(test) == 320
        tested.append(test[y[test] == 1].tolist())
    assert tested[0] == tested[1] == tested[2]  # the same genuine rows
    assert len(tested[0]) == pytest.approx(160 / 3, abs=1)


def test_leave_one_technique_out_of_persons(X, frame):
    y, technique = frame.y.to_numpy(), frame.technique.to_numpy()
    groups = frame[["technique", *PERSONS]]
    cv = LeaveOneTechniqueOut(n_folds=4, rotate=True)
    counts = np.zeros((3, 320), dtype=int)
    names = cv.held_out(X, y, groups)
    assert names == np.repeat(["blend", "swap", "warp"], 4).tolist()
    for number, (train, test) in enumerate(cv.split(X, y, groups)):
        assert names[number] not in technique[train]
        assert set(technique[test]) == {"", names[number]}
        counts[number // 4, test] += 1
    for name, count in zip(["blend", "swap", "warp"], counts, strict=True):
        own_values = (y == 1) | (technique == name)
        assert (count == own_values).all()  # each of its rows is tested on once


def test_seeds(X, frame):
    y = frame.y.to_numpy()

    def folds(seed):
        cv = IdentityGroupKFold(4, shuffle=True, random_state=seed)
        return [test.tolist() for _, test in cv.split(X, y, frame.person)]

    assert folds(0) == folds(0) != folds(1)
    assert all(abs(np.mean(y[fold] == 1) - 0.5) < 0.05 for fold in folds(0))
    for groups in (frame[["technique"]], frame[["technique", "person"]]):

        def tests(seed, groups=groups):
            cv = LeaveOneTechniqueOut(shuffle=True, random_state=seed)
            return [test.tolist() for _, test in cv.split(X, y, groups)]

        assert tests(0) == tests(0) != tests(1)


@pytest.mark.parametrize(
    ("cv", "y", "groups", "message"),
    [
        (IdentityGroupKFold(2), [1, -1] * 2, None, "'groups' parameter should not be None"),
        (
            IdentityGroupKFold(2),
            [1, -1] * 2,
            ["a"] * 3,
            "groups must have one row for each of the 4 rows of X, got 3",
        ),
        (IdentityGroupKFold(3), [1, -1] * 2, ["a", "a", "b", "b"], "form 2 groups .* of 2 rows"),
        (IdentityGroupKFold(2), [1, 1, 1, -1], list("aabb"), r"Fold . has no deepfake .* test on"),
        (IdentityGroupKFold(2), [1, -1] * 2, ["a", None, "b", "b"], "Row 1 of groups has no value"),
        (IdentityGroupKFold(2), [1, 0, -1, 1], list("abcd"), "got 0 in row 1"),
        (
            IdentityGroupKFold(2),
            [1, -1],
            list("abcd"),
            "y must have one label for each of the 4 rows of X, got 2",
        ),
        (LeaveOneDatasetOut(), [1, -1] * 2, ["a"] * 4, "at least two datasets, got only 'a'"),
        (LeaveOneDatasetOut(), [1, -1] * 2, ["a", "a", "b", ""], "Row 3 has no value in column 0"),
        (LeaveOneDatasetOut("x"), [1, -1] * 2, list("aabb"), "no column 'x'; it has \\[0\\]"),
        (LeaveOneDatasetOut(one_class="x"), [1, -1] * 2, list("aabb"), "'one_class' parameter"),
        (
            LeaveOneDatasetOut(one_class="keep"),
            [1, -1, -1, -1],
            list("aabb"),
            "'a' leaves no genuine row",
        ),
        (
            LeaveOneDatasetOut(),
            [1, -1] * 2,
            [("a", "p"), ("a", "q"), ("b", "p"), ("b", "r")],
            "'a' leaves no genuine row .* 1 share a value of",
        ),
        (LeaveOneTechniqueOut(), [1] * 4, list("aabb"), "must hold deepfakes"),
        (LeaveOneTechniqueOut(), None, list("aabb"), "must hold deepfakes"),
        (LeaveOneTechniqueOut(), [1, 1, 1, -1], [""] * 4, "Row 3 has no value in column 0"),
        (
            LeaveOneTechniqueOut(),
            [1, 1, -1, -1],
            list("  ab"),
            r"n_folds must be at most .*genuine rows \(\+1\), 2, got 3",
        ),
        (LeaveOneTechniqueOut(n_folds=1), [1, 1, -1, -1], list("  ab"), "'n_folds' parameter"),
        (
            LeaveOneTechniqueOut(n_folds=2),
            [1, 1, 1, -1],
            [("", "p"), ("", "p"), ("", "p"), ("s", "p")],
            r"n_folds must be at most the number of groups .*, 1, got 2",
        ),
        (
            LeaveOneTechniqueOut(n_folds=4),
            [1, 1, 1, -1],
            [("", "p"), ("", "q"), ("", "r"), ("s", "r")],
            r"n_folds must be at most the number of groups .*, 3, got 4",
        ),
        (
            LeaveOneTechniqueOut(n_folds=2),
            [1, 1, 1, -1],
            [("", "p"), ("", "p"), ("", "p"), ("s", "q")],
            "Fold 0 with technique 's' leaves no genuine row",
        ),
        (
            LeaveOneTechniqueOut(n_folds=2),
            [1, 1, -1, -1],
            [("", "p"), ("", "q"), ("s", "p"), ("t", "q")],
            r"Fold 0 with technique '.' has no deepfake \(-1\) to test on",
        ),
    ],
)
def test_refusals_say_why(cv, y, groups, message):
    with pytest.raises(ValueError, match=message):
        list(cv.split(np.zeros((4, 1)), y, groups))


@pytest.mark.parametrize("cv", [LeaveOneDatasetOut(one_class="keep"), LeaveOneTechniqueOut()])
def test_names_are_of_the_rows_that_are_split(cv):
    y, groups = [1, 1, -1, -1], list("aabb")
    assert cv.held_out(None, y, groups) == cv.held_out(np.zeros((4, 1)), y, groups)
    with pytest.raises(
        ValueError, match="groups must have one row for each of the 3 rows of X, got 4"
    ):
        cv.held_out(np.zeros((3, 1)), y, groups)


def test_repr():
    assert repr(IdentityGroupKFold(3)) == (
        "IdentityGroupKFold(n_splits=3, random_state=None, shuffle=False)"
    )
    assert "n_folds=3" in repr(LeaveOneTechniqueOut())
    assert "one_class='raise'" in repr(LeaveOneDatasetOut())
