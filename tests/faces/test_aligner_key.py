"""What FaceAligner's cache is asked for: every parameter that changes a crop is in the key."""

import numpy as np
import pytest
from key_helpers import check_listed, parameters_of

from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.faces import _finding as module
from sklearn_diffake.faces._detection import Faces
from sklearn_diffake.faces._geometry import template
from sklearn_diffake.store import EmbeddingStore

USUAL = {"size": 32, "device": "cpu", "on_missing": "crop"}
DECISIVE = {
    "size": 40,
    "margin": 0.3,
    "landmarks": ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)),
    "min_face_size": 0.5,
    "min_probability": 0.99,
    "max_size": 80,
}
INDIFFERENT = {
    "on_missing": "warn",
    "shared": True,
    "n_frames": 3,
    "device": "auto",
    "batch_size": 1,
    "cache": None,
    "n_jobs": 2,
    "verbose": 1,
}


# The choice decides which of the stored crops is taken: they are stored for each face by itself.
CHOICE = {"select", "matcher"}


@pytest.fixture
def detected(monkeypatch):
    """Put a detector of three faces in the place of MTCNN; what it finds depends on all settings.

    A large one that is unsure, a smaller one that is sure, and a small one in the middle.
    """
    calls = []

    def detect(images, *, min_face_size, min_probability, max_size, device, n_jobs):
        calls.extend([len(images)] * bool(images))
        return [find(image, min_face_size, min_probability, max_size) for image in images]

    def find(image, min_face_size, min_probability, max_size):
        height, width = image.shape[:2]
        shift = 3.0 if max_size < max(height, width) else 0.0  # a face is found less exactly
        sides, sure = np.array([58.0, 54.0, 30.0]), np.array([0.95, 0.999, 0.97])
        middles = np.array([[35.0, 35.0], [85.0, 85.0], [60.0, 60.0]]) + shift
        remaining = (sides >= min_face_size * min(height, width)) & (sure >= min_probability)
        half = sides[:, None] / 2
        boxes = np.hstack([middles - half, middles + half])
        points = [
            template(64, 0.0) / 64 * side + box[:2] for side, box in zip(sides, boxes, strict=True)
        ]
        arrays = (boxes, sure, np.array(points))
        return Faces(*(array[remaining].astype(np.float32) for array in arrays))

    monkeypatch.setattr(module, "detect_faces", detect)
    return calls


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)


def aligned(photo, **settings):
    return np.stack(list(FaceAligner(**{**USUAL, **settings}).fit_transform([photo])))


def test_every_parameter_is_listed():
    check_listed("FaceAligner", parameters_of(FaceAligner), {*DECISIVE, *CHOICE}, INDIFFERENT)


@pytest.mark.parametrize("name", DECISIVE)
def test_what_changes_the_crop_changes_the_key(name, detected, photo, tmp_path):
    cold = aligned(photo, **{name: DECISIVE[name]})
    usual = aligned(photo)
    assert cold.shape != usual.shape or (cold != usual).any(), "the example changes nothing"
    original, after = FaceAligner(**USUAL), FaceAligner(**{**USUAL, name: DECISIVE[name]})
    assert original._namespace != after._namespace
    store = EmbeddingStore(tmp_path)
    np.testing.assert_array_equal(aligned(photo, cache=store), usual)
    np.testing.assert_array_equal(aligned(photo, cache=store, **{name: DECISIVE[name]}), cold)
    np.testing.assert_array_equal(aligned(photo, cache=store), usual)


def test_another_choice_detects_nothing_again(detected, photo, tmp_path):
    crops = {}
    for select in ("largest", "central", "confident", "largest"):
        cold = aligned(photo, select=select)
        crops[select] = aligned(photo, select=select, cache=tmp_path)
        np.testing.assert_array_equal(crops[select], cold)
    assert len({crop.tobytes() for crop in crops.values()}) == 3
    assert len(detected) == 4 + 1  # without a cache, and with one


@pytest.mark.parametrize("name", INDIFFERENT)
def test_what_does_not_is_answered_by_the_cache(name, detected, photo, tmp_path):
    usual = aligned(photo, cache=tmp_path)
    settings = {"cache": tmp_path, name: INDIFFERENT[name] or str(tmp_path)}
    np.testing.assert_array_equal(aligned(photo, **settings), usual)
    assert detected == [1]


def test_the_detectors_version_is_in_the_key(monkeypatch):
    original = FaceAligner()._namespace
    monkeypatch.setattr(module, "version", lambda distribution: f"{distribution} 0.0.1")
    assert FaceAligner()._namespace != original
