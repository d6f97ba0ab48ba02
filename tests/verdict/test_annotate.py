"""Clips in which the evidence is drawn."""

import stat
from fractions import Fraction

import av
import numpy as np
import pytest
from video_files import picture, write_video

from sklearn_diffake import Verdict
from sklearn_diffake.utils._atomic_files import OutputError
from sklearn_diffake.verdict import ImageEvidence, annotate_clip
from sklearn_diffake.verdict._annotated_frames import FramePainter, TimedEvidence

BLUE, ORANGE = (0, 114, 178), (213, 94, 0)
SIZE = (160, 120)


def frame_evidence(path, number, p, box=(40, 40, 80, 90), **fields):
    values = {"side": "probe", "path": str(path), "frame": number, "time": number / 25}
    return ImageEvidence(**(values | {"box": box, "p_value": p} | fields))


def verdict_on(*images, level=0.05):
    return Verdict("suspicious", "for a test", level=level, images=images)


@pytest.fixture
def clip(tmp_path):
    gray = [picture(20, SIZE, corner=False) for _ in range(30)]
    return write_video(tmp_path / "clip.mp4", 30, size=SIZE, images=gray)


def read(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in frames], [
            frame.time for frame in frames
        ]


def is_color(pixels, color):
    """Return whether pixels of a gray picture are tinted so: the codec blurs thin lines."""
    tint = np.asarray(pixels).reshape(-1, 3).mean(axis=0)
    return np.ptp(tint) > 20 and np.corrcoef(tint, color)[0, 1] > 0.9


def test_every_frame_is_there_at_its_time(clip, tmp_path):
    annotate_clip(verdict_on(frame_evidence(clip, 5, 0.5)), tmp_path / "out.mp4")
    frames, times = read(tmp_path / "out.mp4")
    assert len(frames) == 30
    np.testing.assert_allclose(times, np.arange(30) / 25, atol=2e-3)
    assert frames[0].shape[1] == SIZE[0]
    assert frames[0].shape[0] > SIZE[1]
    assert stat.S_IMODE((tmp_path / "out.mp4").stat().st_mode) == 0o600


def test_times_of_a_variable_rate_stay(tmp_path):
    times = [0, 4, 40, 44, 200]
    clip = write_video(tmp_path / "v.mp4", 5, size=SIZE, times=times)
    annotate_clip(verdict_on(frame_evidence(clip, 1, 0.5)), tmp_path / "out.mp4")
    np.testing.assert_allclose(read(tmp_path / "out.mp4")[1], np.array(times) / 100, atol=2e-3)


def test_boxes_are_colored_by_the_p_value_and_move(clip, tmp_path):
    images = [
        frame_evidence(clip, 5, 0.5, box=(20, 40, 60, 90)),
        frame_evidence(clip, 25, 0.01, box=(80, 40, 120, 90)),
    ]
    annotate_clip(verdict_on(*images), tmp_path / "out.mp4")
    frames, _ = read(tmp_path / "out.mp4")
    assert is_color(frames[5][90, 42], BLUE)  # in the middle of the lower edge
    assert is_color(frames[0][90, 42], BLUE)
    assert is_color(frames[25][90, 84:120], ORANGE)
    assert is_color(frames[13][90, 60], BLUE)  # on its way: 24 pixels in 8 frames
    assert not is_color(frames[13][90, 30], BLUE)


@pytest.fixture
def evidence():
    return TimedEvidence.of_images(
        [
            frame_evidence("a", 20, 0.01, box=(10, 0, 30, 20)),
            frame_evidence("a", 10, 0.5, box=(0, 0, 20, 20)),
            frame_evidence("a", 30, None, reason="no face was found"),
        ]
    )


@pytest.mark.parametrize(
    ("number", "remaining", "p"),
    [(0, 0, 0.5), (10, 0, 0.5), (14, 4, 0.5), (16, 6, 0.01), (20, 10, 0.01)],
)
def test_evidence_between_judged_frames(evidence, number, remaining, p):
    assert evidence.box_at(number)[0] == pytest.approx(remaining)
    assert evidence.p_value_at(number) == p


@pytest.mark.parametrize("number", [25, 30, 40])
def test_no_box_is_drawn_toward_a_frame_without_a_face(evidence, number):
    assert evidence.box_at(number) is None


@pytest.mark.parametrize("level", [0.05, None])
def test_models_without_p_values_or_level_have_gray_boxes(level):
    evidence = TimedEvidence.of_images([frame_evidence("a", 0, None, score=1.0)])
    painter = FramePainter("genuine", level, evidence)
    image = picture(20, SIZE, corner=False)
    painted = painter.paint(image, 0, 0.0, painter.size_of(image))
    assert tuple(painted[90, 60]) == (85, 85, 85)


def test_odd_sizes_become_even():
    image = picture(20, (161, 119), corner=False)
    height, width = FramePainter.size_of(image)
    assert (height % 2, width % 2) == (0, 0)
    assert width == 162


def test_several_clips_need_a_choice(clip, tmp_path):
    second = write_video(tmp_path / "second.mp4", 5, size=SIZE)
    verdict = verdict_on(frame_evidence(clip, 1, 0.5), frame_evidence(second, 1, 0.5))
    with pytest.raises(ValueError, match="several clips: clip must be one of"):
        annotate_clip(verdict, tmp_path / "out.mp4")
    with pytest.raises(ValueError, match=r"clip must be one of .*got 'third.mp4'"):
        annotate_clip(verdict, tmp_path / "out.mp4", clip="third.mp4")
    annotate_clip(verdict, tmp_path / "out.mp4", clip=second)
    assert len(read(tmp_path / "out.mp4")[0]) == 5


def test_verdicts_without_a_clip_are_refused(tmp_path):
    photo = ImageEvidence("probe", path="photo.jpg")
    without_face = frame_evidence("clip.mp4", 1, None, reason="no face was found")
    with pytest.raises(ValueError, match=r"no usable face in 'clip\.mp4'"):
        annotate_clip(verdict_on(photo, without_face), tmp_path / "out.mp4")


def test_the_clip_itself_is_not_replaced(clip):
    original = clip.read_bytes()
    with pytest.raises(OutputError):
        annotate_clip(verdict_on(frame_evidence(clip, 1, 0.5)), clip)
    assert clip.read_bytes() == original


def test_a_clip_that_is_gone_leaves_no_output(clip, tmp_path):
    verdict = verdict_on(frame_evidence(clip, 1, 0.5))
    clip.unlink()
    with pytest.raises((OSError, ValueError)):
        annotate_clip(verdict, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_the_other_codec_is_used_where_the_first_is_missing(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    annotate_clip(verdict_on(frame_evidence(clip, 5, 0.5)), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
        assert container.streams.video[0].average_rate == pytest.approx(Fraction(25), abs=0.5)


def test_a_verdict_on_a_still_picture_is_refused(tmp_path):
    picture = ImageEvidence("probe", path="still.jpg", box=(8, 8, 40, 40), p_value=0.5)
    with pytest.raises(ValueError, match=r"must be a clip in a file, got 'still.jpg'$"):
        annotate_clip(verdict_on(picture), tmp_path / "out.mp4")
    with pytest.raises(ValueError, match=r"must be a clip in a file$"):
        annotate_clip(verdict_on(), tmp_path / "out.mp4")
