"""From rows to videos."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trim_mean

from sklearn_diffake.metrics import video_level

POOLS = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
    "trimmed": lambda piece: trim_mean(piece, 0.1),
}
ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(-50, 50)), min_size=1, max_size=60)


@pytest.mark.parametrize("method", POOLS)
@given(rows=ROWS)
def test_against_a_loop(method, rows):
    video, score = map(np.array, zip(*rows, strict=True))
    pooled = video_level(score, video, method)
    assert pooled.video.tolist() == sorted(set(video))
    expected = [POOLS[method](score[video == name]) for name in pooled.video]
    np.testing.assert_allclose(pooled.score, expected, atol=1e-12)
    assert pooled.y_true is None
    assert video[pooled.first_row].tolist() == pooled.video.tolist()


def test_trim_by_hand():
    assert video_level([9, 1, 2, 3], list("aaaa"), "trimmed", trim=0.25).score == [2.5]
    assert video_level([9, 1, 2, 3], list("aaaa"), "trimmed").score == [3.75]  # less than a row


def test_labels_and_what_else_belongs_to_a_video():
    technique = np.array(["swap", "", "swap", ""])
    pooled = video_level([1, 5, 3, 7], ["v2", "v1", "v2", "v1"], y_true=[-1, 1, -1, 1])
    assert pooled.score.tolist() == [6, 2]
    assert pooled.y_true.tolist() == [1, -1]
    assert technique[pooled.first_row].tolist() == ["", "swap"]


@pytest.mark.parametrize("method", POOLS)
def test_no_rows_are_no_videos(method):
    pooled = video_level([], [], method, y_true=[])
    assert [len(values) for values in pooled] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (([1, 2], ["a"]), {}, "video must have one value for each of the 2 rows, got 1"),
        (([1, 2], list("aab")), {}, "video must have one value for each of the 2 rows, got 3"),
        (([1, np.nan], ["a", "a"]), {}, "NaN in row 1"),
        (([1, 2], np.array(["a", None], dtype=object)), {}, "Row 1 has no video"),
        (([1, 2], ["a", "b"], "mode"), {}, "'how' parameter"),
        (([1, 2], ["a", "b"]), {"trim": 0.5}, "'trim' parameter"),
        (([1, 2], ["a", "b"]), {"y_true": [1, 0]}, "got 0 in row 1"),
        (
            ([1, 2, 3], ["b", "a", "a"]),
            {"y_true": [1, 1, -1]},
            "Video 'a' is genuine .* in row 1 and deepfake .* in row 2",
        ),
        (
            (range(8), list("bacaabcc")),
            {"y_true": [1, -1, 1, -1, 1, 1, -1, 1]},
            "Video 'a' is genuine .* in row 4 and deepfake .* in row 1",
        ),
        (
            (range(7), list("baaaabb")),
            {"y_true": [1, 1, 1, -1, -1, 1, -1]},
            "Video 'a' is genuine .* in row 1 and deepfake .* in row 3",
        ),
    ],
)
def test_bad_input(args, options, message):
    with pytest.raises(ValueError, match=message):
        video_level(*args, **options)


def test_types_of_the_result():
    pooled = video_level([1, 2, 3], ["b", "a", "b"], y_true=[1.0, -1.0, 1.0])
    assert (pooled.score.dtype, pooled.y_true.dtype) == (np.float64, np.int64)
    assert pooled.first_row.dtype == np.int64
    assert pooled.first_row.tolist() == [1, 0]
    assert pooled.y_true.tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("video", "expected"),
    [
        (np.array(["bb", "a", "bb"]), np.array(["a", "bb"])),
        (np.array([b"bb", b"a", b"bb"]), np.array([b"a", b"bb"])),
        (np.array(["bb", "a", "bb"], dtype=object), np.array(["a", "bb"], dtype=object)),
        (np.array([10, 9, 10], dtype=np.int16), np.array([9, 10], dtype=np.int16)),
        (np.array([1.5, 0.5, 1.5]), np.array([0.5, 1.5])),
        (np.array([True, False, True]), np.array([False, True])),
        # types without a common order are sorted as text, and stay what they are
        (np.array(["b", 10, "b"], dtype=object), np.array([10, "b"], dtype=object)),
    ],
)
def test_names_keep_their_type(video, expected):
    pooled = video_level([1.0, 2.0, 5.0], video)
    assert pooled.video.dtype == expected.dtype
    assert pooled.video.tolist() == expected.tolist()
    assert [type(name) for name in pooled.video] == [type(name) for name in expected]
    assert pooled.score.tolist() == [2.0, 3.0]


def test_a_name_may_become_longer():
    """Unicode's composed form of this letter has two characters."""
    video = np.array(["\u0958", "\u0958"])
    assert video.dtype == "U1"
    assert video_level([1.0, 2.0], video).video.tolist() == ["\u0915\u093c"]


@pytest.mark.parametrize("missing", [None, np.nan, "", " "])
@pytest.mark.parametrize("row", [0, 2])
def test_message_names_the_row_without_a_video(missing, row):
    video = np.array(["a", "a", "b"], dtype=object)
    video[row] = missing
    with pytest.raises(ValueError, match=rf"^Row {row} has no video \({missing!r}\)\.$"):
        video_level([1.0, 2.0, 3.0], video)


@pytest.mark.parametrize(
    ("video", "labels", "message"),
    [
        ("ab", [1], "y_true must have one value for each of the 2 rows, got 1"),
        ("ab", [1, 1, 1], "y_true must have one value for each of the 2 rows, got 3"),
        ("ab", [1, 2], "y_true must be .* in row 1"),
        ("aa", [-1, 1], r"^Video 'a' is genuine \(\+1\) in row 1 and deepfake \(-1\) in row 0;"),
        # of two such videos, the first by name
        ("bbcaac", [1, -1, 1, -1, 1, 1], "^Video 'a' is genuine .* in row 4 .* in row 3;"),
        ("baab", [1, 1, 1, -1], "^Video 'b' is genuine .* in row 0 and deepfake .* in row 3;"),
    ],
)
def test_labels_of_a_video_must_agree(video, labels, message):
    with pytest.raises(ValueError, match=message):
        video_level(range(len(video)), list(video), y_true=labels)


def test_videos_of_one_label_are_not_mixed():
    pooled = video_level(range(6), list("aabbcc"), y_true=[1, 1, -1, -1, 1, 1])
    assert pooled.y_true.tolist() == [1, -1, 1]


@pytest.mark.parametrize(
    ("trim", "expected"), [(0, 22.2), (0.19, 22.2), (0.2, 10 / 3), (0.4, 3.0), (0.49, 3.0)]
)
def test_trim_is_rounded_down_to_whole_rows(trim, expected):
    pooled = video_level([100, 1, 2, 3, 5, -1], list("aaaaab"), "trimmed", trim=trim)
    assert pooled.score.tolist() == pytest.approx([expected, -1.0])


def test_scores_of_two_columns():
    with pytest.raises(ValueError, match="1d array"):
        video_level([[1, 2], [3, 4]], ["a", "b"])
