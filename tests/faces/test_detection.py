"""Finding faces, and choosing one."""

from functools import partial

import numpy as np
import pytest
from image_helpers import astronaut, noise, small_face

from sklearn_diffake.faces import _detection
from sklearn_diffake.faces._detection import Faces, detect_faces


def detect(images, *, min_face_size=0.3, min_probability=0.9, max_size=1024):
    return detect_faces(
        images,
        min_face_size=min_face_size,
        min_probability=min_probability,
        max_size=max_size,
        device="cpu",
    )


def test_the_face_of_a_portrait():
    (faces,) = detect([small_face()])
    assert faces.boxes.shape == (1, 4)
    assert faces.landmarks.shape == (1, 5, 2)
    assert {faces.boxes.dtype, faces.landmarks.dtype, faces.probabilities.dtype} == {
        np.dtype(np.float32)
    }
    left, top, right, bottom = faces.boxes[0]
    assert (abs(left - 31), abs(top - 32), abs(right - 73), abs(bottom - 87)) < (5, 5, 5, 5)
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_images_of_many_sizes_keep_their_order():
    wide = np.pad(small_face(), ((0, 0), (40, 0), (0, 0)))
    result = detect([small_face(), noise(1)[0], wide, np.zeros_like(wide), small_face()])
    assert [len(faces.boxes) for faces in result] == [1, 0, 1, 0, 1]
    np.testing.assert_allclose(result[0].boxes, result[4].boxes)
    shift = result[2].boxes[0] - result[0].boxes[0]
    assert np.abs(shift - [40, 0, 40, 0]).max() < 5


def test_large_photos_are_scaled_down_for_the_detection():
    large = np.repeat(np.repeat(small_face(), 4, axis=0), 4, axis=1)
    (small,), (scaled,) = detect([small_face()], max_size=130), detect([large], max_size=130)
    np.testing.assert_allclose(scaled.boxes, 4 * small.boxes, rtol=1e-3)
    np.testing.assert_allclose(scaled.landmarks, 4 * small.landmarks, rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (19, 19), (2000, 1)])
def test_no_face_in_tiny_images(shape):
    (faces,) = detect([np.zeros((*shape, 3), np.uint8)])
    assert faces.boxes.shape == (0, 4)
    assert faces.landmarks.shape == (0, 5, 2)


def test_a_face_that_fills_the_image_is_found_as_well_as_in_its_surroundings():
    (full,) = detect([small_face()])
    for left, top, right, bottom in ((26, 24, 80, 92), (30, 30, 76, 88)):
        (tight,) = detect([np.ascontiguousarray(small_face()[top:bottom, left:right])])
        assert len(tight.boxes) == 1
        shift = full.landmarks[0] - tight.landmarks[0]
        assert np.abs(shift - [left, top]).max() < 4


def test_unsure_faces_are_dropped():
    assert len(detect([small_face()], min_probability=1.0)[0].boxes) == 0


def test_small_faces_are_found_only_if_asked_for():
    assert len(detect([astronaut()], min_face_size=0.12)[0].boxes) == 1
    assert len(detect([astronaut()], min_face_size=0.6)[0].boxes) == 0


FOUR = Faces(
    np.array([[0, 0, 40, 60], [50, 40, 70, 60], [80, 80, 100, 100], [0, 0, 3, 4]], np.float32),
    np.array([0.95, 0.97, 0.99, 0.91], np.float32),
    np.zeros((4, 5, 2), np.float32),
)


@pytest.mark.parametrize(
    ("select", "shape", "selected"),
    [
        ("largest", (100, 120, 3), 0),
        ("confident", (100, 120, 3), 2),
        ("central", (100, 120, 3), 1),
        ("central", (200, 180, 3), 2),
        ("central", (4, 4, 3), 3),
    ],
)
def test_choose(select, shape, selected):
    assert FOUR.choose(select, shape) == selected


def stumbling(error, on):
    """A detector that fails on every batch with a pixel of the value `on`."""

    def detect_face(images, *_):
        if (images == on).any():
            raise error
        empty = np.zeros((len(images), 1, 5)), np.zeros((len(images), 1, 5, 2))
        empty[0][..., 4] = 1
        return empty

    return lambda device: ((None,) * 3, detect_face)


@pytest.mark.parametrize("error", [IndexError("mask"), ValueError("non-empty list")])
def test_an_image_that_trips_the_detector_has_no_face(monkeypatch, error):
    monkeypatch.setattr(_detection, "_cascade", stumbling(error, on=7))
    images = [np.full((40, 40, 3), value, np.uint8) for value in (1, 7, 2)]
    assert [len(faces.boxes) for faces in detect(images)] == [1, 0, 1]


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error: out of memory"), NotImplementedError("torchvision::nms on mps")],
)
def test_a_device_that_fails_is_not_taken_for_a_missing_face(monkeypatch, error):
    monkeypatch.setattr(_detection, "_cascade", stumbling(error, on=7))
    with pytest.raises(type(error), match=str(error)):
        detect([np.full((40, 40, 3), 7, np.uint8)])


@pytest.mark.gpu
def test_cuda_finds_what_the_cpu_finds():
    (on_cpu,) = detect([small_face()])
    (on_gpu,) = detect_faces(
        [small_face()], min_face_size=0.3, min_probability=0.9, max_size=1024, device="cuda"
    )
    np.testing.assert_allclose(on_gpu.boxes, on_cpu.boxes, atol=0.5)
    np.testing.assert_allclose(on_gpu.landmarks, on_cpu.landmarks, atol=0.5)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 40])
def test_candidates_are_filled_up_and_keep_their_verdicts(n):
    torch = pytest.importorskip("torch")
    _, stage, _ = _detection._cascade("cpu")[0]
    (plain,) = stage.args
    candidates = torch.rand(n, 3, 24, 24, generator=torch.Generator().manual_seed(n))
    with torch.inference_mode():
        for result, expected in zip(stage(candidates), plain(candidates), strict=True):
            assert len(result) == n
            torch.testing.assert_close(result, expected)


def test_a_stage_meets_few_numbers_of_candidates(monkeypatch):
    nets, detect_face = _detection._cascade("cpu")
    met = []

    def watched(stage):
        (plain,) = stage.args
        return partial(stage.func, lambda x: met.append(len(x)) or plain(x))

    stages = (nets[0], watched(nets[1]), watched(nets[2]))
    monkeypatch.setattr(_detection, "_cascade", lambda device: (stages, detect_face))
    assert [len(faces.boxes) for faces in detect([astronaut(), small_face()])] == [1, 1]
    assert met
    assert all(n % _detection._MULTIPLE == 0 for n in met)
