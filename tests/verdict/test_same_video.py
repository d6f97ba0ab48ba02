"""A clip is judged by its own frames: numbers, refusals, still pictures, and the packaged model."""

import json

import numpy as np
import pandas as pd
import pytest
from image_helpers import faces
from PIL import Image
from sklearn.base import clone
from verdict_helpers import altered, fitted, make_model
from video_files import write_video

from sklearn_diffake import Reference, load_default, verify, verify_many
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector
from sklearn_diffake.pairs import ModeError, mode_of
from sklearn_diffake.verdict import Gates
from sklearn_diffake.verdict._scoring import N_PARTNERS
from sklearn_diffake.verdict._templates import DUPLICATE_FRAME, still_frames

N = 12  # frames of the clip
CONFORMAL = {"target_bpcer": 0.1, "calibration_size": 0.6, "random_state": 0}


@pytest.fixture(scope="module")
def model():
    return fitted(mode="same-video")


def write_clip(path, frames):
    frames = [np.ascontiguousarray(frame[:128, :104]) for frame in frames]
    write_video(path, len(frames), images=frames, size=frames[0].shape[1::-1])
    return str(path)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Retakes of one face, every frame another picture."""
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", faces(N, seed=11))


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """The same picture, fifty times."""
    return write_clip(tmp_path_factory.mktemp("still") / "still.mp4", faces(1, seed=11) * 50)


def codes(verdict):
    return [warning.code for warning in verdict.warnings]


def partners_of(frame, n):
    """The frames with which one is paired, as the documentation says: eight others at most."""
    lags = np.unique(np.linspace(1, n - 1, min(N_PARTNERS, n - 1)).round().astype(int))
    return [(frame + lag) % n for lag in lags.tolist()]


@pytest.fixture(scope="module")
def frames(model, clip):
    """All frames of the clip, aligned: the same for each model."""
    return clone(model["align"]).set_params(n_frames=N).fit_transform([(clip, clip)])[0, 0]


@pytest.mark.parametrize("two_branches", [False, True])
@pytest.mark.parametrize("operator", ["squared", "subtract", "probe"])
def test_a_clip_has_the_mean_score_of_its_pairs_of_frames(clip, frames, two_branches, operator):
    model = fitted(mode="same-video", operator=operator, two_branches=two_branches)
    verdict = verify(None, clip, model=model, n_frames=N)
    assert len(frames) == N
    partners = [partners_of(i, N) for i in range(N)]
    assert all(i not in remaining for i, remaining in enumerate(partners))
    pairs = [(frames[j], frames[i]) for i in range(N) for j in partners[i]]
    scores = model[1:].score_samples(pairs).reshape(N, -1)
    np.testing.assert_allclose([i.score for i in verdict.images], scores.mean(axis=1), rtol=1e-6)
    assert verdict.score == pytest.approx(scores.mean(), rel=1e-6)
    expected = model[-1].p_of_scores([verdict.score])[0]
    assert verdict.clip.p_value_whole == expected


def test_a_verdict_says_its_mode_and_has_no_reference(model, clip):
    verdict = verify(None, clip, model=model)
    assert verdict.mode == "same-video"
    assert (verdict.n_references, verdict.n_probes, verdict.category) == (0, N, None)
    assert {image.side for image in verdict.images} == {"probe"}
    assert "calibrated_on_frames" in codes(verdict)
    assert not {"few_images", "same_file", "category_not_calibrated"} & set(codes(verdict))
    assert json.loads(verdict.to_json())["mode"] == "same-video"
    assert "same-video" in verdict._repr_html_()


def test_many_clips_get_the_same_verdicts_as_each_by_itself(model, clip, still):
    rows = [(None, clip), (None, still), (None, "missing.mp4"), (None, clip)]
    verdicts = list(verify_many(rows, mode="same-video", model=model))
    assert [v.mode for v in verdicts] == ["same-video"] * 4
    single_result = verify(None, clip, model=model)
    for verdict in (verdicts[0], verdicts[3]):
        assert verdict.to_json() == single_result.to_json()
    assert [v.outcome for v in verdicts[1:3]] == ["inconclusive", "error"]
    assert "no such file" in verdicts[2].reason


@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_a_missing_reference_may_be_written_in_several_ways(model, clip, missing):
    table = pd.DataFrame({"probe": [clip], "reference": [missing]})
    (verdict,) = verify_many(table, mode="same-video", model=model)
    assert (verdict.mode, verdict.n_probes) == ("same-video", N)


def test_a_missing_reference_in_reference_mode_stays_an_error(clip):
    model = fitted()
    for missing in (None, float("nan"), ""):
        (verdict,) = verify_many([(missing, clip)], model=model)
        assert (verdict.outcome, verdict.mode) == ("error", "reference")


def test_a_reference_in_same_video_mode_is_an_error(model, clip):
    (verdict,) = verify_many([(faces(1)[0], clip)], mode="same-video", model=model)
    assert (verdict.outcome, verdict.mode) == ("error", "same-video")
    assert "must be None in same-video mode" in verdict.reason


def test_unknown_modes_are_refused(model, clip):
    with pytest.raises(ValueError, match=r"mode must be one of .* got 'same_video'"):
        verify_many([(None, clip)], mode="same_video", model=model)


@pytest.mark.parametrize(
    ("expected_times", "message"), [("reference", "is of reference"), (None, "state")]
)
def test_a_model_of_another_mode_judges_no_clip_by_itself(clip, expected_times, message):
    model = fitted(mode=expected_times)
    for judge in (verify, lambda *row, **method: verify_many([row], mode="same-video", **method)):
        with pytest.raises(ModeError, match=message) as caught:
            judge(None, clip, model=model)
        assert (caught.value.mode, caught.value.expected) == (expected_times, "same-video")


def test_a_model_of_same_video_mode_compares_with_no_reference(model, clip):
    photo = faces(1)[0]
    calls = [
        lambda: verify(photo, clip, model=model),
        lambda: verify_many([(photo, clip)], model=model),
        lambda: Reference(photo, model=model),
    ]
    for call in calls:
        with pytest.raises(ModeError, match="is of same-video mode") as caught:
            call()
        assert (caught.value.mode, caught.value.expected) == ("same-video", "reference")


@pytest.mark.parametrize("form", ["path", "array", "PIL", "bytes"])
def test_a_photograph_by_itself_is_refused(model, tmp_path, form):
    photo = faces(1)[0]
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    forms = {"path": path, "array": photo, "PIL": Image.fromarray(photo)}
    provided = forms.get(form, path.read_bytes())
    with pytest.raises(ImageError, match="a photograph by itself cannot be judged") as caught:
        verify(None, provided, model=model)
    assert caught.value.column == 1
    assert caught.value.path == (str(path) if form == "path" else None)
    (verdict,) = verify_many([(None, provided)], mode="same-video", model=model)
    assert (verdict.outcome, verdict.mode) == ("error", "same-video")


def test_one_clip_is_judged_at_a_time(model, clip, still, tmp_path):
    with pytest.raises(ImageError, match="one clip, and here are 2"):
        verify(None, [clip, still], model=model)
    assert verify(None, [clip], model=model).n_probes == N


def test_the_content_of_a_clip_is_judged_as_its_file(model, clip):
    with open(clip, "rb") as file:
        verdict = verify(None, file.read(), model=model)
    assert verdict.score == verify(None, clip, model=model).score


def test_a_still_picture_is_not_judged(model, still):
    verdict = verify(None, still, model=model)
    assert (verdict.outcome, verdict.score, verdict.p_value) == ("inconclusive", None, None)
    assert {"few_frames", "duplicate_frames"} <= set(codes(verdict))
    reasons = [image.reason for image in verdict.images]
    n = reasons.count(DUPLICATE_FRAME)
    assert n == 24 - verdict.n_probes > 18  # a codec refines a still picture in its first frames
    assert f"{n} of 24 frames show the same picture" in verdict.reason


def test_a_clip_that_is_mostly_still_is_not_judged(model, tmp_path):
    frames = faces(1, seed=11) * 16 + faces(4, seed=12)
    path = write_clip(tmp_path / "frozen.mp4", frames)
    verdict = verify(None, path, model=model, n_frames=20)
    assert (verdict.outcome, verdict.score) == ("inconclusive", None)
    lenient = verify(None, path, model=model, n_frames=20, gates=Gates(min_usable_fraction=0.0))
    assert lenient.score is not None
    assert lenient.n_probes == verdict.n_probes < 10


def test_frames_that_come_again_are_counted_once(model, tmp_path):
    frames = faces(6, seed=11)
    once = verify(None, write_clip(tmp_path / "once.mp4", frames), model=model, n_frames=6)
    repeated = [frame for frame in frames for _ in range(2)]
    twice = verify(None, write_clip(tmp_path / "twice.mp4", repeated), model=model, n_frames=12)
    assert once.n_probes == twice.n_probes == 6
    assert twice.score == pytest.approx(once.score, rel=0.1)
    assert "duplicate_frames" in codes(twice)


def test_a_clip_with_one_usable_frame_is_not_judged(model, tmp_path):
    blank = [np.zeros_like(faces(1)[0])] * 5
    path = write_clip(tmp_path / "one.mp4", [*faces(1, seed=11), *blank])
    verdict = verify(None, path, model=model, n_frames=6)
    assert (verdict.outcome, verdict.n_probes, verdict.score) == ("inconclusive", 1, None)
    assert "one frame only is usable" in verdict.reason
    assert {"few_frames", "most_frames_unusable"} <= set(codes(verdict))


def test_a_clip_without_a_face_is_an_error(model, tmp_path):
    path = write_clip(tmp_path / "none.mp4", [np.zeros_like(faces(1)[0])] * 5)
    verdict = verify(None, path, model=model, n_frames=5)
    assert (verdict.outcome, verdict.mode) == ("error", "same-video")
    assert verdict.reason.startswith("probe")


def test_small_faces_hold_a_genuine_verdict_back(model, clip):
    verdict = verify(None, clip, model=model, gates=Gates(min_face_size=500))
    assert verdict.outcome == "inconclusive"
    assert "small_face" in codes(verdict)


def test_a_clip_that_is_altered_in_a_part_is_not_genuine(tmp_path):
    model = fitted(mode="same-video", operator="probe", times=8)
    genuine = faces(24, seed=11)
    half = [*genuine[:16], *map(altered, genuine[16:])]
    verdict = verify(None, write_clip(tmp_path / "half.mp4", half), model=model)
    assert verdict.outcome in ("suspicious", "inconclusive")
    first, last = verdict.clip.longest_interval  # frames of the altered third, 25 a second
    assert 0.55 < first < last
    full = verify(None, write_clip(tmp_path / "whole.mp4", genuine), model=model)
    assert full.score > verdict.score


def test_an_altered_clip_is_suspicious(tmp_path):
    model = fitted(mode="same-video", operator="probe")
    path = write_clip(tmp_path / "altered.mp4", map(altered, faces(N, seed=11)))
    verdict = verify(None, path, model=model)
    assert verdict.outcome == "suspicious"
    assert "not like frames of genuine videos" in verdict.reason


def test_without_p_values_the_threshold_decides(clip):
    model = fitted(mode="same-video", detector=MahalanobisDetector())
    verdict = verify(None, clip, model=model)
    assert verdict.p_value is None
    assert verdict.threshold == model[-1].offset_
    assert verdict.outcome == ("genuine" if verdict.score >= verdict.threshold else "suspicious")
    assert "not_calibrated" in codes(verdict)


def test_what_cannot_judge_clips_is_refused(clip):
    crossed = ConformalDetector(MahalanobisDetector(), method="cv+", target_bpcer=0.1)
    with pytest.raises(ValueError, match="no p-value for the mean"):
        verify(None, clip, model=fitted(mode="same-video", detector=crossed))
    matching = make_model(mode="same-video", select="match")
    matching["align"].matcher = matching["embed"]
    plain = fitted(mode="same-video")
    matching.steps[1:] = plain.steps[1:]
    with pytest.raises(ValueError, match="select='match'"):
        verify(None, clip, model=matching)


def test_still_frames_are_those_alike_but_for_compression():
    crop = np.random.default_rng(0).integers(50, 200, (40, 40, 3)).astype(np.uint8)
    noisy = crop + np.random.default_rng(1).integers(0, 4, crop.shape).astype(np.uint8)
    second = crop[::-1]
    assert still_frames([crop, None, noisy, second, crop, second]) == [2, 4, 5]
    assert still_frames([crop, crop[:20]]) == []


def test_the_packaged_model_says_how_little_it_rests_on(clip):
    model = load_default(mode="same-video")
    assert mode_of(model) == "same-video"
    assert model["diff"].operator == "probe"
    verdict = verify(None, clip)
    assert (verdict.model.name, verdict.mode) == ("same-video", "same-video")
    assert verdict.model.networks == ("difffake-lite0-verdict",)
    assert {"calibrated_on_frames", "low_power", "few_clips"} <= set(codes(verdict))
    frames, clips = (
        [rate for rate in verdict.model.error_rates if (rate.n_probes == 1) == single]
        for single in (True, False)
    )
    assert {rate.metric for rate in frames} == {"apcer", "bpcer", "eer"}
    assert {rate.metric: rate.n for rate in clips} == {"apcer": 5, "bpcer": 5}
    assert {rate.n_references for rate in (*frames, *clips)} == {0}


def test_the_packaged_models_are_two():
    assert mode_of(load_default()) == "reference"
    with pytest.raises(ValueError, match=r"mode must be one of .* got 'clip'"):
        load_default(mode="clip")
