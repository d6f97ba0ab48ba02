"""Maps: they find the place that a network looks at, and return to it in the photograph."""

import numpy as np
import pytest
import torch
from explain_cases import (
    CORNER,
    RIGHT,
    SIDE,
    Additive,
    Flat,
    build,
    explain,
    genuine_crops,
    pair_that_differs,
)
from image_helpers import astronaut
from PIL import Image

from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.inspection import ExplainedPhoto, _gradient, _occlusion, explain_pair
from sklearn_diffake.inspection._report.text import map_sentence
from sklearn_diffake.inspection._split_pipeline import pair_table, split_pipeline
from sklearn_diffake.novelty import (
    ConformalDetector,
    GaussianMixtureDetector,
    GenuineOnly,
    NearestReferenceDetector,
)


def share_inside(values, rows, columns):
    values = np.maximum(values, 0)
    return values[rows, columns].sum() / values.sum()


REGIONS = {CORNER: (slice(0, 8), slice(0, 8)), RIGHT: (slice(12, 20), slice(24, 32))}


@pytest.fixture(scope="module", params=list(REGIONS))
def located(request):
    """A pair that differs where the network looks, explained, and that place."""
    rows, columns = REGIONS[request.param]
    pair = pair_that_differs(rows, columns)
    return explain(build(request.param), *pair, patch=(0.125, 0.25), stride=0.5), rows, columns


def test_the_place_that_differs_is_found(located):
    explanation, rows, columns = located
    assert explanation.verdict == "deepfake"
    # a patch that touches the place counts as a whole: two pixels around it are not outside
    near = slice(max(rows.start - 4, 0), rows.stop + 4), slice(max(columns.start - 4, 0), SIDE)
    for photo in (explanation.reference, explanation.probe):
        assert share_inside(photo.maps["joint occlusion"], *near[:1], near[1]) > 0.95
        assert share_inside(photo.maps["gradient"], rows, columns) > 0.8
        for method in explanation.methods:
            x, y = photo.peak(method)
            assert rows.start <= y <= rows.stop
            assert columns.start <= x <= columns.stop


def test_maps_are_zero_where_the_network_does_not_look(located):
    explanation, rows, columns = located
    far = np.ones((SIDE, SIDE), dtype=bool)
    far[max(rows.start - 9, 0) : rows.stop + 9, max(columns.start - 9, 0) : columns.stop + 9] = 0
    for method in explanation.methods:
        values = explanation.probe.maps[method]
        assert np.abs(values[far]).max() < 1e-3 * np.abs(values).max()


@pytest.mark.parametrize("operator", ["squared", "probe"])
def test_hiding_raises_the_score_by_what_the_map_says(operator):
    pipe, (reference, probe) = build(operator=operator), pair_that_differs()
    explanation = explain(pipe, reference, probe, patch=0.5, stride=1.0, method="occlusion")
    hidden = [reference.copy(), probe.copy()]
    for crop in hidden:
        crop[:16, :16] = np.rint(crop.mean(axis=(0, 1)))
    full, first, second, combined = pipe.score_samples(
        pair_table([(reference, probe), (hidden[0], probe), (reference, hidden[1]), tuple(hidden)])
    )
    self_score, hidden_itself = pipe.score_samples(
        pair_table([(reference, reference), (hidden[0], hidden[0])])
    )
    found = [explanation.reference.maps["occlusion"], explanation.probe.maps["occlusion"]]
    found.append(explanation.probe.maps["joint occlusion"])
    joint = (combined - full) - (hidden_itself - self_score)
    expected = [first - full, second - full, joint]
    np.testing.assert_allclose([m[0, 0] for m in found], expected, rtol=1e-5)
    assert all(abs(m[-1, -1]) <= 1e-6 * abs(m[0, 0]) for m in found)


@pytest.mark.parametrize(
    ("position", "rows", "columns"),
    [(0, (0, 12), (0, 12)), (5, (4, 20), (4, 20)), (14, (20, 32), (12, 28))],
)
def test_patches_are_centered_on_a_grid_and_cut_off_at_the_border(position, rows, columns):
    crop, filled = np.zeros((32, 32, 3), np.uint8), np.ones((32, 32, 3), np.uint8)
    side = _occlusion.grid_side(0.5, 0.5)
    hidden = _occlusion._hide(crop, filled, 0.5, side, position)
    expected = np.zeros((32, 32), bool)
    expected[slice(*rows), slice(*columns)] = True
    assert side == 4
    np.testing.assert_array_equal(hidden.all(axis=2), expected)


def test_blur_is_another_fill():
    pipe, pair = build(), pair_that_differs()
    mean = explain(pipe, *pair, method="occlusion").probe
    blur = explain(pipe, *pair, method="occlusion", fill="blur").probe
    assert not np.allclose(mean.maps["occlusion"], blur.maps["occlusion"])
    assert blur.peak("joint occlusion")[0] < 8


def test_batches_do_not_change_the_maps():
    pipe, pair = build(), pair_that_differs()
    single = explain(pipe, *pair, batch_size=1).probe.maps
    numerous = explain(pipe, *pair, batch_size=1000).probe.maps
    for method in single:
        np.testing.assert_allclose(single[method], numerous[method], rtol=1e-4, atol=1e-7)


def normalize(x, mean, std):
    return torch.stack([(x[:, c] - mean[c]) / std[c] for c in range(3)], dim=1)


def float_score(pieces, images):
    """Score two float images (levels from 0 to 1) without rounding them to 8 bits."""
    embeddings = []
    for branch in pieces.branches:
        backbone = branch.embedder.find_backbone()
        x = torch.tensor(np.stack(images), dtype=torch.float32).permute(0, 3, 1, 2)
        x = _gradient._resized(x, backbone.input_size)
        with torch.no_grad():
            y = backbone.module(normalize(x, backbone.mean, backbone.std))
        embeddings.append(y.double().numpy()[None])
    features = [b.features(e) for b, e in zip(pieces.branches, embeddings, strict=True)]
    return pieces.score(pieces.join(features))[0]


@pytest.mark.parametrize("embedder", [CORNER, [CORNER, RIGHT]])
@pytest.mark.parametrize(
    ("operator", "detector"),
    [
        ("squared", GaussianMixtureDetector(1, n_pca=None)),
        ("subtract", GenuineOnly()),
        ("cosine", NearestReferenceDetector()),
        ("concat", ConformalDetector(Additive(), target_bpcer=0.3, random_state=0)),
    ],
)
@pytest.mark.parametrize("side", [SIDE, 40])
def test_gradient_agrees_with_finite_differences(embedder, operator, detector, side):
    normalize = None if operator == "concat" else "embeddings"
    pipe = build(embedder, detector, operator=operator, normalize=normalize)
    crops = [np.asarray(Image.fromarray(crop).resize((side, side))) for crop in pair_that_differs()]
    pieces = split_pipeline(pipe)
    slopes = _gradient.embedding_gradients(pieces, pieces.embed(pair_table([tuple(crops)])))
    gradients = _gradient.crop_gradients(_gradient.networks_of(pieces), crops, slopes)
    images = [crop / np.float64(255) for crop in crops]
    rng = np.random.default_rng(0)
    for k in (0, 1):
        direction = rng.normal(size=images[k].shape) * (np.abs(gradients[k]) > 0)
        direction /= np.linalg.norm(direction)
        scores = []
        for step in (-0.02, 0.02):
            shifted = list(images)
            shifted[k] = images[k] + step * direction
            scores.append(float_score(pieces, shifted))
        measured = (scores[1] - scores[0]) / 0.04
        expected = (gradients[k] * direction).sum()
        scale = float(np.linalg.norm(gradients[k]))
        assert scale > 0
        assert measured == pytest.approx(expected, rel=0.02, abs=0.01 * scale)


def test_gradient_of_a_flat_score_is_zero():
    pipe = build(detector=Flat())
    explanation = explain(pipe, *pair_that_differs(), method="gradient", n_smooth=1)
    assert not explanation.probe.maps["gradient"].any()
    assert explanation.probe.peak("gradient") == (15.5, 15.5)
    arguments = map_sentence(explanation.probe, "probe", "gradient")
    assert arguments.endswith("the map of the probe is zero everywhere.")


def test_hiding_that_raises_nothing_is_said():
    explanation = explain(build(detector=Flat()), *pair_that_differs(), method="occlusion")
    arguments = map_sentence(explanation.probe, "probe", "occlusion")
    assert arguments.endswith("the map of the probe is nowhere above zero.")


def test_the_network_of_a_pipeline_stays_on_its_device(monkeypatch):
    """Gradients are computed by a copy on the device that the embedder names."""
    pieces = split_pipeline(build())
    original = pieces.branches[0].embedder.find_backbone().module
    monkeypatch.setattr(_gradient, "resolve_device", lambda device: "meta")
    (network,) = _gradient.networks_of(pieces)
    assert {p.device.type for p in network.module.parameters()} == {"meta"}
    assert (network.mean.device.type, network.device) == ("meta", "meta")
    assert {p.device.type for p in original.parameters()} == {"cpu"}


def test_noise_comes_from_random_state_alone():
    pipe, pair = build(), pair_that_differs()
    maps = [
        explain(pipe, *pair, method="gradient", n_smooth=2, random_state=seed).probe.maps[
            "gradient"
        ]
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert not np.array_equal(maps[0], maps[2])


def test_crops_of_different_sizes():
    pipe, (reference, probe) = build(), pair_that_differs()
    large = np.asarray(Image.fromarray(probe).resize((64, 96), Image.Resampling.NEAREST))
    explanation = explain(pipe, reference, large)
    assert explanation.reference.maps["joint occlusion"].shape == (32, 32)
    for method in explanation.methods:
        assert explanation.probe.maps[method].shape == (96, 64)
        x, y = explanation.probe.peak(method)
        assert x <= 16
        assert y <= 24


@pytest.mark.parametrize("angle", [0, 30, 200])
def test_a_map_returns_to_its_place_in_a_rotated_photo(angle):
    """The crop is cut by a known rotation and scale, of which nothing is told but the matrix."""
    angle, scale = np.radians(angle), 0.5
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    position = np.array([70.0, 45.0])
    matrix = np.array([[cos, -sin, 0], [sin, cos, 0]])
    matrix[:, 2] = [20, 12] - matrix[:, :2] @ position  # the place comes to (20, 12) in the crop
    photo = ExplainedPhoto(
        None, np.zeros((100, 120, 3), np.uint8), np.zeros((40, 40, 3), np.uint8), matrix
    )
    y, x = np.mgrid[:40, :40] + 0.5
    photo.maps["bump"] = np.exp(-((x - 20.5) ** 2 + (y - 12.5) ** 2) / 8)
    present = position + np.linalg.solve(matrix[:, :2], [0.5, 0.5])
    np.testing.assert_allclose(photo.peak("bump"), present, atol=1e-9)
    overlay = photo.in_photo("bump")
    row, column = np.unravel_index(np.nanargmax(overlay), overlay.shape)
    assert np.hypot(column + 0.5 - present[0], row + 0.5 - present[1]) < 1.5
    corner = np.linalg.solve(matrix[:, :2], -matrix[:, 2])
    np.testing.assert_allclose(photo.corners[0], corner)
    assert np.isnan(overlay).any()
    with pytest.raises(KeyError, match="no map 'heat', only \\['bump'\\]"):
        photo.in_photo("heat")


def test_the_peak_turns_with_the_photo():
    """Found and aligned by the detector: the face is the same, so is the place in it."""
    upright = Image.fromarray(astronaut()).crop((90, 0, 350, 260))
    turned = upright.rotate(20, resample=Image.Resampling.BICUBIC, expand=True)
    pipe = build("looking_backbones:spot")
    pipe.steps[0] = ("align", FaceAligner(32, device="cpu", min_face_size=0.3).fit([upright]))
    explanation = explain_pair(pipe, upright, turned, method="gradient", random_state=0)
    x, y = explanation.reference.peak("gradient")
    middle, turned_middle = np.array(upright.size) / 2, np.array(turned.size) / 2
    dx, dy = np.array([x, y]) - middle
    cos, sin = np.cos(np.radians(20)), np.sin(np.radians(20))
    expected = turned_middle + [cos * dx + sin * dy, -sin * dx + cos * dy]  # counter-clockwise
    assert np.hypot(*(np.array(explanation.probe.peak("gradient")) - expected)) < 8
    assert np.hypot(dx, dy) > 20  # a peak in the middle would prove nothing


def test_progress_is_shown_only_if_asked_for(capsys):
    pipe, pair = build(), genuine_crops(1)[0]
    explain(pipe, *pair)
    assert capsys.readouterr().err == ""
    explain(pipe, *pair, verbose=1)
    assert "explaining" in capsys.readouterr().err
