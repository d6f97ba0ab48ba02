"""Re-takes of a photograph, and manipulations of the face in it."""

import io

import numpy as np
import pytest
from image_helpers import astronaut
from PIL import Image

from sklearn_diffake.generation._portrait import MANIPULATIONS, Portrait, retake


@pytest.fixture(scope="module")
def portrait():
    landmarks = np.array([[204, 102], [247, 104], [226, 128], [202, 140], [246, 142]], dtype=float)
    return Portrait(astronaut(), landmarks).cut()


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_manipulation_changes_the_face_and_nothing_else(portrait, name):
    modified = MANIPULATIONS[name](portrait, np.random.default_rng(0))
    y, x = np.indices(modified.shape[:2])
    distance = np.hypot(x - portrait.center[0], y - portrait.center[1]) / portrait.unit
    difference = np.abs(modified.astype(int) - portrait.image).max(axis=2)
    assert modified.shape == portrait.image.shape
    assert difference[distance < 1].max() > 0.1 * 255
    assert difference[distance > 1.6].max() == 0


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_manipulation_varies_with_the_generator_alone(portrait, name):
    if name != "inner face mirrored":  # which has nothing to draw
        first, second = (MANIPULATIONS[name](portrait, np.random.default_rng(i)) for i in (1, 2))
        assert not np.array_equal(first, second)
    repeated = [MANIPULATIONS[name](portrait, np.random.default_rng(1)) for _ in range(2)]
    np.testing.assert_array_equal(*repeated)


def test_mirrored_face_is_mirrored(portrait):
    points = np.array([[80, 90], [120, 90], [100, 112], [85, 130], [115, 130.0]])
    upright = portrait._replace(landmarks=points)
    modified = MANIPULATIONS["inner face mirrored"](upright, np.random.default_rng(0))
    inside = slice(100, 120), slice(90, 111)
    expected = upright.image[inside][:, ::-1]
    np.testing.assert_allclose(modified[inside].astype(int), expected, atol=1)  # one level


def test_retakes_are_small_jpeg_files_that_differ(portrait):
    rng = np.random.default_rng(0)
    files = [retake(portrait, rng) for _ in range(8)]
    assert len(set(files)) == 8
    assert retake(portrait, np.random.default_rng(0)) == files[0]
    for file in files:
        picture = Image.open(io.BytesIO(file))
        assert picture.format == "JPEG"
        assert picture.width == picture.height
        assert 224 <= picture.width <= 288


def test_retake_moves_the_face_little(portrait):
    """A dot between the eyes stays near the middle, where the figure looks for the face."""
    dot = portrait.image * 0
    x, y = np.round(portrait.center).astype(int)
    dot[y - 4 : y + 5, x - 4 : x + 5] = 255
    rng = np.random.default_rng(0)
    for _ in range(10):
        picture = Image.open(io.BytesIO(retake(portrait._replace(image=dot), rng))).convert("L")
        position = np.argwhere(np.asarray(picture) > 100).mean(axis=0) / picture.width
        assert np.all(np.abs(position - 0.5) < 0.08)
