"""FaceEmbedder: each image once, the same answer everywhere, bad input by name."""

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from image_helpers import noise, objects, save_all
from PIL import Image
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.faces import ImageError
from sklearn_diffake.novelty import GaussianMixtureDetector
from sklearn_diffake.pairs import PairDifference

BACKBONE = "tiny_backbones:colors"


def embedder(**settings):
    return FaceEmbedder(**{"backbone": BACKBONE, "device": "cpu", **settings})


def test_shapes_and_attributes():
    pairs = np.stack(noise(10)).reshape(5, 2, 20, 20, 3)
    model = embedder()
    embeddings = model.fit_transform(pairs)
    assert embeddings.shape == (5, 2, 8)
    assert embeddings.dtype == np.float32
    assert embedder().fit_transform(pairs[:, 0]).shape == (5, 8)
    assert model.backbone_info_["width"] == 8
    assert model.backbone_info_["fingerprint"] == model.fingerprint_
    assert model.n_embedded_ == 10
    assert list(model.get_feature_names_out()) == [f"faceembedder{i}" for i in range(8)]


def test_mixed_sizes_and_kinds_in_one_table(tmp_path):
    (path,) = save_all(noise(1, (9, 31)), tmp_path)
    gray, color = noise(1, (40, 10))[0][..., 0], noise(1, (16, 16))[0]
    pairs = objects([(path, gray), (Image.fromarray(color), color / 255)])
    embeddings = embedder().fit_transform(pairs)
    assert embeddings.shape == (2, 2, 8)
    np.testing.assert_array_equal(embeddings[1, 0], embeddings[1, 1])


@pytest.mark.parametrize("batch_size", [1, 7, 32])
@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_batches_and_threads_do_not_matter(batch_size, n_jobs):
    images = noise(20, (24, 24))
    pairs = [(images[i], images[-i]) for i in range(20)]
    expected = embedder().fit_transform(pairs)
    embeddings = embedder(batch_size=batch_size, n_jobs=n_jobs).fit_transform(pairs)
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)


def count(X, **settings):
    model = embedder(**settings)
    embeddings = model.fit_transform(X)
    return model.n_embedded_, embeddings


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_each_image_is_embedded_once_in_a_call(tmp_path, batch_size):
    images = noise(4)
    paths = save_all(images, tmp_path)
    index_pairs = [(i, j) for i in range(4) for j in range(4)]
    by_path, e = count([(paths[i], paths[j]) for i, j in index_pairs], batch_size=batch_size)
    by_object, f = count([(images[i], images[j]) for i, j in index_pairs], batch_size=batch_size)
    copies = np.stack([np.stack([images[i], images[j]]) for i, j in index_pairs])
    by_content, g = count(copies, batch_size=batch_size)
    assert (by_path, by_object, by_content) == (4, 4, 4)
    np.testing.assert_allclose(e, f, atol=1e-6)
    np.testing.assert_allclose(e, g, atol=1e-6)
    for k, (i, j) in enumerate(index_pairs):
        np.testing.assert_array_equal(e[k, 0], e[4 * i, 0])
        np.testing.assert_array_equal(e[k, 1], e[4 * j, 0])


def test_a_copy_of_a_file_is_the_same_image(tmp_path):
    first, second = save_all([noise(1)[0]] * 2, tmp_path)
    assert count([(first, second)])[0] == 1


def test_order_of_rows_is_kept():
    images = noise(9)
    expected = embedder().fit_transform(images)
    order = np.random.default_rng(0).permutation(9)
    shuffled = embedder(batch_size=2, n_jobs=2).fit_transform([images[i] for i in order])
    np.testing.assert_allclose(shuffled, expected[order], atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_bad_image_in_any_batch_is_named(batch_size):
    images = noise(5)
    pairs = [(images[0], images[1]), (images[2], images[3]), (images[4], "missing.png")]
    with pytest.raises(ImageError, match=r"^row 2, column 1, file 'missing.png': no such file"):
        embedder(batch_size=batch_size).fit(pairs).transform(pairs)


def test_missing_path_in_a_frame(tmp_path):
    a, b = save_all(noise(2), tmp_path)
    frame = pd.DataFrame({"reference": [a, b], "probe": [b, np.nan]})
    with pytest.raises(ImageError, match=r"row 1, column 1: an image must be a path, .*nan"):
        embedder().fit_transform(frame)


def test_not_fitted():
    with pytest.raises(NotFittedError, match="FaceEmbedder instance is not fitted"):
        embedder().transform(noise(1))
    with pytest.raises(NotFittedError):
        embedder().get_feature_names_out()


@pytest.mark.parametrize(
    "settings",
    [
        {"backbone": 3},
        {"weights": 3},
        {"device": 0},
        {"batch_size": 0},
        {"dtype": "float64"},
        {"cache": 3},
        {"n_jobs": "2"},
        {"verbose": "yes"},
    ],
)
def test_parameters_are_checked(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"The {name!r} parameter of FaceEmbedder"):
        embedder(**settings).fit(noise(1))
    fitted = embedder().fit(noise(1)).set_params(**settings)
    with pytest.raises(ValueError, match=f"The {name!r} parameter of FaceEmbedder"):
        fitted.transform(noise(1))


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match=r"device='cuda:7' is not available: torch sees"):
        embedder(device="cuda:7").fit(noise(1))


def test_constructor_only_stores():
    store = EmbeddingStore("nowhere")
    model = FaceEmbedder("no-such-backbone", device="cuda:99", cache=store)
    assert model.get_params()["cache"] is store
    assert model.get_params()["device"] == "cuda:99"


def test_hash_is_that_of_the_parameters_and_the_backbone(tmp_path):
    def build():
        return embedder(cache=EmbeddingStore(tmp_path))

    model, images = build(), noise(2)
    unfitted = joblib.hash(model)
    assert unfitted == joblib.hash(build())
    fitted = joblib.hash(model.fit(images))
    assert fitted == joblib.hash(build().fit(images))
    assert unfitted == joblib.hash(sklearn.base.clone(model))
    first = joblib.hash((model.transform(images), model)[1])
    second = build().fit(images)
    second.transform(images)  # from the cache, so that n_embedded_ is 0
    model.transform(images)
    assert joblib.hash(model) == joblib.hash(second) != first


def test_set_output_and_global_configuration_leave_embeddings_of_pairs_alone():
    images = noise(12)
    pairs = list(zip(images[::2], images[1::2], strict=True))
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(embedder().fit_transform(pairs), np.ndarray)
    pipe = make_pipeline(embedder(), PairDifference(), GaussianMixtureDetector(1))
    pipe.set_output(transform="pandas").fit(pairs)
    differences = pipe[:-1].transform(pairs)
    assert isinstance(differences, pd.DataFrame)
    assert list(differences.columns)[:2] == ["squared_0", "squared_1"]
    assert pipe.score_samples(pairs).shape == (6,)


def test_progress_is_shown_only_if_asked_for(capsys):
    embedder(verbose=1).fit_transform(noise(3))
    assert "embedding" in capsys.readouterr().err
    embedder().fit_transform(noise(3))
    assert capsys.readouterr().err == ""


def test_tags():
    tags = embedder().__sklearn_tags__()
    assert tags.no_validation
    assert not tags.input_tags.two_d_array
    assert tags.requires_fit


@pytest.mark.gpu
@pytest.mark.parametrize("backbone", [BACKBONE, "efficientnet-lite0"])
def test_cuda_gives_nearly_the_same(backbone):
    images = noise(5, (64, 64))
    on_cpu = embedder(backbone=backbone).fit_transform(images)
    on_gpu = embedder(backbone=backbone, device="cuda").fit_transform(images)
    np.testing.assert_allclose(on_gpu, on_cpu, atol=2e-2 * np.abs(on_cpu).max())
    half = embedder(backbone=backbone, device="cuda", dtype="float16").fit_transform(images)
    np.testing.assert_allclose(half, on_cpu, atol=5e-2 * np.abs(on_cpu).max())


@pytest.mark.gpu
def test_auto_takes_cuda(monkeypatch):
    from sklearn_diffake.embedding import _face_embedder

    devices = []

    def build(backbone, device, dtype):
        devices.append(device)
        return lambda crops: np.zeros((len(crops), backbone.width), np.float32)

    monkeypatch.setattr(_face_embedder, "build_forward", build)
    embedder(device="auto").fit_transform(noise(1))
    assert devices == ["cuda"]
