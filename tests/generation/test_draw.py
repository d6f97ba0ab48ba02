"""Drawn parameters are plain, and distributed as the papers say."""

import json
from collections import Counter

import numpy as np
import pytest

from sklearn_diffake.generation import (
    GLOBAL_FAMILIES,
    LOCAL_FAMILIES,
    TECHNIQUES,
    draw,
    technique_weights,
)

N = 4000


@pytest.fixture(scope="module")
def published():
    rng = np.random.default_rng(0)
    return [draw(rng, "difffake") for _ in range(N)]


def fraction_of(records, condition):
    return np.mean([condition(record) for record in records])


def near(value, expected):
    """Within five standard errors of a share."""
    return abs(value - expected) < 5 * np.sqrt(expected * (1 - expected) / N)


def spread(values, low, high):
    """Whether values fill [low, high] evenly and never leave it."""
    values = (np.asarray(values) - low) / (high - low)
    quarters = np.quantile(values, [0.25, 0.5, 0.75])
    even = np.abs(quarters - [0.25, 0.5, 0.75]).max() < 0.05
    return even and values.min() >= 0 and values.max() <= 1


@pytest.mark.parametrize(
    ("technique", "expected"),
    [
        ("self_blend_global", 1 / 2),
        ("self_blend_eyes", 1 / 6),
        ("self_blend_mouth", 1 / 6),
        ("self_blend_lower_head", 1 / 6),
    ],
)
def test_half_global_and_a_sixth_for_each_part(published, technique, expected):
    assert near(fraction_of(published, lambda r: r["technique"] == technique), expected)


def test_families_of_masks(published):
    families = Counter(r["mask"]["family"] for r in published)
    assert set(families) == {*GLOBAL_FAMILIES, *LOCAL_FAMILIES}
    assert all(near(families[name] / N, 1 / 8) for name in GLOBAL_FAMILIES)
    assert all(near(families[name] / N, 1 / 6) for name in LOCAL_FAMILIES)


@pytest.mark.parametrize("technique", ["texture_mismatch", "poor_blend_seam", "identity_blend"])
def test_other_techniques_have_the_same_masks(technique):
    rng = np.random.default_rng(0)
    families = Counter(draw(rng, technique)["mask"]["family"] for _ in range(N))
    assert near(sum(families[name] for name in GLOBAL_FAMILIES) / N, 1 / 2)
    assert all(near(families[name] / N, 1 / 6) for name in LOCAL_FAMILIES)


def test_source_and_target(published):
    shifts = [r["shift"] for r in published]
    assert near(fraction_of(shifts, lambda s: s["side"] == "source"), 0.5)
    assert {s["side"] for s in shifts} == {"source", "target"}
    details = [s["detail"] for s in shifts]
    assert near(fraction_of(details, lambda d: d["kind"] == "downscale"), 0.5)
    factors = Counter(d["factor"] for d in details if d["kind"] == "downscale")
    assert set(factors) == {2, 4}
    assert abs(factors[2] - factors[4]) < 250
    assert spread([d["alpha"] for d in details if d["kind"] == "sharpen"], 0.2, 0.5)


def test_color_shift(published):
    colors = [r["shift"]["color"] for r in published]
    for name, limit in (("rgb", 20), ("hsv", 0.3)):
        sample = [c[name] for c in colors if any(c[name])]
        assert near(len(sample) / N, 0.3)
        assert spread(np.ravel(sample), -limit, limit)
    for name in ("brightness", "contrast"):
        assert spread([c[name] for c in colors], -0.1, 0.1)


def test_geometry_and_mask(published):
    geometries = [r["geometry"] for r in published]
    assert spread([g["shift"][0] for g in geometries], -0.03, 0.03)
    assert spread([g["shift"][1] for g in geometries], -0.015, 0.015)
    assert spread([g["scale"] for g in geometries], 0.95, 1 / 0.95)
    masks = [r["mask"] for r in published]
    assert {(m["elastic"]["alpha"], m["elastic"]["sigma"]) for m in masks} == {(50.0, 7.0)}
    assert len({m["elastic"]["seed"] for m in masks}) > N - 10
    for position in (0, 1):
        assert {m["kernels"][position] for m in masks} == set(range(5, 26, 2))
    ratios = Counter(m["ratio"] for m in masks)
    assert set(ratios) == {0.25, 0.5, 0.75, 1.0}
    assert near(ratios[1.0] / N, 1 / 2)
    assert near(ratios[0.25] / N, 1 / 6)


def test_augmentation_is_off_unless_asked_for(published):
    assert all(r["augment"] is None for r in published)
    rng = np.random.default_rng(0)
    sample = [draw(rng, augment=True)["augment"] for _ in range(N)]
    assert near(fraction_of(sample, lambda a: a["flip"]), 0.5)
    qualities = [a["jpeg"] for a in sample if a["jpeg"] is not None]
    assert min(qualities) == 40
    assert max(qualities) == 100
    assert near(len(qualities) / N, 0.5)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_records_go_through_json(technique):
    for seed in range(30):
        record = draw(np.random.default_rng(seed), [technique], augment=True)
        assert record["technique"] == technique
        assert json.loads(json.dumps(record)) == record


def test_the_generator_alone_decides():
    first = [draw(np.random.default_rng(seed)) for seed in range(50)]
    assert first == [draw(np.random.default_rng(seed)) for seed in range(50)]
    assert len({json.dumps(record) for record in first}) == 50


def test_weights():
    assert list(technique_weights()) == list(TECHNIQUES)
    assert sum(technique_weights().values()) == pytest.approx(1)
    assert technique_weights({"self_blend_eyes": 3, "identity_swap": 1, "poor_blend_seam": 0}) == {
        "self_blend_eyes": 0.75,
        "identity_swap": 0.25,
    }
    assert technique_weights("spectral_notch") == {"spectral_notch": 1.0}


def test_weights_are_followed():
    rng = np.random.default_rng(0)
    weights = {"self_blend_eyes": 3, "identity_swap": 1}
    names = [draw(rng, weights)["technique"] for _ in range(N)]
    assert near(names.count("identity_swap") / N, 0.25)


@pytest.mark.parametrize(
    ("techniques", "message"),
    [
        ("blend", r"techniques must be some of \[.*, got \['blend'\]"),
        (["self_blend_eyes", "nose"], r"techniques must be some of \[.*, got \['nose'\]"),
        ({"self_blend_eyes": -1}, "not negative"),
        ({"self_blend_eyes": float("nan")}, "finite"),
        ({"self_blend_eyes": 0}, "No technique remains"),
        ([], "No technique remains"),
    ],
)
def test_bad_techniques_are_named(techniques, message):
    with pytest.raises(ValueError, match=message):
        technique_weights(techniques)


def test_without_donors_techniques_fall_out():
    with pytest.warns(RuntimeWarning, match="identity_blend, identity_swap are left out"):
        weights = technique_weights(donors=False)
    assert not any(TECHNIQUES[name].needs_donor for name in weights)
    with pytest.raises(ValueError, match="two identities"):
        technique_weights("identity_swap", donors=False)
