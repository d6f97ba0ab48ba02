"""The rule of outcomes: threshold, level, band of "inconclusive", gates, clips of few frames."""

from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_diffake.verdict import Gates
from sklearn_diffake.verdict._decision import Rules, abstain_band, decide, few_frames
from sklearn_diffake.verdict._evidence import ClipEvidence, ImageEvidence, ModelInfo
from sklearn_diffake.verdict._scoring import Scored
from sklearn_diffake.verdict._templates import DUPLICATE_FRAME, EMPTY, Template
from sklearn_diffake.verdict._warnings import CODES, hold_back, make_warning

GATES = Gates(min_references=1)


def make_model(*, abstain=None, mode="reference", error_rates=()):
    return SimpleNamespace(
        mode=mode,
        conformal=SimpleNamespace(abstain=abstain, category_scores_={}),
        pipeline=SimpleNamespace(detector=None, aligner=None),
        info=ModelInfo("name", "fingerprint", error_rates=error_rates),
        few_pairs=None,
        n_calibration=lambda k, m: 200,
    )


def make_template(side, n=1, *, digest=b"", n_still=0):
    """Return a template of single pictures, or of the frames of one clip."""
    is_clip = side == "clip"
    images = [ImageEvidence("probe" if is_clip else side, frame=i if is_clip else None)
              for i in range(n)]  # fmt: skip
    images += [ImageEvidence("probe", frame=n + i, reason=DUPLICATE_FRAME) for i in range(n_still)]
    sources = np.zeros(n + n_still, np.intp) if is_clip else np.arange(n)
    digests = tuple(digest + bytes([i]) for i in range(n + n_still))
    return Template(tuple(images), sources, (), digests, np.empty((n, 2, 3)), None)


REFERENCE, PROBE = make_template("reference", digest=b"r"), make_template("probe", digest=b"p")


def outcome_of(
    score=0.0, p_value=None, level=None, *, abstain=None, model=None, probe=PROBE, **numbers
):
    category = None if p_value is None else (1, 1)
    scored = Scored(score, 0.0, p_value, level, category, {}, {}, **numbers)
    model = make_model() if model is None else model
    reference = EMPTY if model.mode == "same-video" else REFERENCE
    return decide(model, reference, probe, scored, Rules(abstain, None, GATES)).outcome


@pytest.mark.parametrize(
    ("score", "outcome"), [(-1e-9, "suspicious"), (0.0, "genuine"), (1e-9, "genuine")]
)
def test_only_scores_below_the_threshold_are_suspicious(score, outcome):
    assert outcome_of(score) == outcome


@pytest.mark.parametrize(
    ("p_value", "outcome"),
    [
        (0.049, "suspicious"),
        (0.05, "suspicious"),
        (0.0501, "inconclusive"),
        (0.1, "inconclusive"),
        (0.1001, "genuine"),
    ],
)
def test_p_values_up_to_the_level_are_suspicious_up_to_twice_the_level_inconclusive(
    p_value, outcome
):
    assert outcome_of(p_value=p_value, level=0.05) == outcome
    assert outcome_of(99.0, p_value, 0.05) == outcome  # whatever the score


@pytest.mark.parametrize(
    ("own", "detectors", "band"),
    [(None, None, 0.1), (None, 0.3, 0.3), (0.2, 0.3, 0.2), (0, None, 0.05), (0.01, 0.3, 0.05)],
)
def test_the_band_is_the_callers_then_the_detectors_and_never_below_the_level(own, detectors, band):
    model = make_model(abstain=detectors)
    assert abstain_band(model, 0.05, own) == band
    assert outcome_of(p_value=band + 1e-9, level=0.05, abstain=own, model=model) == "genuine"
    below = "inconclusive" if band > 0.05 else "suspicious"
    assert outcome_of(p_value=band, level=0.05, abstain=own, model=model) == below


def test_the_default_band_ends_at_one():
    assert abstain_band(make_model(), 0.7, None) == 1.0


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_an_error(score):
    assert outcome_of(score) == "error"


def test_equal_pixels_on_both_sides_are_not_genuine():
    assert outcome_of(9.0, 0.9, 0.05) == "genuine"
    assert outcome_of(9.0, 0.9, 0.05, probe=make_template("probe", digest=b"r")) == "inconclusive"


@pytest.mark.parametrize("code", sorted(CODES))
def test_gates_hold_back_what_would_be_genuine_and_nothing_else(code):
    warnings = [make_warning("few_images", "few"), make_warning(code, "why")]
    for outcome in ("suspicious", "inconclusive", "error"):
        assert hold_back(outcome, "reason", warnings) == (outcome, "reason")
    outcome, reason = hold_back("genuine", "reason", warnings)
    assert outcome == ("inconclusive" if CODES[code].is_gate else "genuine")
    assert ("why" in reason) == CODES[code].is_gate


@pytest.mark.parametrize(("n_run", "outcome"), [(2, "genuine"), (3, "inconclusive")])
def test_a_run_of_suspicious_frames_holds_back_a_clip(n_run, outcome):
    clip = ClipEvidence(9, 0.3, (1.0, 2.0), (1.0, 2.0), 3, 0.9, 0.8, "whole")
    probe = make_template("clip", 9)
    assert outcome_of(9.0, 0.9, 0.05, probe=probe, clip=clip, n_run=n_run) == outcome


@pytest.mark.parametrize(
    ("n", "n_still", "outcome"),
    [(1, 0, "inconclusive"), (2, 0, None), (2, 2, None), (2, 3, "inconclusive")],
)
def test_a_clip_by_itself_needs_two_frames_and_half_of_them_different(n, n_still, outcome):
    clip = make_template("clip", n, n_still=n_still)
    verdict = few_frames(make_model(mode="same-video"), clip, GATES)
    assert (None if verdict is None else verdict.outcome) == outcome
