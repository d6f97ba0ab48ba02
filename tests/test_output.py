"""set_output, feature names and n_features_in_: the manners of every public estimator."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from image_helpers import faces, noise, save_all
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.novelty import MahalanobisDetector
from sklearn_diffake.pairs import DifferenceScaler, PairDifference

TINY = "tiny_backbones:colors"
NAMES = [f"faceembedder{i}" for i in range(8)]
LIBRARIES = {"pandas": pd, "polars": pl}


def embedder():
    return FaceEmbedder(TINY, device="cpu")


@pytest.fixture(scope="module")
def aligner(tmp_path_factory):
    """Detects the face of each photo once in all tests."""
    store = str(tmp_path_factory.mktemp("store"))
    return FaceAligner(48, min_face_size=0.4, device="cpu", cache=store)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return save_all(faces(8), tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def expected(photos, aligner):
    """Embeddings of the aligned photos, (8, 8)."""
    return make_pipeline(clone(aligner), embedder()).fit_transform(photos)


def photo_table(library, photos):
    """Photos and numbers, in an order that is not that of the index of pandas."""
    columns = {"photo": photos, "age": [30.0 + i for i in range(8)], "height": list(range(8))}
    table = LIBRARIES[library].DataFrame(columns)
    return table.set_index(np.array([5, 2, 7, 0, 1, 6, 3, 4])) if library == "pandas" else table


# --- set_output -----------------------------------------------------------------------------------


@pytest.mark.parametrize("library", LIBRARIES)
def test_embeddings_of_single_pictures_become_a_table(library):
    pictures = noise(6)
    values = embedder().fit_transform(pictures)
    table = embedder().set_output(transform=library).fit_transform(pictures)
    assert isinstance(table, LIBRARIES[library].DataFrame)
    assert list(table.columns) == NAMES
    np.testing.assert_array_equal(table.to_numpy(), values)
    assert table.to_numpy().dtype == np.float32
    model = clone(embedder().set_output(transform=library))  # a clone keeps the setting
    assert isinstance(model.fit(pictures).transform(pictures), LIBRARIES[library].DataFrame)
    model.set_output(transform=None)
    assert isinstance(model.transform(pictures), LIBRARIES[library].DataFrame)
    model.set_output(transform="default")
    assert isinstance(model.transform(pictures), np.ndarray)


def test_the_global_configuration_is_followed():
    with sklearn.config_context(transform_output="polars"):
        assert isinstance(embedder().fit_transform(noise(2)), pl.DataFrame)
        model = embedder().set_output(transform="default")
        assert isinstance(model.fit_transform(noise(2)), np.ndarray)


def test_an_unknown_container():
    model = embedder().set_output(transform="excel")
    with pytest.raises(ValueError, match="excel"):
        model.fit_transform(noise(2))


def test_a_trained_embedder_follows_too():
    pytest.importorskip("cv2", reason="needs the extra 'generation'")
    crops = np.stack(noise(4, (32, 32)))
    model = ForgeryEmbedder(max_epochs=1, input_size=32, device="cpu", random_state=0).fit(crops)
    assert not hasattr(model, "n_features_in_")
    scores = model.score_images(crops)
    table = model.set_output(transform="pandas").transform(crops)
    assert list(table.columns[:2]) == ["forgeryembedder0", "forgeryembedder1"]
    np.testing.assert_array_equal(model.score_images(crops), scores)


@pytest.mark.parametrize("library", LIBRARIES)
def test_embeddings_of_pairs_stay_arrays_and_differences_become_a_table(library):
    pairs = list(zip(noise(6), noise(6, seed=1), strict=True))
    pipe = make_pipeline(embedder(), PairDifference(), DifferenceScaler()).set_output(
        transform=library
    )
    scaled = pipe.fit_transform(pairs)
    embeddings = pipe[0].transform(pairs)
    assert isinstance(embeddings, np.ndarray)
    assert embeddings.shape == (6, 2, 8)
    differences = pipe[1].transform(embeddings)
    for table, prefix in ((differences, "squared_"), (scaled, "differencescaler")):
        assert isinstance(table, LIBRARIES[library].DataFrame)
        assert list(table.columns) == [f"{prefix}{i}" for i in range(8)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_detector_takes_a_table_of_single_pictures(library):
    pipe = make_pipeline(embedder(), MahalanobisDetector()).set_output(transform=library)
    with pytest.raises(ValueError, match="X must hold pairs, got 6 single pictures"):
        pipe.fit(noise(6))


def test_the_index_of_pandas_is_kept_from_pictures_to_differences():
    index = ["f", "b", "a", "d"]
    pictures = pd.Series(noise(4), index=index)
    model = embedder().set_output(transform="pandas").fit(pictures)
    assert model.transform(pictures).index.tolist() == index
    assert model.transform(pictures.to_frame("photo")).index.tolist() == index
    pairs = pd.DataFrame({"reference": noise(4), "probe": noise(4, seed=1)}, index=index)
    pipe = make_pipeline(embedder(), PairDifference(), PCA(2)).set_output(transform="pandas")
    assert pipe.fit_transform(pairs).index.tolist() == index


def test_an_index_is_not_kept_longer_than_its_array():
    from sklearn_diffake.utils import _output

    table = pd.DataFrame({"photo": noise(2)}, index=["b", "a"])
    rows = _output.keep_index(np.zeros((2, 3)), table)
    assert _output.index_of(rows).tolist() == ["b", "a"]
    assert _output.index_of(rows[:1]) is None
    key = id(rows)
    del rows
    assert key not in _output._INDEX


# --- ColumnTransformer ----------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["photo", ["photo"]], ids=["name", "list"])
@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_photos_and_numbers_in_one_table(library, output, column, photos, expected, aligner):
    table = photo_table(library, photos)
    transformer = ColumnTransformer(
        [
            ("face", make_pipeline(clone(aligner), embedder()), column),
            ("numbers", StandardScaler(), ["age", "height"]),
        ]
    ).set_output(transform=output)
    features = transformer.fit_transform(table)
    names = [*(f"face__{name}" for name in NAMES), "numbers__age", "numbers__height"]
    assert transformer.get_feature_names_out().tolist() == names
    if output != "default":
        assert list(features.columns) == names
    if library == output == "pandas":
        assert features.index.equals(table.index)
    values = np.asarray(features)
    np.testing.assert_allclose(values[:, :8], expected, rtol=1e-6)
    assert (np.diff(values[:, 8]) > 0).all()


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_pairs_and_numbers_in_one_table(library, output, photos, aligner):
    columns = {"id": list(range(4)), "reference": photos[:4], "probe": photos[4:]}
    table = LIBRARIES[library].DataFrame(columns)
    if library == "pandas":
        table.index = [2, 3, 0, 1]
    pipe = make_difffake_pipeline(embedder(), aligner=clone(aligner))[:-1]
    transformer = ColumnTransformer(
        [("pair", pipe, ["reference", "probe"]), ("number", "passthrough", ["id"])]
    ).set_output(transform=output)
    features = np.asarray(transformer.fit_transform(table))
    assert transformer.get_feature_names_out().tolist() == ["pair__cosine", "number__id"]
    distances = np.asarray(pipe.fit_transform(table))[:, 0]
    assert len(set(distances)) == 4
    np.testing.assert_allclose(features[:, 0], distances, rtol=1e-6)
    assert features[:, 1].tolist() == [0, 1, 2, 3]


def test_a_classifier_on_photos_and_numbers(photos):
    transformer = ColumnTransformer([("face", embedder(), "photo")], remainder="passthrough")
    model = make_pipeline(transformer, StandardScaler(), LogisticRegression())
    table, y = photo_table("pandas", photos), [1, -1] * 4
    assert model.fit(table, y).predict(table).shape == (8,)


def test_half_a_table_of_pairs_is_not_a_column_of_single_pictures(photos):
    with pytest.raises(ValueError, match="a column 'probe' but none named 'reference'"):
        embedder().fit(pd.DataFrame({"probe": photos}))


# --- feature names --------------------------------------------------------------------------------


def columns_of(pipe, pairs):
    """Fit all steps but the detector; check the names of its output, and return them."""
    features = pipe[:-1].fit_transform(pairs)
    names = pipe[:-1].get_feature_names_out()
    assert names.dtype == object
    assert len(names) == features.shape[1]
    assert len(set(names)) == len(names)
    again = clone(pipe)[:-1].fit(pairs).get_feature_names_out()
    assert again.tolist() == names.tolist()
    return names.tolist()


@pytest.fixture(scope="module")
def pairs():
    photos = faces(8)
    return list(zip(photos[::2], photos[1::2], strict=True))


@pytest.mark.parametrize(
    ("operator", "names"),
    [
        ("cosine", ["cosine"]),
        ("squared", [f"squared_{i}" for i in range(8)]),
        ("concat", [f"concat_{i}" for i in range(16)]),
        ("probe", [f"probe_{i}" for i in range(8)]),
    ],
)
def test_names_through_the_whole_pipeline(operator, names, pairs, aligner):
    pipe = make_difffake_pipeline(embedder(), operator=operator, aligner=aligner)
    assert columns_of(pipe, pairs) == names
    views = clone(pipe).set_params(embed__mirror=True, embed__scales=(1.0, 0.9))
    assert columns_of(views, pairs) == names
    without = clone(pipe).set_params(align="passthrough")
    assert columns_of(without, pairs) == names


def test_names_of_the_default_pipeline(pairs):
    pipe = make_difffake_pipeline(aligner=False, device="cpu")
    assert columns_of(pipe, pairs) == ["cosine"]


def test_names_with_several_embedders_and_components(pairs, aligner):
    pipe = make_difffake_pipeline(
        [embedder(), FaceEmbedder("tiny_backbones:means", mean=0.5, std=0.5), embedder()],
        operator=["cosine", "squared", "cosine"],
        aligner=aligner,
    )
    names = columns_of(pipe, pairs)
    assert [name.partition("__")[0] for name in names] == [
        "tiny_backbones_colors",
        *["tiny_backbones_means"] * (len(names) - 2),
        "tiny_backbones_colors_2",
    ]
    reduced = Pipeline([*pipe.steps[:-1], ("pca", PCA(2)), pipe.steps[-1]])
    assert columns_of(reduced, pairs) == ["pca0", "pca1"]


def test_names_of_crops_are_those_of_their_columns(aligner):
    assert aligner.get_feature_names_out().tolist() == ["reference", "probe"]
    assert aligner.get_feature_names_out(["photo"]).tolist() == ["photo"]
