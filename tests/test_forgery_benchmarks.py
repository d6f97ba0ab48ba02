"""The experiments with forgery networks: stand-in clips, pairs within a clip, which one ships."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")
pytest.importorskip("cv2")
ROOT = Path(__file__).resolve().parents[1]
MOMENTS = 24


@pytest.fixture(autouse=True)
def paths(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "generation")
    monkeypatch.setattr(sys, "path", list(sys.path))  # the scripts append to it


@pytest.fixture
def clip():
    """A clip whose landmarks move steadily: moments that follow each other are of like pose."""
    from benchmarks.quality._clip_faces import LAGS, ClipFaces

    landmarks = np.zeros((MOMENTS, len(LAGS), 5, 2)) + np.arange(MOMENTS)[:, None, None, None]
    return ClipFaces("id0_0000", True, np.zeros((MOMENTS, len(LAGS), 2, 2, 3)), landmarks)


def test_pairs_of_like_pose_are_the_nearest(clip):
    from benchmarks.quality._clip_features import pose_distance, real_pairs

    (first, _), (second, _) = real_pairs(clip, "like pose", np.random.default_rng(0))
    assert len(first) == MOMENTS * (MOMENTS - 1) // 2 // 10
    distances = pose_distance(clip, np.stack([first, second], axis=1))
    np.testing.assert_allclose(distances, np.sqrt(2) * (second - first))
    assert distances.max() <= 2 * np.sqrt(2)


def test_pairs_at_a_lag_share_their_moment(clip):
    from benchmarks.quality._clip_features import LAGS, real_pairs

    (moments, start), (remaining, position) = real_pairs(clip, "lag 4", np.random.default_rng(0))
    assert np.array_equal(moments, remaining)
    assert set(start) == {0}
    assert {LAGS[i] for i in position} == {4}


@pytest.mark.parametrize("choice", ["moments", "like pose", "lag 1"])
def test_no_image_is_paired_with_itself(clip, choice):
    from benchmarks.quality._clip_features import real_pairs

    first, second = real_pairs(clip, choice, np.random.default_rng(0))
    assert not np.all(np.stack(first) == np.stack(second), axis=0).any()


def test_stand_in_clips_move_and_only_the_fake_is_forged():
    from generation_cases import textured_crops

    from benchmarks.quality._stand_in_clips import N_FRAMES, stand_in_clips

    crops = textured_crops(3, 64)
    clips, repeated = (stand_in_clips(crops, 0.0, seed=1) for _ in range(2))
    assert clips.genuine.shape == clips.fake.shape == (3, N_FRAMES, 64, 64, 3)
    assert np.array_equal(clips.fake, repeated.fake)
    frames = clips.genuine.astype(int)
    assert np.abs(frames[:, 1:] - frames[:, :1]).mean() > 2
    assert np.abs(frames - clips.fake).mean(axis=(1, 2, 3, 4)).min() > 0.2


def test_people_held_out_are_whole_and_the_same_every_time():
    from benchmarks.training.train_forgery import held_out_rows

    people = np.repeat([f"person {i}" for i in range(200)], 3)
    rows = held_out_rows(people)
    assert np.array_equal(rows, held_out_rows(people))
    assert len(rows) == 60
    assert not set(people[rows]) & set(np.delete(people, rows))


def test_an_average_lies_between_both_networks(tmp_path):
    from benchmarks.training.average_forgery import average, read
    from sklearn_diffake.embedding.forgery._checkpoint import write_network

    first = {"a": np.float32([0, 2]), "n": np.array(3)}
    later = {"a": np.float32([4, 2]), "n": np.array(7)}
    mean = average(first, later, 0.25)
    np.testing.assert_array_equal(mean["a"], [1, 2])
    assert mean["n"] == 7
    with pytest.raises(ValueError, match="different networks"):
        average(first, {"a": later["a"]}, 0.5)
    write_network(tmp_path / "one.safetensors", first, {"backbone": "tiny", "input_size": "32"})
    arrays, metadata = read(tmp_path / "one.safetensors")
    np.testing.assert_array_equal(arrays["a"], first["a"])
    assert metadata["input_size"] == "32"


def figures_with_gain(*gain):
    return None, {"frames": [{"part": "validation", "gain over the first": gain}]}


def test_the_first_composition_ships_unless_another_one_is_better_beyond_chance():
    from benchmarks.training.fit_same_video import best_composition

    first = (None, {"frames": [{"part": "validation"}]})
    by_chance, better, best = (
        figures_with_gain(0.4, -0.01, 0.5),
        figures_with_gain(0.1, 0.01, 0.2),
        figures_with_gain(0.2, 0.05, 0.3),
    )
    assert best_composition([first, by_chance]) == 0
    assert best_composition([first, by_chance, better, best]) == 3


def test_fakes_are_detected_at_the_target_bpcer():
    from benchmarks.training.fit_same_video import detection_gain, detection_rate

    y = np.repeat([1, -1], [100, 4])
    good = np.r_[np.arange(100), -1, -1, -1, 50]
    poor = np.r_[np.arange(100), -1, 50, 50, 50]
    assert detection_rate(y, good) == 0.75
    assert detection_gain(y, good, poor) == 0.5
