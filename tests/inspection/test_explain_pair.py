"""explain_pair: numbers, contributions, neighbors, provenance, and what it refuses."""

import json
import subprocess
import sys
import warnings
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
from explain_cases import (
    CORNER,
    RIGHT,
    SIDE,
    Additive,
    OwnEmbedder,
    build,
    explain,
    genuine_crops,
    pair_that_differs,
)
from image_helpers import noise, save_all
from key_helpers import check_listed, parameters_of
from onnx import TensorProto, helper, numpy_helper, save
from pyod.models.knn import KNN
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer

import sklearn_diffake
from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.faces import FaceAligner, ImageError
from sklearn_diffake.inspection import _provenance, explain_pair
from sklearn_diffake.inspection._contributions import _shapley
from sklearn_diffake.inspection._report.text import nearest_lines
from sklearn_diffake.inspection._split_pipeline import pair_table
from sklearn_diffake.novelty import (
    ConformalDetector,
    GenuineOnly,
    MahalanobisDetector,
    NearestReferenceDetector,
    PyODDetector,
)
from sklearn_diffake.pairs import PairDifference

TWO = [CORNER, RIGHT]


def onnx_network(path):
    """A network without gradient: mean colors."""
    axes = numpy_helper.from_array(np.array([2, 3]), "axes")
    node = helper.make_node("ReduceMean", ["image", "axes"], ["vector"], keepdims=0)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 3, 8, 8])
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["b", 3])
    graph = helper.make_graph([node], "net", [image], [vector], [axes])
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return str(path)


@pytest.mark.parametrize("embedder", [CORNER, TWO])
def test_numbers_are_those_of_the_pipeline(embedder):
    pipe, pair = build(embedder), pair_that_differs()
    table = pair_table([pair])
    result = explain(pipe, *pair, method="gradient", n_smooth=1)
    assert result.score == pytest.approx(pipe.score_samples(table)[0], rel=1e-9)
    assert result.threshold == pipe["detect"].offset_
    assert result.decision == pytest.approx(pipe.decision_function(table)[0], rel=1e-9)
    assert result.verdict == {1: "genuine", -1: "deepfake"}[pipe.predict(table)[0]]
    assert result.p_value is None
    assert repr(result).startswith("PairExplanation(deepfake: score=-")


def test_a_genuine_pair_is_called_so():
    pair = genuine_crops(1, seed=0)[0]
    assert explain(build(), *pair, method="gradient").verdict == "genuine"


def test_p_value_of_a_conformal_detector():
    pipe = build(
        detector=ConformalDetector(MahalanobisDetector(), target_bpcer=0.2, random_state=0)
    )
    for pair in (pair_that_differs(), genuine_crops(1)[0]):
        result = explain(pipe, *pair, method="gradient", n_smooth=1)
        features = pipe[:-1].transform(pair_table([pair]))
        assert result.p_value == pipe["detect"].p_values(features)[0]
        assert (result.p_value <= pipe["detect"].level_) == (result.verdict == "deepfake")


def test_threshold_of_a_detector_without_offset():
    class NoOffset(Additive):
        score_samples = property()

        def fit(self, X, y=None):
            self.n_features_in_ = X.shape[1]
            return self

        def decision_function(self, X):
            return 0.5 - np.square(X).sum(axis=1)

    result = explain(build(detector=NoOffset()), *pair_that_differs(), method="gradient")
    assert result.threshold == 0
    assert result.decision == result.score


@pytest.mark.parametrize("weights", [None, [1.0, 0.25]])
def test_contributions_add_up_and_are_exact_where_the_head_is_additive(weights):
    pipe = build(TWO, Additive(), weights=weights)
    pair = pair_that_differs(slice(4, 20), slice(0, 32))  # both windows see something
    result = explain(pipe, *pair, method="gradient", n_smooth=1)
    values = [piece.value for piece in result.contributions]
    assert sum(values) == pytest.approx(result.score - result.base_score, rel=1e-9)
    features = pipe[:-1].transform(pair_table([pair]))[0]
    assert result.base_score == pytest.approx(0)  # scaled genuine means are zero
    expected = [-np.square(piece).sum() for piece in np.split(features, 2)]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert [piece.fraction for piece in result.contributions] == pytest.approx(
        np.abs(values) / np.abs(values).sum()
    )
    assert [piece.name for piece in result.contributions] == [
        name for name, _ in pipe["features"].transformer_list
    ]
    assert [piece.backbone for piece in result.contributions] == TWO


def test_contributions_add_up_where_the_head_is_not_additive():
    pair = pair_that_differs(slice(4, 20), slice(0, 32))
    result = explain(build(TWO), *pair, method="gradient", n_smooth=1)
    total = sum(piece.value for piece in result.contributions)
    assert total == pytest.approx(result.score - result.base_score, rel=1e-9)


def test_the_network_that_saw_it_gets_the_blame():
    result = explain(build(TWO), *pair_that_differs(), method="gradient", n_smooth=1)
    corner, right = result.contributions
    assert corner.value < 0
    assert corner.fraction > 0.95
    assert right.fraction < 0.05


def test_shapley_values_are_means_over_all_orders():
    n, worth = 4, np.random.default_rng(0).normal(size=16)
    expected = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        present = 0
        for i in order:
            expected[i] += (worth[present | 1 << i] - worth[present]) / len(orders)
            present |= 1 << i
    np.testing.assert_allclose(_shapley(worth, n), expected)


def test_mean_of_given_genuine_pairs():
    pipe, genuine = build(TWO, Additive()), genuine_crops(5, seed=3)
    result = explain(pipe, *pair_that_differs(), method="gradient", n_smooth=1, genuine=genuine)
    mean = pipe[:-1].transform(genuine).mean(axis=0)
    assert result.base_score == pytest.approx(-np.square(mean).sum(), rel=1e-5)


def test_no_contributions_where_there_is_one_network_or_no_mean():
    assert explain(build(), *pair_that_differs(), method="gradient").contributions == []
    pipe = build(TWO, Additive())
    for _, branch in pipe["features"].transformer_list:
        branch.steps.pop()  # the scaler, which knew the mean
    result = explain(pipe, *pair_that_differs(), method="gradient")
    assert (result.contributions, result.base_score) == ([], None)


def test_mean_that_the_head_has_learned():
    pipe = build(TWO)
    for _, branch in pipe["features"].transformer_list:
        branch.steps.pop()
    pipe.fit(genuine_crops())
    result = explain(pipe, *pair_that_differs(), method="gradient")
    assert result.base_score == pytest.approx(0)  # the distance of the mean to itself
    assert result.contributions[0].fraction > 0.95


def test_nearest_of_given_photographs(tmp_path):
    crops = genuine_crops(6, seed=5)
    paths = np.array(save_all(list(crops.reshape(-1, SIDE, SIDE, 3)), tmp_path)).reshape(-1, 2)
    result = explain(build(), *crops[4], method="gradient", genuine=paths, n_neighbors=2).nearest
    differences = build()[:-1].transform(crops)
    distances = np.linalg.norm(differences - differences[4], axis=1)
    order = np.argsort(distances)[:2]
    np.testing.assert_array_equal(result.indices, order)
    np.testing.assert_allclose(result.distances, distances[order], atol=1e-6)
    assert result.names == [tuple(paths[row]) for row in order]
    np.testing.assert_array_equal(result.crops[0][1], crops[4, 1])


def test_nearest_of_given_differences():
    pipe, pair = build(), pair_that_differs()
    row = pipe[:-1].transform(pair_table([pair]))
    genuine = np.concatenate([row + 0.5, row, row + 2.0])
    result = explain(pipe, *pair, method="gradient", genuine=genuine, n_neighbors=9).nearest
    assert result.indices.tolist() == [1, 0, 2]
    np.testing.assert_allclose(result.distances, np.sqrt(6) * np.array([0, 0.5, 2]), atol=1e-5)
    assert result.typical == pytest.approx(0.5 * np.sqrt(6))
    assert (result.names, result.crops) == (None, [])


@pytest.mark.parametrize("detector", [GenuineOnly(), PyODDetector(KNN())])
def test_nearest_of_the_rows_that_a_detector_kept(detector):
    pipe = build(detector=detector)
    result = explain(pipe, *genuine_crops()[7], method="gradient", n_smooth=1).nearest
    assert result.indices[0] == 7
    assert result.distances[0] == pytest.approx(0, abs=1e-6)
    assert result.distances[1] > 0


def test_nearest_where_the_detector_is_given_embeddings():
    crops = genuine_crops(6, seed=5)
    pipe = make_pipeline(FaceEmbedder(CORNER, device="cpu"), NearestReferenceDetector()).fit(crops)
    result = explain(pipe, *crops[4], method="gradient", n_smooth=1, genuine=crops)
    assert result.nearest.indices[0] == 4
    assert result.score == pytest.approx(pipe.score_samples(crops)[4])


def test_one_genuine_pair_has_no_neighbor():
    crops = genuine_crops(1, seed=5)
    result = explain(build(), *pair_that_differs(), method="gradient", n_smooth=1, genuine=crops)
    assert result.nearest.indices.tolist() == [0]
    assert np.isnan(result.nearest.typical)
    (line,) = nearest_lines(result)
    assert line.startswith("Genuine pair 0 is at a distance of ")


def test_nothing_is_near_where_nothing_is_known():
    assert explain(build(), *pair_that_differs(), method="gradient").nearest is None


@pytest.mark.parametrize(
    ("genuine", "message"),
    [
        (np.zeros((3, 5)), r"genuine must be pairs .* \(m, 6\), got the shape \(3, 5\)"),
        (noise(3, (SIDE, SIDE)), "they must be pairs, got single images .in `genuine`"),
        ([("a.png", "b.png")], r"row 0, column 0, file 'a.png': no such file .*in `genuine`"),
    ],
)
def test_genuine_pairs_that_do_not_fit(genuine, message):
    with pytest.raises(ValueError, match=message):
        explain(build(), *pair_that_differs(), method="gradient", genuine=genuine)


def test_provenance_is_plain_and_complete():
    pipe, pair = build(TWO), pair_that_differs()
    facts = explain(pipe, *pair, method="gradient", n_smooth=2).provenance
    assert json.loads(json.dumps(facts)) == facts
    assert facts["versions"]["sklearn-diffake"] == sklearn_diffake.__version__
    assert {"scikit-learn", "torch", "numpy"} <= set(facts["versions"])
    assert facts["steps"] == ["FeatureUnion", "MahalanobisDetector"]
    embedders = [branch["embed"] for _, branch in pipe["features"].transformer_list]
    assert [n["fingerprint"] for n in facts["networks"]] == [e.fingerprint_ for e in embedders]
    photos = facts["photographs"]
    assert photos["reference"]["digest"] != photos["probe"]["digest"]
    assert (photos["probe"]["width"], photos["probe"]["name"]) == (SIDE, None)
    assert facts["settings"]["n_smooth"] == 2
    assert facts["settings"]["random_state"] == "0"


RECORDED = {
    "method": "gradient",
    "patch": 0.5,
    "stride": 0.5,
    "fill": "blur",
    "n_smooth": 2,
    "noise": 0.1,
    "n_neighbors": 2,
    "batch_size": 3,
    "random_state": 7,
}


@pytest.mark.parametrize("name", RECORDED)
def test_every_setting_is_recorded(name):
    present = parameters_of(explain_pair)
    remaining = {"pipeline", "reference", "probe", "genuine", "verbose"}
    check_listed("explain_pair", present, RECORDED, remaining)
    pipe, pair = build(), pair_that_differs()
    usual = {"method": "occlusion", "n_smooth": 1}
    original = explain(pipe, *pair, **usual).provenance["settings"]
    after = explain(pipe, *pair, **{**usual, name: RECORDED[name]}).provenance["settings"]
    assert original != after


def test_provenance_leaves_out_what_is_not_installed(monkeypatch):
    monkeypatch.setattr(_provenance, "_PACKAGES", ("numpy", "no-such-package"))
    facts = explain(build(), *pair_that_differs(), method="gradient", n_smooth=1).provenance
    assert set(facts["versions"]) == {"sklearn-diffake", "numpy"}


def test_onnx_networks_have_occlusion_only(tmp_path):
    pipe = build(onnx_network(tmp_path / "net.onnx"))
    result = explain(pipe, *pair_that_differs())
    assert result.methods == ("joint occlusion", "occlusion")
    assert result.probe.maps["joint occlusion"].any()
    with pytest.raises(ValueError, match=r'"gradient" needs a torch network, but .*\.onnx file'):
        explain(pipe, *pair_that_differs(), method="gradient")


def test_an_embedder_of_ones_own_has_occlusion_only():
    pipe = make_pipeline(OwnEmbedder(), PairDifference(), MahalanobisDetector())
    pipe.fit(genuine_crops())
    result = explain(pipe, *pair_that_differs())
    assert result.methods == ("joint occlusion", "occlusion")
    assert result.probe.peak("joint occlusion") < (12, 12)
    assert result.provenance["networks"] == []
    with pytest.raises(ValueError, match="needs a FaceEmbedder"):
        explain(pipe, *pair_that_differs(), method=["gradient"])


def with_branches(piece, embedder=CORNER):
    """Fit a pipeline of one network and of what stands beside it."""
    single = make_pipeline(FaceEmbedder(embedder, device="cpu"), PairDifference())
    union = FeatureUnion([("one", single), ("other", piece)])
    return make_pipeline(union, MahalanobisDetector()).fit(genuine_crops())


def test_a_branch_that_is_dropped_is_none():
    result = explain(with_branches("drop"), *pair_that_differs())
    assert "gradient" in result.methods
    assert result.contributions == []
    assert [network["name"] for network in result.provenance["networks"]] == [CORNER]


def levels(X):
    """The mean levels of both images."""
    return np.array([[image.mean() for image in pair] for pair in X])


def test_a_branch_without_a_network_leaves_occlusion_only():
    result = explain(with_branches(FunctionTransformer(levels)), *pair_that_differs())
    assert result.methods == ("joint occlusion", "occlusion")
    assert result.probe.peak("joint occlusion") < (12, 12)


def test_what_is_passed_through_leaves_occlusion_only():
    union, rows = FeatureUnion([("all", "passthrough")]), FunctionTransformer(levels)
    pipe = make_pipeline(union, rows, MahalanobisDetector()).fit(pair_table(genuine_crops()))
    assert explain(pipe, *pair_that_differs()).methods == ("joint occlusion", "occlusion")


def test_tables_of_pandas_between_the_steps():
    pipe, pair = build(TWO), pair_that_differs()
    expected = explain(pipe, *pair, method="gradient", n_smooth=1)
    pipe.set_output(transform="pandas").fit(genuine_crops())
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that feature names are missing, for one
        result = explain(pipe, *pair, method="gradient", n_smooth=1)
    assert result.score == pytest.approx(expected.score, rel=1e-6)
    values = [[piece.value for piece in single.contributions] for single in (result, expected)]
    np.testing.assert_allclose(*values, rtol=1e-5)


def test_a_step_that_is_none_is_passed():
    pipe = build()
    pipe.steps.insert(1, ("nothing", None))
    scores = [
        explain(p, *pair_that_differs(), method="gradient", n_smooth=1).score
        for p in (pipe, build())
    ]
    assert scores[0] == scores[1]


def test_methods_that_are_asked_for():
    pipe, pair = build(), genuine_crops(1)[0]
    assert explain(pipe, *pair, method="gradient").methods == ("gradient",)
    combined = explain(pipe, *pair, method=["gradient", "occlusion"])
    assert combined.methods == explain(pipe, *pair).methods
    assert set(combined.methods) == {"joint occlusion", "occlusion", "gradient"}


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "lime"},
        {"method": ["lime"]},
        {"method": []},
        {"patch": 0.0},
        {"patch": [0.2, 1.5]},
        {"patch": []},
        {"stride": 2.0},
        {"fill": "black"},
        {"n_smooth": 0},
        {"batch_size": 0},
        {"n_neighbors": 0},
    ],
)
def test_settings_that_make_no_sense(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        explain(build(), *genuine_crops(1)[0], **settings)


def test_what_is_no_fitted_pipeline():
    pair = genuine_crops(1)[0]
    with pytest.raises(TypeError, match=r"fitted pipeline .* got MahalanobisDetector"):
        explain(MahalanobisDetector(), *pair)
    with pytest.raises(TypeError, match="PairDifference, which gives no scores"):
        explain(make_pipeline(FaceEmbedder(CORNER), PairDifference()), *pair)
    densities = make_pipeline(FaceEmbedder(CORNER, device="cpu"), PairDifference(), KernelDensity())
    with pytest.raises(TypeError, match="KernelDensity has no threshold: no offset_, no decision"):
        explain(densities.fit(genuine_crops()), *pair)
    unfitted = make_difffake_pipeline(CORNER, aligner=False, detector=MahalanobisDetector())
    with pytest.raises(NotFittedError):
        explain(unfitted, *pair)


def test_a_search_gives_its_best_pipeline():
    pipe, pair = build(), pair_that_differs()
    search = SimpleNamespace(best_estimator_=pipe)
    first, second = (explain(p, *pair, method="gradient") for p in (pipe, search))
    assert first.score == second.score


def test_the_photograph_that_cannot_be_used_is_named(tmp_path):
    pipe, (reference, probe) = build(), pair_that_differs()
    with pytest.raises(ImageError, match=r"^probe, file '.*none\.png': no such file"):
        explain(pipe, reference, tmp_path / "none.png")
    with pytest.raises(ImageError, match=r"^reference: an image must be a path"):
        explain(pipe, 3, probe)
    pipe.steps[0] = ("align", FaceAligner(SIDE, device="cpu").fit([probe]))
    with pytest.raises(ImageError, match=r"^reference: no face was found in 1 of 1 images"):
        explain(pipe, reference, probe)


def test_nothing_of_the_pipeline_is_changed(tmp_path):
    pipe, pair = build(TWO), pair_that_differs()
    for _, branch in pipe["features"].transformer_list:
        branch.set_params(embed__cache=EmbeddingStore(tmp_path), embed__verbose=1)
    original = repr(pipe.get_params())
    state = [vars(branch["embed"]).copy() for _, branch in pipe["features"].transformer_list]
    explain(pipe, *pair)
    assert repr(pipe.get_params()) == original
    assert state == [vars(branch["embed"]) for _, branch in pipe["features"].transformer_list]
    assert not list(tmp_path.iterdir())  # no photographs with holes in the store


def test_import_loads_nothing_heavy():
    code = (
        "import sys, sklearn_diffake.inspection; "
        "sys.exit(', '.join({'torch', 'matplotlib', 'cv2', 'PIL'} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert process.stderr.strip() == ""


def test_pairs_of_an_aligner(tmp_path):
    """With a `FaceAligner` that takes the center where there is no face."""
    pipe = build()
    aligner = FaceAligner(SIDE, on_missing="crop", device="cpu", cache=tmp_path)
    pipe.steps[0] = ("align", aligner.fit([np.zeros((9, 9, 3), np.uint8)]))
    photos = [np.asarray(image) for image in noise(2, (64, 96))]
    result = explain_pair(pipe, *photos, method="gradient", n_smooth=1, random_state=0)
    expected = pipe.score_samples(pair_table([tuple(photos)]))[0]
    assert result.score == pytest.approx(expected, rel=1e-9)
    assert result.probe.crop.shape == (SIDE, SIDE, 3)
    overlay = result.probe.in_photo("gradient")
    assert overlay.shape == (64, 96)
    assert np.isnan(overlay[:, :15]).all()  # beside the central square
    assert np.isfinite(overlay[:, 17:79]).all()
    assert not hasattr(aligner, "counts_")
