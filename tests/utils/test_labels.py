"""One rule for labels, wherever they come from."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.svm import OneClassSVM

from sklearn_diffake import novelty
from sklearn_diffake.base import any_labels, genuine_mask
from sklearn_diffake.datasets import load_video_table
from sklearn_diffake.metrics import equal_error_rate, video_level
from sklearn_diffake.model_selection import IdentityGroupKFold
from sklearn_diffake.novelty import GenuineOnly, MahalanobisDetector
from sklearn_diffake.pairs import DifferenceScaler, make_reference_pairs
from sklearn_diffake.utils._labels import LabelError, check_labels, parse_label

OTHER_FORMS = {
    "0 and 1": [0, 1, 0, 1, 1, 0],
    "1 and 2": [1, 2, 1, 2, 1, 1],
    "bool": [True, False, True, False, True, True],
    "all True": [True] * 6,
    "bool objects": np.array([True, False] * 3, dtype=object),
    "texts": ["genuine", "fake"] * 3,
    "digits": ["1", "-1"] * 3,
    "zero among them": [1, -1, 0, 1, -1, 1],
    "NaN": [1, -1, np.nan, 1, -1, 1],
    "None": np.array([1, -1, None, 1, -1, 1], dtype=object),
    "three classes": [0, 1, 2, 0, 1, 2],
    "real numbers": [1.0, -1.0, 0.5, 1.0, -1.0, 1.0],
}
ROWS = np.random.default_rng(0).normal(size=(6, 2))
TAKERS = {
    "genuine_mask": lambda y: genuine_mask(y, 6),
    "detector": lambda y: MahalanobisDetector(0.1).fit(ROWS, y),
    "GenuineOnly": lambda y: GenuineOnly(OneClassSVM()).fit(ROWS, y),
    "scaler": lambda y: DifferenceScaler().fit(ROWS, y),
    "metric": lambda y: equal_error_rate(y, ROWS[:, 0]),
    "video_level": lambda y: video_level(ROWS[:, 0], np.arange(6), y_true=y),
    "splitter": lambda y: list(IdentityGroupKFold(2).split(ROWS, y, np.arange(6))),
    "make_reference_pairs": lambda y: make_reference_pairs(
        {"path": list("abcdef"), "identity": ["x"] * 6, "label": y}, random_state=0
    ),
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("form", OTHER_FORMS)
def test_other_forms_are_refused_by_name_of_the_convention(form, taker):
    with pytest.raises(ValueError, match=r"\+1 \(genuine\) or -1 \(deepfake\)"):
        TAKERS[taker](OTHER_FORMS[form])


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("dtype", [int, float, np.int8, np.float32, object])
def test_numbers_of_any_type_are_taken(taker, dtype):
    TAKERS[taker](np.array([1, -1, 1, -1, 1, 1], dtype=dtype))
    TAKERS[taker](pd.Series([1, -1, 1, -1, 1, 1], dtype=dtype, index=range(6, 12)))


def test_every_detector_refuses_them():
    for name in novelty.__all__:
        detector = getattr(novelty, name)
        if isinstance(detector, type) and hasattr(detector, "fit"):
            with pytest.raises(ValueError, match=r"y must be \+1 .*got 0 in row 0"):
                detector().fit(np.tile(ROWS, (9, 1)), [0, 1] * 27)


def test_the_error_names_row_and_label():
    with pytest.raises(
        LabelError, match=r"got 0 in row 2\. .*np\.where\(is_fake, -1, 1\)"
    ) as caught:
        check_labels([1, -1, 0])
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.row, copy.value, str(copy)) == (2, 0, str(caught.value))


def test_labels_come_back_as_integers():
    labels = check_labels([1.0, -1.0])
    assert labels.dtype == np.int64
    assert labels.tolist() == [1, -1]
    assert check_labels([]).tolist() == []


def test_other_labels_count_as_genuine_within_the_context_only():
    with any_labels():
        assert genuine_mask([0, 2, -1], 3).tolist() == [True, True, False]
    with pytest.raises(LabelError):
        genuine_mask([0, 2, -1], 3)
    with pytest.raises(KeyError), any_labels():
        raise KeyError
    with pytest.raises(LabelError):
        genuine_mask([0, 2, -1], 3)


@pytest.mark.parametrize(
    ("label", "cells"),
    [
        (1, ["1", "+1", "1.0", "+1.0", " 1 ", "genuine", "Bona fide", "bona-fide", 1, 1.0]),
        (-1, ["-1", "-1.0", " -1", "deepfake", "FAKE", -1, np.int64(-1), np.float64(-1)]),
        (None, ["", "  "]),
    ],
)
def test_cells_of_tables(label, cells):
    assert [parse_label(cell) for cell in cells] == [label] * len(cells)


@pytest.mark.parametrize("cell", ["0", "2", "nan", "inf", "True", True, None, "real", "yes", "1,0"])
def test_cells_that_are_no_label(cell):
    with pytest.raises(ValueError, match=r"must be 1 \(genuine\) or -1 \(deepfake\), got"):
        parse_label(cell)


@pytest.mark.parametrize("label", [0, True, "real", "", None, np.nan])
def test_loaders_refuse_them(label, tmp_path):
    table = pd.DataFrame({"path": ["a.png"], "label": pd.Series([label], dtype=object)})
    with pytest.raises(ValueError, match=r"Row 0 \(a.png\): the label must be \+1 \(genuine\)"):
        load_video_table(table, cache=tmp_path)
