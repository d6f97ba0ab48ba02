"""Averages of areas are those of torch, bit for bit."""

import numpy as np
import pytest
import torch
from image_helpers import noise

from sklearn_diffake.faces._area_averages import AreaAverages


def torch_average(image, size):
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
    resized = torch.nn.functional.interpolate(pixels, size=size, mode="area")
    return resized[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("size", [(90, 70), (31, 47), (2, 1), (120, 200)])
def test_resized(size):
    image = noise(1, (90, 90))[0][:, :70]
    resized = AreaAverages(image).resized(*size)
    assert resized.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(resized, torch_average(image, size))


def test_windows():
    image = noise(1, (90, 90))[0][:, :70]
    edges = np.array([[0, 0, 70, 90], [3, 8, 64, 50], [69, 0, 70, 90], [5, 5, 15, 12]])
    windows = AreaAverages(image).windows(edges, 24)
    for window, (left, top, right, bottom) in zip(windows, edges, strict=True):
        expected = torch_average(image[top:bottom, left:right], (24, 24))
        np.testing.assert_array_equal(window, expected)


def test_no_window():
    windows = AreaAverages(noise(1)[0]).windows(np.empty((0, 4), np.int64), 24)
    assert windows.shape == (0, 24, 24, 3)
