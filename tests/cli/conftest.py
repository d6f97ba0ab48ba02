"""A folder of photographs with a fitted model, and a stand-in for the model that ships."""

import numpy as np
import pytest
from cli_helpers import FIT, N, Recorder, write_table
from image_helpers import noise, save_all
from named_verdicts import Model, Ready
from PIL import Image

import sklearn_diffake
from sklearn_diffake import verdict
from sklearn_diffake.cli import main
from sklearn_diffake.verdict import _model


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Photographs 000.png to 023.png, 66 genuine pairs of them, and a model fitted on these."""
    folder = tmp_path_factory.mktemp("cli")
    gray = np.random.default_rng(0).integers(90, 160, N)
    images = [
        np.full((20, 20, 3), g, np.uint8) + n // 16 for g, n in zip(gray, noise(N), strict=True)
    ]
    save_all(images, folder)
    Image.fromarray(np.full((20, 20, 3), (255, 0, 0), np.uint8)).save(folder / "red.png")
    (folder / "broken.png").write_bytes(b"no image")
    pairs = [(f"{i:03}.png", f"{j:03}.png") for i in range(N) for j in range(i + 1, min(N, i + 4))]
    write_table(folder / "pairs.csv", pairs)
    assert main(["fit", str(folder / "pairs.csv"), "-o", str(folder / "model"), *FIT]) == 0
    return folder


@pytest.fixture
def recorder(monkeypatch):
    """Stands in for the judging of pictures."""
    judging = Recorder()
    monkeypatch.setattr(sklearn_diffake, "load_default", Model, raising=False)
    monkeypatch.setattr(verdict, "verify_many", judging)
    monkeypatch.setattr(_model, "prepare_model", lambda model: Ready())
    return judging
