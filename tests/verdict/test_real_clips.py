"""Verdicts on real clips, by a model with a stronger network than the packaged one."""

import pytest
from real_clips import fit_on_lfw, splice

from sklearn_diffake import Reference, verify


@pytest.fixture(scope="module")
def model(shared_data):
    return fit_on_lfw(shared_data)


@pytest.fixture(scope="module")
def reference(shared_data, model):
    return Reference(shared_data / "data" / "clips" / "real" / "id0_0000.mp4", model, n_frames=8)


@pytest.mark.slow
@pytest.mark.timeout(1200)
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
@pytest.mark.timeout(1200)
def test_a_genuine_clip_of_somebody_else_is_suspicious_and_says_what_that_means(shared_data, model):
    somebody = sorted((shared_data / "data" / "lfw" / "George_W_Bush").glob("*.jpg"))[:3]
    clip = shared_data / "data" / "clips" / "real" / "id0_0001.mp4"
    verdict = verify(somebody, clip, model=model, n_frames=12)
    assert verdict.outcome == "suspicious"
    assert "or somebody else" in verdict.reason


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_genuine_clip_of_the_person_is_genuine(shared_data, reference):
    clip = shared_data / "data" / "clips" / "real" / "id0_0001.mp4"
    assert verify(reference, clip, n_frames=12).outcome == "genuine"
