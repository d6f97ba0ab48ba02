"""Techniques of one's own: what may be added, and what they may give."""

import numpy as np
import pytest

from sklearn_diffake.generation import (
    TECHNIQUES,
    PseudoDeepfakeGenerator,
    add_technique,
    technique_weights,
)

CROPS = np.full((2, 48, 48, 3), 90, dtype=np.uint8)


@pytest.fixture(autouse=True)
def _techniques_as_they_were():
    original = dict(TECHNIQUES)
    yield
    TECHNIQUES.clear()
    TECHNIQUES.update(original)


def draw_nothing(rng):
    return {}


def invert(cv2, patch, parameters, mask):
    return 255 - patch


@pytest.mark.parametrize("name", ["difffake", "identity_swap", "self_blend_eyes"])
def test_the_names_of_the_package_are_kept(name):
    original = TECHNIQUES.get(name)
    with pytest.raises(ValueError, match=f"'{name}' is a technique of the package"):
        add_technique(name, draw_nothing, invert)
    assert TECHNIQUES.get(name) is original


@pytest.mark.parametrize(
    "parameters",
    [{"gain": np.float32(1)}, {"size": (3, 4)}, {"noise": np.zeros(2)}, {"level": np.int64(3)}],
)
def test_parameters_that_json_does_not_give_back_are_refused(parameters):
    with pytest.raises(ValueError, match=r"'mine' must return .*JSON"):
        add_technique("mine", lambda rng: parameters, invert)
    assert "mine" not in TECHNIQUES


@pytest.mark.parametrize(
    ("apply", "problem"),
    [
        (lambda cv2, patch, parameters, mask: patch / 2, "float64"),
        (lambda cv2, patch, parameters, mask: patch[..., 0], r"\(33, 48\)"),
        (lambda cv2, patch, parameters, mask: None, "NoneType"),
    ],
)
def test_a_patch_in_another_form_is_named(apply, problem):
    add_technique("mine", draw_nothing, apply)
    with pytest.raises(ValueError, match=f"Row 0: apply of .* must return .* got .*{problem}"):
        PseudoDeepfakeGenerator("mine", random_state=0).fit(CROPS).generate(CROPS)


def test_a_technique_can_be_added_again_and_changed():
    add_technique("mine", draw_nothing, lambda cv2, patch, parameters, mask: patch)
    add_technique("mine", draw_nothing, invert)
    created = PseudoDeepfakeGenerator("mine", random_state=0).fit(CROPS).generate(CROPS)
    assert created.images.max() > 90


def test_names_and_weights_decide_how_often():
    add_technique("mine", draw_nothing, invert)
    assert "mine" not in technique_weights()
    assert technique_weights("mine") == {"mine": 1.0}
    assert technique_weights(["mine", "identity_blend"]) == {"identity_blend": 0.6, "mine": 0.4}
    assert technique_weights({"mine": 3, "self_blend_eyes": 1})["mine"] == 0.75
