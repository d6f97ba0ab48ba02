"""Frames go through real video codecs and come back in order, coarser, and the same every time."""

import sys

import numpy as np
import pytest
from generation_cases import textured_crops

from sklearn_diffake.generation import _codec
from sklearn_diffake.generation._codec import CODECS, available_codecs, code_frames

pytest.importorskip("av")


@pytest.fixture
def frames():
    """Three frames of falling brightness."""
    (crop,) = textured_crops(1, 64)
    return [crop, crop // 2, crop // 4]


def error(original, after):
    return np.abs(np.subtract(original, after, dtype=int)).mean()


@pytest.fixture(params=CODECS)
def codec(request):
    if request.param not in available_codecs():
        pytest.skip(f"this PyAV has no {CODECS[request.param].encoder}")
    return request.param


def test_frames_come_back_in_order_and_close_to_what_they_were(codec, frames):
    coded = code_frames(frames, codec=codec, quality=CODECS[codec].qualities[0])
    assert [frame.shape for frame in coded] == [(64, 64, 3)] * 3
    for number, frame in enumerate(coded):
        errors = [error(frame, another_one) for another_one in frames]
        assert int(np.argmin(errors)) == number
        assert 0 < errors[number] < 8


def test_the_same_frames_give_the_same_bytes(codec, frames):
    first, second = (code_frames(frames, codec=codec, quality=30) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_higher_factor_costs_more_detail(codec, frames):
    fine, coarse = (code_frames(frames, codec=codec, quality=q)[0] for q in CODECS[codec].qualities)
    assert error(coarse, frames[0]) > error(fine, frames[0])


def test_chroma_subsampling_halves_the_colors():
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = (200, 40, 40)
    stripes[:, 1::2] = (40, 90, 200)
    full, half = (code_frames([stripes], quality=0, chroma=chroma)[0] for chroma in ("444", "420"))
    assert error(half, stripes) > 3 * error(full, stripes)


def test_odd_sizes_keep_their_size(codec):
    crop = textured_crops(1, 64)[0][:35, :41]
    assert code_frames([crop], codec=codec)[0].shape == (35, 41, 3)


def test_encoders_never_see_frames_smaller_than_a_block(monkeypatch):
    from sklearn_diffake.generation import _codec

    received, encode = [], _codec._encode

    def noting(frames, *options):
        received.extend(frame.shape for frame in frames)
        return encode(frames, *options)

    monkeypatch.setattr(_codec, "_encode", noting)
    code_frames([textured_crops(1, 22)[0]] * 2)  # x265 writes past its memory there
    assert received == [(64, 64, 3)] * 2


@pytest.mark.parametrize("options", [{"codec": "mpeg1"}, {"chroma": "411"}])
def test_what_is_unknown_is_refused(options, frames):
    with pytest.raises(ValueError, match="must be one of"):
        code_frames(frames, **options)


def test_no_frame_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        code_frames([])


def test_without_pyav_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    available_codecs.cache_clear()
    with pytest.raises(ImportError, match=r"sklearn-diffake\[video\]"):
        available_codecs()


def test_a_build_without_encoders_is_named(monkeypatch):
    import av

    monkeypatch.setattr(av, "codecs_available", {"png"})
    available_codecs.cache_clear()
    with pytest.raises(ImportError, match="libx264"):
        available_codecs()


@pytest.fixture(autouse=True)
def _restored_codecs():
    yield
    available_codecs.cache_clear()


def test_a_build_without_the_encoder_is_named(frames, monkeypatch):
    monkeypatch.setattr(_codec, "available_codecs", lambda: ())
    name = next(iter(CODECS))
    with pytest.raises(ImportError, match=CODECS[name].encoder):
        code_frames(frames, codec=name, quality=CODECS[name].qualities[0])


def test_a_codec_that_loses_a_frame_is_an_error(codec, frames, monkeypatch):
    decode = _codec._decode
    monkeypatch.setattr(_codec, "_decode", lambda *arguments: decode(*arguments)[:-1])
    with pytest.raises(RuntimeError, match=f"{codec} returned 2 frames for 3"):
        code_frames(frames, codec=codec, quality=CODECS[codec].qualities[0])
