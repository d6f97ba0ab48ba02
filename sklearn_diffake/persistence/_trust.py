"""Decide which types and functions in a model file need the trust of the caller."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Collection

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_diffake.novelty._pyod import PYOD_TYPES
from sklearn_diffake.persistence._schema import Node, Schema, full_name
from sklearn_diffake.persistence._skops import skops_io
from sklearn_diffake.utils._imports import untrusted_references

_PACKAGE_PREFIX = "sklearn_diffake."
#: Trees of neighbors, whose arrays are checked.
BINARY_TREES = {
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._ball_tree.BallTree",
}
#: Compiled distances of these trees.
DISTANCES = {
    f"sklearn.metrics._dist_metrics.{metric}Distance{bits}"
    for metric in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski")
    for bits in (32, 64)
}
_SCORER_FUNCTION = (
    "sklearn_diffake.metrics._scorers._evaluate"  # it computes a metric and nothing else
)
# Estimators of scikit-learn that any file may contain, by module (None: all of the module).
# They pass fitted arrays to numpy and scipy, which check shapes, or the arrays are checked here.
# All others need trust: compiled code uses indices from the file (SVC, KMeans, boosting, neighbors
# as classifiers), or they build sparse matrices, which scipy unpacks without checks (encoders,
# vectorizers, binarizers).
_ESTIMATORS: dict[str, set[str] | None] = {
    "sklearn.cluster._agglomerative": None,
    "sklearn.compose._column_transformer": None,
    "sklearn.compose._target": None,
    "sklearn.covariance._elliptic_envelope": None,
    "sklearn.covariance._empirical_covariance": None,
    "sklearn.covariance._graph_lasso": None,
    "sklearn.covariance._robust_covariance": None,
    "sklearn.covariance._shrunk_covariance": None,
    "sklearn.decomposition._factor_analysis": None,
    "sklearn.decomposition._fastica": None,
    "sklearn.decomposition._incremental_pca": None,
    "sklearn.decomposition._kernel_pca": None,
    "sklearn.decomposition._pca": None,
    "sklearn.decomposition._truncated_svd": None,
    "sklearn.discriminant_analysis": None,
    "sklearn.dummy": None,
    "sklearn.ensemble._bagging": None,
    "sklearn.ensemble._forest": None,
    "sklearn.ensemble._iforest": None,
    "sklearn.ensemble._stacking": None,
    "sklearn.ensemble._voting": None,
    "sklearn.ensemble._weight_boosting": None,
    "sklearn.feature_selection._from_model": None,
    "sklearn.feature_selection._rfe": None,
    "sklearn.feature_selection._sequential": None,
    "sklearn.feature_selection._univariate_selection": None,
    "sklearn.feature_selection._variance_threshold": None,
    "sklearn.frozen._frozen": None,
    "sklearn.impute._base": None,
    "sklearn.kernel_approximation": None,
    "sklearn.linear_model._base": None,
    "sklearn.linear_model._bayes": None,
    "sklearn.linear_model._huber": None,
    "sklearn.linear_model._logistic": None,
    "sklearn.linear_model._ridge": None,
    "sklearn.linear_model._stochastic_gradient": None,
    "sklearn.mixture._bayesian_mixture": None,
    "sklearn.mixture._gaussian_mixture": None,
    "sklearn.model_selection._classification_threshold": None,
    "sklearn.model_selection._search": None,
    "sklearn.naive_bayes": {"BernoulliNB", "ComplementNB", "GaussianNB", "MultinomialNB"},
    "sklearn.neighbors._kde": None,
    "sklearn.neighbors._lof": None,
    "sklearn.neighbors._nearest_centroid": None,
    "sklearn.neighbors._unsupervised": None,
    "sklearn.neural_network._multilayer_perceptron": None,
    "sklearn.pipeline": None,
    "sklearn.preprocessing._data": None,
    "sklearn.preprocessing._function_transformer": None,
    "sklearn.preprocessing._label": {"LabelBinarizer", "LabelEncoder"},
    "sklearn.preprocessing._polynomial": {"PolynomialFeatures"},
    "sklearn.random_projection": {"GaussianRandomProjection"},
    "sklearn.svm._classes": {"LinearSVC", "LinearSVR", "OneClassSVM"},
    "sklearn.tree._classes": None,
}
_NUMBERS = {
    f"numpy.{kind.__name__}"
    for kind in set(np.sctypeDict.values())
    if not issubclass(kind, (np.object_, np.void))
}
_KEYS = {f"builtins.{name}" for name in ("bool", "float", "int", "str")}
# Nodes of plain data, and their allowed types.
_PLAIN: dict[str, set[str]] = {
    "DictNode": {"builtins.dict", "collections.OrderedDict"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "NdArrayNode": {"numpy.ndarray"} | _NUMBERS,
    "MaskedArrayNode": {"numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"},
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "TreeNode": {"sklearn.tree._tree.Tree"},
    "TypeNode": _KEYS | _NUMBERS,
}


def foreign_names(schema: Schema, trusted: Collection[str]) -> list[str]:
    """Return the types, functions and references in a file that need trust and are not trusted.

    Parameters
    ----------
    schema : Schema
        The state of the model.
    trusted : collection of str
        What the caller trusts, by full name.

    Returns
    -------
    list of str
        Sorted. If it is empty, skops may create the model.
    """
    names = {_name(node) for node in schema.nodes if not _is_known(node)} - set(trusted)
    return sorted(names | set(untrusted_references(schema.texts, trusted)))


def unseen_names(schema: Schema, untrusted: Collection[str], trusted: Collection[str]) -> list[str]:
    """Return names beyond those in the nodes that skops does not trust.

    Parameters
    ----------
    schema : Schema
        The state of the model.
    untrusted : collection of str
        Names that skops does not trust by default.
    trusted : collection of str
        What the caller trusts, by full name.

    Returns
    -------
    list of str
        Sorted; for example the generator in the data of a random state.
    """
    names = {name for node in schema.nodes for name in (_name(node), full_name(node))}
    return sorted(set(untrusted) - names - set(trusted))


def needs_no_trust(name: str) -> bool:
    """Return whether any file may create an object of a type."""
    return (
        name in BINARY_TREES | DISTANCES | PYOD_TYPES
        or _is_listed_estimator(name)
        or is_own_type(name)
        or name in _search_members()
    )


def is_own_type(name: str) -> bool:
    """Return whether a name in a file is that of an estimator or a splitter of this package.

    Functions and methods of this package are not trusted, nor are imports of its modules: a file
    could call any of them.
    """
    module, _, kind = name.rpartition(".")
    if not module.startswith(_PACKAGE_PREFIX) or "__" in module:
        return False
    try:
        member = getattr(importlib.import_module(module), kind, None)
    except ImportError:
        return False
    return (
        isinstance(member, type)
        and member.__module__ == module
        and (issubclass(member, BaseEstimator) or _is_splitter(member))
    )


def _is_splitter(kind: type) -> bool:
    from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit

    return issubclass(kind, (BaseCrossValidator, BaseShuffleSplit))


def _is_known(node: Node) -> bool:
    """Return whether a node needs no trust."""
    kind, name = node["__loader__"], full_name(node)
    if kind == "JsonNode":
        return True
    if kind in _PLAIN:
        return name in _PLAIN[kind]
    if kind == "LossNode":
        return name in _losses()  # their modules hold functions, too
    if kind == "FunctionNode":
        return name == _SCORER_FUNCTION or name in _search_members() | _skops_functions()
    if kind == "ConstructorFromReduceNode":
        return is_own_type(name)  # constructors only store their arguments
    return kind == "ObjectNode" and needs_no_trust(name)


def _name(node: Node) -> str:
    """Return the name that the caller must trust for a node."""
    content = node.get("content")
    if node["__loader__"] == "MethodNode" and isinstance(content, dict):
        return f"{full_name(node)}.{content.get('func')}"
    return full_name(node)


@functools.cache
def _search_members() -> frozenset[str]:
    """Return the names of scikit-learn's splitters and scorers, which a search may hold."""
    from sklearn import metrics, model_selection

    scorers = [metrics.get_scorer(name) for name in metrics.get_scorer_names()]
    members = {item for scorer in scorers for item in (type(scorer), scorer._score_func)}
    for item in vars(model_selection).values():
        if isinstance(item, type) and _is_splitter(item):
            members.add(item)
    return frozenset(f"{member.__module__}.{member.__qualname__}" for member in members)


def _is_listed_estimator(name: str) -> bool:
    """Return whether a name is that of a public estimator in the list of this module."""
    module, _, kind = name.rpartition(".")
    if module not in _ESTIMATORS or kind not in (_ESTIMATORS[module] or {kind}):
        return False
    public = importlib.import_module(module.partition("._")[0])
    member = getattr(public, kind, None)
    return (
        isinstance(member, type)
        and issubclass(member, BaseEstimator)
        and member.__module__ == module
        and member.__qualname__ == kind
        and not kind.startswith("_")
        and not inspect.isabstract(member)
    )


@functools.cache
def _losses() -> frozenset[str]:
    """Return the names of the compiled losses of scikit-learn, as listed by skops."""
    losses = skops_io()._sklearn.ALLOWED_LOSSES
    return frozenset(f"{loss.__module__}.{loss.__qualname__}" for loss in losses)


@functools.cache
def _skops_functions() -> frozenset[str]:
    """Return the names of the universal functions of numpy and scipy, as listed by skops."""
    lists = skops_io()._trusted_types
    return frozenset((*lists.NUMPY_UFUNC_TYPE_NAMES, *lists.SCIPY_UFUNC_TYPE_NAMES))
