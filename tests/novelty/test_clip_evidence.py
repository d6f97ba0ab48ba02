"""Windows of a clip, and p-values that stay valid however alike its frames are."""

import numpy as np
import pytest

from sklearn_diffake.novelty._clip_evidence import (
    combine,
    fraction_below,
    longest_interval,
    most_windows,
    windows_of,
)


@pytest.mark.parametrize(
    ("n_frames", "options", "expected"),
    [
        (0, {}, []),
        (3, {}, []),
        (4, {}, [(0, 3), (1, 4)]),
        (8, {}, [(0, 3), (2, 5), (4, 7), (5, 8)]),
        (30, {"length": 10}, [(0, 10), (5, 15), (10, 20), (15, 25), (20, 30)]),
        (30, {"length": 10, "max_windows": 5}, [(0, 10), (5, 15), (10, 20), (15, 25), (20, 30)]),
        (30, {"length": 10, "max_windows": 3}, [(0, 15), (8, 23), (15, 30)]),
        (30, {"max_windows": 1}, []),
        (5, {"length": 1}, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
    ],
)
def test_windows(n_frames, options, expected):
    assert windows_of(n_frames, **options).tolist() == [list(window) for window in expected]


@pytest.mark.parametrize("n_frames", range(1, 80))
def test_windows_cover_every_frame(n_frames):
    for maximum in (None, 2, 3, 7):
        windows = windows_of(n_frames, max_windows=maximum)
        if n_frames <= 3:
            assert len(windows) == 0
            continue
        assert maximum is None or len(windows) <= maximum
        covered = {frame for start, stop in windows.tolist() for frame in range(start, stop)}
        assert covered == set(range(n_frames))
        assert (np.diff(windows, axis=1) == windows[0, 1]).all()


@pytest.mark.parametrize("options", [{"length": 0}, {"max_windows": -1}])
def test_bad_windows(options):
    with pytest.raises(ValueError, match="must not be negative, and length must be at least 1"):
        windows_of(10, **options)


def test_windows_are_tested_where_one_of_them_can_be_rejected():
    level, n = 0.05, 199
    assert most_windows(n, level) == 5
    minimum = 1 / (n + 1)
    rejected = combine(1.0, [minimum] + [1.0] * 4, n, level)
    assert rejected.p_value == level
    assert rejected[1:] == (level / 2, "window", level / 2)
    for windows in ([minimum] * 6, []):  # six windows could not be rejected
        full = combine(0.04, windows, n, level)
        assert full == (0.04, None, "whole", level)
        assert not full.windows_tested
    assert combine(0.03, [0.5] * 5, n, level) == (0.06, 1.0, "whole", 0.025)


@pytest.mark.parametrize("p", [0.0, -1.0, 1.1, float("nan")])
def test_no_p_values(p):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        combine(p, [0.5], 100, 0.1)
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        combine(0.5, [p], 100, 0.1)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 1.0])
def test_genuine_clips_are_rejected_no_more_often_than_promised(correlation):
    """Frames share a part of their score; thresholds come from single pairs of other people."""
    rng, level, n, n_frames, rejected = np.random.default_rng(0), 0.1, 199, 24, []
    windows = windows_of(n_frames, max_windows=most_windows(n, level))
    for _ in range(2000):
        calibration = np.sort(rng.normal(size=n))
        shared, own_values = rng.normal(), rng.normal(size=n_frames)
        frames = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own_values
        pooled = [frames.mean(), *(frames[slice(*window)].mean() for window in windows)]
        p = (1 + np.searchsorted(calibration, pooled, side="right")) / (n + 1)
        rejected.append(combine(p[0], p[1:], n, level).p_value <= level)
    assert np.mean(rejected) <= level + 2 * np.sqrt(level * (1 - level) / 2000)


def test_an_altered_part_is_rejected_by_its_window():
    rng, n, level = np.random.default_rng(0), 399, 0.05
    calibration, frames = np.sort(rng.normal(size=n)), rng.normal(0.5, 0.2, size=60)
    frames[50:] -= 8
    windows = windows_of(60, max_windows=most_windows(n, level))
    pooled = [frames.mean(), *(frames[slice(*window)].mean() for window in windows)]
    p = (1 + np.searchsorted(calibration, pooled, side="right")) / (n + 1)
    assert p[0] > 0.1
    clip = combine(p[0], p[1:], n, level)
    assert clip.p_value <= level
    assert clip.decided_by == "window"


def test_frames_below():
    p = [0.01, 0.5, 0.05, 0.02, 0.03, 0.9, 0.01]
    times = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert fraction_below(p, 0.05) == 5 / 7
    assert np.isnan(fraction_below([], 0.05))
    assert longest_interval(p, times, 0.05) == (2.0, 4.0)
    assert longest_interval(p, times, 0.01) == (0.0, 0.0)
    assert longest_interval(p, times, 0.001) is None
    assert longest_interval(p, [0, 1, 2, 2.1, 2.2, 5, 6], 0.05) == (2.0, 2.2)
    with pytest.raises(ValueError, match="must have one value for each frame"):
        longest_interval(p, times[1:], 0.05)
