"""verify and verify_many: forms of sides, numbers, outcomes, errors."""

import io
import json
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_helpers import astronaut, faces, noise
from PIL import Image
from verdict_helpers import aligned_pairs, altered, fitted, make_model
from video_files import write_video

from sklearn_diffake import verify, verify_many
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import ImageError
from sklearn_diffake.images.errors import ImageError as _Same
from sklearn_diffake.novelty import GaussianMixtureDetector, MahalanobisDetector
from sklearn_diffake.verdict import Gates, _verify
from sklearn_diffake.verdict._warnings import CODES

assert ImageError is _Same


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def photos():
    return faces(8, seed=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, photos):
    """Pictures under names whose natural order is not the alphabetical one, and other files."""
    path = tmp_path_factory.mktemp("photos")
    for number, photo in zip((1, 2, 10), photos, strict=False):
        Image.fromarray(photo).save(path / f"photo_{number}.png")
    (path / "notes.txt").write_text("no picture")
    (path / ".hidden.png").write_bytes(b"nothing")
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Twelve frames of one face at 25 a second."""
    frames = [np.ascontiguousarray(face[:128, :104]) for face in faces(12, seed=11)]
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", frames)


def write_clip(path, frames):
    size = frames[0].shape[1::-1]
    write_video(path, len(frames), images=frames, size=size)
    return str(path)


def codes(verdict):
    return [warning.code for warning in verdict.warnings]


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_the_numbers_are_those_of_the_pipeline(model, photos):
    verdict = verify(photos[0], photos[1], model=model)
    pair = [(photos[0], photos[1])]
    assert verdict.score == pytest.approx(model.score_samples(pair)[0], abs=1e-9)
    rows = model[:-1].transform(pair)
    assert verdict.p_value == model[-1].p_values(rows)[0]
    assert verdict.threshold == model[-1].offset_
    assert verdict.category == (1, 1)
    assert (verdict.n_references, verdict.n_probes) == (1, 1)
    assert (verdict.outcome == "suspicious") == (model.predict(pair)[0] == -1)


@pytest.mark.parametrize("two_branches", [False, True])
def test_templates_are_pooled_as_the_pipeline_pools_them(photos, two_branches):
    model = fitted(two_branches=two_branches)
    verdict = verify(photos[:3], photos[3:5], model=model)
    (score,) = model.score_samples([(photos[:3], photos[3:5])])
    assert verdict.score == pytest.approx(score, abs=1e-9)
    singles = model.score_samples([(photos[:3], photo) for photo in photos[3:5]])
    single_result = [image.score for image in verdict.images if image.side == "probe"]
    np.testing.assert_allclose(single_result, singles, atol=1e-9)
    assert [image.score for image in verdict.images if image.side == "reference"] == [None] * 3


def forms_of(photo, folder):
    path = folder / "one.png"
    Image.fromarray(photo).save(path)
    content = path.read_bytes()
    return {
        "path": str(path),
        "Path": path,
        "PIL": Image.open(path),
        "array": photo,
        "bytes": content,
        "file object": io.BytesIO(content),
        "list": [path],
        "tuple": (photo,),
        "pattern": str(folder / "one*.png"),
        "array of pictures": photo[np.newaxis],
    }


def test_every_form_of_a_side_gives_the_same_score(model, photos, tmp_path):
    expected = verify(photos[0], photos[1], model=model).score
    for name, form in forms_of(photos[1], tmp_path).items():
        assert verify(photos[0], form, model=model).score == expected, name
    for name, form in forms_of(photos[0], tmp_path).items():
        assert verify(form, photos[1], model=model).score == expected, name


def test_a_folder_is_read_in_natural_order_without_what_is_no_picture(model, photos, folder):
    verdict = verify(folder, photos[5], model=model)
    names = [Path(image.path).name for image in verdict.images if image.side == "reference"]
    assert names == ["photo_1.png", "photo_2.png", "photo_10.png"]
    assert verdict.n_references == 3
    (skipped,) = [w.message for w in verdict.warnings if w.code == "skipped_files"]
    assert "notes.txt" in skipped
    assert ".hidden" not in skipped
    entries = [*sorted(folder.glob("photo*")), photos[4]]
    assert verify(entries, photos[5], model=model).n_references == 4


def test_a_link_to_a_missing_file_is_reported(model, photos, tmp_path):
    Image.fromarray(photos[0]).save(tmp_path / "a.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "elsewhere.png")
    for reference in (tmp_path, tmp_path / "*.png"):
        messages = {w.code: w.message for w in verify(reference, photos[1], model=model).warnings}
        assert "gone.png" in messages["skipped_files"]


@pytest.mark.parametrize("kind", ["folder", "pattern", "list"])
def test_an_empty_side_is_an_error_that_says_where(model, photos, tmp_path, kind):
    (tmp_path / "notes.txt").write_text("no picture")
    side = {"folder": tmp_path, "pattern": str(tmp_path / "*.jpg"), "list": []}[kind]
    with pytest.raises(ImageError) as caught:
        verify(photos[0], side, model=model)
    assert caught.value.column == 1
    assert caught.value.path == (None if kind == "list" else str(side))
    (verdict,) = verify_many([(photos[0], side)], model=model)
    assert verdict.outcome == "error"
    assert verdict.reason.startswith("probe")


def test_unusable_images_are_a_verdict(model, photos, tmp_path):
    blank = noise(1, (60, 60))[0]
    verdict = verify(photos[0], blank, model=model)
    assert verdict.outcome == "error"
    assert verdict.reason == "probe: no face was found"
    assert (verdict.n_references, verdict.n_probes, verdict.score) == (1, 0, None)
    missing = str(tmp_path / "missing.png")
    verdict = verify([missing, blank], photos[0], model=model)
    assert verdict.outcome == "error"
    assert verdict.reason.startswith(f"reference, file {missing!r}: no such file")
    assert "none of the other 1 images" in verdict.reason
    assert [image.used for image in verdict.images] == [False, False, True]


def test_a_picture_without_a_face_costs_itself_only(model, photos):
    blank = noise(1, (60, 60))[0]
    verdict = verify([photos[0], blank, photos[1]], photos[2], model=model)
    assert verdict.n_references == 2
    assert "unusable_images" in codes(verdict)
    identical = verify(photos[:2], photos[2], model=model)
    assert verdict.score == pytest.approx(identical.score, abs=1e-9)
    assert verdict.images[1].reason == "no face was found"


@pytest.mark.parametrize("side", [0, 1])
def test_copies_on_one_side_count_once(model, photos, clip, side):
    """Of as many different pictures the threshold is another one."""
    for original in (photos[0], clip):
        pair, copied = [[original], [photos[1]]], [[original], [photos[1]]]
        copied[side] = [*copied[side], *copied[side], *copied[side]]
        single, verdict = verify(*pair, model=model), verify(*copied, model=model)
        for name in ("outcome", "score", "threshold", "p_value", "category", "n_references"):
            assert getattr(verdict, name) == getattr(single, name), name
        assert set(codes(verdict)) == {*codes(single), "duplicate_images"}
        assert all("same pixels" in image.reason for image in verdict.images if not image.used)


def test_still_frames_of_a_clip_are_no_copies(model, photos, tmp_path):
    path = write_clip(tmp_path / "still.mp4", [np.ascontiguousarray(photos[0][:128, :104])] * 6)
    verdict = verify(photos[1], path, model=model)
    assert verdict.n_probes == 6
    assert "duplicate_images" not in codes(verdict)


def test_a_pattern_takes_a_file_once_though_links_lead_in_circles(model, photos, tmp_path):
    for number in range(2):
        Image.fromarray(photos[number]).save(tmp_path / f"{number}.png")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    verdict = verify(str(tmp_path / "**" / "*.png"), photos[2], model=model)
    paths = [image.path for image in verdict.images if image.side == "reference"]
    assert paths == [str(tmp_path / "0.png"), str(tmp_path / "1.png")]


@pytest.mark.parametrize("wrong", [3, None, {"a": 1}, io.StringIO("text"), np.zeros(3)])
def test_wrong_types_raise(model, photos, wrong):
    with pytest.raises(TypeError, match="probe"):
        verify(photos[0], wrong, model=model)
    (verdict,) = verify_many([(photos[0], wrong)], model=model)
    assert verdict.outcome == "error"
    assert "probe" in verdict.reason


@pytest.mark.parametrize(
    "options",
    [{"n_frames": 0}, {"n_frames": 2.5}, {"window": 0}, {"abstain": 1.0}, {"abstain": "low"}],
)
def test_wrong_numbers_raise(model, photos, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        verify(photos[0], photos[1], model=model, **options)


@pytest.mark.parametrize("gates", [{"min_face_size": 5}, True])
def test_gates_of_another_type_are_refused(model, photos, gates):
    with pytest.raises(TypeError, match=f"gates must be Gates, got {type(gates).__name__}"):
        verify(photos[0], photos[1], model=model, gates=gates)


def test_few_references_are_remembered_at_a_time(model, photos, monkeypatch):
    monkeypatch.setattr(_verify, "_MOST_TEMPLATES", 2)
    sizes, judge = [], _verify._judge_all

    def judge_counted(batch, options, memory):
        sizes.append(len(memory))
        return judge(batch, options, memory)

    monkeypatch.setattr(_verify, "_judge_all", judge_counted)
    rows = [(photos[i], photos[i + 1]) for i in range(6)]
    verdicts = list(verify_many(rows, model=model, batch_size=2))
    assert max(sizes) == 2
    expected = [verify(*row, model=model).score for row in rows]
    assert [verdict.score for verdict in verdicts] == pytest.approx(expected)


def test_a_model_that_gives_no_verdicts_is_refused(model, photos):
    with pytest.raises(TypeError, match=r"model must be a fitted pipeline .* got int"):
        verify(photos[0], photos[1], model=3)
    with pytest.raises(TypeError, match="pipeline"):
        verify(photos[0], photos[1], model=MahalanobisDetector())
    header = model[2:]
    with pytest.raises(TypeError, match="FaceEmbedder"):
        verify(photos[0], photos[1], model=header)


def test_outcomes_follow_the_p_value(model, photos):
    verdict = verify(photos[0], photos[2], model=model)
    assert 0.999 > verdict.p_value > 2 * verdict.level
    assert verdict.outcome == "genuine"
    near = verify(photos[0], photos[2], model=model, abstain=0.999)
    assert near.outcome == "inconclusive"
    assert "near the line" in near.reason
    far = verify(photos[0], altered(photos[1]), model=model)
    assert far.outcome == "suspicious"
    assert "or somebody else" in far.reason
    assert far.p_value <= far.level
    assert far.score < far.threshold


def test_abstain_of_the_detector_is_honored(photos):
    model = fitted()
    assert verify(photos[0], photos[2], model=model).outcome == "genuine"
    model.set_params(detect__abstain=0.999)
    verdicts = [verify(photos[0], photo, model=model) for photo in photos[1:5]]
    for verdict in verdicts:
        near = verdict.level < verdict.p_value <= 0.999
        assert (verdict.outcome == "inconclusive") == near
    assert any(verdict.outcome == "inconclusive" for verdict in verdicts)
    assert verify(photos[0], photos[2], model=model, abstain=0).outcome == "genuine"


def test_a_model_without_p_values_decides_by_its_threshold(photos):
    model = fitted(detector=GaussianMixtureDetector(1, contamination=0.2))
    verdict = verify(photos[0], photos[1], model=model)
    assert verdict.p_value is None
    assert verdict.level is None
    assert verdict.category is None
    assert verdict.threshold == model[-1].offset_
    assert "not_calibrated" in codes(verdict)
    assert verdict.outcome == ("genuine" if model.predict([photos[:2]])[0] == 1 else "suspicious")


def test_crops_need_no_aligner(photos):
    crops = [photo[20:100, 15:95] for photo in photos]
    pairs = list(zip(crops[:4], crops[4:], strict=True)) * 8
    model = make_model(aligned=False).fit(pairs)
    verdict = verify(crops[:2], crops[2], model=model)
    (score,) = model.score_samples([(crops[:2], crops[2])])
    assert verdict.score == pytest.approx(score, abs=1e-9)
    assert verdict.images[0].face_size is None
    assert verdict.images[0].sharpness > 0
    assert verify(crops[0], "missing.png", model=model).outcome == "error"


def test_the_same_file_or_pixels_are_never_genuine(model, photos, folder):
    item, another_one = folder / "photo_1.png", folder / "copy_of_1.png"
    another_one.write_bytes(item.read_bytes())
    try:
        same_file = verify(item, item, model=model)
        copied = verify(item, another_one, model=model)
    finally:
        another_one.unlink()
    assert same_file.outcome == copied.outcome == "inconclusive"
    assert {"same_file", "same_pixels"} <= set(codes(same_file))
    assert "same_pixels" in codes(copied)
    assert "same_file" not in codes(copied)
    assert "held back" in copied.reason


def test_gates_hold_genuine_back_and_leave_suspicious_alone(model, photos):
    gates = Gates(min_face_size=500)
    withheld = verify(photos[0], photos[1], model=model, gates=gates)
    assert withheld.outcome == "inconclusive"
    assert "small_face" in codes(withheld)
    far = verify(photos[0], altered(photos[1]), model=model, gates=gates)
    assert far.outcome == "suspicious"
    assert "small_face" in codes(far)
    eyes = verify(photos[0], photos[1], model=model, gates=Gates(min_eye_distance=200))
    assert eyes.outcome == "inconclusive"
    assert "small_face" in codes(eyes)


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ({"min_sharpness": 9.0}, "blurred"),
        ({"min_brightness": 1.0}, "low_light"),
        ({"max_yaw": 0.0}, "extreme_pose"),
        ({"min_references": 2}, "few_images"),
    ],
)
def test_other_limits_warn_and_decide_nothing(model, photos, limit, code):
    verdict = verify(photos[0], photos[1], model=model, gates=Gates(**limit))
    assert code in codes(verdict)
    assert verdict.outcome == "genuine"
    lenient = Gates(min_sharpness=0, min_brightness=0, max_yaw=90, min_references=1)
    assert code not in codes(verify(photos[0], photos[1], model=model, gates=lenient))


def test_limits_must_be_numbers_of_zero_or_more():
    with pytest.raises(ValueError, match="max_yaw"):
        Gates(max_yaw=-1)
    with pytest.raises(ValueError, match="min_sharpness"):
        Gates(min_sharpness=float("nan"))


def test_every_warning_has_a_known_code(model, photos, folder, clip):
    verdicts = [
        verify(folder, clip, model=model),
        verify(photos[0], photos[0], model=model, gates=Gates(min_face_size=500)),
    ]
    result = {code for verdict in verdicts for code in codes(verdict)}
    assert result
    assert result <= set(CODES)


def test_a_clip_is_pooled_and_its_windows_are_tested(photos, clip):
    model = fitted()
    verdict = verify(photos[:2], clip, model=model, n_frames=12)
    evidence = verdict.clip
    assert verdict.n_probes == evidence.n_frames == 12
    (score,) = model.score_samples([(photos[:2], clip)])
    times = [image.time for image in verdict.images if image.side == "probe"]
    assert times == sorted(times)
    assert times[0] < times[-1]
    assert [image.frame for image in verdict.images if image.side == "probe"] == list(range(12))
    assert evidence.p_value_whole is not None
    assert 0 <= evidence.fraction_below <= 1
    eight = verify(photos[:2], clip, model=model, n_frames=8)
    assert eight.score == pytest.approx(score, abs=1e-6)  # the frames that the aligner takes


def test_windows_are_tested_only_if_the_calibration_has_enough_people(photos, clip):
    few = verify(photos[0], clip, model=fitted(), n_frames=12)
    assert few.clip.p_value_worst_window is None
    assert few.clip.worst_window is not None
    assert few.p_value == few.clip.p_value_whole
    assert "windows_not_tested" in codes(few)
    numerous = verify(photos[0], clip, model=fitted(times=10), n_frames=12)
    assert numerous.clip.p_value_worst_window is not None
    assert numerous.clip.n_windows > 1
    assert "windows_not_tested" not in codes(numerous)
    best = min(numerous.clip.p_value_whole, numerous.clip.p_value_worst_window)
    assert numerous.p_value == pytest.approx(min(1, 2 * best))


def test_a_clip_that_is_altered_in_a_part_does_not_hide_behind_its_mean(tmp_path):
    crops = [face[24:104, 12:92] for face in faces(63, seed=11)]
    model = make_model(aligned=False).fit(list(zip(crops[:18], crops[18:36], strict=True)) * 20)
    own_values = [np.ascontiguousarray(crop) for crop in crops[39:]]
    genuine = verify(crops[36:39], write_clip(tmp_path / "own.mp4", own_values), model=model)
    assert genuine.outcome == "genuine"
    assert genuine.clip.fraction_below < 0.2
    spliced = write_clip(
        tmp_path / "spliced.mp4", own_values[:20] + [altered(f) for f in own_values[20:]]
    )
    verdict = verify(crops[36:39], spliced, model=model)
    assert verdict.outcome == "suspicious"
    first, last = verdict.clip.worst_window
    assert first <= 20 / 25 < last  # windows overlap by halves
    assert verdict.clip.longest_interval == (pytest.approx(20 / 25), pytest.approx(23 / 25))
    assert 4 / 24 <= verdict.clip.fraction_below < 0.4
    assert verdict.clip.p_value_whole > verdict.level  # the mean hides it
    assert f"from {first:.1f}" in verdict.reason


def test_a_clip_counts_once_among_photos(photos, clip):
    model = fitted()
    verdict = verify([photos[0], clip], photos[1], model=model, n_frames=6)
    assert verdict.n_references == 7
    assert verdict.category == (1, 1)
    (warning,) = [w for w in verdict.warnings if w.code == "category_not_calibrated"]
    assert warning.message.startswith("2 references and 1 probe")
    frames = [image for image in verdict.images if image.frame is not None]
    embedded = verify([photos[0], photos[0]], photos[1], model=model)
    assert len(frames) == 6
    assert verdict.score != embedded.score


def test_a_clip_may_be_given_as_bytes(model, photos, clip):
    content = Path(clip).read_bytes()
    by_path = verify(photos[0], clip, model=model, n_frames=5)
    by_bytes = verify(photos[0], content, model=model, n_frames=5)
    assert by_bytes.score == by_path.score
    assert by_bytes.clip == by_path.clip
    assert all(image.path is None for image in by_bytes.images)
    np.testing.assert_array_equal(
        by_bytes._compared_images.picture(3), by_path._compared_images.picture(3)
    )


def test_frames_without_a_face_are_counted(model, photos, tmp_path):
    own_values = [np.ascontiguousarray(face[:128, :104]) for face in faces(4, seed=11)]
    blank = [np.full_like(own_values[0], 90)] * 8
    partly = write_clip(tmp_path / "partly.mp4", own_values * 2 + blank[:4])
    verdict = verify(photos[0], partly, model=model, n_frames=12)
    assert "clip_partly_unusable" in codes(verdict)
    assert "most_frames_unusable" not in codes(verdict)
    assert verdict.n_probes == 8
    mostly = write_clip(tmp_path / "mostly.mp4", own_values + blank)
    verdict = verify(photos[0], mostly, model=model, n_frames=12)
    assert "most_frames_unusable" in codes(verdict)
    assert verdict.outcome != "genuine"


def test_several_faces_are_reported(photos):
    model = fitted(min_face_size=0.2)
    two = np.concatenate([photos[0], photos[1]], axis=1)
    verdict = verify(two, photos[2], model=model)
    assert verdict.images[0].n_faces == 2
    assert "several_faces" in codes(verdict)


def test_many_give_what_single_calls_give(model, photos, clip, tmp_path):
    pairs = [(photos[0], photos[1]), (photos[:2], photos[2]), (photos[0], clip)]
    expected = [verify(*pair, model=model) for pair in pairs]
    result = list(verify_many(pairs, model=model, batch_size=2))
    for a, b in zip(result, expected, strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-6)
        assert a.outcome == b.outcome
        assert a.images[0].box == b.images[0].box
    files = []
    for i, photo in enumerate(photos[:2]):
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
        files.append(str(tmp_path / f"{i}.png"))
    frame = pd.DataFrame({"person": ["a"], "probe": files[1:], "reference": files[:1]})
    (verdict,) = verify_many(frame, model=model)
    assert verdict.score == pytest.approx(expected[0].score, abs=1e-6)


def test_many_are_lazy_and_bad_rows_cost_nothing_but_themselves(model, photos):
    used_device = []

    def rows():
        for i in range(100):
            used_device.append(i)
            yield (photos[0], photos[1]) if i % 2 else (photos[0], "missing.png")

    verdicts = verify_many(rows(), model=model, batch_size=4)
    assert not used_device
    assert [next(verdicts).outcome for _ in range(4)] == ["error", "genuine"] * 2
    assert len(used_device) == 4
    rows = [(photos[0], photos[1]), "a row", (None, photos[1]), (photos[0], photos[2])]
    result = [verdict.outcome for verdict in verify_many(rows, model=model)]
    assert result == ["genuine", "error", "error", "genuine"]


def test_a_repeated_reference_is_embedded_once(model, photos, monkeypatch):
    from sklearn_diffake.verdict import _templates as module

    n_images = []
    original = module.embed_templates

    def count(ready, sides):
        n_images.append(sum(len(images) for _, images in sides))
        return original(ready, sides)

    monkeypatch.setattr(module, "embed_templates", count)
    reference = photos[:4]
    list(verify_many([(reference, photo) for photo in photos[4:]], model=model, batch_size=1))
    assert n_images == [5, 1, 1, 1]


def test_threads_give_bit_identical_verdicts(model, photos):
    pairs = [(photos[i % 8], photos[(3 * i + 1) % 8]) for i in range(16)]
    serial = [verify(*pair, model=model) for pair in pairs]
    with ThreadPoolExecutor(8) as pool:
        threaded = list(pool.map(lambda pair: verify(*pair, model=model), pairs))
    assert threaded == serial


def test_the_model_stays_as_it_was(photos):
    model = fitted()
    initial = pickle.dumps(model)
    verify(photos[0], photos[1], model=model)
    assert pickle.dumps(model) == initial


def test_a_model_that_was_fitted_again_is_looked_at_again(photos):
    model = fitted()
    first = verify(photos[0], photos[1], model=model)
    model[1:].fit(aligned_pairs(30, 5))
    second = verify(photos[0], photos[1], model=model)
    assert first.model.fingerprint != second.model.fingerprint
    assert second.score == pytest.approx(model.score_samples([photos[:2]])[0], abs=1e-9)
    model.score_samples([photos[:2]])
    assert verify(photos[0], photos[1], model=model).model == second.model


def test_a_verdict_is_plain_values(model, photos, clip):
    verdict = verify(photos[0], clip, model=model, n_frames=6)
    values = json.loads(verdict.to_json())
    assert values == json.loads(json.dumps(verdict.to_dict()))
    assert not any(name.startswith("_") for name in values)
    assert values["images"][1]["time"] == verdict.images[1].time
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    assert pickle.loads(pickle.dumps(verdict))._compared_images is None


def test_a_notebook_shows_a_verdict_and_escapes_names(model, photos, tmp_path):
    path = tmp_path / "<script>.png"
    Image.fromarray(photos[0]).save(path)
    html = verify(path, photos[1], model=model)._repr_html_()
    assert "genuine" in html
    assert "&lt;script&gt;.png" in html
    assert "<script>" not in html
    assert "no such file" in verify(path, "missing.png", model=model)._repr_html_()


def test_the_compared_images_give_pictures_and_crops_again(model, photos, clip, tmp_path):
    path = tmp_path / "reference.png"
    Image.fromarray(photos[0]).save(path)
    verdict = verify(path, [clip, noise(1, (60, 60))[0]], model=model, n_frames=3)
    images = verdict._compared_images
    np.testing.assert_array_equal(images.picture(0), photos[0])
    assert images.crop(0).shape == (48, 48, 3)
    assert images.crop(0).dtype == np.uint8
    assert images.sources[:2] == [str(path), clip]
    assert images.crop(4) is None
    assert len(images) == 5
    assert [images.crop(i) is None for i in range(1, 4)] == [False] * 3
    Image.fromarray(photos[1]).save(path)
    with pytest.raises(ImageError, match="changed since"):
        images.crop(0)


def test_verdicts_raise_no_warnings_of_their_own(model, photos, clip):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verify(photos[:2], clip, model=model, n_frames=4)


def test_errors_name_no_file_of_this_machine_for_bytes(model, photos):
    verdict = verify(photos[0], b"GIF89a", model=model)
    assert verdict.outcome == "error"
    assert "file" not in verdict.reason.split(":")[0]


def test_png_content_with_a_broken_end_is_a_verdict(model, photos):
    verdict = verify(photos[0], png(photos[1])[:200], model=model)
    assert verdict.outcome == "error"
    assert "decoded" in verdict.reason


def test_the_largest_portrait_is_judged_by_the_default_model():
    photo = astronaut()
    verdict = verify(photo, photo[:, ::-1])
    assert verdict.outcome == "genuine"
    assert verdict.model.name == "default"
    assert verdict.model.networks == ("dlib-resnet",)


def test_unfitted_models_raise(photos):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        verify(photos[0], photos[1], model=make_model())


@pytest.mark.filterwarnings("ignore:.*the video is damaged")
def test_frames_that_cannot_be_decoded_are_counted(model, photos, clip, tmp_path):
    content = bytearray(Path(clip).read_bytes())
    start = content.find(b"mdat") + 4
    middle = start + (len(content) - start) // 3
    content[middle : middle + 4000] = bytes(4000)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    verdict = verify(photos[0], damaged, model=model, n_frames=12)
    (message,) = [w.message for w in verdict.warnings if w.code == "clip_partly_unusable"]
    assert "the video is damaged" in message
    assert verdict.n_probes < 12 or "decoded from damaged" in message


def test_a_short_alteration_that_no_window_can_show_holds_a_verdict_back(tmp_path):
    crops = [face[24:104, 12:92] for face in faces(63, seed=11)]
    model = make_model(aligned=False).fit(list(zip(crops[:18], crops[18:36], strict=True)))
    own_values = [np.ascontiguousarray(crop) for crop in crops[39:]]
    spliced = write_clip(
        tmp_path / "spliced.mp4", own_values[:20] + [altered(f) for f in own_values[20:]]
    )
    verdict = verify(crops[36:39], spliced, model=model)
    assert "windows_not_tested" in codes(verdict)
    assert verdict.p_value > 2 * verdict.level  # the whole clip looks genuine
    assert verdict.outcome == "inconclusive"
    (message,) = [w.message for w in verdict.warnings if w.code == "part_suspicious"]
    assert "4 frames in a row" in message
    lenient = verify(crops[36:39], spliced, model=model, gates=Gates(max_suspicious_frames=4))
    assert lenient.outcome == "genuine"


@pytest.mark.parametrize("as_clip", [False, True])
def test_another_face_in_every_fourth_image_holds_a_verdict_back(tmp_path, as_clip):
    crops = [face[24:104, 12:92] for face in faces(63, seed=11)]
    model = make_model(aligned=False).fit(list(zip(crops[:18], crops[18:36], strict=True)))
    images = [np.ascontiguousarray(crop) for crop in crops[39:]]
    mixed = [altered(image) if i % 4 == 2 else image for i, image in enumerate(images)]
    probe = write_clip(tmp_path / "mixed.mp4", mixed) if as_clip else mixed
    verdict = verify(crops[36:39], probe, model=model)
    assert verdict.p_value > 2 * verdict.level  # the whole looks genuine
    assert "part_suspicious" not in codes(verdict)  # no run of frames
    assert verdict.outcome == "inconclusive"
    (message,) = [w.message for w in verdict.warnings if w.code == "images_suspicious"]
    assert "6 of 24 images" in message
    lenient = verify(crops[36:39], probe, model=model, gates=Gates(max_suspicious_fraction=0.4))
    assert lenient.outcome == "genuine"
    assert "images_suspicious" not in codes(verify(crops[36:39], images, model=model))


def test_rows_of_a_generator_may_share_buffers(model):
    images = faces(4, seed=5)
    height, width = (min(image.shape[i] for image in images) for i in (0, 1))
    images = [image[:height, :width] for image in images]
    pairs = [(images[0], images[1]), (images[2], images[3]), (images[2], images[1])]

    def rows_in_shared_buffers():
        reference, probe = np.empty_like(images[0]), np.empty_like(images[0])
        for pair in pairs:
            reference[:], probe[:] = pair
            yield reference, probe

    expected = [v.score for v in verify_many(pairs, model=model)]
    for batch_size in (1, 8):
        verdicts = verify_many(rows_in_shared_buffers(), model=model, batch_size=batch_size)
        assert [v.score for v in verdicts] == pytest.approx(expected, rel=1e-5)


def test_equal_references_of_a_generator_are_embedded_once(model, photos, monkeypatch):
    counts = []
    embed = FaceEmbedder._embed_pictures

    def counted(self, table, **options):
        counts.append(len(table.sources))
        return embed(self, table, **options)

    monkeypatch.setattr(FaceEmbedder, "_embed_pictures", counted)
    rows = ((photos[0], photos[1][: -1 - i]) for i in range(3))
    list(verify_many(rows, model=model, batch_size=1))
    assert counts == [2, 1, 1]
