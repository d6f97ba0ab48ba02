"""Fitted arrays of scikit-learn's estimators in a model file that compiled code would follow.

Each of these models ended the process by a segmentation fault when it was used.
"""

import re

import numpy as np
import pytest
from sklearn.covariance import EllipticEnvelope, EmpiricalCovariance, LedoitWolf, MinCovDet
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    LocalOutlierFactor,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.preprocessing import MultiLabelBinarizer, OneHotEncoder
from sklearn.svm import OneClassSVM

from benchmarks.stress._forged_files import node, plain, read_model, write_model
from sklearn_diffake import persistence
from sklearn_diffake.novelty import GenuineOnly

X = np.random.default_rng(0).normal(size=(20, 3))
FAR = 2**40


def altered(estimator, **attributes):
    vars(estimator).update(attributes)
    return estimator


def load_error(model, tmp_path):
    path = tmp_path / "model.diffake"
    persistence.save(model, path)
    with pytest.raises(ValueError, match=r"model file") as caught:
        persistence.load(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "model",
    [
        altered(OneHotEncoder().fit(np.arange(9)[:, None]), _n_features_outs=[1]),
        altered(MultiLabelBinarizer().fit([["a", "b"]]), _cached_dict={"a": FAR, "b": FAR}),
        altered(CountVectorizer().fit(["aa bb"]), vocabulary_={"aa": FAR, "bb": 1}),
        altered(DictVectorizer().fit([{"a": 1}]), vocabulary_={"a": FAR}),
        altered(KNeighborsClassifier(metric="manhattan").fit(X, X[:, 0] > 0), _y=np.full(20, FAR)),
        altered(RadiusNeighborsClassifier().fit(X, X[:, 0] > 0), _y=np.full(20, FAR)),
        altered(KNeighborsRegressor().fit(X, X[:, 0]), _fit_X=X[:, :1]),
        altered(RadiusNeighborsRegressor().fit(X, X[:, 0]), _fit_X=X[:, :1]),
    ],
    ids=lambda model: type(model).__name__,
)
def test_estimators_that_build_matrices_of_indices_need_trust(model, tmp_path):
    name = f"{type(model).__module__}.{type(model).__qualname__}"
    assert f"contains ['{name}'], which is not trusted" in load_error(model, tmp_path)


@pytest.mark.parametrize("kind", [NearestNeighbors, LocalOutlierFactor])
@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"_fit_X": X[:, :1]}, "rows of another width"),
        ({"_fit_X": X[:, 0]}, "no table of rows"),
        ({"_fit_X": X[:5]}, "another number of rows"),
        ({"n_features_in_": 300_000}, "rows of another width"),
        ({"n_samples_fit_": FAR}, "another number of rows"),
    ],
)
def test_rows_of_neighbors_have_the_width_of_those_compared(kind, attributes, message, tmp_path):
    model = altered(kind(algorithm="brute").fit(X), **attributes)
    assert message in load_error(model, tmp_path)


@pytest.mark.parametrize("kind", [NearestNeighbors, LocalOutlierFactor])
@pytest.mark.parametrize("attribute", ["metric_params", "effective_metric_params_"])
def test_metrics_of_neighbors_have_no_matrices(kind, attribute, tmp_path):
    model = kind(algorithm="brute", metric="mahalanobis", metric_params={"VI": np.eye(3)}).fit(X)
    model = altered(model, **{name: None for name in vars(model) if name.endswith("metric_params")})
    assert "holds arrays" in load_error(altered(model, **{attribute: {"VI": np.eye(1)}}), tmp_path)


@pytest.mark.parametrize("kind", [EmpiricalCovariance, MinCovDet, EllipticEnvelope, LedoitWolf])
@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("precision_", np.eye(1)),
        ("covariance_", np.eye(2)),
        ("location_", np.zeros(1)),
        ("n_features_in_", 6000),
    ],
)
def test_covariances_have_the_size_of_rows(kind, attribute, value, tmp_path):
    model = altered(kind().fit(X), **{attribute: value})
    assert "of another size" in load_error(model, tmp_path)


def test_kernels_of_support_vectors_are_named(tmp_path):
    """A function may give any width; libsvm reads there at the index of each support vector."""
    model = altered(OneClassSVM().fit(X), kernel=np.add, _BaseLibSVM__Xfit=X[:1])
    message = load_error(GenuineOnly(model), tmp_path)
    name = r"'numpy\.(core\._multiarray_umath\.)?add'"  # numpy 1 names the module it is made in
    assert re.search(rf"{name} where plain values belong", message)


@pytest.mark.parametrize("name", ["time", "_plain_sgd64", "Regression"])
def test_only_losses_are_made_of_the_modules_that_hold_losses(name, tmp_path):
    """The module of the losses holds functions, too, which would be called with what follows."""
    path = tmp_path / "model.diffake"
    persistence.save(OneClassSVM(), path)
    members, schema, files = read_model(path.read_bytes())
    loss = node("LossNode", "sklearn.linear_model._sgd_fast", name)
    loss["__reduce__"] = {"args": node("TupleNode", "builtins", "tuple", content=[])}
    loss["content"] = plain({})
    schema["content"]["content"]["random_state"] = loss
    path.write_bytes(write_model(members, schema, files))
    with pytest.raises(ValueError, match=rf"contains .*{name}'\], which is not trusted"):
        persistence.load(path)


def test_keys_have_a_type_each(tmp_path):
    """In a set equal types are one, so that all attributes but the first would be left out."""
    path = tmp_path / "model.diffake"
    persistence.save(OneClassSVM().fit(X), path)
    members, schema, files = read_model(path.read_bytes())
    schema["content"]["key_types"] |= {"__loader__": "SetNode", "__class__": "set"}
    path.write_bytes(write_model(members, schema, files))
    with pytest.raises(ValueError, match="has keys without types"):
        persistence.load(path)
