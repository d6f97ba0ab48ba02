"""The networks that come with the package."""

from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import forked_programs
import numpy as np
import pytest
from image_helpers import faces

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.embedding.backbones import _packaged
from sklearn_diffake.embedding.backbones._lookup import find_backbone
from sklearn_diffake.embedding.backbones._packaged import PACKAGED_FILES, packaged_file
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.pairs import PairDifference

pytestmark = pytest.mark.skipif(find_spec("timm") is None, reason="needs the extra timm")
DATA = Path(str(resources.files("sklearn_diffake"))) / "data"
WIDTHS = {
    "difffake-lite0": 1280,
    "difffake-lite0-verdict": 1,
    "difffake-lite0-video": 1280,
    "difffake-lite0-video-verdict": 1,
    "difffake-lite0-identity": 128,
}
#: Names of the forgery networks, and the size of the images that each was trained on.
FORGERY = {"difffake-lite0": 128, "difffake-lite0-video": 160}
NETWORKS = [*FORGERY, "difffake-lite0-identity"]


@pytest.fixture(scope="module")
def crops():
    return FaceAligner(160, margin=0.2, min_face_size=0.4).fit_transform(faces(6))


@pytest.mark.parametrize("name", PACKAGED_FILES)
def test_found_by_name(name, crops):
    embedder = FaceEmbedder(name, device="cpu").fit(crops)
    vectors = embedder.transform(crops)
    assert vectors.shape == (6, WIDTHS[name])
    assert embedder.backbone_info_["name"] == name
    assert "Labeled Faces in the Wild" in embedder.backbone_info_["license"]
    assert len(np.unique(vectors.round(3), axis=0)) == 6


def test_together_they_are_under_twenty_two_megabytes():
    assert sum(Path(file).stat().st_size for file in set(map(packaged_file, PACKAGED_FILES))) < 22e6


@pytest.mark.parametrize("name", FORGERY)
def test_a_verdict_and_its_features_are_of_one_file(name):
    assert PACKAGED_FILES[f"{name}-verdict"] == PACKAGED_FILES[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_each_has_a_model_card(name):
    card = (DATA / f"{name}.md").read_text(encoding="utf-8")
    assert "@" not in card  # no placeholder is left
    for heading in ("Data", "Recipe", "Seed", "Results", "Intended use", "Not intended", "Limits"):
        assert f"**{heading}" in card, heading


@pytest.mark.parametrize(("name", "size"), FORGERY.items())
def test_the_forgery_classifier_comes_along(name, size, crops):
    embedder = ForgeryEmbedder(name, max_epochs=0, device="cpu").fit(crops)
    assert embedder.backbone_info_["input_size"] == [size, size]
    scores = embedder.score_images(crops)
    assert scores.shape == (6,)
    features = FaceEmbedder(name, device="cpu").fit_transform(crops)
    np.testing.assert_array_equal(embedder.transform(crops), features)
    np.testing.assert_allclose(features @ embedder.coef_ + embedder.intercept_, scores, rtol=1e-4)


@pytest.mark.parametrize("name", FORGERY)
def test_the_verdict_is_that_of_the_classifier(name, tmp_path, crops):
    classifier = ForgeryEmbedder(name, max_epochs=0, device="cpu").fit(crops)
    verdict = FaceEmbedder(f"{name}-verdict", device="cpu").fit_transform(crops)
    np.testing.assert_allclose(-verdict[:, 0], classifier.score_images(crops), atol=1e-4)
    file = str(tmp_path / "own.safetensors")  # a classifier of the user, and a copy by export
    classifier.coef_ = 2 * classifier.coef_
    classifier.intercept_ = 2 * classifier.intercept_
    classifier.save_weights(file)
    embedder = FaceEmbedder(f"{name}-verdict", weights=file, device="cpu")
    embeddings = embedder.fit_transform(crops)
    np.testing.assert_allclose(embeddings, 2 * verdict, atol=1e-4)
    copy = str(tmp_path / "copy.safetensors")
    find_backbone(f"{name}-verdict", file).export(copy)
    embedder = FaceEmbedder(f"{name}-verdict", weights=copy, device="cpu")
    np.testing.assert_array_equal(embedder.fit_transform(crops), embeddings)


def test_the_identity_network_looks_at_the_arcface_crop(crops):
    embedder = FaceEmbedder("difffake-lite0-identity", device="cpu").fit(crops)
    framed = crops.copy()
    framed[:, :24], framed[:, -24:], framed[:, :, :24], framed[:, :, -24:] = 0, 255, 7, 70
    np.testing.assert_array_equal(embedder.transform(framed), embedder.transform(crops))


def test_weights_of_ones_own(tmp_path, crops):
    backbone = find_backbone("difffake-lite0-identity")
    file = tmp_path / "own.safetensors"
    backbone.export(str(file))
    reloaded = find_backbone("difffake-lite0-identity", str(file))
    assert reloaded.fingerprint == backbone.fingerprint
    with pytest.raises(ValueError, match="not hold the weights of 'difffake-lite0-identity'"):
        FaceEmbedder("difffake-lite0-identity", weights=packaged_file("difffake-lite0")).fit(crops)


def test_the_same_vectors_in_another_process(tmp_path, crops):
    np.save(tmp_path / "crops.npy", crops)
    code = (
        "import numpy as np\n"
        "from sklearn_diffake.embedding import FaceEmbedder\n"
        "X = np.load('crops.npy')\n"
        "embedder = FaceEmbedder('difffake-lite0-identity', device='cpu')\n"
        "np.save('out.npy', embedder.fit_transform(X))\n"
    )
    forked_programs.run(code, cwd=tmp_path)
    expected = FaceEmbedder("difffake-lite0-identity", device="cpu").fit_transform(crops)
    # torch's threads add up in another order there: the numbers are up to 20 large, in float32
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-4)


def test_both_meet_in_one_pipeline(crops):
    pairs = crops.reshape(3, 2, 160, 160, 3)
    names = ["difffake-lite0", "difffake-lite0-identity"]
    pipe = make_difffake_pipeline(names, aligner=False, operator="squared", device="cpu")
    features = pipe[:-1].fit_transform(pairs)
    assert features.shape == (3, 1280 + 128)
    assert isinstance(pipe["features"].transformer_list[0][1]["diff"], PairDifference)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_of_the_package_that_are_damaged_are_refused(name, tmp_path, monkeypatch):
    content = bytearray(Path(packaged_file(name)).read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(content)
    monkeypatch.setattr(_packaged, "packaged_file", lambda name: str(damaged))
    with pytest.raises(ValueError, match=r"damaged\.safetensors' is damaged: its checksum"):
        _packaged.packaged_backbone(name, None)
