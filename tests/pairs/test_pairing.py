"""Which images are paired."""

import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context

from sklearn_diffake.pairs import make_reference_pairs, make_same_video_pairs

FACES = {
    "path": ["r/a1.jpg", "r/a2.jpg", "r/a3.jpg", "f/a4.jpg", "r/b1.jpg", "r/b2.jpg", "f/c1.jpg"],
    "identity": ["a", "a", "a", "a", "b", "b", "c"],
    "label": [1, 1, 1, -1, 1, 1, -1],
    "original": ["", "", "", "a2.mp4", "", "", ""],
}
FRAMES = {
    "path": [f"v{video}/{frame}.png" for video in (0, 1) for frame in (2, 0, 1)],
    "video": ["v0"] * 3 + ["v1"] * 3,
    "label": [1, 1, 1, 1, 1, -1],
    "number": [2, 0, 1] * 2,
}


def structured(columns):
    return pd.DataFrame(columns).to_records(index=False).view(np.ndarray)


def forms(columns):
    return [columns, pd.DataFrame(columns, index=range(50, 50 + len(columns["path"]))),
            structured(columns)]  # fmt: skip


def big_table(n, n_groups, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "path": [f"{i}.jpg" for i in range(n)],
        "identity": rng.integers(0, n_groups, n),
        "label": rng.choice([1, -1], n),
        "original": [f"x/{i}.mp4" for i in rng.integers(0, n, n)],
    }


def by_brute_force(table, exclude):
    """All (reference, probe) rows that are allowed."""
    n = len(table["path"])
    stem = [Path(path).stem for path in table["path"]]
    return {
        (i, j)
        for j in range(n)
        for i in range(n)
        if table["label"][i] == 1
        and table["identity"][i] == table["identity"][j]
        and table["path"][i] != table["path"][j]
        and not (exclude and stem[i] == Path(table["original"][j]).stem)
    }


@pytest.mark.parametrize("table", forms(FACES), ids=["dict", "frame", "structured"])
def test_reference_pairs(table):
    with pytest.warns(
        UserWarning, match=r"1 of 7 rows are skipped.*1 genuine.*row 6 \(f/c1.jpg\)"
    ) as warned:
        pairs = make_reference_pairs(table, random_state=0)
    assert warned[0].filename == __file__  # the line to look at is the caller's
    assert pairs.data.shape == (6, 2)
    assert pairs.data.dtype == object
    assert pairs.n_skipped == 1  # identity c has no genuine image
    assert pairs.index[:, 1].tolist() == [0, 1, 2, 3, 4, 5]
    assert pairs.target.tolist() == [1, 1, 1, -1, 1, 1]
    assert pairs.groups.tolist() == list("aaaabb")
    np.testing.assert_array_equal(pairs.data, np.array(FACES["path"], dtype=object)[pairs.index])
    assert {tuple(row) for row in pairs.index} <= by_brute_force(FACES, exclude=False)


@pytest.mark.parametrize("exclude", [None, "original"])
def test_all_references_are_exactly_those_allowed(exclude):
    table = big_table(300, 20)
    table["path"][7] = table["path"][200] = "same.jpg"
    table["identity"][7] = table["identity"][200]
    table["original"] = [f"x/{i}.mp4" for i in np.random.default_rng(1).permutation(60)] * 5
    pairs = make_reference_pairs(table, k="all", exclude=exclude)
    result = [tuple(row) for row in pairs.index]
    assert len(result) == len(set(result))
    assert set(result) == by_brute_force(table, exclude)
    assert by_brute_force(table, None) > by_brute_force(table, "original")


@pytest.mark.filterwarnings("ignore:.*rows are skipped:UserWarning")
@pytest.mark.parametrize("exclude", [None, "original"])
def test_small_tables_with_one_image_of_several_persons(exclude):
    rng = np.random.default_rng(0)
    for _ in range(150):
        table = {
            "path": [f"{i}.jpg" for i in rng.integers(0, 5, 8)],
            "identity": rng.integers(0, 3, 8),
            "label": rng.choice([1, 1, -1], 8),
            "original": [f"x/{i}.mp4" for i in rng.integers(0, 5, 8)],
        }
        expected = by_brute_force(table, exclude)
        if expected:
            pairs = make_reference_pairs(table, k="all", exclude=exclude)
            assert {tuple(row) for row in pairs.index} == expected
            assert pairs.n_skipped == 8 - len({probe for _, probe in expected})


@pytest.mark.filterwarnings("ignore:.*rows are skipped:UserWarning")
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("exclude", [None, "original"])
def test_k_references_are_drawn_from_those_allowed(k, exclude):
    table = big_table(300, 20)
    pairs = make_reference_pairs(table, k=k, exclude=exclude, random_state=3)
    result = [tuple(row) for row in pairs.index]
    assert len(result) == len(set(result))
    assert set(result) <= by_brute_force(table, exclude)
    assert set(Counter(probe for _, probe in result).values()) == {k}
    assert len(result) == k * (300 - pairs.n_skipped)


@pytest.mark.parametrize("k", [1, 3])
def test_every_allowed_reference_is_equally_likely(k):
    n = 6
    table = {"path": [f"{i}.jpg" for i in range(n)], "identity": ["a"] * n,
             "original": ["3.jpg"] + [""] * (n - 1)}  # fmt: skip
    draws = 3000
    counts = np.zeros((n, n))
    rng = np.random.RandomState(0)
    with config_context(skip_parameter_validation=True):  # a quarter of the time
        for _ in range(draws):
            index = make_reference_pairs(table, k=k, exclude="original", random_state=rng).index
            np.add.at(counts, (index[:, 1], index[:, 0]), 1)
    allowed = ~np.eye(n, dtype=bool)
    allowed[0, 3] = False
    expected = draws * k * allowed / allowed.sum(axis=1, keepdims=True)
    assert counts[~allowed].sum() == 0
    np.testing.assert_allclose(counts[allowed], expected[allowed], atol=5 * np.sqrt(draws / 4))


@pytest.mark.parametrize(
    "original",
    ["a2.mp4", "a2", "some/folder/a2.png", r"some\folder\a2.png", Path("x/a2.jpg")],
)
def test_exclude_matches_file_names(original):
    table = FACES | {"original": [None, np.nan, pd.NA, original, "", "", ""]}
    table = pd.DataFrame(table)
    for rows, k, n_pairs in [(6, "all", 6 + 2 + 2), (4, "all", 6 + 2), (4, 2, 6 + 2)]:
        pairs = make_reference_pairs(table[:rows], k=k, exclude="original", random_state=0)
        references = pairs.data[pairs.data[:, 1] == "f/a4.jpg", 0]
        assert sorted(references) == ["r/a1.jpg", "r/a3.jpg"]
        assert len(pairs.data) == n_pairs


def test_exclude_of_a_name_with_dots():
    table = {"path": ["x/a.b.jpg", "x/c.jpg", "f.jpg"], "identity": [1, 1, 1],
             "label": [1, 1, -1], "source": ["", "", "a.b"]}  # fmt: skip
    pairs = make_reference_pairs(table, k="all", exclude="source")
    assert pairs.data[pairs.data[:, 1] == "f.jpg", 0].tolist() == ["x/c.jpg"]


def test_an_image_is_never_its_own_reference_even_if_listed_twice():
    table = {"path": ["a.jpg", "a.jpg", "b.jpg"], "identity": [1, 1, 1]}
    pairs = make_reference_pairs(table, k="all")
    assert pairs.data.tolist() == [
        ["b.jpg", "a.jpg"], ["b.jpg", "a.jpg"], ["a.jpg", "b.jpg"], ["a.jpg", "b.jpg"],
    ]  # fmt: skip
    with pytest.warns(UserWarning, match="2 of 3 rows"):
        assert make_reference_pairs(table, k=2).index[:, 1].tolist() == [2, 2]


def test_paths_and_other_column_names():
    table = {"file": [Path("a.jpg"), Path("b.jpg")], "who": [3, 3], "truth": [1.0, -1.0]}
    with pytest.warns(UserWarning, match="1 of 2 rows"):
        pairs = make_reference_pairs(table, path="file", identity="who", label="truth")
    assert pairs.data.tolist() == [[Path("a.jpg"), Path("b.jpg")]]
    assert pairs.groups.tolist() == [3]
    assert pairs.target.tolist() == [-1]
    all_of_it = make_reference_pairs(table, path="file", identity="who", label=None)
    assert all_of_it.target.tolist() == [1, 1]


@pytest.mark.parametrize("make", [make_reference_pairs, make_same_video_pairs])
def test_seeds(make):
    table = big_table(200, 10) | {"video": [0] * 100 + [1] * 100}
    first, repeated = make(table, random_state=1), make(table, random_state=1)
    another_one = make(table, random_state=2)
    np.testing.assert_array_equal(first.index, repeated.index)
    assert first.index.tolist() != another_one.index.tolist()
    state = np.random.get_state()[1].tolist()
    make(table, random_state=1)
    assert np.random.get_state()[1].tolist() == state


@pytest.mark.parametrize("table", forms(FRAMES), ids=["dict", "frame", "structured"])
def test_every_pair_of_a_video(table):
    pairs = make_same_video_pairs(table, k="all")
    assert pairs.index.tolist() == [[0, 1], [0, 2], [1, 2], [3, 4], [3, 5], [4, 5]]
    assert pairs.target.tolist() == [1, 1, 1, 1, -1, -1]
    assert pairs.groups.tolist() == ["v0"] * 3 + ["v1"] * 3
    assert pairs.n_skipped == 0


def test_times_of_frames_are_numbers():
    table = {"path": ["a", "b", "c"], "video": ["v"] * 3, "time": [0.5, -10.0, -2.5]}
    pairs = make_same_video_pairs(table, k="all", frame="time")
    assert sorted(map(tuple, pairs.data)) == [("b", "a"), ("b", "c"), ("c", "a")]


def test_frames_are_put_in_order():
    pairs = make_same_video_pairs(FRAMES, k="all", frame="number")
    number = np.array(FRAMES["number"])[pairs.index]
    assert (number[:, 0] < number[:, 1]).all()
    assert {frozenset(row) for row in pairs.index.tolist()} == {
        frozenset(row) for row in make_same_video_pairs(FRAMES, k="all").index.tolist()
    }


@pytest.mark.parametrize("k", [1, 3])
def test_k_partners_of_every_frame(k):
    table = {"path": [f"{i}.png" for i in range(120)], "video": np.arange(120) // 12}
    pairs = make_same_video_pairs(table, k=k, random_state=0)
    first, second = pairs.index.T
    assert (first < second).all()
    assert (table["video"][first] == table["video"][second]).all()
    assert len(np.unique(pairs.index, axis=0)) == len(pairs.index) <= k * 120
    assert np.bincount(pairs.index.ravel(), minlength=120).min() >= k


def test_forty_frames_make_780_pairs():
    table = {"path": [f"{i}.png" for i in range(40)], "video": ["v"] * 40}
    assert len(make_same_video_pairs(table, k="all").data) == 780


def test_videos_with_too_few_frames():
    table = {"path": list("abcd"), "video": [0, 0, 0, 1]}
    with pytest.warns(UserWarning, match="1 of 4 rows are skipped.*1 other frames in their video"):
        assert make_same_video_pairs(table, k="all").n_skipped == 1
    with pytest.raises(ValueError, match="none of the 4 rows has 3 other frames"):
        make_same_video_pairs(table, k=3)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"identity": list("abcdefg")}, {}, "Nothing to pair: none of the 7 rows has 1 genuine"),
        ({"label": [-1] * 7}, {"k": "all"}, "Nothing to pair"),
        ({"path": [], "identity": [], "label": []}, {}, "the table has no rows"),
        (
            {"label": [1, 1, 0, 1, 1, 1, 1]},
            {},
            r"Row 2 \(r/a3.jpg\): the label must be \+1 .*, got 0",
        ),
        ({"identity": list("aaa") + [None] * 4}, {}, r"Row 3 \(f/a4.jpg\) has no value.*identity"),
        ({"identity": ["a"] * 6}, {}, "differ in length: 7 in 'path', 6 in 'identity'"),
        ({"label": [1] * 8}, {}, "differ in length: 7 in 'path', 8 in 'label'"),
        ({}, {"identity": "person"}, "no column 'person'; it has .*'identity'"),
        ({}, {"label": "truth"}, "no column 'truth'"),
        ({}, {"exclude": "source"}, "no column 'source'"),
        ({}, {"k": 0}, "'k' parameter of make_reference_pairs must be"),
        ({}, {"k": "every"}, "'k' parameter of make_reference_pairs must be"),
    ],
)
def test_bad_tables(change, options, message):
    with pytest.raises(ValueError, match=message):
        make_reference_pairs(FACES | change, **options)


@pytest.mark.slow
@pytest.mark.parametrize("n_groups", [20, 2000, 40_000])
def test_large_tables_are_quick(n_groups):
    table = big_table(100_000, n_groups)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        start = time.process_time()
        make_reference_pairs(table, k=3, exclude="original", random_state=0)
        make_same_video_pairs(table, video="identity", k=3, random_state=0)
        assert time.process_time() - start < 10  # measured: about one second


def test_spellings_of_an_identity_are_one_person():
    table = {
        "path": ["1.png", "2.png", "3.png", "4.png", "5.png"],
        "identity": ["Zo\u00eb", "Zoe\u0308", " Zo\u00eb\u00a0", "zo\u00eb", "zo\u00eb"],
    }
    with pytest.warns(UserWarning, match="column .identity.") as caught:
        pairs = make_reference_pairs(table, k="all")
    assert sorted(pairs.groups.tolist()) == ["Zo\u00eb"] * 6 + ["zo\u00eb"] * 2
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 2
    assert r"'Zo\xeb' = 'Zoe\u0308' = ' Zo\xeb\xa0'" in messages[0]
    assert r"count as different: 'Zo\xeb' = 'zo\xeb'" in messages[1]


def test_spellings_of_a_video_are_one_video():
    table = {"path": ["1.png", "2.png"], "video": ["clip\u00e9", "clipe\u0301 "]}
    with pytest.warns(UserWarning, match="column 'video': 1 name is spelled in several ways"):
        pairs = make_same_video_pairs(table, k="all")
    assert pairs.groups.tolist() == ["clip\u00e9"]


def test_an_excluded_file_is_found_in_either_encoding_of_accents():
    table = {
        "path": ["zoe\u0308.png", "b.png", "fake.png"],  # as macOS writes file names
        "identity": ["a"] * 3,
        "label": [1, 1, -1],
        "source": ["", "", "zo\u00eb.mp4"],
    }
    pairs = make_reference_pairs(table, k="all", exclude="source")
    assert pairs.data[pairs.target == -1].tolist() == [["b.png", "fake.png"]]


@pytest.mark.parametrize(
    ("make", "column"), [(make_reference_pairs, "identity"), (make_same_video_pairs, "video")]
)
def test_identities_of_mixed_types(make, column):
    table = {"path": ["1.png", "2.png", "3.png", "4.png"], column: [3, "a", 3, "a"]}
    pairs = make(table, k="all")
    assert {tuple(sorted(pair)) for pair in pairs.index.tolist()} == {(0, 2), (1, 3)}


@pytest.mark.parametrize("name", [None, np.nan, "", " ", "\u200b"])
def test_a_blank_identity_is_refused(name):
    with pytest.raises(ValueError, match=r"Row 1 \(2.png\) has no value in column 'identity'"):
        make_reference_pairs({"path": ["1.png", "2.png"], "identity": ["a", name]})


@pytest.mark.parametrize("k", [1, 2, "all"])
def test_templates_join_the_references_of_each_probe(k):
    table = {"path": [f"{i}.png" for i in range(6)], "identity": list("aaabbb")}
    single = make_reference_pairs(table, k=k, random_state=0)
    concatenated = make_reference_pairs(table, k=k, templates=True, random_state=0)
    expected = {}
    for (reference, probe), target, group in zip(
        single.data, single.target, single.groups, strict=True
    ):
        expected.setdefault((probe, target, group), []).append(reference)
    rows = zip(concatenated.data, concatenated.target, concatenated.groups, strict=True)
    assert {(probe, t, g): list(cell) for (cell, probe), t, g in rows} == expected
    assert all(isinstance(cell, tuple) for cell, _ in concatenated.data)
    for (cell, probe), (rows_of, row) in zip(concatenated.data, concatenated.index, strict=True):
        assert tuple(table["path"][i] for i in rows_of) == cell
        assert table["path"][row] == probe


def test_templates_leave_out_probes_with_too_few_references():
    table = {"path": ["a.png", "b.png", "c.png", "d.png"], "identity": ["x", "x", "x", "y"]}
    with pytest.warns(UserWarning, match="1 of 4 rows are skipped"):
        pairs = make_reference_pairs(table, k=2, templates=True)
    assert pairs.data.shape == (3, 2)
    assert pairs.n_skipped == 1
