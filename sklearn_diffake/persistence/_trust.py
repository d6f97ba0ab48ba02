"""Which types and functions a model file may use, and which only if the caller trusts them."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Collection

import numpy as np
from sklearn import metrics, model_selection
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit

from ..novelty._pyod import PYOD_TYPES
from ..utils._imports import untrusted_references
from ._schema import Node, Schema, full_name

_OWN = "sklearn_diffake."
#: Trees of neighbors, whose arrays are checked.
BINARY_TREES = {
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._ball_tree.BallTree",
}
#: Compiled distances, which these trees hold.
DISTANCES = {
    f"sklearn.metrics._dist_metrics.{metric}Distance{bits}"
    for metric in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski")
    for bits in (32, 64)
}
_SCORER_FUNCTION = "sklearn_diffake.metrics._scorers._evaluate"  # it only computes a metric
# Estimators of scikit-learn that hand arrays from the file to compiled code which does not look
# whether they fit together. Those with trees and OneClassSVM are checked here instead.
_UNCHECKED = {
    "sklearn.cluster._bisect_k_means.BisectingKMeans",
    "sklearn.cluster._bisect_k_means._BisectingTree",
    "sklearn.cluster._kmeans.KMeans",
    "sklearn.cluster._kmeans.MiniBatchKMeans",
    "sklearn.decomposition._lda.LatentDirichletAllocation",
    "sklearn.ensemble._gb.GradientBoostingClassifier",
    "sklearn.ensemble._gb.GradientBoostingRegressor",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
    "sklearn.svm._classes.NuSVC",
    "sklearn.svm._classes.NuSVR",
    "sklearn.svm._classes.SVC",
    "sklearn.svm._classes.SVR",
}
_NUMBERS = {
    f"numpy.{kind.__name__}"
    for kind in set(np.sctypeDict.values())
    if not issubclass(kind, (np.object_, np.void))
}
_KEYS = {f"builtins.{name}" for name in ("bool", "float", "int", "str")}
_LOSSES = ("sklearn.linear_model._sgd_fast", "sklearn._loss._loss")
# Nodes that stand for themselves, and the types that they may be of.
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
    """Return the types, functions and references in a file that need trust and have none.

    Parameters
    ----------
    schema : Schema
        The state of the model.
    trusted : collection of str
        What the caller trusts, by full name.

    Returns
    -------
    list of str
        Sorted. If it is empty, skops may make the model.
    """
    names = {_name(node) for node in schema.nodes if not _is_known(node)} - set(trusted)
    return sorted(names | set(untrusted_references(schema.texts, trusted)))


def unseen_names(schema: Schema, unknown: Collection[str], trusted: Collection[str]) -> list[str]:
    """Return what skops would need trust for beyond the names in the nodes.

    Parameters
    ----------
    schema : Schema
        The state of the model.
    unknown : collection of str
        What skops does not know by itself.
    trusted : collection of str
        What the caller trusts, by full name.

    Returns
    -------
    list of str
        Sorted; such as the generator that a random state names within its data.
    """
    names = {name for node in schema.nodes for name in (_name(node), full_name(node))}
    return sorted(set(unknown) - names - set(trusted))


def needs_no_trust(name: str) -> bool:
    """Return whether an object of a type may be made for any file."""
    return name not in _UNCHECKED and (
        name in BINARY_TREES | DISTANCES | PYOD_TYPES | _search_parts() | _skops_types()
        or is_own_type(name)
    )


def is_own_type(name: str) -> bool:
    """Return whether a name in a file is that of an estimator or a splitter of this package.

    Functions and methods are not trusted for being ours, nor is what our modules import: a file
    may ask for any of them to be called.
    """
    module, _, kind = name.rpartition(".")
    if not module.startswith(_OWN) or "__" in module:
        return False
    try:
        member = getattr(importlib.import_module(module), kind, None)
    except ImportError:
        return False
    return (
        isinstance(member, type)
        and issubclass(member, (BaseEstimator, BaseCrossValidator, BaseShuffleSplit))
        and member.__module__ == module
    )


def _is_known(node: Node) -> bool:
    """Return whether a node needs no trust."""
    kind, name = node["__loader__"], full_name(node)
    if kind == "JsonNode":
        return True
    if kind in _PLAIN:
        return name in _PLAIN[kind]
    if kind == "LossNode":
        return node["__module__"] in _LOSSES
    if kind == "FunctionNode":
        return name == _SCORER_FUNCTION or name in _search_parts() | _skops_functions()
    if kind == "ConstructorFromReduceNode":
        return is_own_type(name)  # whose constructors only store what they are given
    return kind == "ObjectNode" and needs_no_trust(name)


def _name(node: Node) -> str:
    """Return what the caller has to trust for a node to be made."""
    content = node.get("content")
    if node["__loader__"] == "MethodNode" and isinstance(content, dict):
        return f"{full_name(node)}.{content.get('func')}"
    return full_name(node)


@functools.cache
def _search_parts() -> frozenset[str]:
    """Name what a fitted search may hold: scikit-learn's splitters and scorers, all harmless."""
    scorers = [metrics.get_scorer(name) for name in metrics.get_scorer_names()]
    parts = {item for scorer in scorers for item in (type(scorer), scorer._score_func)}
    for item in vars(model_selection).values():
        if isinstance(item, type) and issubclass(item, (BaseCrossValidator, BaseShuffleSplit)):
            parts.add(item)
    return frozenset(f"{part.__module__}.{part.__qualname__}" for part in parts)


@functools.cache
def _skops_types() -> frozenset[str]:
    """Name scikit-learn's estimators, as skops lists them."""
    from skops.io import _trusted_types as lists

    internal = getattr(lists, "SKLEARN_INTERNAL_TYPE_NAMES", ())  # losses and their links
    return frozenset((*lists.SKLEARN_ESTIMATOR_TYPE_NAMES, *internal))


@functools.cache
def _skops_functions() -> frozenset[str]:
    """Name the universal functions of numpy and scipy, as skops lists them."""
    from skops.io import _trusted_types as lists

    return frozenset((*lists.NUMPY_UFUNC_TYPE_NAMES, *lists.SCIPY_UFUNC_TYPE_NAMES))
