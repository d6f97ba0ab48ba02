"""A record and a crop give a fake: where it differs, and how."""

import copy

import numpy as np
import pytest
from generation_cases import textured_crops

from sklearn_diffake.generation import (
    GLOBAL_FAMILIES,
    LOCAL_FAMILIES,
    TECHNIQUES,
    apply,
    apply_pair,
    draw,
    mean_shape,
)
from sklearn_diffake.generation._color import color_matrix

cv2 = pytest.importorskip("cv2", reason="needs the extra 'generation'")

from sklearn_diffake.generation import _artifacts, _masks  # noqa: E402

SIZE = 160
SHAPE = mean_shape(SIZE, margin=0.25)
CROP, DONOR = textured_crops(2, SIZE)
every_technique = pytest.mark.parametrize("technique", TECHNIQUES)


def draw_sample(technique, seed=0, **options):
    return draw(np.random.default_rng(seed), [technique], **options)


def make_output(record, crop=CROP, landmarks=SHAPE, second=DONOR):
    return apply_pair(record, crop, landmarks, second, landmarks)


def plain_record(family="hull", **changes):
    """A record that changes nothing but what it is told to."""
    record = draw_sample("self_blend_global")
    record["mask"].update(family=family, kernels=[5, 5], ratio=1.0)
    record["shift"] = record["geometry"] = None
    record.update(changes)
    return record


@every_technique
def test_the_same_record_gives_the_same_bytes(technique):
    for seed in range(8):
        record = draw_sample(technique, seed, augment=True)
        retained = copy.deepcopy(record)
        first, crop = make_output(record), CROP.copy()
        repeated = make_output(record)
        assert all((a == b).all() for a, b in zip(first, repeated, strict=True))
        assert record == retained
        assert (crop == CROP).all()


@every_technique
def test_fake_differs_inside_its_mask_and_only_there(technique):
    for seed in range(25):
        real, fake, mask = make_output(draw_sample(technique, seed))
        assert real.shape == fake.shape == CROP.shape
        assert mask.shape == CROP.shape[:2]
        assert real.dtype == fake.dtype == mask.dtype == np.uint8
        assert (fake[mask == 0] == real[mask == 0]).all()
        change = np.abs(fake.astype(int) - real)[mask > 0].mean()
        assert change > 0.2, f"seed {seed}: mean change of {change:.2f} levels"
        assert (fake != CROP).any()


def test_apply_gives_fake_and_mask_of_the_pair():
    record = draw_sample("identity_swap")
    _, fake, mask = make_output(record)
    single = apply(record, CROP, SHAPE, DONOR)
    assert (single[0] == fake).all()
    assert (single[1] == mask).all()


@pytest.mark.parametrize("side", ["source", "target"])
def test_one_of_source_and_target_is_changed(side):
    record = draw_sample("self_blend_global", 3)
    record["shift"]["side"] = side
    real, _, _ = make_output(record)
    assert (real == CROP).all() == (side == "source")


# --- masks ------------------------------------------------------------------------------------


def rendered(family, seed, kernels=(11, 11), landmarks=SHAPE, size=SIZE):
    mask = _masks.draw_mask(np.random.default_rng(seed), (family,))
    mask.update(kernels=list(kernels), ratio=1.0)
    return _masks.render_mask(cv2, mask, landmarks, None, (size, size))


def covered(mask, points):
    x, y = np.rint(points.mean(0)).astype(int)
    return mask[y, x] / 255


@pytest.mark.parametrize("family", [*GLOBAL_FAMILIES, *LOCAL_FAMILIES])
def test_masks_sit_on_the_face(family):
    face = np.zeros((SIZE, SIZE), np.uint8)
    hull = cv2.convexHull(_masks.outlines("extended_brow", SHAPE)[0])
    cv2.fillConvexPoly(face, np.rint(hull).astype(np.int32), 255)
    face = cv2.dilate(face, np.ones((13, 13), np.uint8)) > 0
    for seed in range(10):
        mask = rendered(family, seed)
        assert mask.max() == 255
        assert mask[~face].max() == 0
        assert 0.01 < (mask > 127).mean() < 0.45


@pytest.mark.parametrize(
    ("family", "eyes", "mouth"),
    [
        ("hull", True, True),
        ("extended_brow", True, True),
        ("parts", True, True),
        ("components", True, True),
        ("eyes", True, False),
        ("mouth", False, True),
        ("lower_head", False, True),
    ],
)
def test_masks_cover_their_part(family, eyes, mouth):
    mask = rendered(family, 0)
    for points, inside in ((SHAPE[36:42], eyes), (SHAPE[42:48], eyes), (SHAPE[48:68], mouth)):
        assert covered(mask, points) > 0.9 if inside else covered(mask, points) == 0


def test_families_differ():
    masks = {family: rendered(family, 0) > 127 for family in GLOBAL_FAMILIES}
    assert masks["extended_brow"].sum() > 1.04 * masks["hull"].sum()
    assert masks["parts"].sum() < 0.97 * masks["hull"].sum()
    assert masks["components"].sum() < 0.6 * masks["hull"].sum()


def test_first_blur_shrinks_and_second_softens():
    areas = [(rendered("hull", 0, kernels) > 127).sum() for kernels in ((5, 5), (19, 5))]
    assert areas[1] < 0.97 * areas[0]
    soft = [((m > 5) & (m < 250)).sum() for m in (rendered("hull", 0, (9, k)) for k in (5, 19))]
    assert soft[1] > 2 * soft[0]


def test_ratio_scales_the_mask():
    record = plain_record()
    full = make_output(record)[2]
    record["mask"]["ratio"] = 0.25
    quarter = make_output(record)[2]
    assert quarter.max() == 64
    assert np.abs(quarter - full / 4).max() <= 1


def test_half_resolution_agrees_with_full():
    halved = rendered("hull", 0, (9, 9)).astype(int)
    mask = _masks.draw_mask(np.random.default_rng(0), ("hull",))
    elastic = _masks._elastic_field(cv2, mask["elastic"], (SIZE, SIZE))
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    outline = _masks._subdivide(cv2.convexHull(SHAPE)[:, 0])
    outline = outline + _masks._sample_field(cv2, elastic, outline, 7.0)
    _masks._fill_polygon(cv2, canvas, outline, 1)
    full = _masks._soften(cv2, canvas, [_masks._sigma_of(9)] * 2)
    assert np.abs(halved - full).mean() < 2


def test_elastic_field_is_distributed_as_smoothed_pixel_noise():
    rng = np.random.default_rng(0)
    size, alpha, sigma = 280, 50.0, 7.0
    x, y = np.meshgrid(np.arange(20, 260, 2.0), np.arange(20, 260, 2.0))
    points = np.column_stack([x.ravel(), y.ravel()])
    our_value, plain = [], []
    for seed in range(12):
        elastic = {"alpha": alpha, "sigma": sigma, "seed": seed}
        field = _masks._elastic_field(cv2, elastic, (size, size))
        our_value.append(_masks._sample_field(cv2, field, points, sigma)[:, 0].reshape(x.shape))
        noise = rng.uniform(-1, 1, (size, size))
        plain.append(alpha * cv2.GaussianBlur(noise, (0, 0), sigma)[20:260:2, 20:260:2])
    our_value, plain = np.array(our_value), np.array(plain)
    assert our_value.std() == pytest.approx(plain.std(), rel=0.1)
    for lag in (4, 8):  # 8 and 16 pixels
        correlations = [
            (f[:, :, lag:] * f[:, :, :-lag]).mean() / f.var() for f in (our_value, plain)
        ]
        assert correlations[0] == pytest.approx(correlations[1], abs=0.1)


def test_mask_and_source_move_together():
    record = plain_record("components", geometry={"shift": [0.1, 0.05], "scale": 1.0})
    still = make_output(plain_record("components"))[2]
    real, fake, mask = make_output(record)
    shifted = np.roll(still, (8, 16), (0, 1))
    assert (np.minimum(mask, shifted) > 127).sum() > 0.85 * (shifted > 127).sum()
    inside = cv2.erode(mask, np.ones((3, 3))) == 255
    expected = np.roll(CROP, (8, 16), (0, 1))
    assert np.abs(fake.astype(int) - expected)[inside].max() <= 2
    assert (real == CROP).all()


# --- color, detail, donors ----------------------------------------------------------------------


def test_no_shift_of_color_is_the_identity():
    none = {"rgb": [0.0] * 3, "hsv": [0.0] * 3, "brightness": 0.0, "contrast": 0.0}
    assert np.allclose(color_matrix(none), np.eye(3, 4), atol=1e-3)


def test_color_shifts():
    shift = {"rgb": [10.0, 0.0, -5.0], "hsv": [0.0] * 3, "brightness": 0.1, "contrast": -0.1}
    color = np.array([100, 120, 140])
    expected = 0.9 * (color + [10, 0, -5]) + 25.5
    assert color_matrix(shift) @ [*color, 1] == pytest.approx(expected, abs=0.2)
    hsv = {"rgb": [0.0] * 3, "hsv": [0.3, -0.2, 0.25], "brightness": 0.0, "contrast": 0.0}
    assert color_matrix(hsv) @ [100, 100, 100, 1] == pytest.approx([125] * 3, abs=0.5)
    turned = color_matrix(hsv) @ [180, 120, 100, 1]
    assert np.ptp(turned) < 80 * 1.25  # less saturated
    assert turned[1] - turned[2] > 1.25 * 20  # from red towards yellow


def test_donor_gives_the_face_in_the_colors_of_the_target():
    record = draw_sample("identity_blend", 1)
    record["mask"].update(family="hull", ratio=1.0)
    record.update(color_transfer=1.0, shift=None)
    second = np.clip(DONOR.astype(int) // 2 + 115, 0, 255).astype(np.uint8)
    real, fake, mask = make_output(record, second=second)
    inside = mask == 255
    means = [image[inside].mean(0) for image in (fake, real, second)]
    assert np.abs(means[0] - means[1]).max() < 8
    assert np.abs(means[2] - means[1]).max() > 40
    spreads = [image[inside].std(0).mean() for image in (fake, real, second)]
    assert spreads[2] < 0.6 * spreads[1]
    assert spreads[0] > 0.8 * spreads[1]
    gray = [image.mean(2)[inside] for image in (fake, second, real)]
    assert np.corrcoef(gray[0], gray[1])[0, 1] > 0.9
    assert abs(np.corrcoef(gray[0], gray[2])[0, 1]) < 0.7


def test_donor_is_brought_to_the_landmarks():
    record = plain_record()
    record.update(technique="identity_blend", color_transfer=0.0)
    shift = np.array([7.0, -4.0])
    shifted = np.roll(CROP, (-4, 7), (0, 1))
    _, fake, mask = apply_pair(record, CROP, SHAPE, shifted, SHAPE + shift)
    assert mask.max() == 255
    assert np.abs(fake.astype(int) - CROP).max() <= 10  # colors went to CIELAB and back
    _, fake, _ = apply_pair(record, CROP, SHAPE, shifted, SHAPE)
    assert np.abs(fake.astype(int) - CROP).max() > 30


def test_mask_weighs_source_and_target():
    record = plain_record("hull", technique="identity_blend")
    _, fake, mask = make_output(record)
    weight = mask[..., None] / 255
    expected = weight * DONOR + (1 - weight) * CROP
    assert np.abs(fake - expected).max() <= 1.5  # the donor went through a warp that does nothing
    assert np.abs(fake - expected).mean() < 0.1


def test_mask_stays_within_the_donors_face():
    record = plain_record("hull", technique="identity_blend", color_transfer=0.0)
    turned = SHAPE.copy()
    turned[:17, 0] = np.minimum(turned[:17, 0], turned[30, 0] + 15)  # a cheek is out of sight
    full = apply_pair(record, CROP, SHAPE, DONOR, SHAPE)[2]
    weaker = apply_pair(record, CROP, SHAPE, DONOR, turned)[2]
    assert (weaker > 127).sum() < 0.95 * (full > 127).sum()


def test_identity_swap_has_no_step_at_the_seam():
    """Where the colors of donor and target differ, the joined image has no edge of its own."""
    flat, second = np.full_like(CROP, 100), np.full_like(CROP, 160)
    record = draw_sample("identity_swap", 2)
    record["mask"].update(family="hull", kernels=[7, 7])
    record.update(color_transfer=0.0, shift=None)
    _, fake, mask = make_output(record, crop=flat, second=second)
    steps = np.abs(np.diff(fake[..., 0].astype(int), axis=1)).max()
    assert fake.max() > 150
    assert steps < 25
    half_in = np.abs(mask.astype(int) - 191) < 6  # joined in the inner half of the edge
    assert fake[half_in].mean() == pytest.approx(128, abs=4)
    outer = (mask > 0) & (mask < 100)
    assert np.abs(fake[outer].mean(0) - 100).max() < 12


def test_notch_takes_its_ring_and_leaves_the_rest():
    wave = np.sin(2 * np.pi * 0.125 * np.arange(SIZE))
    patch = np.repeat(np.tile(np.rint(128 + 60 * wave), (SIZE, 1))[..., None], 3, 2)
    patch = patch.astype(np.uint8)
    remaining = []
    for frequency in (0.125, 0.02):
        notch = {"kind": "notch", "frequency": frequency, "octaves": 1.0, "gain": 0.0}
        process = _artifacts.spectral_notch(cv2, patch, notch, patch[..., 0])
        remaining.append(np.ptp(process[40:-40, 40:-40].astype(int)))
        assert process.mean() == pytest.approx(patch.mean(), abs=2)
    assert remaining[0] < 20
    assert remaining[1] > 110


def test_peak_adds_one_frequency():
    flat = np.full((SIZE, SIZE, 3), 100, np.uint8)
    peak = {"kind": "peak", "frequency": 0.25, "angle": 0.0, "amplitude": 8.0}
    process = _artifacts.spectral_notch(cv2, flat, peak, flat[..., 0])
    spectrum = np.abs(np.fft.rfft(process[5, :, 0] - 100.0))
    assert spectrum.argmax() == SIZE // 4
    assert (process == process[:1]).all()
    assert process.max() == 108


# --- what is done to real and fake alike ----------------------------------------------------------


def test_flip_is_applied_alike():
    record = draw_sample("self_blend_mouth", 5)
    plain = make_output(record)
    record["augment"] = {"flip": True, "color": None, "jpeg": None}
    for flipped, image in zip(make_output(record), plain, strict=True):
        assert (flipped == image[:, ::-1]).all()


def test_jpeg_and_color_are_applied_alike():
    record = draw_sample("self_blend_mouth", 5)
    color = {"rgb": [20.0, 0.0, 0.0], "hsv": [0.0] * 3, "brightness": 0.0, "contrast": 0.0}
    record["shift"]["side"] = "source"
    record["augment"] = {"flip": False, "color": color, "jpeg": 40}
    real, fake, mask = make_output(record)
    assert (real != CROP).any()
    far = cv2.dilate(mask, np.ones((49, 49), np.uint8)) == 0  # beyond the blocks of the mask
    assert far.any()
    assert (fake[far] == real[far]).all()
    assert real[..., 0].mean() == pytest.approx(CROP[..., 0].mean() + 20, abs=2)
    repeated, _, _ = make_output({**record, "augment": {**record["augment"], "jpeg": 95}})
    requested = np.clip(CROP + [20, 0, 0], 0, 255)
    loss = [np.abs(image - requested).mean() for image in (real, repeated)]
    assert loss[0] > 1.5 * loss[1]


# --- bad input -----------------------------------------------------------------------------------


@every_technique
@pytest.mark.parametrize("size", [16, 24, 40, 97])
def test_crops_smaller_than_the_blur(technique, size):
    crop, second = textured_crops(2, size)
    for seed in range(4):
        _, fake, mask = make_output(
            draw_sample(technique, seed, augment=True), crop, mean_shape(size), second
        )
        assert fake.shape == (size, size, 3)
        assert mask.max() > 0


@every_technique
@pytest.mark.parametrize("level", [0, 128, 255])
def test_constant_images(technique, level):
    flat = np.full((64, 64, 3), level, np.uint8)
    for seed in range(5):
        real, fake, mask = make_output(draw_sample(technique, seed), flat, mean_shape(64), flat)
        assert (fake[mask == 0] == real[mask == 0]).all()


@every_technique
def test_gray_images(technique):
    gray = np.repeat(CROP[..., :1], 3, axis=2)
    for seed in range(5):
        assert make_output(draw_sample(technique, seed), gray, SHAPE, gray)[1].shape == gray.shape


@every_technique
def test_landmarks_partly_outside_the_crop(technique):
    for shift in ([45, 0], [0, 35], [-45, -60]):
        real, fake, mask = make_output(
            draw_sample(technique, 1), landmarks=SHAPE + np.float32(shift)
        )
        assert (fake[mask == 0] == real[mask == 0]).all()


def test_landmarks_wholly_outside_the_crop_are_an_error():
    with pytest.raises(ValueError, match="landmarks must lie in the crop"):
        apply(draw_sample("self_blend_eyes"), CROP, SHAPE + 1000)


@pytest.mark.parametrize(
    ("crop", "landmarks", "message"),
    [
        (CROP.astype(np.float32) / 255, SHAPE, "uint8"),
        (CROP[..., 0], SHAPE, r"\(H, W, 3\)"),
        (CROP.tolist(), SHAPE, "uint8"),
        (CROP, SHAPE[:5], "68 finite points"),
        (CROP, np.full((68, 2), np.nan), "68 finite points"),
    ],
)
def test_bad_input_is_named(crop, landmarks, message):
    with pytest.raises(ValueError, match=message):
        apply(draw_sample("self_blend_eyes"), crop, landmarks)


def test_missing_donor_is_an_error():
    with pytest.raises(ValueError, match=r"donor must be the crop of another .* 'identity_blend'"):
        apply(draw_sample("identity_blend"), CROP, SHAPE)


def test_a_crop_that_jpeg_cannot_hold():
    with pytest.raises(RuntimeError, match=r"not encode an image of shape \(2, 70000, 3\) as JPEG"):
        _artifacts.jpeg(cv2, np.zeros((2, 70_000, 3), np.uint8), 50)
