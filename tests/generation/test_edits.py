"""Edits of a face that need no OpenCV."""

import numpy as np
import pytest

from sklearn_diffake.faces._geometry import template
from sklearn_diffake.generation import mean_shape
from sklearn_diffake.generation._artifacts import decoder_gain, draw_upsampling_grid
from sklearn_diffake.generation._edits import (
    blend,
    compress,
    interpolate,
    lose_detail,
    match_colors,
    move_image,
    paint_mask,
    rebuild_by_decoder,
    retouch_skin,
    warp_by_points,
)
from sklearn_diffake.generation._landmarks import place_mean_shape

HEIGHT, WIDTH = 40, 56


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def square(remaining, top, side):
    return np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float) * side + (remaining, top)


def test_a_blend_takes_from_the_source_what_the_mask_says(image):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, 20:] = 255
    mask[:, 40:] = 51
    source = 255 - image
    blended = blend(image, source, mask)
    np.testing.assert_array_equal(blended[:, :20], image[:, :20])
    np.testing.assert_array_equal(blended[:, 20:40], source[:, 20:40])
    expected = 0.8 * image[:, 40:] + 0.2 * source[:, 40:]
    np.testing.assert_allclose(blended[:, 40:], expected, atol=0.51)


def test_a_mask_is_where_pieces_of_all_faces_are():
    faces = [[square(4, 4, 10), square(20, 4, 12)], [square(24, 8, 20)]]
    mask = paint_mask(faces, (HEIGHT, WIDTH), feather=0, ratio=0.5)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 16, 24, 32)
    assert set(np.unique(mask)) == {0, 128}
    soft = paint_mask(faces, (HEIGHT, WIDTH), feather=2)
    assert len(np.unique(soft)) > 20


def test_an_image_is_moved_by_whole_and_by_half_pixels(image):
    shifted = move_image(image, np.array([[1.0, 0, 5], [0, 1, 3]]))
    np.testing.assert_allclose(shifted[3:, 5:].astype(int), image[:-3, :-5], atol=1)
    assert not shifted[:2].any()
    half = move_image(image, np.array([[1.0, 0, 0.5], [0, 1, 0]]))[:, 1:-1]
    expected = (image[:, :-2].astype(int) + image[:, 1:-1]) / 2
    np.testing.assert_allclose(half, expected, atol=1)


def test_a_warp_takes_points_where_they_move_and_leaves_the_rest(image):
    dot = np.zeros_like(image)
    dot[18:23, 18:23] = 255
    targets, moves = np.array([[25.0, 20.0]]), np.array([[5.0, 0.0]])
    warped = warp_by_points(dot, targets, moves, 6.0)
    weight = warped[..., 0].astype(float)
    center = (weight * np.arange(WIDTH)).sum() / weight.sum()
    assert 22.5 < center < 25.5
    np.testing.assert_array_equal(warp_by_points(image, targets, moves, 1.0)[:, 40:], image[:, 40:])
    np.testing.assert_array_equal(warp_by_points(image, targets, 0 * moves, 6.0)[:-1, :-1],
                                  image[:-1, :-1])  # fmt: skip


def test_maps_that_are_not_square_are_interpolated():
    y, x = np.mgrid[:5, :9]
    maps = np.stack([x + 10.0 * y, -x])
    u, v = np.array([0.0, 3.25, 7.5]), np.array([0.0, 1.5, 3.75])
    np.testing.assert_allclose(interpolate(maps, u, v), [u + 10 * v, -u])
    np.testing.assert_allclose(interpolate(maps[0], u[:, None], v[:, None]), (u + 10 * v)[:, None])


def test_colors_are_matched_only_where_something_is_inserted():
    rng = np.random.default_rng(0)
    source, face = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    nowhere = np.zeros((8, 8), dtype=bool)
    assert match_colors(source, face, nowhere, 1.0) is source
    matched = match_colors(source, face // 4, ~nowhere, 1.0)
    assert np.abs(matched.mean((0, 1)) - (face // 4).mean((0, 1))).max() < 10


def test_a_match_of_strength_zero_changes_nothing(image):
    everywhere = np.ones(image.shape[:2], bool)
    np.testing.assert_array_equal(match_colors(image, 255 - image // 2, everywhere, 0.0), image)


@pytest.mark.parametrize("kernel", ["nearest", "linear", "cubic"])
def test_detail_is_lost_and_the_mean_is_kept(image, kernel):
    coarse = lose_detail(image, 2, kernel)
    assert coarse.shape == image.shape
    assert coarse.std() < 0.8 * image.std()
    assert abs(coarse.mean() - image.mean()) < 4


def test_a_decoder_leaves_its_grid_on_a_plain_image():
    grid = draw_upsampling_grid(np.random.default_rng(1))
    plain = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    rebuilt = rebuild_by_decoder(plain, grid, strength=0.6)
    gain = decoder_gain(grid, plain.shape, 0.6)
    np.testing.assert_allclose(rebuilt[..., 0], 100 * gain, atol=0.51)
    np.testing.assert_allclose(gain - 1, 0.6 * (decoder_gain(grid, plain.shape) - 1), atol=1e-6)


def test_retouched_skin_loses_faint_detail_and_keeps_edges(image):
    faint = (image // 32).astype(np.uint8) + 100
    assert retouch_skin(faint, 2.0, 20.0).std() < 0.4 * faint.std()
    edge = np.zeros_like(image)
    edge[:, 28:] = 200
    assert np.ptp(retouch_skin(edge, 2.0, 20.0)[:, 27:29].astype(int)) > 150


def test_compression_loses_more_at_lower_quality(image):
    losses = [np.abs(compress(image, q).astype(int) - image).mean() for q in (95, 60, 20)]
    assert losses == sorted(losses)
    assert losses[0] < losses[2]


def test_the_mean_shape_is_placed_at_five_points():
    np.testing.assert_allclose(place_mean_shape(template(112, 0.0)), mean_shape(112), atol=1e-3)
    shape = place_mean_shape(2 * template(112, 0.0) + (5, -3))
    np.testing.assert_allclose(shape, 2 * mean_shape(112) + (5, -3), atol=1e-3)
