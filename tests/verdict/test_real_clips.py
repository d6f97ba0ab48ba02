"""Verdicts of the packaged model on real clips."""

import pytest
from real_clips import splice

from sklearn_diffake import Reference, verify


@pytest.fixture(scope="module")
def reference(shared_data):
    return Reference(shared_data / "data" / "clips" / "real" / "id0_0000.mp4", n_frames=8)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_genuine_clip_of_somebody_else_is_suspicious_and_says_what_that_means(shared_data):
    somebody = sorted((shared_data / "data" / "lfw" / "George_W_Bush").glob("*.jpg"))[:3]
    clip = shared_data / "data" / "clips" / "real" / "id0_0001.mp4"
    verdict = verify(somebody, clip, n_frames=12)
    assert verdict.outcome == "suspicious"
    assert "or somebody else" in verdict.reason


@pytest.mark.slow
def test_a_genuine_clip_of_the_person_is_genuine(shared_data, reference):
    clip = shared_data / "data" / "clips" / "real" / "id0_0001.mp4"
    assert verify(reference, clip, n_frames=12).outcome == "genuine"


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
def test_a_face_swap_of_the_person_is_suspicious(shared_data, reference, number):
    clip = shared_data / "data" / "clips" / "fake" / f"id0_id1_000{number}.mp4"
    verdict = verify(reference, clip, n_frames=12)
    assert verdict.outcome == "suspicious"
    assert verdict.clip.fraction_below == 1.0
