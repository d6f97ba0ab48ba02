"""Verdicts of the packaged model on real clips."""

import json
from pathlib import Path

import pytest
from real_clips import splice

from sklearn_diffake import Reference, verify

REAL_FAKE = ("real", "fake")


@pytest.fixture(scope="module")
def reference(shared_data):
    return Reference(shared_data / "data" / "clips" / "real" / "id0_0000.mp4", n_frames=8)


def test_a_clip_that_is_fake_for_ten_seconds_of_sixty_is_not_genuine(
    shared_data, reference, tmp_path
):
    clips = shared_data / "data" / "clips"
    genuine = [clips / "real" / f"id0_000{number}.mp4" for number in (1, 2, 3, 4)]
    path = tmp_path / "spliced.mp4"
    begin, end = splice(path, genuine, clips / "fake" / "id0_id1_0000.mp4")
    verdict = verify(reference, path)
    assert verdict.outcome in ("suspicious", "inconclusive")
    first, last = verdict.clip.longest_interval
    assert begin <= first < last <= end


def test_a_genuine_clip_of_somebody_else_is_suspicious_and_says_what_that_means(shared_data):
    somebody = sorted((shared_data / "data" / "lfw" / "George_W_Bush").glob("*.jpg"))[:3]
    clip = shared_data / "data" / "clips" / "real" / "id0_0001.mp4"
    verdict = verify(somebody, clip, n_frames=12)
    assert verdict.outcome == "suspicious"
    assert "or somebody else" in verdict.reason


def test_a_genuine_clip_of_the_person_is_genuine(shared_data, reference):
    clip = shared_data / "data" / "clips" / "real" / "id0_0001.mp4"
    assert verify(reference, clip, n_frames=12).outcome == "genuine"


@pytest.mark.parametrize("number", [1, 2])
def test_a_face_swap_of_the_person_is_suspicious(shared_data, reference, number):
    clip = shared_data / "data" / "clips" / "fake" / f"id0_id1_000{number}.mp4"
    verdict = verify(reference, clip, n_frames=12)
    assert verdict.outcome == "suspicious"
    assert verdict.clip.fraction_below == 1.0


def measured_clips():
    """Return what the committed benchmark says of each of the ten clips."""
    path = Path(__file__).parents[2] / "benchmarks" / "results" / "same_video.json"
    return {clip["clip"]: clip for clip in json.loads(path.read_text())["clips"]}


def test_the_measured_verdicts_on_clips_by_themselves_are_modest():
    """At the shipped threshold no genuine clip is suspicious, and few fakes are."""
    clips = measured_clips().values()
    assert len(clips) == 10
    outcomes = {truth: [c["outcome"] for c in clips if c["truth"] == truth] for truth in REAL_FAKE}
    assert "suspicious" not in outcomes["real"]
    assert "genuine" not in outcomes["fake"]
    assert outcomes["fake"].count("suspicious") >= 2
    lowest_genuine = min(clip["p_value"] for clip in clips if clip["truth"] == "real")
    assert all(clip["p_value"] < lowest_genuine for clip in clips if clip["truth"] == "fake")


@pytest.mark.parametrize("name", ["real/id0_0002.mp4", "fake/id0_id1_0002.mp4"])
def test_a_clip_by_itself_is_judged_as_was_measured(shared_data, name):
    path = shared_data / "data" / "clips" / name
    expected = measured_clips()[path.name]
    verdict = verify(None, path)
    assert verdict.mode == "same-video"
    assert verdict.outcome == expected["outcome"]
    assert verdict.p_value == pytest.approx(expected["p_value"], abs=0.02)
    assert verdict.score == pytest.approx(expected["score"], abs=0.05)
