"""Rolling verdicts on frames."""

import numpy as np
import pytest
from image_helpers import faces
from verdict_helpers import altered, fitted
from video_files import write_video

from sklearn_diffake import Reference, verify
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.images.video import sample_frames
from sklearn_diffake.verdict import verify_stream


@pytest.fixture(scope="module")
def model():
    return fitted(times=4)


@pytest.fixture(scope="module")
def photos():
    return faces(2, seed=5)


def frames_of(images):
    return [(i, 0.5 * i, image) for i, image in enumerate(images)]


def probe_images(verdict):
    return [image for image in verdict.images if image.side == "probe"]


def test_windows_roll_over_the_frames(model, photos):
    images = [photos[1][: -1 - i] for i in range(11)]
    verdicts = list(verify_stream(photos[0], frames_of(images), model=model, window=6, step=4))
    numbers = [[image.frame for image in probe_images(verdict)] for verdict in verdicts]
    assert numbers == [[0, 1, 2, 3], [2, 3, 4, 5, 6, 7], [5, 6, 7, 8, 9, 10]]
    assert [image.time for image in probe_images(verdicts[0])] == [0.0, 0.5, 1.0, 1.5]
    assert [verdict.n_probes for verdict in verdicts] == [4, 6, 6]
    assert {verdict.category for verdict in verdicts} == {(1, 1)}  # frames are one source


def test_a_window_is_judged_as_a_clip_of_its_frames(model, photos, tmp_path):
    height, width = (side // 2 * 2 for side in photos[1].shape[:2])
    pictures = [np.roll(photos[1], i, axis=0)[:height, :width] for i in range(12)]
    pictures[7] = altered(pictures[7])
    clip = write_video(tmp_path / "c.mp4", 12, size=(width, height), images=pictures)
    frames = list(sample_frames(clip, 12))
    (rolling,) = verify_stream(photos[0], frames, model=model, window=12, step=12)
    whole = verify(photos[0], clip, model=model, n_frames=12)
    for name in ("outcome", "threshold", "p_value", "level", "clip", "category"):
        assert getattr(rolling, name) == getattr(whole, name), name
    assert rolling.score == pytest.approx(whole.score, rel=1e-5)
    for image, expected in zip(probe_images(rolling), probe_images(whole), strict=True):
        assert (image.frame, image.time) == (expected.frame, expected.time)
        assert image.box == pytest.approx(expected.box, abs=1e-3)
        assert image.score == pytest.approx(expected.score, rel=1e-5)


def test_each_frame_is_embedded_once(model, photos, monkeypatch):
    counts = []
    embed = FaceEmbedder._embed_pictures

    def counted(self, table, **options):
        counts.append(len(table.sources))
        return embed(self, table, **options)

    reference = Reference(photos[0], model)
    monkeypatch.setattr(FaceEmbedder, "_embed_pictures", counted)
    images = [photos[1][: -1 - i] for i in range(9)]
    list(verify_stream(reference, frames_of(images), window=8, step=2))
    assert counts == [2, 2, 2, 2, 1]


def test_an_altered_part_is_seen_when_it_is_in_the_window(model, photos):
    images = [photos[1][: -1 - i] for i in range(8)]
    images += [altered(photos[1])[: -1 - i] for i in range(8)]
    verdicts = verify_stream(photos[0], frames_of(images), model=model, window=4, step=4)
    outcomes = [verdict.outcome for verdict in verdicts]
    assert "suspicious" not in outcomes[:2]
    assert outcomes[2:] == ["suspicious"] * 2


def test_frames_without_a_face_are_inconclusive(model, photos):
    blank = np.full((64, 64, 3), 90, np.uint8)
    images = [blank] * 4 + [blank, photos[1], blank, photos[1][:-1]]
    empty, partly = verify_stream(photos[0], frames_of(images), model=model, window=4, step=4)
    assert empty.outcome == "inconclusive"
    assert empty.reason == "no usable face in 4 frames: no face was found"
    assert empty.p_value is None
    assert partly.n_probes == 2
    assert partly.p_value is not None


def test_a_stream_without_an_end_is_judged_as_it_comes(model, photos):
    taken = []

    def endless():
        for i in range(10**9):
            taken.append(i)
            yield i, 0.5 * i, photos[1]

    verdicts = verify_stream(photos[0], endless(), model=model, window=4, step=2)
    next(verdicts)
    assert taken == [0, 1]


def test_wrong_arguments(model, photos):
    with pytest.raises(ValueError, match="step=5 is more than window=4"):
        next(verify_stream(photos[0], [], model=model, window=4, step=5))
    with pytest.raises(ValueError, match="step must be a positive integer, got 0"):
        next(verify_stream(photos[0], [], model=model, step=0))
    with pytest.raises(ValueError, match="window must be a positive integer, got 0"):
        next(verify_stream(photos[0], [], model=model, window=0))
    other = fitted(seed=2)
    with pytest.raises(ValueError, match="enrolled with the model"):
        next(verify_stream(Reference(photos[0], other), [], model=model))
    assert list(verify_stream(photos[0], [], model=model)) == []


def test_frames_may_share_one_buffer(model, photos):
    height, width = np.minimum(photos[0].shape, photos[1].shape)[:2]
    images = [np.roll(photos[i // 4][:height, :width], i, axis=0) for i in range(8)]
    separate = verify_stream(photos[0], frames_of(images), model=model, window=4, step=4)

    def frames_in_one_buffer():
        buffer = np.empty_like(images[0])
        for i, image in enumerate(images):
            buffer[:] = image
            yield i, 0.5 * i, buffer

    shared = verify_stream(photos[0], frames_in_one_buffer(), model=model, window=4, step=4)
    assert [v.score for v in shared] == [v.score for v in separate]
