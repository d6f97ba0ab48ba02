"""What a video does to faces: drawn once, applied alike, replayed bit for bit."""

import json
import sys

import cv2
import numpy as np
import pytest
from generation_cases import textured_crops

from sklearn_diffake.generation import (
    PseudoDeepfakeDataset,
    PseudoDeepfakeGenerator,
    apply_pair,
    draw,
    mean_shape,
)
from sklearn_diffake.generation._codec import available_codecs
from sklearn_diffake.generation._degradation import degrade, draw_degradation, match_sharpness

pytest.importorskip("av")
VIDEO = {"augment": "video", "blending": "mixed", "match_sharpness": 0.5}


def sharpness(image, inside):
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.abs(cv2.Laplacian(gray, cv2.CV_16S)[inside]).mean()


def test_records_go_through_json_and_replay():
    crops = textured_crops(8, 64)
    generator = PseudoDeepfakeGenerator(random_state=0, **VIDEO).fit(crops)
    created = generator.generate(crops)
    repeated = generator.replay(crops, json.loads(json.dumps(created.records)))
    assert np.array_equal(created.images, repeated.images)
    assert np.array_equal(created.reals, repeated.reals)


def test_every_part_is_drawn_sometimes():
    records = [draw_degradation(np.random.default_rng(seed)) for seed in range(60)]
    for piece in ("edge", "rescale", "filter", "noise", "clip"):
        assert 0 < sum(bool(record[piece]) for record in records) < 60, piece
    coded = {record["clip"]["codec"] for record in records if record["clip"]}
    assert coded == set(available_codecs())


def test_without_options_draws_are_those_of_before():
    record = draw(np.random.default_rng(3), augment=True)
    assert set(record["augment"]) == {"flip", "color", "jpeg"}
    assert not {"blending", "match_sharpness"} & set(record)


def test_a_real_and_its_fake_are_degraded_alike():
    (crop,) = textured_crops(1, 64)
    empty = {"edge": None, "rescale": [], "filter": None, "noise": None, "clip": None}
    assert np.array_equal(degrade(cv2, empty, crop), crop)
    record = draw_degradation(np.random.default_rng(4))
    assert np.array_equal(degrade(cv2, record, crop), degrade(cv2, record, crop.copy()))


@pytest.mark.parametrize(
    ("piece", "sample"),
    [
        ("rescale", [{"factor": 0.4, "kernel": "area"}]),
        ("filter", {"kind": "sharpen", "strength": 0.8}),
        ("filter", {"kind": "denoise", "strength": 0.8}),
        ("noise", {"level": 12.0, "seed": 1}),
        ("edge", {"angle": 0.1, "sides": [0.4, 0.4, 0.4, 0.4]}),
    ],
)
def test_each_part_changes_what_it_is_for(piece, sample):
    (crop,) = textured_crops(1, 64)
    empty = {"edge": None, "rescale": [], "filter": None, "noise": None, "clip": None}
    modified = degrade(cv2, {**empty, piece: sample}, crop)
    assert modified.shape == crop.shape
    inside = np.zeros((64, 64), bool)
    inside[20:44, 20:44] = True
    ratio = sharpness(modified, inside) / sharpness(crop, inside)
    if piece == "edge":
        assert not modified[0].any()
        assert np.array_equal(modified[inside], crop[inside])
    elif sample == {"kind": "sharpen", "strength": 0.8} or piece == "noise":
        assert ratio > 1.1
    else:
        assert ratio < 0.9


@pytest.mark.parametrize("technique", ["self_blend_global", "identity_swap", "upsampling_grid"])
@pytest.mark.parametrize("size", [64, 67])
def test_video_colors_blend_at_half_resolution(technique, size):
    crop, second = textured_crops(2, size)
    record = draw(np.random.default_rng(1), technique, blending="yuv420")
    real, fake, mask = apply_pair(record, crop, mean_shape(size), second)
    near = cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0  # colors reach to the next pixels
    assert np.array_equal(real[~near], fake[~near])
    assert not np.array_equal(real[near], fake[near])
    assert np.abs(real.astype(int) - crop).mean() > 0.5  # the real one has video colors as well
    _, in_rgb, _ = apply_pair({**record, "blending": "rgb"}, crop, mean_shape(size), second)
    assert np.abs(in_rgb.astype(int) - fake)[near].mean() < 15


@pytest.mark.parametrize("sigma", [0.0, 2.0])
def test_a_real_becomes_as_sharp_as_its_fake(sigma):
    (crop,) = textured_crops(1, 96)
    mask = np.zeros((96, 96), np.uint8)
    mask[30:60, 30:60] = 255
    soft = cv2.GaussianBlur(crop, (0, 0), 0.5)
    fake = cv2.GaussianBlur(crop, (0, 0), sigma) if sigma else crop
    matched = match_sharpness(cv2, soft, fake, mask)
    original = sharpness(soft, mask > 0) / sharpness(fake, mask > 0)
    after = sharpness(matched, mask > 0) / sharpness(fake, mask > 0)
    assert abs(np.log(original)) > 0.2
    assert abs(np.log(after)) < 0.1


def test_without_pyav_video_is_refused_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    available_codecs.cache_clear()
    with pytest.raises(ImportError, match=r"sklearn-diffake\[video\]"):
        PseudoDeepfakeDataset(textured_crops(2, 32), augment="video")
    PseudoDeepfakeDataset(textured_crops(2, 32), augment=True)
    monkeypatch.undo()
    available_codecs.cache_clear()


@pytest.mark.parametrize("wrong", [{"augment": "film"}, {"blending": "hsv"}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PseudoDeepfakeGenerator(**wrong).fit(textured_crops(2, 32))
