"""The four steps in one."""

import tracemalloc

import numpy as np
import pytest
import sklearn
from image_helpers import faces, noise
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from tiny_backbones import colors

import sklearn_diffake
from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.faces import FaceAligner, ImageError
from sklearn_diffake.novelty import ConformalDetector, GaussianMixtureDetector, SumRuleDetector
from sklearn_diffake.pairs import PairDifference
from sklearn_diffake.pipeline import load_default, score_in_batches

TINY = "tiny_backbones:colors"


@pytest.fixture(scope="module")
def pairs():
    photos = faces(16)
    return list(zip(photos[::2], photos[1::2], strict=True))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def build(**settings):
    settings = {"operator": "squared", "device": "cpu", "random_state": 0, **settings}
    pipe = make_difffake_pipeline(TINY, **settings)
    if pipe["align"] != "passthrough":
        pipe.set_params(align__min_face_size=0.4, align__size=48)
    return pipe.set_params(detect__n_components=1)


def test_steps_and_defaults():
    pipe = make_difffake_pipeline()
    assert [name for name, _ in pipe.steps] == ["align", "embed", "diff", "detect"]
    classes = [FaceAligner, FaceEmbedder, PairDifference, ConformalDetector]
    assert [type(step) for _, step in pipe.steps] == classes
    embedder = pipe["embed"]
    assert (embedder.backbone, embedder.mirror) == ("dlib-resnet", True)
    assert embedder.scales == (1.0, 0.9)
    assert pipe["align"].shared
    assert pipe["diff"].get_params() == {
        **PairDifference().get_params(),
        "operator": "cosine",
        "normalize": "embeddings",
    }
    assert type(pipe["detect"].detector) is SumRuleDetector
    assert pipe["detect"].target_bpcer == 0.05


def test_the_packaged_model_is_the_default_fitted():
    """Each parameter but those that tell how and on what it is run."""
    free = {"cache", "verbose", "n_jobs", "select", "on_missing"}
    packaged = load_default()
    built = make_difffake_pipeline(mode="reference", random_state=0)
    assert [name for name, _ in packaged.steps] == [name for name, _ in built.steps]
    for (name, first), (_, second) in zip(packaged.steps, built.steps, strict=True):
        assert type(first) is type(second)
        our_value, reference_value = (step.get_params() for step in (first, second))
        different = {
            key
            for key in our_value | reference_value
            if repr(our_value.get(key)) != repr(reference_value.get(key))
        }
        assert different <= free, name


def test_difffake_s_recipe():
    for detector in (None, GaussianMixtureDetector(n_components=3)):
        pipe = make_difffake_pipeline(operator="squared", detector=detector)
        assert pipe["diff"].operator == "squared"
        assert type(pipe["detect"]) is GaussianMixtureDetector
        assert pipe["detect"].n_components == 3


@pytest.mark.parametrize(
    ("embedder", "operator", "one_number_each"),
    [
        (TINY, "cosine", True),
        (["dlib-resnet", TINY], "cosine", True),
        (["dlib-resnet", "difffake-lite0-verdict"], ["cosine", "probe"], True),
        (["dlib-resnet", FaceEmbedder("difffake-lite0-verdict")], ["cosine", "probe"], True),
        (["dlib-resnet", "difffake-lite0"], ["cosine", "probe"], False),
        (["dlib-resnet", TINY], ["cosine", "absolute"], False),
        (TINY, "probe", False),
        (FaceEmbedder(colors), "probe", False),
        (TINY, "concat", False),
    ],
)
def test_the_default_detector_fits_the_differences(embedder, operator, one_number_each):
    detector = make_difffake_pipeline(embedder, operator=operator, random_state=7)["detect"]
    expected = ConformalDetector if one_number_each else GaussianMixtureDetector
    assert type(detector) is expected
    assert detector.random_state == 7


def test_a_named_backbone_is_mirrored_as_it_is_recommended():
    assert make_difffake_pipeline("dlib-resnet")["embed"].mirror
    assert make_difffake_pipeline("dlib-resnet")["embed"].scales == (1.0, 0.9)
    assert not make_difffake_pipeline(FaceEmbedder("dlib-resnet"))["embed"].mirror
    assert not make_difffake_pipeline(TINY)["embed"].mirror
    assert FaceEmbedder().get_params() == FaceEmbedder("dlib-resnet", mirror=False).get_params()


def test_parameters_reach_their_steps(tmp_path):
    store = EmbeddingStore(tmp_path)
    pipe = make_difffake_pipeline(
        TINY,
        operator="cubed",
        normalize="both",
        on_missing="crop",
        device="cpu",
        batch_size=5,
        cache=store,
        n_jobs=2,
        random_state=7,
        verbose=2,
    )
    for step in ("align", "embed"):
        shared = pipe[step].get_params()
        assert shared["cache"] is store
        names = ("device", "batch_size", "n_jobs", "verbose")
        assert [shared[name] for name in names] == ["cpu", 5, 2, 2]
    assert pipe["align"].on_missing == "crop"
    assert (pipe["diff"].operator, pipe["diff"].normalize) == ("cubed", "both")
    assert pipe["detect"].random_state == 7
    assert {"align__margin", "embed__backbone", "diff__operator", "detect__n_pca"} <= set(
        pipe.get_params()
    )
    clone(pipe).set_params(align__margin=0.1, embed__dtype="float16", detect__n_pca=2)


def test_own_parts():
    aligner, embedder, detector = FaceAligner(32), FaceEmbedder(TINY), GaussianMixtureDetector(2)
    pipe = make_difffake_pipeline(embedder, aligner=aligner, detector=detector)
    assert pipe["align"] is aligner
    assert pipe["embed"] is embedder
    assert pipe["detect"] is detector


@pytest.mark.parametrize("aligner", [False, None])
def test_crops_that_are_aligned_already(aligner):
    crops = np.stack(noise(16)).reshape(8, 2, 20, 20, 3)
    pipe = build(aligner=aligner)
    assert pipe["align"] == "passthrough"
    assert pipe.fit(crops).score_samples(crops).shape == (8,)


def test_fit_and_score(pairs, cache):
    pipe = build(cache=cache).fit(pairs)
    scores = pipe.score_samples(pairs)
    np.testing.assert_allclose(
        pipe.decision_function(pairs), scores - pipe["detect"].offset_, rtol=1e-12
    )
    assert set(pipe.predict(pairs)) <= {1, -1}
    swapped = [(reference, np.ascontiguousarray(probe[..., ::-1])) for reference, probe in pairs]
    assert pipe.score_samples(swapped).mean() < scores.min()
    repeated = build(cache=cache).fit(pairs)
    np.testing.assert_array_equal(repeated.score_samples(pairs), scores)


def test_deepfakes_are_not_learned_from(pairs, cache):
    fakes = [(reference, 255 - probe) for reference, probe in pairs]
    y = np.repeat([1, -1], len(pairs))
    with_fakes = build(cache=cache, on_missing="crop").fit(pairs + fakes, y)
    lacking = build(cache=cache, on_missing="crop").fit(pairs)
    np.testing.assert_array_equal(
        with_fakes.score_samples(pairs + fakes), lacking.score_samples(pairs + fakes)
    )


def test_missing_face_names_the_row(pairs, cache):
    pipe = build(cache=cache).fit(pairs)
    with pytest.raises(ImageError, match=r"^row 1, column 1: no face was found "):
        pipe.predict([pairs[0], (pairs[1][0], noise(1)[0])])


def test_same_photo_in_many_pairs_is_embedded_once(pairs, cache):
    (first, second), (third, _) = pairs[:2]
    pipe = build(cache=cache).fit(pairs).set_params(align__cache=None, embed__cache=None)
    table = [(first, second), (first, third), (second, third), (third, first)]
    pipe.score_samples(table)
    assert pipe["align"].align(table).counts["images"] == 3
    assert pipe["embed"].n_embedded_ == 3


def test_set_output_of_the_whole_pipeline(pairs, cache):
    pipe = build(cache=cache).set_output(transform="pandas").fit(pairs)
    assert list(pipe[:-1].transform(pairs[:2]).columns) == [f"squared_{i}" for i in range(8)]
    with sklearn.config_context(transform_output="pandas"):
        scores = build(cache=cache).fit(pairs).score_samples(pairs)
    np.testing.assert_allclose(scores, pipe.score_samples(pairs), rtol=1e-5)


def test_representation():
    pipe = build()
    assert "FaceEmbedder(backbone='tiny_backbones:colors'" in repr(pipe)
    assert "FaceAligner" in pipe._repr_html_()


def test_default_backbone_end_to_end(pairs, cache):
    """The pipeline as it is built without a word, with its real network."""
    pipe = make_difffake_pipeline(device="cpu", random_state=0, cache=cache)
    pipe.set_params(align__min_face_size=0.4)
    with pytest.warns(UserWarning, match="needs at least 19 genuine calibration pairs"):
        pipe.fit(pairs)
    assert pipe["embed"].backbone_info_["width"] == 128
    swapped = [(reference, np.ascontiguousarray(probe[..., ::-1])) for reference, probe in pairs]
    assert pipe.score_samples(swapped).mean() < pipe.score_samples(pairs).mean()


def test_default_model_is_loaded_from_the_package(monkeypatch, tmp_path):
    received = []
    monkeypatch.setattr("sklearn_diffake.persistence.load", received.append)
    load_default()
    assert received[0].parts[-3:] == ("sklearn_diffake", "data", "default.diffake")
    assert sklearn_diffake.load_default is load_default


@pytest.mark.gpu
def test_cuda_gives_nearly_the_same_verdicts(pairs):
    on_cpu = build().fit(pairs)
    on_gpu = clone(on_cpu).set_params(align__device="cuda", embed__device="cuda").fit(pairs)
    differences = [pipe[:-1].transform(pairs) for pipe in (on_cpu, on_gpu)]
    np.testing.assert_allclose(differences[0], differences[1], atol=1e-3)


def test_pipeline_type():
    assert type(make_difffake_pipeline()) is Pipeline


def test_several_embedders_are_joined_at_one_scale(pairs, cache):
    pipe = make_difffake_pipeline(
        [TINY, FaceEmbedder(TINY, device="cpu")], operator="squared", device="cpu", cache=cache
    )
    pipe.set_params(align__min_face_size=0.4, align__size=48, detect__n_components=1)
    assert [name for name, _ in pipe.steps] == ["align", "features", "detect"]
    names = [name for name, _ in pipe["features"].transformer_list]
    assert names == ["tiny_backbones_colors", "tiny_backbones_colors_1"]
    pipe.set_params(features__tiny_backbones_colors_1__diff__operator="absolute")
    assert pipe["features"].transformer_list[0][1]["diff"].operator == "squared"
    pipe.fit(pairs)
    concatenated = pipe[:-1].transform(pairs)
    first, second = np.split(concatenated, 2, axis=1)
    for half in (first, second):
        assert np.square(half).sum(axis=1).mean() == pytest.approx(1, rel=1e-5)
    assert not np.allclose(first, second)
    assert (
        clone(pipe).fit(pairs).score_samples(pairs).tobytes() == pipe.score_samples(pairs).tobytes()
    )


def test_each_embedder_with_its_own_operator_and_weight(pairs, cache):
    settings = {"device": "cpu", "cache": cache, "operator": ["cosine", "probe"]}
    embedders = [TINY, FaceEmbedder(TINY, device="cpu")]
    plain = make_difffake_pipeline(embedders, detector=SumRuleDetector(), **settings)
    pipe = make_difffake_pipeline(
        embedders, detector=SumRuleDetector(), weights=[1, 0.25], **settings
    )
    size = {"align__min_face_size": 0.4, "align__size": 48}
    evenly = plain.set_params(**size).fit(pairs)[:-1].transform(pairs)
    weighted = pipe.set_params(**size).fit(pairs)[:-1].transform(pairs)
    assert evenly.shape[1] == 1 + evenly[:, 1:].shape[1]
    np.testing.assert_array_equal(weighted[:, 0], evenly[:, 0])
    np.testing.assert_allclose(weighted[:, 1:], evenly[:, 1:] / 4)
    np.testing.assert_allclose(pipe.score_samples(pairs), -weighted.sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize("wrong", [{"operator": ["cosine"]}, {"weights": [1, 2, 3]}])
def test_as_many_operators_and_weights_as_embedders(wrong):
    with pytest.raises(ValueError, match="one entry for each of the 2 embedders, got"):
        make_difffake_pipeline([TINY, TINY], **wrong)


@pytest.mark.parametrize("method", ["score_samples", "decision_function", "predict"])
def test_scoring_in_batches_gives_the_same(pairs, cache, method):
    pipe = build(aligner=False, cache=cache).fit(pairs)
    for X in (pairs, np.stack([np.stack([np.resize(i, (8, 8, 3)) for i in p]) for p in pairs])):
        result = score_in_batches(pipe, X, method=method, batch_size=3)
        np.testing.assert_allclose(result, getattr(pipe, method)(X), rtol=1e-5, atol=1e-5)


def test_scoring_in_batches_takes_little_memory(tmp_path):
    X = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (20_000, 2, 256))
    X[:] = np.random.default_rng(0).normal(size=X.shape)
    header = make_difffake_pipeline(operator="squared", random_state=0)[2:].fit(X[:1000])
    tracemalloc.start()
    scores = score_in_batches(header, X, batch_size=500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scores.shape == (20_000,)
    assert peak < X.nbytes / 4


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"method": "fit"}, "method must be one of"), ({"batch_size": 0}, "must be positive, got 0")],
)
def test_scoring_in_batches_checks_its_settings(settings, match):
    with pytest.raises(ValueError, match=match):
        score_in_batches(None, [[1, 2]], **settings)
    with pytest.raises(ValueError, match="at least one pair"):
        score_in_batches(None, [])


def test_no_embedder():
    with pytest.raises(ValueError, match="at least one backbone"):
        make_difffake_pipeline([])


@pytest.mark.parametrize("name", ["difffake-lite0", "difffake-lite0-identity"])
def test_crops_are_cut_as_the_package_s_own_networks_expect(name):
    for embedder in (name, ["facenet-vggface2", name], FaceEmbedder(name)):
        aligner = make_difffake_pipeline(embedder)["align"]
        assert (aligner.size, aligner.margin) == (160, 0.2)
    assert make_difffake_pipeline("efficientnet-lite0")["align"].margin == 0
