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
