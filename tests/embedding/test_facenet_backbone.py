"""FaceNet's weights: found, missing, damaged, never unpickled."""

import pickle

import numpy as np
import pytest
import torch
from image_helpers import small_face
from safetensors.torch import save_file

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding.backbones import _lookup
from sklearn_diffake.utils._torchvision import import_torchvision

import_torchvision()  # before anything that needs it

import facenet_pytorch  # noqa: E402

FILES = {
    "facenet-vggface2": "20180402-114759-vggface2.pt",
    "facenet-casia-webface": "20180408-102900-casia-webface.pt",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder for torch's downloads, and no network."""

    def no_network(*args, **kwargs):
        raise OSError("Temporary failure in name resolution")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", no_network)
    _lookup._find.cache_clear()
    (tmp_path / "checkpoints").mkdir()
    yield tmp_path / "checkpoints"
    _lookup._find.cache_clear()


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return facenet_pytorch.InceptionResnetV1(classify=True, num_classes=3).eval()


def test_weights_in_torch_home(home, module):
    torch.save(module.state_dict(), home / FILES["facenet-vggface2"])
    model = FaceEmbedder("facenet-vggface2", device="cpu").fit([small_face()])
    assert model.backbone_info_["width"] == 512
    assert model.backbone_info_["input_size"] == [160, 160]
    assert "vggface2" in model.backbone_info_["license"]

    crop = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    module.classify = False
    with torch.inference_mode():  # as facenet-pytorch's own examples prepare images
        image = (torch.from_numpy(crop).permute(2, 0, 1).float() - 127.5) / 128
        expected = module(image[None]).numpy()
    np.testing.assert_allclose(model.transform([crop]), expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(expected), 1, atol=1e-5)


@pytest.mark.parametrize("name", FILES)
def test_no_weights_and_no_network(home, name):
    with pytest.raises(FileNotFoundError) as caught:
        FaceEmbedder(name, device="cpu").fit([small_face()])
    message = str(caught.value)
    assert "Temporary failure in name resolution" in message
    release = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
    assert f"Put {release}{FILES[name]} at" in message
    assert f"at {home / FILES[name]}" in message
    assert "'difffake-lite0-identity'" in message


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04 cut off"])
def test_damaged_weights(home, content):
    path = home / FILES["facenet-vggface2"]
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged, remove it") as caught:
        FaceEmbedder("facenet-vggface2", device="cpu").fit([small_face()])
    assert repr(str(path)) in str(caught.value)


def test_no_pickle_is_run(home, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    for save in (torch.save, lambda trap, path: path.write_bytes(pickle.dumps(trap))):
        save(Trap(), home / FILES["facenet-vggface2"])
        with pytest.raises(ValueError, match="is damaged, remove it"):
            FaceEmbedder("facenet-vggface2", device="cpu").fit([small_face()])
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_network(home):
    torch.save({"weight": torch.zeros(3)}, home / FILES["facenet-vggface2"])
    with pytest.raises(ValueError, match="does not hold the weights of 'facenet-vggface2'"):
        FaceEmbedder("facenet-vggface2", device="cpu").fit([small_face()])


def test_weights_as_safetensors(home, module, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_file(module.state_dict(), path)
    model = FaceEmbedder("facenet-casia-webface", weights=path, device="cpu")
    assert model.fit_transform([small_face()]).shape == (1, 512)
