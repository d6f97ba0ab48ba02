"""Saving and loading: bit for bit, nothing lost, weights by fingerprint or by value."""

import json
import os
import sys
import zipfile
from functools import partial
from pathlib import Path

import forked_programs
import joblib
import numpy as np
import pytest
import torch
from image_helpers import astronaut, noise
from model_helpers import BACKBONE, Foreign, members, pipeline
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tiny_backbones import colors

from sklearn_diffake import __version__, verify
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.embedding.backbones import _lookup
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.metrics import get_scorer
from sklearn_diffake.novelty import GaussianMixtureDetector
from sklearn_diffake.persistence import load, save

DATA = Path(__file__).parent / "data"

trusting = partial(load, trusted=[BACKBONE])


@pytest.fixture(scope="module")
def pairs():
    return np.stack(noise(24)).reshape(12, 2, 20, 20, 3)


@pytest.fixture(scope="module")
def model(pairs):
    return pipeline().fit(pairs)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.diffake"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A folder of its own for weights that come with models."""
    monkeypatch.setenv("SKLEARN_DIFFAKE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


SCORE = f"""
import numpy as np
from sklearn_diffake import persistence
model = persistence.load("model.diffake", trusted=["{BACKBONE}"])
np.save("scores.npy", model.score_samples(np.load("pairs.npy")))
"""


@pytest.mark.filterwarnings(
    "error::UserWarning", "ignore::sklearn.exceptions.InconsistentVersionWarning"
)
def test_the_default_of_the_first_release_still_judges():
    """With the scores that it gave in version 0.1.0."""
    photo = astronaut()
    mirrored = np.ascontiguousarray(photo[:, ::-1])
    pairs = [(photo, mirrored), (photo, mirrored // 2)]
    old = load(DATA / "models" / "default-0.1.0.diffake")
    np.testing.assert_allclose(old.score_samples(pairs), [2.54926092, 2.30240941], atol=0.01)
    assert old[-1].offset_ == pytest.approx(-2.034292086958885)
    p_values = old[-1].p_values(old[:-1].transform(pairs))
    np.testing.assert_allclose(p_values, [1.0, 0.99722222], atol=0.01)
    verdict = verify(photo, mirrored, model=old)
    assert (verdict.outcome, verdict.n_references) == ("genuine", 1)


def test_round_trip_bit_for_bit_in_another_process(model, pairs, path):
    save(model, path)
    np.save(path.with_name("pairs.npy"), pairs)
    forked_programs.run(SCORE, cwd=path.parent)
    scores = np.load(path.with_name("scores.npy"))
    np.testing.assert_array_equal(scores, model.score_samples(pairs))
    assert scores.dtype == np.float64


def test_everything_comes_back(model, pairs, path):
    save(model, str(path))
    loaded = trusting(str(path))
    assert [type(step) for _, step in loaded.steps] == [type(step) for _, step in model.steps]
    for (_, first_object), (_, reference_value) in zip(loaded.steps, model.steps, strict=True):
        assert first_object.get_params() == reference_value.get_params()
    assert loaded["detect"].offset_ == model["detect"].offset_
    assert loaded["embed"].backbone_info_ == model["embed"].backbone_info_
    np.testing.assert_array_equal(loaded.predict(pairs), model.predict(pairs))
    clone(loaded).fit(pairs)


def test_the_model_is_left_as_it_was(model, path, tmp_path):
    pipe = clone(model).set_params(align__cache=tmp_path, embed__cache=EmbeddingStore(tmp_path))
    original = joblib.hash(pipe)
    save(pipe, path)
    assert joblib.hash(pipe) == original
    save(model, path, include_weights=True)
    assert model["embed"].weights is None


def test_manifest(model, path):
    save(model, path)
    manifest = json.loads(members(path)["manifest.json"])
    assert manifest["format"] == 1
    assert manifest["sklearn_diffake"] == __version__
    assert {"numpy", "scikit-learn", "skops"} < set(manifest)
    assert manifest["backbones"] == [model["embed"].backbone_info_]


# --- what is not saved -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path, EmbeddingStore])
def test_caches_are_not_saved(model, pairs, path, tmp_path, kind):
    cache = kind(tmp_path / "my private folder")
    pipe = clone(model).set_params(align__cache=cache, embed__cache=cache).fit(pairs)
    save(pipe, path)
    assert not any(b"my private folder" in content for content in members(path).values())
    loaded = trusting(path)
    assert loaded["align"].cache is loaded["embed"].cache is None
    np.testing.assert_allclose(loaded.score_samples(pairs), pipe.score_samples(pairs), rtol=1e-6)


def test_paths_become_strings(pairs, path, tmp_path):
    weights = tmp_path / "w.safetensors"
    save_file(colors().state_dict(), weights)
    save(FaceEmbedder(BACKBONE, weights=weights, device="cpu").fit(pairs), path)
    assert trusting(path).weights == str(weights)


# --- searches, nests, other people's estimators ------------------------------------------------


def test_search(model, pairs, path, tmp_path):
    grid = {
        "embed": [
            FaceEmbedder(BACKBONE, device="cpu", cache=EmbeddingStore(tmp_path / "private")),
            FaceEmbedder("tiny_backbones:means", device="cpu"),
        ],
        "diff__operator": ["squared", "absolute"],
    }
    y = np.tile([1, 1, -1], 4)
    search = GridSearchCV(model, grid, cv=2, scoring="roc_auc").fit(pairs, y)
    save(search, path)
    assert not any(b"private" in content for content in members(path).values())
    loaded = load(path, trusted=[BACKBONE, "tiny_backbones:means"])
    assert loaded.best_params_["diff__operator"] == search.best_params_["diff__operator"]
    np.testing.assert_array_equal(loaded.score_samples(pairs), search.score_samples(pairs))
    np.testing.assert_array_equal(
        loaded.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )
    with pytest.raises(ValueError, match=r"contains \['tiny_backbones:means'\], which is not"):
        trusting(path)


def test_parts_and_plain_estimators(pairs, path):
    X = np.random.default_rng(0).normal(size=(30, 4))
    detector = GaussianMixtureDetector(1).fit(X)
    save(detector, path)
    np.testing.assert_array_equal(load(path).score_samples(X), detector.score_samples(X))
    save(LogisticRegression().fit(X, X[:, 0] > 0), path)
    assert load(path).predict(X).shape == (30,)
    save(FaceAligner(32), path)
    assert load(path).size == 32


# --- weights -----------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(3)
    file = tmp_path / "mine.safetensors"
    save_file(colors().state_dict(), file)
    return file


def onnx_file(path):
    from onnx import TensorProto, helper, save

    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["vector"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", 3])],
    )
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_included_weights_outlive_their_file(kind, pairs, path, tmp_path, weights, home):
    if kind == "onnx":
        weights = onnx_file(tmp_path / "net.onnx")
        pipe = pipeline(weights)
    else:
        pipe = pipeline(weights=weights)
    expected = pipe.fit(pairs).score_samples(pairs)
    save(pipe, path, include_weights=True)
    weights.unlink()
    _lookup._find.cache_clear()
    with pytest.raises(FileNotFoundError, match="no such file"):
        pipe.score_samples(pairs)
    loaded = trusting(path)
    (remaining,) = (home / "weights").iterdir()
    assert remaining.name == f"{pipe['embed'].fingerprint_}.{kind}"
    np.testing.assert_array_equal(loaded.score_samples(pairs), expected)
    np.testing.assert_array_equal(trusting(path).score_samples(pairs), expected)
    save(loaded, path)  # and on from there


def test_included_weights_that_were_damaged_in_the_cache_are_replaced(pairs, path, weights, home):
    pipe = pipeline(weights=weights).fit(pairs)
    save(pipe, path, include_weights=True)
    trusting(path)
    (remaining,) = (home / "weights").iterdir()
    remaining.write_bytes(remaining.read_bytes()[:50])
    np.testing.assert_array_equal(trusting(path).score_samples(pairs), pipe.score_samples(pairs))


def test_included_weights_need_a_place(pairs, path, weights, monkeypatch, tmp_path):
    save(pipeline(weights=weights).fit(pairs), path, include_weights=True)
    (tmp_path / "file").touch()
    monkeypatch.setenv("SKLEARN_DIFFAKE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"cannot be written to .*Set SKLEARN_DIFFAKE_HOME"):
        trusting(path)


def test_weights_in_a_file_cannot_be_put_elsewhere(pairs, path, weights, home, tmp_path):
    pipe = pipeline(weights=weights).fit(pairs)
    save(pipe, path, include_weights=True)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("weights/../../evil.safetensors", b"1")
        archive.writestr(f"weights/{pipe['embed'].fingerprint_}.py", b"1")
        archive.writestr(f"weights/{pipe['embed'].fingerprint_}.evil.safetensors", b"1")
    trusting(path)
    assert not list(tmp_path.rglob("*evil*"))
    assert [file.suffix for file in (home / "weights").iterdir()] == [".safetensors"]


def test_other_weights_at_the_same_place(pairs, path, weights):
    save(pipeline(weights=weights).fit(pairs), path)
    state = load_file(weights)
    save_file({**state, "mix.bias": state["mix.bias"] + 1}, weights)
    loaded = trusting(path)
    with pytest.raises(ValueError, match=r"has the fingerprint \w+, but .* other weights"):
        loaded.score_samples(pairs)


def test_without_weights_the_file_is_small_and_needs_none_to_be_saved(pairs, path, weights):
    pipe = pipeline(weights=weights).fit(pairs)
    weights.unlink()
    save(pipe, path)
    assert not any("weights" in name for name in members(path))
    with pytest.raises(FileNotFoundError):
        save(pipe, path, include_weights=True)


# --- saving that fails -------------------------------------------------------------------------


def test_what_cannot_be_saved_is_said_when_saving(path):
    pieces = FunctionTransformer(lambda X: X), Foreign(torch.nn.Linear(1, 1)), Foreign(sys.stdout)
    for piece in pieces:
        with pytest.raises(TypeError, match="this model cannot be saved safely"):
            save(make_pipeline(piece), path)
    assert not list(path.parent.iterdir())


def test_a_save_that_fails_leaves_the_old_file(model, path, monkeypatch):
    save(model, path)
    original = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    def write(archive, name, content, writestr=zipfile.ZipFile.writestr):
        full() if name == "model.skops" else writestr(archive, name, content)

    for position, name, fail in ((zipfile.ZipFile, "writestr", write), (os, "replace", full)):
        with monkeypatch.context() as patch:
            patch.setattr(position, name, fail)
            with pytest.raises(OSError, match="No space left"):
                save(FaceAligner(), path)
    with pytest.raises(TypeError, match="cannot be saved safely"):
        save(FunctionTransformer(lambda X: X), path)
    assert path.read_bytes() == original
    assert os.listdir(path.parent) == [path.name]


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError):
        save(FaceAligner(), tmp_path / "nowhere" / "model.diffake")


def test_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="a directory; expected the name of a file"):
        save(FaceAligner(), tmp_path / "folder")
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_others_may_read_the_file_only_if_it_is_public(path):
    save(FaceAligner(), path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    original = os.umask(0o022)
    try:
        save(FaceAligner(), path, public=True)
    finally:
        os.umask(original)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("parameter", ["backbone", "weights"])
def test_files_of_the_model_are_not_overwritten(parameter, pairs, tmp_path):
    """The model is not fitted on the file: only its name counts here."""
    precious = tmp_path / "precious.onnx"
    precious.write_bytes(b"precious")
    embedder = FaceEmbedder(BACKBONE).fit(pairs).set_params(**{parameter: str(precious)})
    (tmp_path / "link").symlink_to(precious)
    for name in ("precious.onnx", "link"):
        with pytest.raises(ValueError, match="it is the input"):
            save(embedder, tmp_path / name)
    assert precious.read_bytes() == b"precious"


@pytest.mark.gpu
def test_fitted_on_cuda_loads_on_the_cpu(pairs, path):
    pipe = pipeline().set_params(align__device="cuda", embed__device="cuda").fit(pairs)
    save(pipe, path)
    loaded = trusting(path).set_params(align__device="cpu", embed__device="cpu")
    np.testing.assert_allclose(loaded.score_samples(pairs), pipe.score_samples(pairs), rtol=0.1)


def test_a_search_with_a_scorer_of_ours_comes_back(tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 3))
    X[::3] += 5
    y = np.where(np.arange(60) % 3, 1, -1)
    search = GridSearchCV(
        GaussianMixtureDetector(random_state=0),
        {"n_components": [1, 2]},
        scoring=get_scorer("neg_equal_error_rate"),
        cv=3,
    ).fit(X, y)
    save(search, tmp_path / "search.diffake")
    loaded = load(tmp_path / "search.diffake")
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))
    assert loaded.score(X, y) == search.score(X, y)
