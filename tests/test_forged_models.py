"""Model files that were made to run code, to crash or to mislead: each is refused by name."""

import contextlib
import copy
import io
import json
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from image_helpers import noise
from model_helpers import pipeline
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.lunar import LUNAR
from safetensors.torch import load as load_tensors
from safetensors.torch import save
from sklearn.base import BaseEstimator
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import SGDOneClassSVM
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC, OneClassSVM
from tiny_backbones import colors

from benchmarks.stress._forged_files import node, plain, read_model, walk, write_model
from sklearn_diffake import __version__, novelty, pairs, persistence
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.novelty import (
    ConformalDetector,
    DeepSVDD,
    GaussianMixtureDetector,
    GenuineOnly,
    PyODDetector,
)
from sklearn_diffake.persistence._objects import declared_attributes

ROOT = Path(__file__).resolve().parents[1]
CANARY = "canary_module:run"
X = np.random.default_rng(0).normal(size=(60, 3))

TABULAR = {
    "conformal": ConformalDetector(target_bpcer=0.1, random_state=np.random.RandomState(0)),
    "crossed": ConformalDetector(method="cv+", cv=2, target_bpcer=0.1, random_state=0),
    "mixture": GaussianMixtureDetector(1, n_pca=2, random_state=0),
    "svdd": DeepSVDD(max_epochs=1, device="cpu", random_state=0),
    "forest": GenuineOnly(IsolationForest(n_estimators=2, random_state=0)),
    "some features": GenuineOnly(IsolationForest(n_estimators=2, max_features=2, random_state=0)),
    "k-d tree": GenuineOnly(LocalOutlierFactor(novelty=True, algorithm="kd_tree", leaf_size=4)),
    "ball tree": GenuineOnly(LocalOutlierFactor(novelty=True, algorithm="ball_tree", leaf_size=4)),
    "density": GenuineOnly(KernelDensity(metric="manhattan"), contamination=0.1),
    "svm": GenuineOnly(OneClassSVM()),
    "sgd": GenuineOnly(SGDOneClassSVM(random_state=0)),
    "envelope": GenuineOnly(EllipticEnvelope(random_state=0)),
    "pyod knn": PyODDetector(KNN(n_neighbors=3)),
    "pyod forest": PyODDetector(IForest(n_estimators=2), random_state=0),
    "pyod lunar": PyODDetector(LUNAR(n_epochs=1), random_state=0),
    "search": GridSearchCV(
        GaussianMixtureDetector(random_state=0), {"n_components": [1, 2]}, scoring="roc_auc", cv=2
    ),
}


@pytest.fixture(scope="session")
def contents(tmp_path_factory):
    """The content of a saved model of every kind."""
    path = tmp_path_factory.mktemp("models") / "model.diffake"
    result = {}
    for name, model in TABULAR.items():
        y = np.where(np.arange(len(X)) % 3, 1, -1) if name == "search" else None
        persistence.save(copy.deepcopy(model).fit(X, y), path)
        result[name] = path.read_bytes()
    return result


@pytest.fixture(scope="session")
def categories(tmp_path_factory):
    """The content of a saved detector with two categories."""
    path = tmp_path_factory.mktemp("categories") / "model.diffake"
    detector = ConformalDetector(target_bpcer=0.1, calibration_size=0.6, random_state=0)
    persistence.save(detector.fit(X, n_images=[[1, 1], [3, 1]] * 30), path)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def canary(tmp_path, monkeypatch):
    """A module that leaves a file behind when it is imported, and that file."""
    folder, touched = tmp_path / "modules", tmp_path / "touched"
    folder.mkdir()
    code = f"open({str(touched)!r}, 'w').close()\n\n\ndef run(*args):\n    raise SystemExit\n"
    (folder / "canary_module.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("SKLEARN_DIFFAKE_HOME", str(tmp_path / "home"))
    yield touched
    assert not touched.exists()
    assert "canary_module" not in sys.modules


class Forged:
    """A model file that can be changed.

    Parameters
    ----------
    content : bytes
        Of an honest one.
    """

    def __init__(self, content):
        self.members, self.schema, self.files = read_model(content)

    def find(self, name):
        """Return the last node of a type: what was fitted comes after what it was cloned from."""
        nodes = [self.schema, *(item for item, _, _ in walk(self.schema))]
        return [item for item in nodes if item["__class__"] == name][-1]

    def set(self, owner, attribute, value):
        """Set an attribute of the last object of a type."""
        attributes = self.find(owner)["content"]
        if attribute not in attributes["content"]:
            attributes["key_types"]["content"].append(node("TypeNode", "builtins", "str"))
        attributes["content"][attribute] = plain(value)
        return self

    def array(self, item, change):
        """Change an array, or a field of it."""
        name = f"changed-{item['file']}"  # other nodes may have the same array
        target = io.BytesIO()
        np.save(target, change(np.load(io.BytesIO(self.files[item["file"]])).copy()))
        self.files[name] = target.getvalue()
        item["file"], item["__id__"] = name, item["__id__"] + 10**16
        return self

    def write(self, path):
        path.write_bytes(write_model(self.members, self.schema, self.files))
        return path


@pytest.fixture
def refused(tmp_path):
    """Check that a forged model is refused, and how."""

    def check(forged, message, **options):
        path = forged.write(tmp_path / "forged.diffake")
        with pytest.raises(ValueError, match=message) as caught:
            persistence.load(path, **options)
        assert str(path) in str(caught.value)

    return check


# --- honest models -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABULAR)
def test_honest_models_come_back(contents, tmp_path, name):
    path = tmp_path / "model.diffake"
    path.write_bytes(contents[name])
    model = persistence.load(path)
    persistence.save(model, path)
    repeated = persistence.load(path)
    np.testing.assert_array_equal(model.score_samples(X), repeated.score_samples(X))


def test_every_attribute_that_fit_sets_is_declared():
    crops = np.stack(noise(12)).reshape(6, 2, 20, 20, 3)
    fitted = [step.fit(crops) for step in (pipeline()["align"], pipeline()["embed"])]
    fitted[0].fit_transform(crops)
    fitted[1].transform(crops)
    own_values = [
        getattr(package, name) for package in (novelty, pairs) for name in package.__all__
    ]
    own_values = [
        cls for cls in own_values if isinstance(cls, type) and issubclass(cls, BaseEstimator)
    ]
    fitted += [cls().fit(X) for cls in own_values if cls not in (pairs.PairDifference, DeepSVDD)]
    fitted += [
        pairs.PairDifference().fit(X.reshape(30, 2, 3)),
        copy.deepcopy(TABULAR["svdd"]).fit(X),
    ]
    for estimator in fitted:
        unexpected = vars(estimator).keys() - estimator.get_params(deep=False).keys()
        assert not unexpected - declared_attributes(type(estimator)), type(estimator)


# --- code that a file names --------------------------------------------------------------------


@pytest.mark.parametrize(
    "hide",
    [
        lambda code: DeepSVDD(encoder=code),
        lambda code: ConformalDetector(ConformalDetector(DeepSVDD(encoder=code))),
        lambda code: make_pipeline(make_pipeline(FaceEmbedder(code), DeepSVDD())),
        lambda code: GridSearchCV(DeepSVDD(), {"encoder": [None, code]}),
        lambda code: GridSearchCV(DeepSVDD(), [{"encoder": np.array([code, "x"])}]),
        lambda code: GridSearchCV(DeepSVDD(), {"encoder": np.array([code, None], dtype=object)}),
        lambda code: FunctionTransformer(kw_args={"deep": [({"in": {code}},)]}),
        lambda code: FunctionTransformer(kw_args={code: 1}),
        lambda code: PyODDetector(KNN(metric=code)),
        lambda code: GenuineOnly(LocalOutlierFactor(metric=code, novelty=True)),
        lambda code: FunctionTransformer(kw_args={"bytes": np.array([code.encode()])}),
        lambda code: FunctionTransformer(kw_args={"a": np.array([(1, code)], "i4,U30")}),
    ],
    ids=[
        "encoder", "twice nested", "pipeline", "grid", "array", "objects", "set", "key", "pyod",
        "scikit-learn", "bytes", "record",
    ],
)  # fmt: skip
def test_code_that_a_model_names_must_be_trusted(hide, tmp_path):
    path = tmp_path / "model.diffake"
    persistence.save(hide(CANARY), path)
    with pytest.raises(ValueError, match=rf"contains \['{CANARY}'\], which is not trusted"):
        persistence.load(path)
    with contextlib.suppress(ValueError):  # some have no such metric
        persistence.load(path, trusted=[CANARY])


def test_an_attribute_cannot_answer_for_its_estimator(contents, refused):
    """`_imports` was asked for code to trust; a type in its place said that there is none."""
    forged = Forged(contents["svdd"]).set("DeepSVDD", "encoder", CANARY)
    forged.set("DeepSVDD", "_imports", node("TypeNode", "builtins", "list"))
    refused(forged, rf"contains \['builtins.list', '{CANARY}'\], which is not trusted")
    refused(forged, r"DeepSVDD\._imports is no attribute", trusted=["builtins.list", CANARY])


def test_a_node_is_what_its_number_says(contents, refused):
    """skops makes one object of all nodes with one number, whatever the later ones say."""
    forged = Forged(contents["svdd"])
    attributes = forged.find("DeepSVDD")["content"]["content"]
    attributes["objective"] = {**plain("x"), "__id__": 77}
    attributes["encoder"] = {**plain(None), "__id__": 77}
    refused(forged, "two different nodes have the number 77")
    attributes["encoder"]["__id__"] = 77.0
    refused(forged, r"a node has the number 77\.0")


# numpy 1 names the module that a function is made in, and skops trusts it under that name.
EXP = ("numpy" if np.__version__ >= "2" else "numpy.core._multiarray_umath", "exp")
EXP_NAME = re.escape(".".join(EXP))


SCALER = ("sklearn.preprocessing._data", "StandardScaler")


def partial(function):
    content = {"func": function, "args": plain(()), "kwds": plain({}), "namespace": plain(None)}
    return node("PartialNode", "functools", "partial", content=content)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (node("TypeNode", "builtins", "map"), r"contains \['builtins.map'\]"),
        (node("TypeNode", "builtins", "str"), r"offset_ holds 'builtins.str', where data belong"),
        (node("TypeNode", "numpy", "float64"), r"holds 'numpy.float64', where data belong"),
        (node("FunctionNode", *EXP), rf"offset_ holds '{EXP_NAME}', where data belong"),
        ([{"a": node("FunctionNode", *EXP)}], rf"\[0\]\['a'\] holds '{EXP_NAME}', where"),
        (node("FunctionNode", "os", "getcwd"), r"contains \['os.getcwd'\]"),
        (partial(node("FunctionNode", *EXP)), r"contains \['functools.partial'\]"),
        (
            node("OperatorFuncNode", "operator", "methodcaller", attrs=plain(["fit"])),
            r"contains \['operator.methodcaller'\]",
        ),
        (
            node("MethodNode", "builtins", "str", content={"func": "fit", "obj": plain("a")}),
            r"contains \['builtins.str.fit'\]",
        ),
        (node("ObjectNode", "pathlib", "PosixPath"), r"contains \['pathlib.PosixPath'\]"),
        (node("ObjectNode", "sklearn.svm._classes", "SVC"), r"contains \['sklearn.*SVC'\]"),
        (node("LossNode", "canary_module", "run"), r"contains \['canary_module.run'\]"),
        (node("CachedNode", "builtins", "str"), "a node 'CachedNode' has no class and module"),
        (node("JsonNode", content="[1]", is_json=True), "holds a container"),
        (node("JsonNode", content="1", call="x"), "a node 'JsonNode' has a field 'call'"),
        (node("NdArrayNode", "numpy", "object_", type="numpy", file="x"), "is no array"),
        (node("NdArrayNode", "numpy", "memmap", type="json", content=[]), "numpy.memmap"),
        (node("NdArrayNode", "numpy", "ndarray", type="numpy", file=7), "7 is no array"),
        (node("NdArrayNode", "numpy", "ndarray", type="pickle"), "an array has the type 'pickle'"),
        (node("ListNode", name="list", content={}), "a node 'ListNode' holds no list"),
        (
            node("ListNode", name="list", content=["x"]),
            "'builtins.list' holds something that is not a node",
        ),
        (
            node("ObjectNode", *SCALER, content=plain((1,))),
            "offset_ has a state that is no dict",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_functions_and_types_where_data_belong(contents, refused, value, message):
    refused(Forged(contents["mixture"]).set("GaussianMixtureDetector", "offset_", value), message)


@pytest.mark.parametrize(
    ("kind", "owner", "name", "message"),
    [
        ("mixture", "GaussianMixtureDetector", "predict", "hides what the class Gaussian"),
        ("mixture", "GaussianMixtureDetector", "_parameter_constraints", "hides what the class"),
        ("mixture", "GaussianMixtureDetector", "__sklearn_tags__", "hides what the class"),
        ("mixture", "GaussianMixtureDetector", "__sklearn_is_fitted__", "hides what the class"),
        ("mixture", "GaussianMixtureDetector", "unheard_of_", "is no attribute of the class"),
        ("mixture", "GaussianMixtureDetector", "detector", "is no attribute of the class"),
        ("mixture", "GaussianMixture", "score_samples", "hides what the class GaussianMixture"),
        ("forest", "GenuineOnly", "n_features_in_", "hides what the class GenuineOnly"),
        ("forest", "IsolationForest", "decision_function", "hides what the class Isolation"),
        ("svm", "OneClassSVM", "_impl", "hides what the class OneClassSVM"),
        ("svm", "OneClassSVM", "__class__", "hides what the class OneClassSVM"),
        ("pyod knn", "KNN", "decision_function", "hides what the class KNN"),
        ("search", "_Scorer", "_score", "hides what the class _Scorer"),
    ],
)
def test_attributes_that_a_class_does_not_know(contents, refused, kind, owner, name, message):
    refused(Forged(contents[kind]).set(owner, name, 1.0), message)


@pytest.mark.parametrize(
    ("key_type", "message"),
    [
        (node("TypeNode", "builtins", "int"), "has attributes whose names are no strings"),
        (plain("str"), "has keys whose types are none"),
    ],
)
def test_attributes_have_strings_as_names(contents, refused, key_type, message):
    forged = Forged(contents["mixture"])
    forged.find("GaussianMixtureDetector")["content"]["key_types"]["content"][0] = key_type
    refused(forged, f"is refused: GaussianMixtureDetector {message}")


def test_a_state_of_too_few_values(contents, refused):
    forged = Forged(contents["k-d tree"])
    forged.find("KDTree")["content"] = plain((1, 2))
    refused(forged, r"'sklearn\.neighbors\._kd_tree\.KDTree' has no state of 13 values")


def test_a_tree_of_a_forest_that_is_none(contents, refused):
    forged = Forged(contents["forest"]).set("ExtraTreeRegressor", "tree_", None)
    refused(forged, r"estimator_: a tree with another number of features than its rows")


@pytest.mark.parametrize("state", [(), None], ids=["two schemas", "no node"])
def test_states_that_are_no_tree_of_nodes(contents, tmp_path, state):
    path = tmp_path / "forged.diffake"
    schema = json.dumps(Forged(contents["mixture"]).schema if state == () else [])
    archives = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(archives[0], "w") as archive:
        warnings.simplefilter("ignore")  # of a duplicate name
        for _ in range(2 if state == () else 1):
            archive.writestr("schema.json", schema)
    with zipfile.ZipFile(archives[1], "w") as archive:
        for name, content in Forged(contents["mixture"]).members.items():
            archive.writestr(name, content)
        archive.writestr("model.skops", archives[0].getvalue())
    path.write_bytes(archives[1].getvalue())
    message = "state has two members of one name" if state == () else "its state is no node"
    with pytest.raises(ValueError, match=message) as caught:
        persistence.load(path)
    assert str(path) in str(caught.value)


def test_a_packed_detector_hides_nothing_of_its_class(contents, refused):
    forged = Forged(contents["pyod lunar"])
    packed = forged.find("PyODDetector")["content"]["content"]["detector_"]
    state = packed["content"]["state"]
    state["key_types"]["content"].append(node("TypeNode", "builtins", "str"))
    state["content"]["decision_function"] = plain("x")
    refused(forged, r"LUNAR.*decision_function")


@pytest.mark.parametrize("folder", ["theirs", ["theirs"], {"a": "theirs"}])
@pytest.mark.parametrize("key", ["embed__cache", "memory", "a__b__checkpoint_dir"])
def test_a_grid_names_no_folder(tmp_path, key, folder):
    """A search sets its parameters when it is fitted again: after the model was loaded."""
    path = tmp_path / "model.diffake"
    persistence.save(GridSearchCV(DeepSVDD(), [{key: folder}]), path)
    assert persistence.load(path).param_grid == [{key: None}]


def test_arrays_stay_where_a_folder_is_cleared(tmp_path):
    path = tmp_path / "model.diffake"
    rates = np.array([0.1, 0.01])
    persistence.save(GridSearchCV(DeepSVDD(), [{"embed__cache": "theirs", "lr": rates}]), path)
    (grid,) = persistence.load(path).param_grid
    assert grid["embed__cache"] is None
    np.testing.assert_array_equal(grid["lr"], rates)


# --- arrays that lead out of bounds ------------------------------------------------------------


def poke(field, row, value):
    def change(array):
        array[field][row] = value
        return array

    return change


def in_tree(name, change):
    def forge(forged):
        forged.array(forged.find("Tree")["content"]["content"][name], change)

    return forge


def put(owner, position, change):
    def forge(forged):
        content = forged.find(owner)["content"]["content"]
        forged.array(content[position], change) if callable(change) else content.__setitem__(
            position, plain(change)
        )

    return forge


def in_twister(value):
    def forge(forged):
        state = forged.find("RandomState")["content"]["content"]["state"]["content"]
        state["pos"] = plain(value)

    return forge


def tree_argument(position, value):
    def forge(forged):
        arguments = forged.find("Tree")["__reduce__"]["args"]["content"]
        arguments[position] = plain(value)

    return forge


def swap(array):
    array[:] = array[0]
    return array


@pytest.mark.parametrize(
    ("kind", "forge", "message"),
    [
        ("forest", in_tree("nodes", poke("left_child", 0, 10**6)), "no later node of the tree"),
        ("forest", in_tree("nodes", poke("right_child", 0, -5)), "no later node of the tree"),
        ("forest", in_tree("nodes", poke("left_child", 0, 0)), "no later node of the tree"),
        ("forest", in_tree("nodes", poke("right_child", 0, 1)), "a node with two parents"),
        ("forest", in_tree("nodes", poke("feature", 0, 3)), "a feature out of range"),
        ("forest", in_tree("nodes", poke("feature", 0, -7)), "a feature out of range"),
        ("forest", in_tree("values", lambda a: a[:1]), "values of another shape"),
        ("forest", tree_argument(0, 10**6), "another number of features than its rows"),
        ("forest", tree_argument(2, 10**6), "no number of classes per output"),
        ("forest", lambda f: f.find("Tree")["content"]["content"].update(max_depth=plain(1)),
         "max_depth is not"),
        ("forest", lambda f: f.find("Tree")["content"]["content"].update(node_count=plain(10**9)),
         "node_count is not"),
        ("some features", put("IsolationForest", "estimators_features_", [[9, 9], [9, 9]]),
         "features that are no indices"),
        ("pyod forest", in_tree("nodes", poke("left_child", 0, 10**6)), "no later node"),
        ("k-d tree", put("KDTree", 1, swap), "an index that is no permutation"),
        ("k-d tree", put("KDTree", 1, lambda a: a + 10**6), "an index that is no permutation"),
        ("k-d tree", put("KDTree", 2, poke("idx_end", 0, 10**6)), "a root that has not all rows"),
        ("k-d tree", put("KDTree", 2, poke("idx_start", 1, -9)), "children with other rows"),
        ("k-d tree", put("KDTree", 2, poke("is_leaf", slice(None), 0)), "a child out of range"),
        ("k-d tree", put("KDTree", 3, lambda a: a[:, :1]), "bounds of another shape"),
        ("k-d tree", put("KDTree", 4, 0), "no size of its leaves"),
        ("k-d tree", put("KDTree", 6, 10**6), "no number of nodes"),
        ("k-d tree", put("KDTree", 11, None), "has no distance"),
        ("ball tree", put("BallTree", 1, swap), "an index that is no permutation"),
        ("ball tree", put("BallTree", 2, poke("idx_end", 1, 10**6)), "children with other rows"),
        ("ball tree", put("BallTree", 3, lambda a: a[..., :1]), "bounds of another shape"),
        ("svm", put("OneClassSVM", "_dual_coef_", lambda a: a[:, :1]), "_dual_coef_ is not one"),
        ("svm", put("OneClassSVM", "support_vectors_", lambda a: a[:, :1]), "of another width"),
        ("svm", put("OneClassSVM", "_n_support", lambda a: a + 10**6), "_n_support is not theirs"),
        ("svm", put("OneClassSVM", "support_", lambda a: a + 10**6), "support vector out of range"),
        ("svm", put("OneClassSVM", "_intercept_", lambda a: a[:0]), "_intercept_ is no number"),
        ("conformal", in_twister(10**6), "a position out of range"),
        ("conformal", in_twister(-1), "a position out of range"),
    ],
)  # fmt: skip
def test_arrays_that_lead_out_of_bounds(contents, refused, kind, forge, message):
    forged = Forged(contents[kind])
    forge(forged)
    refused(forged, f"is refused: .*{message}")


def test_estimators_whose_arrays_are_not_checked_need_trust(tmp_path):
    path = tmp_path / "model.diffake"
    model = SVC().fit(X, X[:, 0] > 0)
    persistence.save(model, path)
    with pytest.raises(ValueError, match=r"contains \['sklearn.svm._classes.SVC'\], which is not"):
        persistence.load(path)
    loaded = persistence.load(path, trusted=["sklearn.svm._classes.SVC"])
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


# --- thresholds, parameters, versions ----------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "owner", "attribute", "value", "message"),
    [
        ("mixture", "GaussianMixtureDetector", "offset_", float("inf"), r"offset_.*got inf"),
        ("mixture", "GaussianMixtureDetector", "offset_", float("nan"), r"offset_.*got nan"),
        ("conformal", "ConformalDetector", "level_", float("-inf"), r"level_.*got -inf"),
        ("conformal", "ConformalDetector", "calibration_scores_", [[float("nan")]], r"\[0\].* nan"),
        ("forest", "GenuineOnly", "offset_", float("nan"), r"offset_.*got nan"),
        ("forest", "IsolationForest", "offset_", float("-inf"), r"estimator_.offset_.*got -inf"),
        ("pyod knn", "KNN", "threshold_", float("nan"), r"detector_.threshold_.*got nan"),
        ("mixture", "GaussianMixtureDetector", "contamination", 0.9,
         "'contamination' parameter of GaussianMixtureDetector must be"),
        ("mixture", "GaussianMixtureDetector", "contamination", float("nan"), "'contamination'"),
        ("mixture", "GaussianMixtureDetector", "covariance_type", "round", "'covariance_type'"),
        ("forest", "IsolationForest", "contamination", 7, "'contamination' parameter of Isolation"),
        ("pyod knn", "KNN", "contamination", 0.9, "'contamination' parameter of KNN must be"),
        ("conformal", "ConformalDetector", "target_bpcer", 2, "'target_bpcer' parameter of Conf"),
        ("svdd", "DeepSVDD", "encoder", 3, "'encoder' parameter of DeepSVDD must be"),
    ],
)  # fmt: skip
def test_values_that_no_fitted_model_has(contents, refused, kind, owner, attribute, value, message):
    refused(Forged(contents[kind]).set(owner, attribute, value), f"is refused: .*{message}")


@pytest.mark.parametrize(
    ("attribute", "change", "message"),
    [
        ("categories_", lambda a: a[1:], "categories_ does not begin with"),
        ("categories_", lambda a: a * 0, "categories_ does not begin with"),
        ("categories_", lambda a: a[[0, 1, 1]], "categories_ lists a category twice"),
        ("categories_", lambda a: a.astype(float), "categories_ is no"),
        ("categories_", lambda a: a[:, :1], "categories_ is no"),
        ("category_n_", lambda a: a[:1], "category_n_ is no array of 2"),
        ("category_n_", lambda a: -a, "category_n_ does not hold positive"),
        ("category_n_", lambda a: a + 1, r"category_masses_\[0\] does not sum up"),
        ("category_levels_", lambda a: a[:1], "category_levels_ is no array of 2"),
        ("category_levels_", lambda a: a * 2, "category_levels_ holds other levels"),
        ("category_levels_", lambda a: a + [0, 7], "category_levels_ holds other levels"),
    ],
)
def test_forged_categories(refused, categories, attribute, change, message):
    forged = Forged(categories)
    array = forged.find("ConformalDetector")["content"]["content"][attribute]
    refused(forged.array(array, change), f"is refused: the calibration of Conf.*: {message}")


@pytest.mark.parametrize("attribute", ["category_scores_", "category_masses_"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a[::-1], "is not finite and ascending"),
        (lambda a: a[:0], "is not finite and ascending"),
        (lambda a: a[:-1], r"category_masses_\[1\] does not sum up"),
        (lambda a: np.column_stack([a, a]), "is no array of numbers"),
        (lambda a: np.full(len(a), "a"), "is no array of numbers"),
    ],
)
def test_forged_category_arrays(refused, categories, attribute, change, message):
    forged = Forged(categories)
    arrays = forged.find("ConformalDetector")["content"]["content"][attribute]["content"]
    refused(forged.array(arrays[1], change), f"is refused: the calibration of Conf.*{message}")


def test_categories_are_complete_and_agree_with_the_calibration(categories, refused):
    forged = Forged(categories)
    attributes = forged.find("ConformalDetector")["content"]["content"]
    (scores,) = attributes["calibration_scores_"]["content"]
    forged.array(scores, lambda array: array - 1)
    refused(forged, r"calibration_scores_ are others than those of the category \(1, 1\)")
    forged = Forged(categories)
    attributes = forged.find("ConformalDetector")["content"]
    del attributes["key_types"]["content"][list(attributes["content"]).index("category_n_")]
    del attributes["content"]["category_n_"]
    refused(forged, "is refused: the calibration of Conf.*: category_n_ is missing")


@pytest.mark.parametrize("kind", ["conformal", "crossed"])
@pytest.mark.parametrize(
    ("attribute", "value"), [("category_scores_", []), ("category_masses_", [[1.0], [2.0], [3.0]])]
)
def test_forged_lists_of_category_arrays(contents, refused, kind, attribute, value):
    value = value or ([[1.0]] if kind == "crossed" else [])
    message = f"is refused: the calibration of ConformalDetector: {attribute} has not one array"
    refused(Forged(contents[kind]).set("ConformalDetector", attribute, value), message)


def test_a_model_without_categories_gets_one(contents, tmp_path):
    """As version 0.1 wrote them."""
    for kind in ("conformal", "crossed"):
        forged = Forged(contents[kind])
        attributes = forged.find("ConformalDetector")["content"]
        for name in [name for name in attributes["content"] if name.startswith("categor")]:
            position = list(attributes["content"]).index(name)
            del attributes["content"][name], attributes["key_types"]["content"][position]
        loaded = persistence.load(forged.write(tmp_path / "old.diffake"))
        assert loaded.categories_.tolist() == [[1, 1]]
        assert loaded.category_of(3, 2) == (1, 1)
        assert loaded.threshold_of(3, 2) == loaded.offset_
        assert loaded.level_of(3, 2) == loaded.level_
        np.testing.assert_array_equal(loaded.predict(X) == -1, loaded.p_values(X) <= loaded.level_)
        persistence.save(loaded, tmp_path / "new.diffake")
        repeated = persistence.load(tmp_path / "new.diffake")
        np.testing.assert_array_equal(repeated.p_values(X), loaded.p_values(X))


def test_fitted_arrays_are_finite(contents, refused):
    forged = Forged(contents["mixture"])
    means = forged.find("GaussianMixture")["content"]["content"]["means_"]
    forged.array(means, lambda array: array * np.nan)
    refused(forged, r"GaussianMixtureDetector\.mixture_\.means_ is not finite everywhere")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sklearn_diffake", "99.0.0", "was written by sklearn_diffake 99.0.0, a later version"),
        ("sklearn_diffake", "soon", "names sklearn_diffake='soon', which is not a version"),
        ("format", 2, "must be 1 .*, got 2"),
        ("format", True, "must be 1 .*, got True"),
    ],
)
def test_versions_from_the_future(contents, refused, key, value, message):
    forged = Forged(contents["mixture"])
    manifest = json.loads(forged.members["manifest.json"])
    assert manifest["sklearn_diffake"] == __version__
    forged.members["manifest.json"] = json.dumps({**manifest, key: value}).encode()
    refused(forged, message)


@pytest.mark.parametrize(
    ("protocol", "message"),
    [(99, "was written by a later skops"), (0, "skops protocol 0"), (True, "protocol True")],
)
def test_states_of_another_skops(contents, refused, protocol, message):
    forged = Forged(contents["mixture"])
    forged.schema["protocol"] = protocol
    refused(forged, message)


# --- weights -----------------------------------------------------------------------------------


@pytest.fixture
def with_weights(tmp_path):
    """A model file with the weights of its backbone, and the fingerprint of these."""
    crops = np.stack(noise(24)).reshape(12, 2, 20, 20, 3)
    model = pipeline().fit(crops)
    persistence.save(model, tmp_path / "whole.diffake", include_weights=True)
    return (tmp_path / "whole.diffake").read_bytes(), model["embed"].fingerprint_


def test_weights_are_checked_before_they_are_written(with_weights, refused, tmp_path):
    content, fingerprint = with_weights
    forged = Forged(content)
    member = f"weights/{fingerprint}.safetensors"
    state = colors().state_dict()
    forged.members[member] = save({**state, "mix.bias": state["mix.bias"] + 1})
    refused(forged, "the fingerprint of its weights", trusted=["tiny_backbones:colors"])
    forged.members[member] = b"nothing of that kind"
    refused(forged, "is damaged", trusted=["tiny_backbones:colors"])
    assert not (tmp_path / "home").exists()


def test_one_model_leaves_the_weights_of_another(with_weights, tmp_path):
    content, fingerprint = with_weights
    path = tmp_path / "one.diffake"
    path.write_bytes(content)
    persistence.load(path, trusted=["tiny_backbones:colors"])
    remaining = tmp_path / "home" / "weights" / f"{fingerprint}.safetensors"
    original = remaining.read_bytes()
    forged = Forged(content)  # the same tensors, in other bytes
    second = save(load_tensors(original), {"note": "another file"})
    assert second != original
    forged.members[f"weights/{fingerprint}.safetensors"] = second
    persistence.load(forged.write(path), trusted=["tiny_backbones:colors"])
    assert remaining.read_bytes() == original


@pytest.mark.parametrize(
    "name",
    [
        "weights/C:x.onnx", "weights/..\\..\\x.onnx", "weights/../x.onnx", "weights//etc/x.onnx",
        "weights/x.onnx:stream", "weights/con.onnx", "C:x.onnx", "/x.onnx", "weights/{}.onnx/x",
    ],
)  # fmt: skip
def test_weights_have_no_names_of_their_own(with_weights, tmp_path, name):
    content, fingerprint = with_weights
    path = tmp_path / "model.diffake"
    path.write_bytes(content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name.format(fingerprint), b"1")
    persistence.load(path, trusted=["tiny_backbones:colors"])
    files = [file for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert [file.name for file in files] == [f"{fingerprint}.safetensors"]


def test_two_members_of_one_name(with_weights, tmp_path):
    path = tmp_path / "model.diffake"
    path.write_bytes(with_weights[0])
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("manifest.json", "{}")
    with pytest.raises(ValueError, match="two members with the same name"):
        persistence.load(path)


# --- at random ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_forged_at_random(tmp_path):
    """Forged models and configurations, in processes that are watched."""
    command = [
        sys.executable,
        "benchmarks/stress/hostile.py",
        "--only",
        "forged",
        "--inputs",
        "3000",
    ]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    figures = json.loads(process.stdout[process.stdout.index("\n{\n") :])
    assert (figures["inputs"], figures["findings"]) == (60, 0)
    assert figures["rows"]["forgedmodels"]["accepted"] >= 11  # the honest ones, at least


@pytest.mark.parametrize("value", ["1e999", "nan", True, 10**400, [0.0]])
def test_a_threshold_that_is_no_finite_number(value, tmp_path):
    model = GaussianMixtureDetector(n_components=1, random_state=0).fit(X)
    model.offset_ = value
    persistence.save(model, tmp_path / "model.diffake")
    with pytest.raises(ValueError, match=r"'offset_' of GaussianMixtureDetector must be a finite"):
        persistence.load(tmp_path / "model.diffake")
