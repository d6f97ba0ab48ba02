"""Pairs of templates through aligner, embedder and detector: lists, videos, placeholders."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_helpers import faces, noise, objects, save_all, small_face
from PIL import Image
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline

from sklearn_diffake import make_difffake_pipeline, score_pairs
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding._pooling import pool_templates
from sklearn_diffake.faces import FaceAligner, ImageError, MissingFace
from sklearn_diffake.images.table import image_table
from sklearn_diffake.novelty import (
    ConformalDetector,
    GaussianMixtureDetector,
    GenuineOnly,
    MahalanobisDetector,
)
from sklearn_diffake.pairs import DifferenceScaler, PairDifference

COLORS = "tiny_backbones:colors"


def aligner(**settings):
    return FaceAligner(**{"size": 48, "min_face_size": 0.4, "device": "cpu", **settings})


def embedder(backbone=COLORS, **settings):
    return FaceEmbedder(backbone, device="cpu", **settings)


def pipeline(cache=None, detector=None, **settings):
    detector = MahalanobisDetector() if detector is None else detector
    steps = [("align", aligner(cache=cache, **settings)), ("embed", embedder(cache=cache))]
    return Pipeline([*steps, ("diff", PairDifference()), ("detect", detector)])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def photos():
    return faces(24, seed=3)


@pytest.fixture(scope="module")
def blank():
    return noise(1, (60, 60))[0]


def animate(images, path):
    """Write pictures as an animation, half a second each; without loss but for GIF."""
    first, *remaining = [Image.fromarray(image) for image in images]
    kind = {".gif": "GIF", ".png": "PNG"}.get(Path(path).suffix, "WEBP")
    settings = {"lossless": True} if kind == "WEBP" else {}
    first.save(path, kind, save_all=True, append_images=remaining, duration=500, **settings)
    return str(path)


def templates(photos, paths, folder):
    """Return eight rows with templates, in every form that a cell may have."""
    video = animate(photos[:3], folder / "clip.jpg")  # its name does not matter
    return {
        "lists of paths": lambda: [([paths[i], paths[i + 1]], paths[i + 2]) for i in range(8)],
        "tuples of arrays": lambda: [((photos[i], photos[i + 1]), photos[i + 2]) for i in range(8)],
        "object array": lambda: objects([([paths[i], paths[i + 1]], paths[i]) for i in range(8)]),
        "frame": lambda: pd.DataFrame(
            {
                "probe": paths[:8],
                "reference": [[paths[i], photos[i + 1], paths[i + 2]] for i in range(8)],
            }
        ),
        "videos": lambda: [(paths[i], video) for i in range(8)],
        "video in a list": lambda: [([video, paths[i]], [paths[i + 1], video]) for i in range(8)],
    }


FORMS = [
    "lists of paths",
    "tuples of arrays",
    "object array",
    "frame",
    "videos",
    "video in a list",
]


@pytest.mark.parametrize("form", FORMS)
def test_templates_slice_in_cross_validation(form, photos, cache, tmp_path):
    X = templates(photos, save_all(photos, tmp_path), tmp_path)[form]()
    y = np.tile([1, 1, 1, -1], 2)
    scores = cross_val_score(pipeline(cache), X, y, cv=2, scoring="roc_auc", error_score="raise")
    assert scores.shape == (2,)
    model = pipeline(cache).fit(X, y)
    full = model.score_samples(X)
    piece = model.score_samples(X[3:5])
    np.testing.assert_allclose(piece, full[3:5])


def test_search_over_the_whole_pipeline_with_templates(photos, cache, tmp_path):
    paths = save_all(photos, tmp_path)
    video = animate(photos[:3], tmp_path / "clip.webp")
    X = [([paths[i], paths[i + 1]], [video, paths[i + 2]]) for i in range(8)]
    grid = {"align__n_frames": [2, 3], "diff__operator": ["squared", "absolute"]}
    search = GridSearchCV(pipeline(cache), grid, cv=2, scoring="roc_auc", error_score="raise")
    search.fit(X, np.tile([1, 1, 1, -1], 2))
    assert search.predict(X).shape == (8,)


def test_an_embedding_is_the_mean_of_unit_vectors_at_the_mean_length(photos):
    model = embedder().fit(photos)
    single = model.transform(photos[:3]).astype(float)
    pooled = model.transform([(photos[:3], photos[3])])[0, 0]
    lengths = np.linalg.norm(single, axis=1, keepdims=True)
    np.testing.assert_allclose(pooled, (single / lengths).mean(axis=0) * lengths.mean(), rtol=1e-5)


def test_templates_of_one_picture_change_nothing(photos):
    model = pipeline().fit([(photos[i], photos[i + 1]) for i in range(8)])
    plain = [(photos[0], photos[1]), (photos[2], photos[3])]
    expected = model[:-1].transform(plain)
    for X in (
        [([photos[0]], photos[1]), (photos[2], [photos[3]])],
        [*plain, ([photos[4], photos[5]], photos[6])],
        [([photos[0]] * 3, photos[1]), (photos[2], [photos[3]] * 2)],
    ):
        np.testing.assert_allclose(model[:-1].transform(X)[:2], expected, rtol=1e-4, atol=1e-7)
    model["diff"].set_params(normalize=None)  # where lengths count
    np.testing.assert_allclose(
        model[:-1].transform([([photos[0]] * 3, photos[1])]),
        model[:-1].transform(plain[:1]),
        rtol=1e-4,
    )


def test_single_numbers_are_averaged_as_they_are():
    table = image_table([(["a", "b"], ["b", "c"])], templates=True)
    pooled = pool_templates(np.array([[-1.0], [4.0], [2.0]], np.float32), table)[table.index]
    np.testing.assert_allclose(pooled[0, :, 0], [1.5, 3.0])


def test_each_picture_of_all_templates_is_computed_once(photos, tmp_path):
    paths = save_all(photos[:4], tmp_path)
    pairs = [(paths[:2], paths[2]), (paths[1:3], [paths[3], paths[0]]), (paths[:2], paths[1])]
    faces_of = aligner().align(pairs)
    assert faces_of.counts["images"] == 4
    assert faces_of.position.tolist() == [0, 1, 0, 0, 1, 0, 1, 0, 1, 0]
    model = embedder().fit(faces_of.crops)
    model.transform(faces_of.crops)
    assert model.n_embedded_ == 4


def test_a_video_is_the_template_of_its_frames(photos, tmp_path):
    clip = animate(photos[:6], tmp_path / "clip.png")
    faces_of = aligner(n_frames=3).align([(photos[7], clip), (photos[8], clip)])
    frames = faces_of.column == 1
    assert faces_of.frame[frames].tolist() == [1, 3, 5] * 2
    np.testing.assert_allclose(faces_of.time[frames], [0.5, 1.5, 2.5] * 2)
    assert faces_of.frame[~frames].tolist() == [-1, -1]
    assert np.isnan(faces_of.time[~frames]).all()
    assert faces_of.path[frames].tolist() == [clip] * 6
    names = aligner().transform([([photos[1], photos[3], photos[5]], photos[7])])
    np.testing.assert_array_equal(np.stack(faces_of.crops[0, 1]), np.stack(names[0, 0]))
    assert faces_of.crops[0, 1][0] is faces_of.crops[1, 1][0]
    assert faces_of.counts["images"] == 5


def test_frames_of_a_stored_video_are_not_decoded_again(photos, tmp_path, monkeypatch):
    from sklearn_diffake.images import read, video

    monkeypatch.setattr(read, "_RACY_NS", 0)
    clip = animate(photos[:4], tmp_path / "clip.webp")
    model = aligner(n_frames=3, cache=tmp_path / "store")
    first = model.align([(clip, photos[5])])

    def fail(*args, **settings):
        raise AssertionError("decoded again")

    monkeypatch.setattr(video, "read_accounted", fail)
    second = model.align([(clip, photos[5])])
    np.testing.assert_array_equal(np.stack(first.crops[0, 0]), np.stack(second.crops[0, 0]))
    np.testing.assert_array_equal(first.frame, second.frame)
    with pytest.raises(AssertionError, match="decoded again"):
        model.set_params(n_frames=2).align([(clip, photos[5])])


def test_a_stored_video_that_lost_frames_warns_again(photos, tmp_path, monkeypatch):
    from sklearn_diffake.images import read, video

    monkeypatch.setattr(read, "_RACY_NS", 0)
    clip, full = animate(photos[:4], tmp_path / "clip.webp"), video.read_accounted

    def lose_the_last(path, choose, corrupt):
        *retained, last = full(path, choose, corrupt)
        yield from retained
        corrupt.add_missing(last.number)

    monkeypatch.setattr(video, "read_accounted", lose_the_last)
    model = aligner(n_frames=3, cache=tmp_path / "store", on_missing="skip")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"clip\.webp: the video is damaged: 1 frame cannot"):
            assert len(model.transform([(clip, photos[5])])[0, 0]) == 2


@pytest.mark.parametrize("on_missing", ["raise", "skip"])
def test_frames_without_a_face_are_left_out(on_missing, photos, tmp_path):
    blank = noise(1, small_face().shape[:2])[0]
    clip = animate([photos[0], blank, photos[1]], tmp_path / "clip.gif")
    faces_of = aligner(on_missing=on_missing).align([(photos[5], clip)])
    assert len(faces_of.crops[0, 1]) == 2
    assert faces_of.counts == {"images": 4, "found": 3, "missing": 1, "several": 0}
    assert faces_of.reason.tolist() == [None, None, "no face was found", None]
    assert not faces_of.is_missing.any()


def test_a_video_among_single_pictures_is_refused(photos, tmp_path):
    clip = animate(photos[:3], tmp_path / "clip.webp")
    with pytest.raises(ImageError, match=r"row 1, file .*clip.webp.*where an image is expected"):
        aligner().align([photos[0], clip])


def test_a_corrupt_video_is_named(photos, tmp_path):
    clip = tmp_path / "clip.webp"
    animate(photos[:3], clip)
    clip.write_bytes(clip.read_bytes()[:3000])
    with pytest.raises(ImageError) as caught:
        aligner().align([(photos[0], str(clip))])
    assert (caught.value.row, caught.value.column, caught.value.path) == (0, 1, str(clip))


# --- pictures without a face -----------------------------------------------------------------


def test_skipped_pictures_leave_their_template(photos, blank):
    pairs = [([photos[0], blank], photos[1]), (photos[2], [blank, blank]), (blank, photos[3])]
    faces_of = aligner(on_missing="skip").align(pairs)
    np.testing.assert_array_equal(faces_of.crops[0, 0], aligner().transform([photos[0]])[0])
    assert faces_of.crops[1, 1] == MissingFace("no face was found", 1, 1)
    assert faces_of.missing.tolist() == [[1, 1], [2, 0]]
    assert faces_of.row_reasons == [
        None,
        "probe: no face was found",
        "reference: no face was found",
    ]
    embeddings = embedder().fit(photos).transform(faces_of.crops)
    assert np.isnan(embeddings).all(axis=2).tolist() == [[0, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("on_missing", ["crop", "warn"])
def test_pictures_of_which_the_center_is_taken_have_a_score(photos, blank, on_missing, shared):
    pairs = [(photos[0], blank), (photos[0], photos[1])]
    model = aligner(on_missing=on_missing, shared=shared)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        faces_of = model.align(pairs, errors="return")
    assert faces_of.missing.tolist() == [[0, 1]]
    assert faces_of.row_reasons == [None, None]


@pytest.mark.parametrize(
    "detector",
    [
        MahalanobisDetector(),
        GaussianMixtureDetector(1, shrinkage="auto", random_state=0),
        GenuineOnly(IsolationForest(random_state=0), contamination=0.1),
        ConformalDetector(MahalanobisDetector(), target_bpcer=0.4, random_state=0),
    ],
    ids=lambda detector: type(detector).__name__,
)
@pytest.mark.filterwarnings("ignore:few-calibration")
def test_detectors_leave_out_pairs_without_a_face(detector, photos, blank, cache):
    good = [(photos[i], photos[i + 1]) for i in range(10)]
    bad = [*good[:4], (photos[0], blank), *good[4:], (blank, blank)]
    expected = pipeline(cache, detector).fit(good)
    model = pipeline(cache, detector, on_missing="skip")
    with pytest.warns(UserWarning, match=r"2 of 12 rows are not learned from.*rows 4, 11\."):
        model.fit(bad, np.ones(12))
    scores = model.score_samples(bad)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [4, 11]
    np.testing.assert_allclose(np.delete(scores, [4, 11]), expected.score_samples(good), rtol=1e-6)
    assert np.isnan(model.decision_function(bad[4:5])).all()
    with pytest.raises(ValueError, match=r"2 of 12 rows have no usable face.*rows 4, 11\."):
        model.predict(bad)
    if hasattr(detector, "p_values"):
        rows = model[:-1].transform(bad)
        assert np.flatnonzero(np.isnan(model[-1].p_values(rows))).tolist() == [4, 11]
        verdicts = model[-1].predict_with_abstention(rows)
        assert verdicts[[4, 11]].tolist() == [0, 0]
        with pytest.raises(ValueError, match="rows 4, 11"):
            model[-1].benjamini_hochberg(rows)


def test_fit_without_any_face(blank):
    with pytest.raises(ValueError, match=r"usable face|NaN in row 0"):
        pipeline(on_missing="skip").fit([(blank, blank)] * 4)


def test_nan_in_a_part_of_a_row_stays_an_error():
    rows = np.random.default_rng(0).normal(size=(20, 3))
    model = MahalanobisDetector().fit(rows)
    rows[3] = np.nan
    rows[7, 1] = np.nan
    for judge in (model.score_samples, model.fit):
        with pytest.raises(ValueError, match="NaN in row 7"):
            judge(rows)
    pairs = np.random.default_rng(0).normal(size=(5, 2, 4))
    pairs[1, 0], pairs[3, 1, 2] = np.nan, np.nan
    with pytest.raises(ValueError, match="NaN in row 3"):
        PairDifference().fit(pairs)


@pytest.mark.parametrize("operator", ["squared", "concat", "cosine", "probe", "hadamard"])
def test_a_pair_is_missing_if_one_of_its_cells_is(operator):
    pairs = np.random.default_rng(0).normal(size=(5, 2, 4))
    pairs[1, 0], pairs[3, 1] = np.nan, np.nan
    model = PairDifference(operator).fit(pairs)
    rows = model.transform(pairs)
    assert np.isnan(rows).all(axis=1).tolist() == [False, True, False, True, False]
    scaled = DifferenceScaler().fit(rows, [1, 1, 1, 1, -1])
    np.testing.assert_allclose(scaled.mean_, rows[[0, 2]].mean(axis=0))
    assert np.isnan(scaled.transform(rows)).all(axis=1).tolist() == np.isnan(rows[:, 0]).tolist()


def test_joined_features_of_a_missing_pair(photos, blank, cache):
    model = make_difffake_pipeline(
        [embedder(), embedder("tiny_backbones:means")],
        aligner=aligner(on_missing="skip", cache=cache),
        operator=["cosine", "probe"],
        detector=MahalanobisDetector(),
    )
    assert isinstance(model["features"], FeatureUnion)
    pairs = [([photos[i], photos[i + 9]], photos[i + 1]) for i in range(8)]
    with pytest.warns(UserWarning, match=r"1 of 9 rows .* row 8\."):
        model.fit([*pairs, (blank, photos[0])])
    assert np.isnan(model.score_samples([pairs[0], (blank, photos[0])])).tolist() == [False, True]


@pytest.mark.parametrize("with_aligner", [True, False])
def test_scores_and_reasons(with_aligner, photos, blank, cache, tmp_path):
    good = [(photos[i], photos[i + 1]) for i in range(8)]
    model = pipeline(cache, ConformalDetector(MahalanobisDetector(), target_bpcer=0.4))
    if not with_aligner:
        model.set_params(align="passthrough")
    model.fit(good)
    no_file = str(tmp_path / "nobody.png")
    third = blank if with_aligner else str(tmp_path)
    scores = score_pairs(model, [good[0], (no_file, photos[0]), (photos[1], third), good[5]])
    np.testing.assert_allclose(scores.score[[0, 3]], model.score_samples([good[0], good[5]]))
    assert np.isnan(scores.score[[1, 2]]).all()
    assert np.isnan(scores.p_value).tolist() == [False, True, True, False]
    assert scores.reason[1].startswith(f"reference, file {no_file!r}: no such file")
    assert scores.reason[2].startswith("probe")
    assert scores.reason[0] is scores.reason[3] is None


def test_a_network_that_fails_costs_one_pair(photos):
    white = np.full((8, 8, 3), 255, np.uint8)
    model = Pipeline(
        [
            ("embed", embedder("tiny_backbones:nan_on_white")),
            ("diff", PairDifference()),
            ("detect", MahalanobisDetector()),
        ]
    ).fit([(photos[i], photos[i + 1]) for i in range(8)])
    scores = score_pairs(model, [(photos[0], photos[1]), (photos[0], white)])
    assert np.isnan(scores.score).tolist() == [False, True]
    assert "NaN or infinity" in scores.reason[1]
    none = score_pairs(model, [(white, white)])
    assert np.isnan(none.score).all()
