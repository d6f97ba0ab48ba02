"""Images with an ICC profile become sRGB."""

import io

import icc_profiles
import numpy as np
import pytest
from image_helpers import astronaut
from PIL import Image, ImageCms

from sklearn_diffake.faces import read_image
from sklearn_diffake.images import _color

GAMMA = 2.19921875  # of Adobe RGB, in 1/256


@pytest.fixture
def colors():
    return np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def save_values(image, profile, suffix="png", **options):
    file = io.BytesIO()
    image.save(file, suffix, icc_profile=profile, **options)
    return Image.open(file)


@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB"])
@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_wide_spaces_become_srgb(tmp_path, colors, space, suffix):
    path = tmp_path / f"photo.{suffix}"
    profile = icc_profiles.matrix_profile(space, GAMMA)
    lossless = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(colors).save(path, icc_profile=profile, **lossless)
    expected = icc_profiles.to_srgb(colors, space, GAMMA)
    assert np.abs(expected - colors).max() > 20
    assert np.abs(read_image(path) - expected).max() <= 2


def test_a_photograph_in_jpeg(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(astronaut()).save(
        path, quality=97, icc_profile=icc_profiles.matrix_profile("Display P3", GAMMA)
    )
    with Image.open(path) as image:
        pixels = np.asarray(image)
    expected = icc_profiles.to_srgb(pixels, "Display P3", GAMMA)
    assert np.abs(read_image(path) - expected).max() <= 2


def test_srgb_itself_changes_no_pixel(colors):
    pillow = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode in ("RGB", "L"):
        image = Image.fromarray(colors).convert(mode)
        expected = read_image(image)
        np.testing.assert_array_equal(read_image(save_values(image, pillow)), expected)


def test_gray_profiles():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = save_values(Image.fromarray(levels), icc_profiles.gray_profile(1.5))
    expected = icc_profiles.encode((levels / 255) ** 1.5)
    read = read_image(image)
    assert np.abs(read[..., 0] - expected).max() <= 2
    assert (read == read[..., :1]).all()


@pytest.mark.parametrize("deep", [np.uint8, np.uint16])
def test_gray_profiles_of_transparent_and_deep_images(deep):
    profile = icc_profiles.gray_profile(1.0)
    levels = np.full((4, 4), 128, np.uint8)
    if deep is np.uint16:
        image = save_values(Image.fromarray(levels.astype(np.uint16) * 257), profile)
    else:
        opaque = Image.fromarray(np.full((4, 4), 255, np.uint8))
        image = save_values(Image.merge("LA", [Image.fromarray(levels), opaque]), profile)
    assert np.abs(read_image(image).astype(int) - 188).max() <= 2


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_colors_of_transparent_images_and_palettes(mode):
    image = Image.new("RGBA", (2, 1), (200, 40, 90, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    if mode == "P":
        image = image.quantize(4)
    read = read_image(save_values(image, icc_profiles.matrix_profile("Display P3", GAMMA)))
    expected = icc_profiles.to_srgb([200, 40, 90], "Display P3", GAMMA)
    assert np.abs(read[0, 0] - expected).max() <= 3
    assert read[0, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", ["jpeg", "tiff"])
def test_inks_have_the_color_that_their_profile_says(suffix):
    lab = np.zeros((2, 2, 2, 2, 3))
    lab[..., 0] = 95.0
    lab[1, ..., 0], lab[1, ..., 1] = 60.0, 40.0  # this cyan is red
    lab[:, :, :, 1, :] = 0.0
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    options = {"quality": 100} if suffix == "jpeg" else {}
    read = read_image(save_values(image, icc_profiles.cmyk_profile(lab), suffix, **options))
    expected = icc_profiles.lab_to_srgb((60, 40, 0))
    assert expected[0] > expected[1]
    assert np.abs(read - expected).max() <= 4


def test_lab_images():
    image = Image.merge("LAB", [Image.new("L", (2, 2), value) for value in (153, 168, 128)])
    expected = icc_profiles.lab_to_srgb((60, 40, 0))
    assert np.abs(read_image(image) - expected).max() <= 3


@pytest.mark.parametrize("profile", [
    b"no profile",
    b"",
    icc_profiles.matrix_profile("Display P3", GAMMA)[:200],
    icc_profiles.matrix_profile("Display P3", GAMMA)[:300] + bytes(300),
    icc_profiles.gray_profile(1.0),
    icc_profiles.cmyk_profile(np.zeros((2, 2, 2, 2, 3))),
], ids=["text", "empty", "cut", "zeros", "of gray", "of inks"])  # fmt: skip
def test_a_profile_that_does_not_fit_is_ignored(tmp_path, colors, profile, recwarn):
    image = Image.fromarray(colors)
    image.info["icc_profile"] = profile
    np.testing.assert_array_equal(read_image(image), colors)
    path = tmp_path / "photo.png"
    Image.fromarray(colors).save(path, icc_profile=profile)
    np.testing.assert_array_equal(read_image(path), colors)
    assert not recwarn


def test_one_transform_serves_all_images_of_a_camera(colors, monkeypatch):
    created = []
    build = ImageCms.buildTransform
    monkeypatch.setattr(
        ImageCms, "buildTransform", lambda *a, **k: created.append(1) or build(*a, **k)
    )
    _color._transform.cache_clear()
    profile = icc_profiles.matrix_profile("Display P3", 1.8)
    for _ in range(5):
        read_image(save_values(Image.fromarray(colors), profile))
    assert len(created) == 1
