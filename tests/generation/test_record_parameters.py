"""Records of fakes: every parameter that changes a fake is in its record, or must be the same."""

import json

import numpy as np
import pytest
from generation_cases import textured_crops
from key_helpers import check_listed, parameters_of

from sklearn_diffake.generation import PseudoDeepfakeDataset, PseudoDeepfakeGenerator

pytest.importorskip("cv2", reason="needs the extra 'generation'")

CROPS = textured_crops(4, size=64)
FIVE = np.array([[20, 24], [44, 24], [32, 36], [23, 46], [41, 46]], dtype=float)
USUAL = {"techniques": ["self_blend_global", "identity_swap"], "random_state": 0}
RECORDED = {
    "techniques": "difffake",
    "augment": True,
    "blending": "yuv420",
    "match_sharpness": 1.0,
    "random_state": 1,
}
THE_SAME = {"landmarks": "dlib", "margin": 0.2}
INDIFFERENT = {"n_jobs": 2, "verbose": 1}


def generator(**modified):
    return PseudoDeepfakeGenerator(**{**USUAL, **modified})


def save_values(records):
    return json.loads(json.dumps(records))


def is_same(first, second):
    return all(np.array_equal(first[name], second[name]) for name in ("images", "reals", "masks"))


def test_every_parameter_is_listed():
    present = parameters_of(PseudoDeepfakeGenerator)
    check_listed("PseudoDeepfakeGenerator", present, {*RECORDED, *THE_SAME}, INDIFFERENT)
    arguments = parameters_of(PseudoDeepfakeGenerator.replay)
    check_listed("replay", arguments, {"X", "records", "points"}, ())
    present = parameters_of(PseudoDeepfakeDataset)
    recorded = {"techniques", "augment", "seed", "identity", "landmarks", "margin", "points"}
    recorded |= {"blending", "match_sharpness"}
    check_listed("PseudoDeepfakeDataset", present, recorded, {"crops"})


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_recorded_is_replayed_by_any_generator(name):
    modified = generator(**{name: RECORDED[name]}).generate(CROPS)
    assert not is_same(modified, generator().generate(CROPS)), "the example changes nothing"
    assert is_same(generator().replay(CROPS, save_values(modified.records)), modified)


@pytest.mark.parametrize("name", THE_SAME)
def test_what_must_be_the_same_is_asked_for(name):
    if name == "landmarks":
        pytest.importorskip("dlib", reason="needs the extra 'dlib'")
    modified = generator(**{name: THE_SAME[name]}).generate(CROPS)
    assert not is_same(modified, generator().generate(CROPS)), "the example changes nothing"
    with pytest.raises(ValueError, match=f"Record 0 was made with other landmarks: {name} .* here"):
        generator().replay(CROPS, save_values(modified.records))
    repeated = generator(**{name: THE_SAME[name]}).replay(CROPS, save_values(modified.records))
    assert is_same(repeated, modified)


@pytest.mark.parametrize("name", INDIFFERENT)
def test_what_changes_nothing(name):
    usual = generator().generate(CROPS)
    modified = generator(**{name: INDIFFERENT[name]}).generate(CROPS)
    assert modified.records == usual.records
    assert is_same(modified, usual)


@pytest.mark.parametrize("remaining", [None, "moved", "of 68"])
def test_points_must_be_the_same(remaining):
    points = np.stack([FIVE] * len(CROPS))
    created = generator().generate(CROPS, points=points)
    if remaining == "moved":
        remaining = points.copy()
        remaining[2] += 1
    elif remaining == "of 68":
        remaining = np.full((len(CROPS), 68, 2), 32.0)
    row = 2 if remaining is not None and np.shape(remaining)[1] == 5 else 0
    with pytest.raises(ValueError, match=f"Record {row} was made with other landmarks: .*points"):
        generator().replay(CROPS, save_values(created.records), points=remaining)
    assert is_same(
        generator(margin=0.3).replay(CROPS, save_values(created.records), points=points), created
    )


def test_records_of_the_first_version_are_replayed():
    created = generator().generate(CROPS)
    old = [{k: v for k, v in record.items() if k != "landmarks"} for record in created.records]
    assert is_same(generator().replay(CROPS, old), created)


def test_records_with_british_keys_are_replayed():
    techniques = {"texture_mismatch": 1, "identity_blend": 1, "self_blend_global": 1}
    fakes = generator(techniques=techniques, augment=True).generate(CROPS)
    text = json.dumps(fakes.records)
    text = text.replace('"color', '"colour').replace('"artifact"', '"artefact"')  # codespell:ignore
    replayed = generator(augment=True).replay(CROPS, json.loads(text))
    np.testing.assert_array_equal(replayed.images, fakes.images)
    np.testing.assert_array_equal(replayed.reals, fakes.reals)
