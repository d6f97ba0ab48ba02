"""Keys of embeddings and of trainings: every parameter that changes a number is in them."""

import numpy as np
import pytest
from forgery_cases import Tiny, embedder, pairs
from key_helpers import check_listed, parameters_of
from safetensors.numpy import load_file, save_file
from skorch.callbacks import Callback

from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.embedding.forgery._checkpoint import SEED
from sklearn_diffake.store import EmbeddingStore

USUAL = {"backbone": "tiny_backbones:colors", "device": "cpu"}
DECISIVE = {
    "backbone": "forgery_cases:tiny",
    "weights": "other.safetensors",
    "dtype": "bfloat16",
    "mean": 0.25,
    "std": (0.5, 0.25, 0.5),
    "input_size": 8,
    "mirror": True,
    "scales": (1.0, 0.75),
}
INDIFFERENT = {
    "crop": (112, 0.0),  # it is for who cuts the crops
    "device": "auto",
    "batch_size": 1,
    "cache": None,
    "n_jobs": 2,
    "pooling": "mean",  # of templates; embeddings of single pictures are stored
    "verbose": 1,
}

# What decides the network that ForgeryEmbedder trains, and of what dataset; `weights` and
# `backbone` by what is in them, `random_state` by the seed.
TRAINING = {
    "backbone": "forgery_cases:wide",
    "weights": "first.safetensors",
    "techniques": {"upsampling_grid": 1, "poor_blend_seam": 1},
    "landmarks": "dlib",
    "margin": 0.1,
    "augment": True,
    "blending": "yuv420",
    "match_sharpness": 0.5,
    "images_per_epoch": 4,
    "input_size": 40,
    "max_epochs": 4,
    "batch_size": 6,
    "lr": 0.02,
    "momentum": 0.5,
    "rho": 0.1,
    "weight_decay": 0.01,
    "validation_fraction": 0.5,
    "early_stopping": False,
    "n_iter_no_change": 2,
    "n_best": 1,
    "dtype": "bfloat16",  # the network is trained in it
    "random_state": 1,
}
NOT_TRAINING = {
    "callbacks": [Callback],
    "warm_start": True,
    "checkpoint_dir": None,
    "device": "auto",
    "n_jobs": 1,
    "cache": None,
    "pooling": "mean",
    "verbose": 1,
}


@pytest.fixture
def crops():
    return np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3), dtype=np.uint8)


@pytest.fixture
def settings(tmp_path, crops):
    """Return the changed settings; the file of weights is made."""
    from sklearn_diffake.embedding.backbones._lookup import find_backbone

    file = tmp_path / "colors.safetensors"
    find_backbone(USUAL["backbone"], None).export(file)
    arrays = {name: array + np.float32(0.5) for name, array in load_file(file).items()}
    save_file(arrays, tmp_path / DECISIVE["weights"])
    return {**DECISIVE, "weights": str(tmp_path / DECISIVE["weights"])}


def embedded(crops, **changes):
    return FaceEmbedder(**{**USUAL, **changes}).fit_transform(crops)


def test_every_parameter_of_face_embedder_is_listed():
    check_listed("FaceEmbedder", parameters_of(FaceEmbedder), DECISIVE, INDIFFERENT)


@pytest.mark.parametrize("name", DECISIVE)
def test_what_changes_an_embedding_changes_its_key(name, settings, crops, tmp_path):
    changes = {name: settings[name]}
    cold, usual = embedded(crops, **changes), embedded(crops)
    assert cold.shape != usual.shape or (cold != usual).any(), "the example changes nothing"
    store = EmbeddingStore(tmp_path)
    np.testing.assert_array_equal(embedded(crops, cache=store), usual)
    np.testing.assert_array_equal(embedded(crops, cache=store, **changes), cold)
    np.testing.assert_array_equal(embedded(crops, cache=store), usual)


@pytest.mark.parametrize("name", INDIFFERENT)
def test_what_does_not_is_answered_by_the_cache(name, crops, tmp_path):
    embedded(crops, cache=tmp_path)
    changes = {"cache": tmp_path, name: INDIFFERENT[name] or str(tmp_path)}
    model = FaceEmbedder(**{**USUAL, **changes})
    model.fit_transform(crops)
    assert model.n_embedded_ == 0


def test_every_parameter_of_forgery_embedder_is_listed():
    check_listed("ForgeryEmbedder", parameters_of(ForgeryEmbedder), TRAINING, NOT_TRAINING)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    embedder(checkpoint_dir=folder).fit(pairs())
    return folder


@pytest.mark.parametrize("name", TRAINING)
def test_what_changes_a_training_is_not_resumed(name, checkpoint, tmp_path):
    value = TRAINING[name]
    if name == "landmarks":
        pytest.importorskip("dlib", reason="needs the extra 'dlib'")
    if name == "weights":
        value = str(tmp_path / value)
        save_file({k: t.numpy() for k, t in Tiny().state_dict().items()}, value)
    embedder_with_change = embedder(**{"checkpoint_dir": checkpoint, name: value})
    setting = {"weights": "first weights", "random_state": SEED}.get(name, name)
    with pytest.raises(ValueError, match=f"holds another training.* {setting}="):
        embedder_with_change.fit(pairs())


@pytest.mark.parametrize("name", NOT_TRAINING)
def test_what_does_not_is_resumed(name, checkpoint, monkeypatch):
    from sklearn_diffake.embedding.forgery._sam import SAM

    def step(self, closure):
        raise AssertionError("trained again")

    monkeypatch.setattr(SAM, "step", step)
    changes = {"checkpoint_dir": checkpoint, name: NOT_TRAINING[name] or checkpoint}
    assert embedder(**changes).fit(pairs()).n_iter_ == 3


@pytest.mark.parametrize("data", ["X", "y", "groups"])
def test_other_data_are_another_training(data, checkpoint):
    X = pairs() if data != "X" else 255 - pairs()
    y = np.array([1] * 11 + [-1]) if data == "y" else None
    groups = np.repeat(range(6), 2) if data == "groups" else None
    with pytest.raises(ValueError, match="holds another training"):
        embedder(checkpoint_dir=checkpoint).fit(X, y, groups)


def test_embeddings_of_a_trained_network_are_its_own(tmp_path):
    """The weights decide, and what they were trained with decides the weights."""
    store = EmbeddingStore(tmp_path)
    for changes in ({}, {"random_state": 1}, {"max_epochs": 1}, {"lr": 0.01}):
        cold = embedder(**changes).fit(pairs()).transform(pairs())
        warm = embedder(**changes, cache=store).fit(pairs()).transform(pairs())
        np.testing.assert_array_equal(warm, cold)
