"""The registry of backbones: what it says is what is loaded."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.embedding import RECIPES, FaceEmbedder
from sklearn_diffake.embedding.backbones import Crop, entries, entry_of, names
from sklearn_diffake.embedding.backbones._lookup import find_backbone

PACKAGES = {"timm": "timm", "onnx": "onnxruntime"}
RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
OFFLINE = [entry.name for entry in entries() if entry.offline and entry.matches is None]


@pytest.mark.parametrize("name", OFFLINE)
def test_what_is_listed_is_what_is_loaded(name):
    entry = entry_of(name)
    for extra in entry.requires:
        if find_spec(PACKAGES[extra]) is None:
            pytest.skip(f"needs the extra {extra}")
    backbone = find_backbone(name)
    for fact in ("width", "input_size", "mean", "std", "license", "crop"):
        assert getattr(backbone, fact) == getattr(entry, fact), fact
    parameters = sum(parameter.numel() for parameter in backbone.module.parameters())
    assert parameters == entry.n_parameters


def test_the_best_identity_network_is_listed_first():
    rates = [entry.eer[1] for entry in entries() if 1 in entry.eer]
    assert rates == sorted(rates)
    assert entries()[0].purpose == "identity"
    assert all(entry.matches is not None for entry in entries()[-3:])


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("dlib-resnet", "dlib-resnet"),
        ("timm:resnet18", "timm:<model>"),
        ("Model.ONNX", "<file>.onnx"),
        ("c:/models/face.onnx", "<file>.onnx"),
        ("mine.networks:small", "<module>:<function>"),
        ("dlib", None),
        ("<module>:<function>", "<module>:<function>"),
    ],
)
def test_every_name_has_one_entry(name, entry):
    found_entry = entry_of(name)
    assert (found_entry and found_entry.name) == entry


def test_unknown_names_get_a_hint():
    with pytest.raises(ValueError, match="is unknown: did you mean 'dlib-resnet'"):
        find_backbone("dlib_resnet")
    with pytest.raises(ValueError, match="is unknown: expected one of") as caught:
        find_backbone("??")
    for name in names():
        assert name in str(caught.value)


def test_entries_are_plain_values():
    for entry in entries():
        assert json.loads(json.dumps(entry.describe())) == entry.describe()


def test_error_rates_are_those_that_were_measured():
    rows = json.loads((RESULTS / "identity_networks.json").read_text(encoding="utf-8"))["rows"]
    measured = {
        (row["system"], row["references"]): row["EER"]
        for row in rows
        if row["data"] == "dfdc_crops" and row["part"] == "all"
    }
    for entry in entries():
        system = entry.name + ", mirrored" * entry.mirror + ", two scales" * (len(entry.scales) > 1)
        assert entry.eer == {k: measured[system, k] for k in (1, 3) if (system, k) in measured}


@pytest.mark.parametrize(
    ("embedder", "size", "margin"),
    [
        ("dlib-resnet", 160, 0.2),
        (FaceEmbedder("dlib-resnet", mirror=True), 160, 0.2),
        ("difffake-lite0-identity", 160, 0.2),
        ("difffake-lite0-video-verdict", 160, 0.2),
        ("facenet-vggface2", 160, 0.0),
        ("efficientnet-lite0", 224, 0.0),
        ("mine:network", 224, 0.0),
        (FaceEmbedder("face.onnx", **RECIPES["arcface"]), 112, 0.0),
        (FaceEmbedder("dlib-resnet", crop=(200, 0.5)), 200, 0.5),
        (["dlib-resnet", "difffake-lite0"], 160, 0.2),
        (["efficientnet-lite0", "difffake-lite0"], 160, 0.2),
    ],
)
def test_the_pipeline_cuts_the_crop_of_its_backbone(embedder, size, margin):
    aligner = make_difffake_pipeline(embedder)["align"]
    assert (aligner.size, aligner.margin) == (size, margin)


def test_landmarks_of_a_crop_reach_the_aligner():
    points = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    pipe = make_difffake_pipeline(FaceEmbedder("face.onnx", crop=(112, 0.0, points)))
    assert pipe["align"].landmarks == points


def test_embedders_that_want_different_crops_warn():
    with pytest.warns(UserWarning, match=r"different crops \(facenet-vggface2 margin=0, dlib"):
        pipe = make_difffake_pipeline(["facenet-vggface2", "dlib-resnet"])
    assert pipe["align"].margin == 0.2


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_recipes_are_accepted(recipe):
    overrides = FaceEmbedder("face.onnx", **recipe).overrides()
    assert overrides.crop == Crop(*recipe["crop"])
    assert overrides.input_size == (recipe["input_size"],) * 2
    assert len(overrides.mean) == len(overrides.std) == 3


def test_the_registry_loads_the_standard_library_only():
    code = "import sklearn_diffake.embedding.backbones, sys; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    loaded = {name.partition(".")[0] for name in modules.split()}
    assert "sklearn_diffake" in loaded
    assert not loaded & {"numpy", "sklearn", "torch", "PIL", "onnxruntime", "timm"}
