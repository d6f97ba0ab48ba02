"""Results of pictures and frames: each computed once, and errors with their location."""

import types

import numpy as np
import pytest
from image_helpers import noise

from sklearn_diffake.images import read
from sklearn_diffake.images.engine import ComputeOnce
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.results import ArrayResults
from sklearn_diffake.images.table import image_table
from sklearn_diffake.store import EmbeddingStore

BAR = types.SimpleNamespace(update=lambda n: None)


def brightness(images, digests):
    return [image.mean() for image in images]


def test_a_duplicate_of_a_picture_that_fails_has_its_error():
    def dark(images, digests):
        return [image.mean() if image.mean() > 10 else ImageError("too dark") for image in images]

    good, black = noise(1)[0], np.zeros((20, 20, 3), np.uint8)
    table = image_table([black, good, black.copy()])
    results = ComputeOnce(dark, dtype=float)(table, BAR, errors="return")
    assert {i: error.row for i, error in results.errors.items()} == {0: 0, 2: 2}
    assert all("too dark" in str(error) for error in results.errors.values())
    assert results.values[1] == good.mean()
    assert results.n_computed == 1
    with pytest.raises(ImageError, match="too dark") as caught:
        ComputeOnce(dark, dtype=float)(image_table([good, black]), BAR)
    assert caught.value.row == 1


def clip_job(frames, **options):
    """Return a job for which each path is a video with some frames, or an error at the end."""

    def read_clip(path):
        for number, image in enumerate(frames):
            yield number, number / 25, image
        if "damaged" in path:
            raise ImageError("this frame is damaged")

    compute = options.pop("compute", brightness)
    return ComputeOnce(
        compute, dtype=float, read_frames=read_clip, is_video=lambda source: True, **options
    )


def test_frames_are_computed_in_batches():
    sizes = []

    def counted(images, digests):
        sizes.append(len(images))
        return brightness(images, digests)

    frames = noise(7)
    results = clip_job(frames, compute=counted, batch_size=3)(image_table(["a.mp4"]), BAR)
    assert sizes == [3, 3, 1]
    assert [frame.value for frame in results.frames[0]] == [frame.mean() for frame in frames]
    assert [frame.number for frame in results.frames[0]] == list(range(7))
    assert results.n_pictures == 7


def test_a_video_that_fails_in_the_middle_has_no_results():
    table = image_table(["a.mp4", "damaged.mp4"])
    results = clip_job(noise(4))(table, BAR, errors="return")
    assert list(results.errors) == [1]
    assert results.errors[1].row == 1
    assert "this frame is damaged" in str(results.errors[1])
    assert list(results.frames) == [0]
    with pytest.raises(ImageError, match=r"this frame is damaged") as caught:
        clip_job(noise(4))(table, BAR)
    assert caught.value.row == 1


def test_frames_whose_results_are_not_stored_are_read_again(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"content")
    monkeypatch.setattr(read, "_RACY_NS", 0)  # a file that was just changed is always read
    frames = noise(3)
    counts, n_reads = [], []
    for namespace in ("first", "first", "second"):
        store = EmbeddingStore(tmp_path / "store")
        stored = ArrayResults(store, namespace, np.dtype(float))
        job = clip_job(frames, store=store, results=stored)
        read_frames, sources = job.read_frames, []

        def read_counted(source, read_frames=read_frames, sources=sources):
            sources.append(source)
            return read_frames(source)

        job.read_frames = read_counted
        results = job(image_table([str(path)]), BAR)
        store.close()
        counts.append(results.n_computed)
        n_reads.append(len(sources))
        assert [frame.value for frame in results.frames[0]] == [frame.mean() for frame in frames]
    assert counts == [3, 0, 3]
    assert n_reads == [1, 0, 1]
