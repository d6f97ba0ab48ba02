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


def generator(**changed):
    return PseudoDeepfakeGenerator(**{**USUAL, **changed})


def stored(records):
    return json.loads(json.dumps(records))


def same(first, second):
    return all(np.array_equal(first[name], second[name]) for name in ("images", "reals", "masks"))


def test_every_parameter_is_listed():
    there = parameters_of(PseudoDeepfakeGenerator)
    check_listed("PseudoDeepfakeGenerator", there, {*RECORDED, *THE_SAME}, INDIFFERENT)
    arguments = parameters_of(PseudoDeepfakeGenerator.replay)
    check_listed("replay", arguments, {"X", "records", "points"}, ())
    there = parameters_of(PseudoDeepfakeDataset)
    recorded = {"techniques", "augment", "seed", "identity", "landmarks", "margin", "points"}
    recorded |= {"blending", "match_sharpness"}
    check_listed("PseudoDeepfakeDataset", there, recorded, {"crops"})


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_recorded_is_replayed_by_any_generator(name):
    changed = generator(**{name: RECORDED[name]}).generate(CROPS)
    assert not same(changed, generator().generate(CROPS)), "the example changes nothing"
    assert same(generator().replay(CROPS, stored(changed.records)), changed)


@pytest.mark.parametrize("name", THE_SAME)
def test_what_must_be_the_same_is_asked_for(name):
    if name == "landmarks":
        pytest.importorskip("dlib", reason="needs the extra 'dlib'")
    changed = generator(**{name: THE_SAME[name]}).generate(CROPS)
    assert not same(changed, generator().generate(CROPS)), "the example changes nothing"
    with pytest.raises(ValueError, match=f"Record 0 was made with other landmarks: {name} .* here"):
        generator().replay(CROPS, stored(changed.records))
    again = generator(**{name: THE_SAME[name]}).replay(CROPS, stored(changed.records))
    assert same(again, changed)


@pytest.mark.parametrize("name", INDIFFERENT)
def test_what_changes_nothing(name):
    usual = generator().generate(CROPS)
    changed = generator(**{name: INDIFFERENT[name]}).generate(CROPS)
    assert changed.records == usual.records
    assert same(changed, usual)


@pytest.mark.parametrize("others", [None, "moved", "of 68"])
def test_points_must_be_the_same(others):
    points = np.stack([FIVE] * len(CROPS))
    made = generator().generate(CROPS, points=points)
    if others == "moved":
        others = points.copy()
        others[2] += 1
    elif others == "of 68":
        others = np.full((len(CROPS), 68, 2), 32.0)
    row = 2 if others is not None and np.shape(others)[1] == 5 else 0
    with pytest.raises(ValueError, match=f"Record {row} was made with other landmarks: .*points"):
        generator().replay(CROPS, stored(made.records), points=others)
    assert same(generator(margin=0.3).replay(CROPS, stored(made.records), points=points), made)


def test_records_of_the_first_version_are_replayed():
    made = generator().generate(CROPS)
    old = [{k: v for k, v in record.items() if k != "landmarks"} for record in made.records]
    assert same(generator().replay(CROPS, old), made)


def test_records_with_british_keys_are_replayed():
    techniques = {"texture_mismatch": 1, "identity_blend": 1, "self_blend_global": 1}
    fakes = generator(techniques=techniques, augment=True).generate(CROPS)
    text = json.dumps(fakes.records)
    text = text.replace('"color', '"colour').replace('"artifact"', '"artefact"')  # codespell:ignore
    replayed = generator(augment=True).replay(CROPS, json.loads(text))
    np.testing.assert_array_equal(replayed.images, fakes.images)
    np.testing.assert_array_equal(replayed.reals, fakes.reals)
