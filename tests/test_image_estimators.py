"""What every estimator that takes images must do, whatever it makes of them."""

import inspect
import pickle
import re

import forked_programs
import joblib
import numpy as np
import pytest
from image_helpers import (
    BAD_FILES,
    PAIR_FORMS,
    SINGLE_FORMS,
    as_pairs,
    as_singles,
    bad_file,
    faces,
    is_same,
    objects,
    save_all,
    snapshot,
)
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline

from sklearn_diffake import embedding, persistence
from sklearn_diffake import faces as faces_package
from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.faces import FaceAligner, ImageError
from sklearn_diffake.novelty import (
    ConformalDetector,
    GaussianMixtureDetector,
    GenuineOnly,
    MahalanobisDetector,
)
from sklearn_diffake.pairs import PairDifference

IMAGE_ESTIMATORS = [
    FaceAligner(48, min_face_size=0.4, device="cpu"),
    FaceEmbedder("tiny_backbones:colors", device="cpu"),
    ForgeryEmbedder(
        "tiny_backbones:colors",
        max_epochs=1,
        validation_fraction=0,
        device="cpu",
        random_state=0,
    ),
]
every_estimator = pytest.mark.parametrize(
    "estimator", IMAGE_ESTIMATORS, ids=lambda e: type(e).__name__
)
N = 3  # pairs


@pytest.fixture(scope="module")
def images():
    return faces(2 * N)


@pytest.fixture(scope="module")
def paths(images, tmp_path_factory):
    return save_all(images, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def reference(images):
    """What each estimator makes of the images one by one, computed once."""
    return {type(e): clone(e).fit_transform(images) for e in IMAGE_ESTIMATORS}


def close(result, expected):
    """Compare crops to a gray level (rounding), embeddings to 1e-5."""
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    tolerance = 1 if expected.dtype == np.uint8 else 1e-5
    assert np.abs(result.astype(float) - expected).max() <= tolerance


def test_the_list_is_complete():
    public = {
        estimator
        for package in (faces_package, embedding)
        for estimator in (getattr(package, name) for name in package.__all__)
        if inspect.isclass(estimator) and issubclass(estimator, BaseEstimator)
    }
    assert public == {type(estimator) for estimator in IMAGE_ESTIMATORS}


@every_estimator
@pytest.mark.parametrize("form", PAIR_FORMS)
def test_every_form_of_pairs(estimator, form, images, paths, reference):
    X = as_pairs(form, images, paths)
    original = snapshot(X)
    expected = reference[type(estimator)]
    close(clone(estimator).fit_transform(X), expected.reshape(N, 2, *expected.shape[1:]))
    assert is_same(original, snapshot(X))


@every_estimator
@pytest.mark.parametrize("form", SINGLE_FORMS)
def test_every_form_of_single_images(estimator, form, images, paths, reference):
    X = as_singles(form, images, paths)
    original = snapshot(X)
    close(clone(estimator).fit_transform(X), reference[type(estimator)])
    assert is_same(original, snapshot(X))


@every_estimator
def test_images_of_different_sizes(estimator, images, reference):
    ragged = [np.pad(image, ((0, 4 * i), (0, 0), (0, 0))) for i, image in enumerate(images)]
    result = clone(estimator).fit_transform(
        objects(list(zip(ragged[::2], ragged[1::2], strict=True)))
    )
    assert result.shape[:2] == (N, 2)
    expected = reference[type(estimator)].reshape(result.shape)
    assert np.abs(result[0, 0].astype(float) - expected[0, 0]).max() <= 1  # not padded
    assert np.isfinite(result).all()


@every_estimator
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_named(estimator, kind, cached, images, paths, tmp_path):
    path, message = bad_file(kind, tmp_path / "bad photo.jpg")
    model = clone(estimator).set_params(cache=tmp_path / "cache" if cached else None)
    for X, position in (
        ([(paths[0], paths[0]), (paths[0], path)], "row 1, column 1"),
        ([paths[0], paths[0], str(path)], "row 2"),
    ):
        with pytest.raises(ImageError, match=message) as caught:
            model.fit_transform(X)
        assert str(caught.value).startswith(f"{position}, file {str(path)!r}: ")


@every_estimator
@pytest.mark.parametrize(
    ("item", "message"),
    [
        (None, "got NoneType"),
        (float("nan"), "got float 'nan'"),
        (b"photo.png", "this is a text file"),
        (np.full((9, 9, 3), np.nan), "contains NaN or infinity"),
        (np.full((9, 9, 3), 7.5), "float64 values must be in 0..1 .*got 0 to 7.5"),
        (np.zeros((3, 40, 40), np.uint8), "channels seem to be first"),
        (np.zeros((0, 4, 3), np.uint8), "has no pixels"),
    ],
)
def test_bad_objects_are_named(estimator, item, message, images):
    with pytest.raises(ImageError, match=rf"^row 1, column 0: .*{message}"):
        clone(estimator).fit_transform(objects([(images[0], images[0]), (item, images[0])]))


@every_estimator
@pytest.mark.parametrize("X", [None, "photo.png", b"photo.png", [], [("a.png",)], [("a.png",) * 3]])
def test_no_tables(estimator, X):
    with pytest.raises(ImageError, match=r"got a single|got 0 rows|^row 0: it has [13] picture"):
        clone(estimator).fit(X)


@every_estimator
def test_clone_and_parameters(estimator):
    copy = clone(estimator)
    assert copy is not estimator
    assert copy.get_params() == estimator.get_params()
    assert set(vars(copy)) == set(copy.get_params())
    for name, value in copy.get_params().items():
        assert copy.set_params(**{name: value}) is copy
    with pytest.raises(ValueError, match="Invalid parameter 'color'"):
        copy.set_params(color=1)


@every_estimator
def test_representation_can_be_read_back(estimator):
    text = repr(estimator)
    assert text.startswith(type(estimator).__name__)
    repeated = eval(text, {type(estimator).__name__: type(estimator)})
    assert repeated.get_params() == estimator.get_params()
    assert estimator._repr_html_()


@every_estimator
def test_keyword_only_parameters(estimator):
    parameters = list(inspect.signature(type(estimator)).parameters.values())
    assert parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {p.kind for p in parameters[1:]} == {inspect.Parameter.KEYWORD_ONLY}
    assert set(type(estimator)._parameter_constraints) == {p.name for p in parameters}


def documented(estimator, section):
    doc = inspect.cleandoc(estimator.__doc__) + "\n\nEnd\n---\n"
    body = re.search(rf"^{section}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n)", doc, re.DOTALL | re.MULTILINE)
    return re.findall(r"^(\w+) :", body.group(1), re.MULTILINE)


@every_estimator
def test_documentation_names_parameters_and_attributes(estimator, images):
    assert documented(estimator, "Parameters") == list(
        inspect.signature(type(estimator)).parameters
    )
    model = clone(estimator)
    model.fit_transform(images[:2])
    public = {name for name in vars(model) if re.fullmatch(r"[a-z]\w*_", name)}
    assert public == set(documented(estimator, "Attributes"))


@every_estimator
@pytest.mark.parametrize("n_jobs", [2, -1])
def test_threads_do_not_matter(estimator, n_jobs, paths, reference):
    close(
        clone(estimator).set_params(n_jobs=n_jobs).fit_transform(paths), reference[type(estimator)]
    )


@every_estimator
def test_hash_is_that_of_the_parameters(estimator, images):
    original = joblib.hash(estimator)
    model = clone(estimator)
    model.fit_transform(images[:2])
    assert joblib.hash(clone(model)) == original
    repeated = clone(estimator)
    repeated.fit_transform(images[:2])
    assert joblib.hash(model) == joblib.hash(repeated)


@every_estimator
def test_pickling_leaves_the_network_behind(estimator, images, reference):
    model = clone(estimator).fit(images)
    content = pickle.dumps(model)
    assert len(content) < 4000
    close(pickle.loads(content).transform(images[:2]), reference[type(estimator)][:2])


LOAD = """
import numpy as np
from pathlib import Path
from sklearn_diffake import persistence
images = np.load("images.npy")
for path in Path(".").glob("*.diffake"):
    model = persistence.load(path, trusted=["tiny_backbones:colors"])
    np.save(path.stem, model.transform(images))
"""


def test_saved_and_loaded_in_another_process(images, tmp_path):
    models = [clone(estimator).fit(images) for estimator in IMAGE_ESTIMATORS]
    for i, model in enumerate(models):
        persistence.save(model, tmp_path / f"{i}.diffake")
    np.save(tmp_path / "images.npy", np.stack(images))
    forked_programs.run(LOAD, cwd=tmp_path)
    for i, model in enumerate(models):
        np.testing.assert_array_equal(np.load(tmp_path / f"{i}.npy"), model.transform(images))
        loaded = persistence.load(tmp_path / f"{i}.diffake", trusted=["tiny_backbones:colors"])
        assert loaded.get_params() == model.get_params()


@every_estimator
def test_not_reset_by_a_second_use(estimator, images, reference):
    model = clone(estimator).fit(images)
    close(model.transform(images[:3]), reference[type(estimator)][:3])
    close(model.transform(images[3:]), reference[type(estimator)][3:])


# --- the whole pipeline, sliced ----------------------------------------------------------------


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def pipeline(cache):
    aligner, embedder = (clone(e).set_params(cache=cache) for e in IMAGE_ESTIMATORS[:2])
    return Pipeline(
        [
            ("align", aligner),
            ("embed", embedder),
            ("diff", PairDifference()),
            ("detect", GaussianMixtureDetector(1, random_state=0)),
        ]
    )


@pytest.fixture(scope="module")
def labeled():
    """Twelve pairs: a genuine one is two retakes, a fake one has its colors exchanged."""
    photos = faces(24, seed=3)
    y = np.tile([1, 1, -1], 4)  # mixed: cv=2 does not shuffle
    for row in np.flatnonzero(y == -1):
        photos[2 * row + 1] = np.ascontiguousarray(photos[2 * row + 1][..., ::-1])
    return photos, y


@pytest.mark.parametrize("form", PAIR_FORMS)
def test_every_form_slices_in_cross_validation(form, labeled, cache, tmp_path):
    photos, y = labeled
    X = as_pairs(form, photos, save_all(photos, tmp_path))
    scores = cross_val_score(pipeline(cache), X, y, cv=2, scoring="roc_auc", error_score="raise")
    X = as_pairs("list of tuples of arrays", photos, None)
    expected = cross_val_score(pipeline(cache), X, y, cv=2, scoring="roc_auc")
    np.testing.assert_array_equal(scores, expected)
    assert scores.min() > 0.9


@pytest.mark.parametrize(
    "form", ["frame of paths", pytest.param("list of tuples of Paths", marks=pytest.mark.slow)]
)
def test_search_over_the_whole_pipeline(form, labeled, cache, tmp_path):
    photos, y = labeled
    X = as_pairs(form, photos, save_all(photos, tmp_path))
    grid = {
        "align__margin": [0.0, 0.2],
        "embed__backbone": ["tiny_backbones:colors", "tiny_backbones:means"],
        "diff__operator": ["squared", "absolute"],
        "detect__covariance_type": ["full", "diag"],
    }
    search = GridSearchCV(pipeline(cache), grid, cv=2, scoring="roc_auc", error_score="raise")
    search.fit(X, y)
    assert search.best_score_ > 0.9
    assert search.predict(X).shape == (12,)
    assert search.score(X, y) > 0.9


HINT = r"one pair is written \[\(reference, probe\)\]"


@pytest.mark.parametrize("form", SINGLE_FORMS)
def test_no_detector_takes_single_images(form, labeled, cache, tmp_path):
    photos, _ = labeled
    X = as_singles(form, photos, save_all(photos, tmp_path))
    with_differences = pipeline(cache)
    plain = make_pipeline(*pipeline(cache)[:2], ConformalDetector(MahalanobisDetector()))
    for model in (with_differences, plain, make_pipeline(with_differences[1], GenuineOnly())):
        with pytest.raises(ValueError, match=f"(?i){HINT}"):
            model.fit(X)


def test_single_images_are_not_judged_either(labeled, cache):
    photos, y = labeled
    pairs = as_pairs("list of tuples of arrays", photos, None)
    model = pipeline(cache).fit(pairs, y)
    embedder = model["embed"]
    rows = np.random.default_rng(0).normal(size=(60, embedder.transform(photos[:1]).shape[1]))
    on_rows = ConformalDetector(MahalanobisDetector(), target_bpcer=0.1).fit(rows)
    for provided in ((photos[0], photos[1]), photos, np.stack(photos[:2])):
        for judge in (model.predict, model.score_samples, model.decision_function):
            with pytest.raises(ValueError, match=f"(?i){HINT}"):
                judge(provided)
    for judge in (on_rows.predict, on_rows.score_samples, on_rows.p_values):
        with pytest.raises(ValueError, match=HINT):
            judge(embedder.transform(photos))
    assert on_rows.predict(embedder.transform(photos)[:3] + 0).shape == (3,)  # a row by choice


def test_one_pair_needs_its_brackets(labeled, cache):
    photos, y = labeled
    model = pipeline(cache).fit(as_pairs("list of tuples of arrays", photos, None), y)
    with pytest.raises(ImageError, match=f"got a tuple of 2.*{HINT}"):
        model.predict((photos[0], photos[1]))
    assert model.predict([(photos[0], photos[1])]).shape == (1,)


def test_an_empty_template_is_refused_by_its_place(labeled, cache):
    photos, _ = labeled
    with pytest.raises(ImageError, match="row 1, column 0: a template must hold at least one"):
        pipeline(cache).fit([(photos[0], photos[1]), ([], photos[4])])
