"""One person per video."""

import numpy as np
import pytest

from sklearn_diffake.datasets import follow_face


def box(x, y=50, size=40):
    return [x - size / 2, y - size / 2, x + size / 2, y + size / 2]


def test_one_person_alone():
    assert follow_face([[box(50)], [box(60)], [box(75)]]) == [0, 0, 0]


def test_order_of_detections_does_not_matter():
    assert follow_face([[box(50, size=44), box(200)], [box(200), box(50, size=44)]]) == [0, 1]


def test_two_people_who_move_towards_each_other_are_not_mixed_up():
    frames = [[box(40 + 12 * t, 60, 50), box(300 - 12 * t, 60, 40)] for t in range(10)]
    rng = np.random.default_rng(0)
    flips = rng.integers(0, 2, 10)
    shuffled = [frame[::-1] if flip else frame for frame, flip in zip(frames, flips, strict=True)]
    assert follow_face(shuffled) == flips.tolist()


def test_the_largest_in_all_frames_together_is_kept():
    passer_by = box(400, size=120)
    frames = [[box(100, size=60)] for _ in range(8)]
    frames[3] = [passer_by, *frames[3]]
    assert follow_face(frames) == [0, 0, 0, 1, 0, 0, 0, 0]


def test_a_person_out_of_sight_is_waited_for():
    second = box(300, size=20)
    frames = [[box(50)], [], [second], [second, box(55)], []]
    assert follow_face(frames) == [0, None, None, 1, None]


def test_a_cut_to_another_person_ends_the_track():
    frames = [[box(50)], [box(52)], [box(400)], [box(51)]]
    assert follow_face(frames) == [0, 0, None, 0]


def test_a_face_far_larger_is_another_person():
    frames = [[box(50, size=10)], [box(50, size=200)], [box(52, size=200)]]
    assert follow_face(frames) == [None, 0, 0]


def test_nobody():
    assert follow_face([[], np.empty((0, 4))]) == [None, None]
    assert follow_face([]) == []


def test_boxes_of_a_wrong_shape():
    with pytest.raises(ValueError, match=r"frame 1 must have shape \(k, 4\).* got shape \(1, 5\)"):
        follow_face([[box(50)], [[1, 2, 3, 4, 5]]])
