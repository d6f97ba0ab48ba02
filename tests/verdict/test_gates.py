"""Quality of a crop, and the turn of a head."""

import numpy as np
import pytest
from image_helpers import small_face
from PIL import Image, ImageFilter

from sklearn_diffake.verdict._gates import estimate_yaw, measure_crop

FRONTAL = np.array([[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]], dtype=np.float32)


def crop(size=112):
    face = Image.fromarray(small_face()).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(face)


def test_blur_lowers_sharpness_and_light_does_not():
    sharp = measure_crop(crop(), 0.0)
    values = [
        measure_crop(np.asarray(Image.fromarray(crop()).filter(ImageFilter.GaussianBlur(r))), 0.0)
        for r in (1, 2, 4)
    ]
    falling = [sharp.sharpness, *(value.sharpness for value in values)]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] < falling[0] / 20
    dark = measure_crop((crop() // 2).astype(np.uint8), 0.0)
    assert dark.sharpness == pytest.approx(sharp.sharpness, rel=0.05)
    assert dark.brightness == pytest.approx(sharp.brightness / 2, abs=0.01)


def test_crops_of_other_sizes_and_margins_compare():
    sharp = measure_crop(crop(), 0.0).sharpness
    assert sharp / 2 < measure_crop(crop(224), 0.0).sharpness < 2 * sharp
    framed = np.pad(crop(), ((16, 16), (16, 16), (0, 0)), mode="reflect")
    assert measure_crop(framed, 1 / 7).sharpness == pytest.approx(sharp, rel=0.02)


def test_an_even_crop_is_not_sharp():
    assert measure_crop(np.full((48, 48, 3), 255, np.uint8), 0.2) == (0.0, pytest.approx(1.0))


def test_yaw_follows_the_nose():
    assert estimate_yaw(FRONTAL) == pytest.approx(0, abs=0.5)
    turned = FRONTAL.copy()
    turned[2, 0] += 18  # half of the distance of the eyes
    assert estimate_yaw(turned) == pytest.approx(45)
    mirrored = turned.copy()
    mirrored[:, 0] = 112 - mirrored[:, 0]
    assert estimate_yaw(mirrored[[1, 0, 2, 4, 3]]) == pytest.approx(-45)


def test_yaw_does_not_depend_on_roll_and_scale():
    turned = FRONTAL.copy()
    turned[2, 0] += 9
    angle = np.radians(30)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert estimate_yaw(3 * turned @ rotation.T) == pytest.approx(estimate_yaw(turned), abs=0.01)
    assert estimate_yaw(np.zeros((5, 2))) == 90
