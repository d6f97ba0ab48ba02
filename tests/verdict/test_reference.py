"""Reference: enrolled once, reused, saved; forged files are refused."""

import json
import os
import stat

import numpy as np
import pytest
from image_helpers import faces, noise
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from verdict_helpers import fitted

from sklearn_diffake import Reference, verify, verify_many
from sklearn_diffake.faces import ImageError
from sklearn_diffake.utils._checksums import with_checksum
from sklearn_diffake.verdict import _reference_file as module


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def photos():
    return faces(6, seed=7)


@pytest.fixture(scope="module")
def reference(model, photos):
    return Reference(photos[:3], model)


@pytest.fixture
def saved(reference, tmp_path):
    path = tmp_path / "ann.safetensors"
    reference.save(path)
    return path


def test_it_gives_what_its_pictures_give(model, photos, reference):
    assert (reference.n_images, reference.n_sources) == (3, 3)
    full = verify(photos[:3], photos[4], model=model)
    enrolled = verify(reference, photos[4], model=model)
    assert enrolled.score == pytest.approx(full.score, abs=1e-6)  # another batch of the network
    assert (enrolled.images[:3], enrolled.outcome) == (full.images[:3], full.outcome)
    assert verify(reference, photos[4]) == enrolled  # its own model
    (right_face,) = verify_many([(reference, photos[4])])
    assert right_face == enrolled


def test_pictures_without_a_face_are_left_out_and_nothing_else_is_refused(model, photos):
    blank = noise(1, (60, 60))[0]
    reference = Reference([photos[0], blank], model)
    assert reference.n_images == 1
    assert reference.images[1].reason == "no face was found"
    with pytest.raises(ImageError, match="no face was found") as caught:
        Reference([blank], model)
    assert caught.value.column == 0


def test_another_model_is_refused(photos, reference):
    second = fitted(seed=5)
    with pytest.raises(ValueError, match="enroll its pictures again"):
        verify(reference, photos[4], model=second)
    with pytest.raises(TypeError, match="probe"):
        verify(photos[0], reference)


def test_it_comes_back_from_a_file(model, photos, reference, saved):
    assert stat.S_IMODE(os.stat(saved).st_mode) == 0o600
    loaded = Reference.load(saved, model)
    assert loaded.images == reference.images
    verdict = verify(loaded, photos[4])
    assert verdict == verify(reference, photos[4])
    assert verdict._compared_images.crop(0) is None
    assert verdict._compared_images.picture(0) is None
    assert verdict._compared_images.crop(3) is not None
    assert "same_pixels" in [w.code for w in verify(loaded, photos[0]).warnings]
    with pytest.raises(ValueError, match="enroll its pictures again"):
        Reference.load(saved, fitted(seed=5))
    with pytest.raises(FileNotFoundError):
        Reference.load(saved.with_name("missing"), model)


def test_the_pictures_are_never_overwritten(model, photos, tmp_path):
    path = tmp_path / "ann.png"
    Image.fromarray(photos[0]).save(path)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="would be lost"):
        Reference(path, model).save(path)
    assert path.read_bytes() == content


def test_cut_and_flipped_files_are_refused(model, saved):
    content = saved.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [content[: len(content) // 2], b"", b"pickle", content + b"more"]
    for offset in rng.integers(0, len(content), 200).tolist():
        flipped = bytearray(content)
        flipped[offset] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    for bad in damaged:
        saved.write_bytes(bad)
        with pytest.raises(ValueError, match="is refused"):
            Reference.load(saved, model)


def forge(saved, change):
    """Rewrite a file, its checksum included."""
    from safetensors.numpy import load

    content = saved.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    metadata = json.loads(json.loads(content[8:end])["__metadata__"]["reference"])
    arrays = dict(load(content))
    change(metadata, arrays)
    saved.write_bytes(with_checksum(arrays, {"reference": json.dumps(metadata)}))


def _set(name, value):
    def change(metadata, arrays):
        metadata["images"][0][name] = value

    return change


FORGED = {
    "format": lambda metadata, arrays: metadata.update(format=2),
    "no images": lambda metadata, arrays: metadata.update(images=[]),
    "images are text": lambda metadata, arrays: metadata.update(images="text"),
    "unused": lambda metadata, arrays: [i.update(reason="none") for i in metadata["images"]],
    "extra field": lambda metadata, arrays: metadata["images"][0].update(extra=1),
    "probe": _set("side", "probe"),
    "path": _set("path", 3),
    "size": _set("face_size", float("nan")),
    "size is text": _set("face_size", "large"),
    "box": _set("box", [1, 2, 3]),
    "frame": _set("frame", -1),
    "digest": lambda metadata, arrays: metadata["digests"].__setitem__(0, "00"),
    "digest is no text": lambda metadata, arrays: metadata["digests"].__setitem__(0, 7),
    "few digests": lambda metadata, arrays: metadata["digests"].pop(),
    "NaN": lambda metadata, arrays: arrays["branch_0"].__setitem__((0, 0), np.nan),
    "width": lambda metadata, arrays: arrays.update(branch_0=arrays["branch_0"][:, :-1].copy()),
    "type": lambda metadata, arrays: arrays.update(branch_0=arrays["branch_0"].astype(np.float64)),
    "extra array": lambda metadata, arrays: arrays.update(branch_1=arrays["branch_0"]),
    "sources": lambda metadata, arrays: arrays.update(sources=arrays["sources"][::-1].copy()),
    "few sources": lambda metadata, arrays: arrays.update(sources=arrays["sources"][:2].copy()),
    "negative sources": lambda metadata, arrays: arrays.update(sources=arrays["sources"] - 1),
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_files_are_refused(model, saved, kind):
    forge(saved, lambda metadata, arrays: None)
    Reference.load(saved, model)
    forge(saved, FORGED[kind])
    with pytest.raises(ValueError, match="is refused"):
        Reference.load(saved, model)


def test_large_files_are_not_read(model, saved, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 100)
    with pytest.raises(ValueError, match="more than 100 bytes"):
        Reference.load(saved, model)


class MeanColor(TransformerMixin, BaseEstimator):
    """The mean color of a crop."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X.reshape(len(X), -1, 3).mean(axis=1) - 100


def test_faces_are_matched_with_enrolled_references(photos, tmp_path):
    model = fitted(select="match", matcher=MeanColor(), min_face_size=0.2)
    dark = np.round(photos[1] * 0.4).astype(np.uint8)
    combined = np.concatenate([np.concatenate([dark, dark], axis=1)[:, :105], photos[2]], axis=1)
    expected = verify(photos[0], combined, model=model)
    assert expected.images[1].n_faces == 2
    assert expected.images[1].box[0] > 100
    reference = Reference(photos[0], model)
    enrolled = verify(reference, combined)
    assert enrolled.images[1].box == expected.images[1].box
    assert enrolled.score == pytest.approx(expected.score, abs=1e-4)
    reference.save(tmp_path / "r.safetensors")
    assert verify(Reference.load(tmp_path / "r.safetensors", model), combined) == enrolled
    second = verify(Reference(dark, model), combined)
    assert second.images[1].box[0] < 100
    pairs = [(photos[0], combined), (photos[0], combined), (dark, combined)]
    right_face = [v.images[1].box[0] > 100 for v in verify_many(pairs, model=model, batch_size=1)]
    assert right_face == [True, True, False]
