"""Similarity transforms and crops."""

import numpy as np
import pytest
from image_helpers import astronaut
from PIL import Image

from sklearn_diffake.faces._geometry import center_square, fit_similarity, template, warp


def similarity(scale, degrees, shift):
    a, b = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[a, -b, shift[0]], [b, a, shift[1]]])


def apply(matrix, points):
    return points @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize("scale", [0.1, 1.0, 7.5])
@pytest.mark.parametrize("degrees", [0, 30, 180, -75])
def test_a_known_similarity_is_recovered(scale, degrees):
    points = np.random.default_rng(0).uniform(0, 500, (5, 2))
    reference = similarity(scale, degrees, (12.5, -300))
    np.testing.assert_allclose(
        fit_similarity(points, apply(reference, points)), reference, atol=1e-9
    )


def test_the_fit_is_the_best_in_the_sense_of_least_squares():
    rng = np.random.default_rng(0)
    points, targets = rng.uniform(0, 100, (2, 5, 2))
    fitted = fit_similarity(points, targets)
    a, b, c, d = fitted[0, 0], fitted[1, 0], fitted[0, 2], fitted[1, 2]
    np.testing.assert_array_equal(fitted, [[a, -b, c], [b, a, d]])  # no reflection, no shear

    def error(matrix):
        return ((apply(matrix, points) - targets) ** 2).sum()

    for da, db, dc, dd in rng.normal(scale=0.01, size=(50, 4)):
        second = [[a + da, -b - db, c + dc], [b + db, a + da, d + dd]]
        assert error(np.array(second)) > error(fitted)


def test_template_keeps_its_shape_at_every_size():
    arcface = template(112, 0.0)
    np.testing.assert_allclose(arcface[2], [56.0252, 71.7366])
    np.testing.assert_allclose(template(224, 0.0), 2 * arcface)
    roomy = template(224, 0.5)  # half a side more on each side: the face half as large
    np.testing.assert_allclose(roomy, arcface + 56)
    np.testing.assert_allclose(template(112, -0.25), 2 * arcface - 56)


def test_landmarks_of_another_crop():
    points = [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]
    np.testing.assert_allclose(template(100, 0.0, points), 100 * np.array(points))
    np.testing.assert_allclose(template(100, 0.5, points), 50 * np.array(points) + 25)


@pytest.mark.parametrize(
    "landmarks",
    [[[0.5, 0.5]] * 5, [[0.1, 0.2]] * 4, [[38.3, 51.7], [73.5, 51.5]] + [[50, 80]] * 3, "eyes"],
)
def test_other_landmarks_are_refused(landmarks):
    with pytest.raises(ValueError, match=r"landmarks must be \(x, y\) of left eye.*, got "):
        template(112, 0.0, landmarks)


def test_warp_by_the_identity_copies():
    np.testing.assert_array_equal(warp(astronaut(), similarity(1, 0, (0, 0)), 512), astronaut())


def test_warp_shifts_by_whole_pixels():
    crop = warp(astronaut(), similarity(1, 0, (-100, -50)), 64)
    np.testing.assert_array_equal(crop, astronaut()[50:114, 100:164])


def test_warp_turns_about_the_corner():
    crop = warp(astronaut(), similarity(1, 90, (64, 0)), 64)
    turned = np.rot90(astronaut()[:64, :64], -1)
    assert np.abs(crop.astype(int) - turned).max() <= 1


def test_warp_is_black_outside_the_image():
    crop = warp(np.full((10, 10, 3), 255, np.uint8), similarity(1, 0, (20, 20)), 40)
    assert crop[22:28, 22:28].min() == 255
    assert crop[:18].max() == 0
    assert crop[34:].max() == 0


@pytest.mark.parametrize("shift", [0, 1])
def test_warp_does_not_alias_where_it_shrinks(shift):
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, shift::2] = 255
    crop = warp(stripes, similarity(1 / 8, 0, (0, 0)), 64)
    assert np.abs(crop.astype(int) - 127.5).max() <= 1


@pytest.mark.parametrize(("shape", "corner"), [((60, 100), (20, 0)), ((100, 60), (0, 20))])
def test_center_square(shape, corner):
    matrix = center_square((*shape, 3), 30)
    np.testing.assert_allclose(apply(matrix, np.array([corner])), [[0, 0]])
    np.testing.assert_allclose(apply(matrix, np.array([corner]) + 60), [[30, 30]])


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (3, 2)])
def test_tiny_images_have_a_center_too(shape):
    image = np.full((*shape, 3), 200, np.uint8)
    crop = warp(image, center_square(image.shape, 16), 16)
    assert crop.shape == (16, 16, 3)
    assert crop[8, 8].tolist() == [200, 200, 200]


@pytest.mark.parametrize("scale", [0.11, 0.24, 0.45, 0.8, 3.0])
@pytest.mark.parametrize("center", [(250, 200), (3, 2), (490, 505), (-20, 700)])
def test_warp_reads_only_what_the_crop_sees_and_gives_the_pixels_of_the_whole(scale, center):
    matrix = similarity(scale, 25, (0, 0))
    matrix[:, 2] = 32 - matrix[:, :2] @ center
    factor = max(1, int(1 / scale + 1e-6))
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2] / factor
    full = Image.fromarray(astronaut()).reduce(factor)
    expected = full.transform(
        (64, 64), Image.Transform.AFFINE, tuple(inverse.ravel()), Image.Resampling.BICUBIC
    )
    np.testing.assert_array_equal(warp(astronaut(), matrix, 64), np.asarray(expected))
