"""Pictures get worse with strength, and always in the same way."""

import itertools

import numpy as np
import pytest
from image_helpers import astronaut

from sklearn_diffake.benchmark._degrade import STRENGTHS, Degradation

ALL_CASES = [(kind, strength) for kind, values in STRENGTHS.items() for strength in values]


def picture():
    return np.ascontiguousarray(astronaut()[:120, 160:280])


def error(kind, strength):
    degraded = Degradation(kind, strength).apply(picture())
    return np.abs(degraded.astype(float) - picture()).mean()


@pytest.mark.parametrize(("kind", "strength"), ALL_CASES)
def test_shape_and_bytes_stay(kind, strength):
    pytest.importorskip("skimage")
    image, original = picture(), picture()
    degraded = Degradation(kind, strength).apply(image)
    assert (degraded.shape, degraded.dtype) == (image.shape, np.uint8)
    assert (image == original).all()
    assert (degraded == Degradation(kind, strength).apply(image.copy())).all()
    assert 0.1 < error(kind, strength) < 30


@pytest.mark.parametrize("kind", STRENGTHS)
def test_there_are_five_strengths_from_weak_to_strong(kind):
    pytest.importorskip("skimage")
    errors = [error(kind, strength) for strength in STRENGTHS[kind]]
    assert len(errors) == 5
    assert all(a < b for a, b in itertools.pairwise(errors))


def test_noise_has_the_sigma_asked_for_and_differs_from_picture_to_picture():
    gray = np.full((64, 64, 3), 128, dtype=np.uint8)
    noise = Degradation("noise", 10.0).apply(gray).astype(float) - 128
    assert abs(noise.std() - 10) < 0.3
    assert abs(noise.mean()) < 0.5
    second = Degradation("noise", 10.0).apply(gray + 1).astype(float) - 129
    assert (noise != second).mean() > 0.9


def test_blur_has_the_sigma_asked_for():
    dot = np.zeros((41, 41, 3), dtype=np.uint8)
    dot[20, 20] = 255
    spread = sum(Degradation("blur", 1.5).apply(dot)[..., 0].astype(float))
    offsets = np.arange(41) - 20
    sigma = np.sqrt((spread * offsets**2).sum() / spread.sum())
    assert 1.2 < sigma < 1.6  # the tails are rounded away


def test_resize_keeps_what_is_coarse():
    halves = np.zeros((40, 40, 3), dtype=np.uint8)
    halves[:, 20:] = 200
    out = Degradation("resize", 0.2).apply(halves)
    assert (out[:, :10] == 0).all()
    assert (out[:, 30:] == 200).all()
    fine = np.zeros((40, 40, 3), dtype=np.uint8)
    fine[:, ::2] = 200
    assert np.ptp(Degradation("resize", 0.2).apply(fine)[5:-5, 5:-5].astype(int)) < 60
