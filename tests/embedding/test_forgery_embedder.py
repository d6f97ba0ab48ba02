"""ForgeryEmbedder as an estimator: in pipelines and searches, saved, shipped, given bad input."""

import inspect
import pickle
import re
import sys
from importlib import import_module

import forked_programs
import joblib
import numpy as np
import pytest
import sklearn
from forgery_cases import crops, embedder, pairs, same_weights
from image_helpers import faces
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import Pipeline

from sklearn_diffake import persistence
from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.faces import FaceAligner, ImageError
from sklearn_diffake.novelty import GaussianMixtureDetector
from sklearn_diffake.pairs import PairDifference

TRUSTED = ["forgery_cases:tiny"]


@pytest.fixture(scope="module")
def fitted():
    return embedder(lr=0.2).fit(pairs())


# --- an estimator like others ------------------------------------------------------------------


def test_attributes_are_documented_and_there(fitted):
    doc = inspect.getdoc(ForgeryEmbedder)
    section = doc[doc.index("Attributes\n-") : doc.index("Raises\n-")]
    fitted.transform(crops(2))
    public = {name for name in vars(fitted) if re.fullmatch(r"[a-z]\w*_", name)}
    assert public == set(re.findall(r"^(\w+) :", section, re.MULTILINE))
    assert list(fitted.get_feature_names_out()[:2]) == ["forgeryembedder0", "forgeryembedder1"]
    assert fitted.backbone_info_["width"] == len(fitted.coef_) == 16
    assert fitted.n_iter_ == len(fitted.history_) == 3


def test_constructor_only_stores_and_fit_changes_no_parameter(fitted):
    parameters = embedder(lr=0.2).get_params()
    assert fitted.get_params() == parameters
    assert clone(fitted).get_params() == parameters
    odd = {"techniques": {"a": 1}, "device": "cuda:99", "backbone": "nowhere", "input_size": 1}
    assert ForgeryEmbedder(**odd).get_params()["techniques"] is odd["techniques"]


@pytest.mark.parametrize(
    "settings",
    [
        {"techniques": 3},
        {"landmarks": "mediapipe"},
        {"margin": -1},
        {"augment": "yes"},
        {"input_size": 8},
        {"max_epochs": -1},
        {"batch_size": 0},
        {"lr": 0},
        {"momentum": 1},
        {"rho": -0.1},
        {"weight_decay": -1},
        {"validation_fraction": 1},
        {"early_stopping": 3},
        {"n_iter_no_change": 0},
        {"n_best": 0},
        {"checkpoint_dir": 3},
        {"dtype": "float64"},
        {"random_state": "seed"},
    ],
)
def test_parameters_are_checked(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"The {name!r} parameter of ForgeryEmbedder"):
        embedder(**settings).fit(pairs())


def test_not_fitted():
    for use in (embedder().transform, embedder().score_images, embedder().save_weights):
        with pytest.raises(NotFittedError, match="ForgeryEmbedder instance is not fitted"):
            use(crops(2))


def test_fitted_state_is_plain_and_hashes_the_same(fitted):
    second = embedder(lr=0.2).fit(pairs())
    for model in (fitted, second):
        model.transform(crops(2))
    assert joblib.hash(second) == joblib.hash(fitted)
    assert "torch" not in repr({type(value) for value in vars(fitted).values()})
    assert {type(array) for array in fitted.weights_.values()} == {np.ndarray}


def test_parameters_set_after_fit_wait_for_the_next(fitted):
    model = pickle.loads(pickle.dumps(fitted))
    expected = model.transform(crops(3))
    model.set_params(backbone="efficientnet-lite0", input_size=64, weights="nowhere.safetensors")
    np.testing.assert_array_equal(model.transform(crops(3)), expected)


def test_fit_starts_again(fitted):
    model = clone(fitted).fit(pairs(seed=1))
    assert not same_weights(model, fitted)
    assert same_weights(model.fit(pairs()), fitted)


def test_set_output_leaves_embeddings_alone():
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(embedder().fit_transform(pairs()), np.ndarray)


def _features(model, images):
    return model.transform(images)


def test_other_processes_get_the_same(fitted):
    expected = fitted.transform(crops(3))
    (embeddings,) = joblib.Parallel(n_jobs=2, backend="loky")(
        [joblib.delayed(_features)(fitted, crops(3))]
    )
    np.testing.assert_array_equal(embeddings, expected)


@pytest.mark.slow
def test_training_in_threads_and_processes_is_the_same(fitted):
    for backend in ("threading", "loky"):
        jobs = [joblib.delayed(clone(fitted).fit)(pairs(seed=s)) for s in (0, 1)]
        models = joblib.Parallel(n_jobs=2, backend=backend)(jobs)
        assert same_weights(models[0], fitted)
        assert not same_weights(models[1], fitted)


def test_store_keeps_the_features_of_these_weights_alone(fitted, tmp_path):
    first, second = (clone(fitted).set_params(cache=tmp_path) for _ in range(2))
    expected = first.fit(pairs()).transform(crops(5))
    assert first.n_embedded_ == 5
    np.testing.assert_array_equal(second.fit(pairs()).transform(crops(5)), expected)
    assert second.n_embedded_ == 0
    second_model = clone(fitted).set_params(cache=tmp_path, random_state=1).fit(pairs())
    features = second_model.transform(crops(5))
    assert second_model.n_embedded_ == 5
    assert np.abs(features - expected).max() > 1e-3
    assert second_model.fingerprint_ != first.fingerprint_ == second.fingerprint_


# --- in pipelines and searches -----------------------------------------------------------------


@pytest.fixture(scope="module")
def photos():
    return list(zip(*[iter(faces(12, seed=2))] * 2, strict=True))


def pipeline(**settings):
    return Pipeline(
        [
            ("align", FaceAligner(48, min_face_size=0.4, device="cpu")),
            ("embed", embedder(input_size=32, max_epochs=1, **settings)),
            ("diff", PairDifference()),
            ("detect", GaussianMixtureDetector(1, random_state=0)),
        ]
    )


def test_the_whole_pipeline_trains_on_photos(photos, tmp_path):
    pipe = pipeline().fit(photos)
    assert np.isfinite(pipe.score_samples(photos)).all()
    assert set(pipe.predict(photos)) <= {1, -1}
    assert pipe["embed"].n_iter_ == 1
    persistence.save(pipe, tmp_path / "model.diffake")
    loaded = persistence.load(tmp_path / "model.diffake", trusted=TRUSTED)
    np.testing.assert_array_equal(loaded.score_samples(photos), pipe.score_samples(photos))


def test_pipeline_passes_labels_and_groups_on(photos):
    y, groups = [1, 1, 1, 1, 1, -1], [0, 0, 1, 1, 2, 2]
    pipe = pipeline().fit(photos, y, embed__groups=groups)
    held_out = pipe["embed"].validation_rows_
    assert sorted(held_out) in [[0, 1], [2, 3], [4]] or set(held_out) == {4, 0, 1}
    paths = [*photos[:5], (photos[0][1], photos[1][0])]
    assert same_weights(pipe["embed"], pipeline().fit(paths, y, embed__groups=groups)["embed"])


def test_search_over_a_pipeline():
    X, y = pairs(16), np.tile([1, 1, 1, -1], 4)
    pipe = Pipeline(pipeline().steps[1:])
    grid = {"embed__rho": [0.0, 0.05], "embed__backbone": [*TRUSTED, "tiny_backbones:colors"]}
    search = GridSearchCV(pipe, grid, cv=2, scoring="roc_auc", error_score="raise", n_jobs=2)
    with joblib.parallel_config(backend="threading"):  # processes would each import torch
        search.fit(X, y)
    assert len(np.unique(search.cv_results_["mean_test_score"])) > 1
    assert search.best_estimator_["embed"].n_iter_ == 1


def test_metadata_routing_of_groups():
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = Pipeline(pipeline().steps[1:])
        pipe["embed"].set_fit_request(groups=True)
        results = cross_validate(
            pipe, pairs(), np.tile([1, 1, -1], 4), cv=GroupKFold(2), return_estimator=True,
            params={"groups": np.arange(12) // 2}, scoring="roc_auc", error_score="raise",
        )  # fmt: skip
    assert all(len(model["embed"].validation_rows_) for model in results["estimator"])


# --- saved and shipped -------------------------------------------------------------------------

LOAD = """
import numpy as np
from sklearn_diffake import persistence
images = np.load("images.npy")
for name in ("plain", "with_weights"):
    model = persistence.load(f"{name}.diffake", trusted=["forgery_cases:tiny"])
    np.savez(name, features=model.transform(images), scores=model.score_images(images))
"""


def test_saved_and_loaded_in_another_process(fitted, tmp_path):
    persistence.save(fitted, tmp_path / "plain.diffake")
    persistence.save(fitted, tmp_path / "with_weights.diffake", include_weights=True)
    np.save(tmp_path / "images.npy", crops(6))
    environment = {"SKLEARN_DIFFAKE_HOME": str(tmp_path / "home")}
    forked_programs.run(LOAD, cwd=tmp_path, environment=environment)
    for name in ("plain", "with_weights"):
        arrays = np.load(tmp_path / f"{name}.npz")
        np.testing.assert_array_equal(arrays["features"], fitted.transform(crops(6)))
        np.testing.assert_array_equal(arrays["scores"], fitted.score_images(crops(6)))
        loaded = persistence.load(tmp_path / f"{name}.diffake", trusted=TRUSTED)
        assert loaded.get_params() == fitted.get_params()
    assert not (tmp_path / "home").exists()  # the weights are in the state, and nowhere else


def test_loading_asks_before_it_imports_the_network(fitted, tmp_path):
    persistence.save(fitted, tmp_path / "model.diffake")
    with pytest.raises(ValueError, match=r"contains \['forgery_cases:tiny'\], which is not trust"):
        persistence.load(tmp_path / "model.diffake")
    hidden = pickle.loads(pickle.dumps(fitted)).set_params(backbone="efficientnet-lite0")
    persistence.save(hidden, tmp_path / "hidden.diffake")
    with pytest.raises(ValueError, match=r"contains \['forgery_cases:tiny'\], which is not trust"):
        persistence.load(tmp_path / "hidden.diffake")


def test_folders_of_this_machine_are_not_saved(fitted, tmp_path):
    model = pickle.loads(pickle.dumps(fitted)).set_params(checkpoint_dir=tmp_path, cache=tmp_path)
    persistence.save(model, tmp_path / "model.diffake")
    loaded = persistence.load(tmp_path / "model.diffake", trusted=TRUSTED)
    assert loaded.checkpoint_dir is None is loaded.cache


def test_weights_file_is_used_without_training(fitted, tmp_path):
    file, X = tmp_path / "forgery.safetensors", crops(6)
    fitted.save_weights(file)
    ready = embedder(weights=file, max_epochs=0).fit(X[:1])
    assert same_weights(ready, fitted)
    assert ready.n_iter_ == 0
    np.testing.assert_array_equal(ready.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(ready.score_images(X), fitted.score_images(X))
    features = FaceEmbedder("forgery_cases:tiny", weights=file, device="cpu").fit_transform(X)
    np.testing.assert_array_equal(features, fitted.transform(X))


def test_half_precision_file_halves_the_state(fitted, tmp_path):
    file, X = tmp_path / "half.safetensors", crops(6)
    fitted.save_weights(file, dtype="float16")
    ready = embedder(weights=file, max_epochs=0).fit(X)
    assert {a.dtype for a in ready.weights_.values() if a.dtype.kind == "f"} == {np.dtype("f2")}
    np.testing.assert_allclose(ready.transform(X), fitted.transform(X), atol=0.02)
    np.testing.assert_allclose(ready.score_images(X), fitted.score_images(X), atol=0.05)
    copy = pickle.loads(pickle.dumps(ready))
    np.testing.assert_array_equal(copy.transform(X), ready.transform(X))
    with pytest.raises(ValueError, match='dtype=\'int8\', expected "float32" or "float16"'):
        fitted.save_weights(file, dtype="int8")


def test_file_knows_the_size_it_was_trained_at(tmp_path):
    trained = embedder(input_size=24, max_epochs=1).fit(pairs())
    trained.save_weights(tmp_path / "small.safetensors")
    ready = embedder(weights=tmp_path / "small.safetensors", max_epochs=0).fit(crops(2))
    assert ready.backbone_info_["input_size"] == [24, 24]
    np.testing.assert_array_equal(ready.transform(crops(4)), trained.transform(crops(4)))


def test_training_goes_on_from_a_classifier(fitted, tmp_path):
    fitted.save_weights(tmp_path / "first.safetensors")
    settings = {"weights": tmp_path / "first.safetensors", "lr": 1e-12, "max_epochs": 1}
    model = embedder(**settings, validation_fraction=0, momentum=0.0).fit(pairs())
    np.testing.assert_allclose(model.coef_, fitted.coef_, atol=1e-9)
    assert model.intercept_ == pytest.approx(fitted.intercept_)


@pytest.mark.parametrize("backbone", ["efficientnet-lite0", "timm:test_convnext"])
def test_backbones_of_timm(backbone, tmp_path, monkeypatch):
    from sklearn_diffake.embedding.backbones import _lite0

    weights = None
    if backbone.startswith("timm:"):
        timm, save_file = pytest.importorskip("timm"), pytest.importorskip("safetensors.torch")
        weights = tmp_path / "random.safetensors"
        save_file.save_file(timm.create_model(backbone[5:]).state_dict(), weights)
    settings = {"backbone": backbone, "input_size": 32, "batch_size": 4, "max_epochs": 1}
    model = embedder(**settings, weights=weights, lr=0.01).fit(pairs(4))
    expected = model.transform(crops(3))
    untrained = FaceEmbedder(backbone, weights=weights, device="cpu").fit(crops(1))
    name = next(name for name in model.weights_ if name.endswith("weight"))
    state = untrained.find_backbone().module.state_dict()
    assert (model.weights_[name] != state[name].numpy()).any()

    def fail():
        raise AssertionError("the trained weights are all that is needed")

    monkeypatch.setattr(_lite0, "_tensors_of_package", fail)
    _trained = sys.modules["sklearn_diffake.embedding.backbones._lookup"]._trained
    _trained.cache_clear()
    np.testing.assert_array_equal(model.transform(crops(3)), expected)


def test_weights_that_now_make_another_network_are_refused(fitted, monkeypatch):
    """As where another version of timm defines the network otherwise."""
    monkeypatch.setattr(fitted, "fingerprint_", "0" * 32)
    with pytest.raises(ValueError, match=r"fingerprint .*, but fit made one with 0{32}.*fit again"):
        fitted.transform(crops(2))


# --- bad input ---------------------------------------------------------------------------------


def test_one_image_only():
    with pytest.raises(ValueError, match="hold 1 distinct image; at least 2 are needed"):
        embedder().fit([(crops(1)[0], crops(1)[0].copy())] * 3)


@pytest.mark.parametrize("groups", [np.zeros(12), None])
def test_one_identity_only(groups):
    X = pairs() if groups is not None else [(crops(24)[0], crops(24)[i]) for i in range(1, 13)]
    with pytest.raises(ValueError, match=r"all \d+ distinct images .* belong together .*set valid"):
        embedder().fit(X, groups=groups)
    with pytest.warns(RuntimeWarning, match="they need faces of two identities"):
        model = embedder(validation_fraction=0, techniques=None).fit(X, groups=groups)
    assert np.isfinite(model.score_images(X)).all()


def test_no_genuine_row():
    with pytest.raises(ValueError, match="No genuine row to learn from: all 12 rows"):
        embedder().fit(pairs(), -np.ones(12))


def test_groups_of_another_length():
    with pytest.raises(ValueError, match=r"groups has shape \(3,\), expected .* \(12,\)"):
        embedder().fit(pairs(), groups=[1, 2, 3])


@pytest.mark.parametrize("n", [2, 3])
def test_batch_of_one_and_very_few_images(n):
    model = embedder(batch_size=1, validation_fraction=0, techniques=None).fit(crops(n))
    assert np.isfinite(model.transform(crops(n))).all()
    assert model.n_iter_ == 3


def test_gray_and_constant_images():
    rng = np.random.default_rng(0)
    gray = [rng.integers(0, 256, (40, 40), dtype=np.uint8) for _ in range(4)]
    flat = [np.full((30, 30, 3), level, np.uint8) for level in (0, 128, 255)]
    model = embedder(techniques=None, augment=True).fit([*gray, *flat, *crops(5)])
    assert np.isfinite(model.score_images([*gray, *flat])).all()
    assert np.isfinite([f["train_loss"] for f in model.history_]).all()


def test_bad_image_is_named_by_its_row_in_X():
    X = [(a, b) for a, b in pairs(4)] + [(crops(1)[0], "missing.png")]
    with pytest.raises(ImageError, match=r"^row 4, column 1, file 'missing.png': no such file"):
        embedder().fit(X, [1, -1, 1, -1, 1])


def test_no_classifier_to_use(tmp_path):
    with pytest.raises(ValueError, match="max_epochs=0 trains nothing, but weights=None holds no"):
        embedder(max_epochs=0).fit(pairs())


def test_onnx_cannot_be_trained(monkeypatch):
    import dataclasses

    from sklearn_diffake.embedding.forgery import _estimator

    backbone = _estimator.find_backbone("forgery_cases:tiny")
    untrainable = dataclasses.replace(backbone, module=None)
    monkeypatch.setattr(_estimator, "find_backbone", lambda *_: untrainable)
    with pytest.raises(ValueError, match=r"backbone='face.onnx' cannot be trained: expected a to"):
        embedder(backbone="face.onnx").fit(pairs())


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"cannot take images of 48 x 48 .*made for 32 pixels"):
        embedder(backbone="forgery_cases:fixed", input_size=48).fit(pairs())
    with pytest.raises(ValueError, match=r"takes images of \(32, 64\), but .*: give input_size"):
        embedder(backbone="forgery_cases:oblong").fit(pairs())
    assert embedder(backbone="forgery_cases:oblong", input_size=32).fit(pairs()).n_iter_ == 3


# --- on a GPU ----------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_cuda_learns_too(dtype, monkeypatch):
    from forgery_cases import EasyFakes

    from sklearn_diffake import generation

    monkeypatch.setattr(generation, "PseudoDeepfakeDataset", EasyFakes)
    model = embedder(device="cuda", dtype=dtype, max_epochs=12, lr=0.2, n_jobs=2).fit(pairs(24))
    assert model.validation_auc_ > 0.95
    on_cpu = pickle.loads(pickle.dumps(model)).set_params(device="cpu", dtype="float32")
    expected = on_cpu.transform(crops(4))
    np.testing.assert_allclose(
        model.transform(crops(4)), expected, atol=0.05 * np.abs(expected).max()
    )


def test_models_saved_before_the_module_moved_name_a_module_that_exists():
    from sklearn_diffake.persistence._trust import is_own_type

    former = "sklearn_diffake.embedding._forgery_embedder"
    assert import_module(former).ForgeryEmbedder is ForgeryEmbedder
    assert ForgeryEmbedder.__module__ == former
    assert is_own_type(f"{former}.ForgeryEmbedder")
