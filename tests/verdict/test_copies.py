"""A reference that comes back as probe, changed so that no pixel is the same."""

import io

import numpy as np
import pytest
from PIL import Image

from sklearn_diffake import Reference, load_default, verify
from sklearn_diffake.verdict import Gates, _copies

data = pytest.importorskip("skimage.data")


def encode_again(picture, **options):
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", **options)
    return content.getvalue()


def codes(verdict):
    return [warning.code for warning in verdict.warnings]


@pytest.fixture(scope="module")
def photo():
    return data.astronaut()[:300, 60:360]


@pytest.fixture(scope="module")
def enrolled(photo, tmp_path_factory):
    """References of which one comes back, read from a file: it holds no pixels."""
    file = tmp_path_factory.mktemp("enrolled") / "ann.safetensors"
    Reference([photo, data.astronaut()], model=load_default()).save(file)
    return Reference.load(file, model=load_default())


@pytest.mark.parametrize(
    "change",
    [
        lambda photo: encode_again(photo, quality=60),
        lambda photo: encode_again(photo[:, ::-1], quality=75),
        lambda photo: photo[9:, 5:-3],
        lambda photo: np.asarray(Image.fromarray(photo).resize((400, 400))),
    ],
    ids=["jpeg", "mirrored", "cropped", "resized"],
)
def test_a_reference_sent_back_is_named(photo, enrolled, change):
    verdict = verify(enrolled, change(photo))
    assert "possible_copy" in codes(verdict)
    message = next(w.message for w in verdict.warnings if w.code == "possible_copy")
    assert "a probe image is more like a reference image" in message


def test_the_same_pixels_are_a_copy_for_certain(photo):
    assert codes(verify(photo, photo)) == ["few_images", "same_pixels"]


def test_few_calibration_pairs_say_nothing(photo, monkeypatch):
    monkeypatch.setattr(_copies, "_MIN_PAIRS", 10_000)
    assert "possible_copy" not in codes(verify(photo, photo[:, ::-1]))


def test_a_rotated_face_is_named(photo):
    tilted = np.asarray(Image.fromarray(photo).rotate(20))
    strict = verify(photo, tilted, gates=Gates(max_roll=8))
    message = next(w.message for w in strict.warnings if w.code == "rotated")
    assert "turn the picture upright" in message
    assert message.startswith("probe: ")
    assert "rotated" not in codes(verify(photo, tilted))
