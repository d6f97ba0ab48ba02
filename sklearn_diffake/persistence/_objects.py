"""Check that the objects in a model file have no attributes that their class does not declare.

An attribute could override a method or a constant of its class, and an unknown attribute could be
read by other code. So objects of this package may have only their parameters and the attributes
that their class declares by annotations, and no object may override a member of its class.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.base import OutlierMixin

from sklearn_diffake.novelty._pyod import PYOD_TYPES
from sklearn_diffake.persistence._compiled import (
    check_binary_tree,
    check_covariance,
    check_distance,
    check_forest,
    check_neighbors,
    check_random_state,
    check_support_vectors,
    check_tree,
)
from sklearn_diffake.persistence._parts import FOLDERS
from sklearn_diffake.persistence._schema import FIELDS, Node, Refusal, Schema, full_name, scalar
from sklearn_diffake.persistence._trust import BINARY_TREES, DISTANCES, is_own_type
from sklearn_diffake.utils._optional import import_pyod

# Attributes of scikit-learn's base classes, which have no annotations.
_INHERITED = {"n_features_in_", "feature_names_in_", "_metadata_request", "_sklearn_output_config"}
_FUNCTIONS_OF_SCORERS = ("_score_func",)
_OF_LIBSVM = (
    "kernel",
    "support_",
    "support_vectors_",
    "_n_support",
    "_dual_coef_",
    "dual_coef_",
    "_intercept_",
    "intercept_",
    "shape_fit_",
    "n_features_in_",
)
_NEIGHBORS = ("sklearn.neighbors._lof", "sklearn.neighbors._unsupervised")
_METRICS = ("metric_params", "effective_metric_params_")
_OF_NEIGHBORS = ("_fit_X", "n_features_in_", "n_samples_fit_", *_METRICS)
_OF_COVARIANCES = ("n_features_in_", "location_", "covariance_", "precision_")

# Detectors and their components; elsewhere, such as in an imputer, NaN may be intended.
_FINITE_MODULES = (
    "sklearn.covariance.",
    "sklearn.decomposition.",
    "sklearn.mixture.",
    "sklearn.neighbors.",
    "sklearn.svm.",
)
_UNBOUNDED_TYPES = {"sklearn_diffake.faces._aligner.FaceAligner"}  # NaN means a missing face


@dataclass(frozen=True)
class _Location:
    """The location of a node in a model.

    Attributes
    ----------
    text : str
        For messages.
    callable_allowed : bool
        Whether types and functions are allowed.
    finite : bool
        Whether numbers must be finite.
    """

    text: str
    callable_allowed: bool = False
    finite: bool = False

    def below(self, text: str) -> _Location:
        return replace(self, text=self.text + text)


def check_objects(schema: Schema, trusted: Collection[str]) -> None:
    """Check every object in a model file against its class.

    Parameters
    ----------
    schema : Schema
        The state of the model, all of whose types are trusted. Their modules are imported.
    trusted : collection of str
        Names that the caller trusts; attributes of such types are not checked.

    Raises
    ------
    Refusal
        If an attribute is unknown, overrides a member of the class, holds a function or a type
        instead of data, is infinite or NaN where numbers must be finite, or is an array with
        which compiled code would leave its bounds.
    """
    _Check(schema, trusted).visit(schema.root, _Location(schema.root["__class__"]))


class _Check:
    """A traversal of the nodes of a model."""

    def __init__(self, schema: Schema, trusted: Collection[str]) -> None:
        self.schema, self.trusted = schema, trusted

    def visit(self, node: Node, location: _Location) -> None:
        """Check a node and those below it."""
        kind, name = node["__loader__"], full_name(node)
        if kind in ("TypeNode", "FunctionNode") or kind not in FIELDS:
            self._check_callable(name, location)
        if kind == "ObjectNode" and name in BINARY_TREES:
            self._check_binary_tree(node, location)
        elif kind == "ObjectNode" and name in DISTANCES:
            check_distance(self._state(node, 3), location.text)
        elif kind == "ObjectNode":
            self._check_object(node, location)
        elif kind == "DictNode":
            self._check_dict(node, location)
        else:
            self._check_data(node, location)
            for text, child in self.schema.children(node):
                self.visit(child, location.below(text))

    def _check_binary_tree(self, node: Node, location: _Location) -> None:
        state = self._state(node, 13)
        distance = state[11]
        if not isinstance(distance, dict) or full_name(distance) not in DISTANCES:
            raise Refusal(f"is refused: {location.text} has no distance")
        self.visit(distance, location.below(".dist_metric"))
        state[11] = distance["__class__"]
        check_binary_tree(full_name(node), state, self._state(distance, 3), location.text)

    def _folderless(self, node: Node, key: str) -> Node:
        """Return a value of a dict; a folder parameter is replaced by None."""
        child = node["content"][key]
        value = scalar(child) if child["__loader__"] == "JsonNode" else child
        if key.rpartition("__")[2] in FOLDERS and isinstance(value, (str, dict)):
            self.schema.clear_value(node, key)
        return node["content"][key]

    def _check_callable(self, name: str, location: _Location) -> None:
        if not location.callable_allowed and name not in self.trusted:
            raise Refusal(f"is refused: {location.text} holds {name!r}, where data belong")

    def _check_data(self, node: Node, location: _Location) -> None:
        """Check a node of plain data."""
        kind = node["__loader__"]
        if kind == "JsonNode":
            scalar(node)
        if kind == "RandomStateNode":
            check_random_state(self.schema.plain(node["content"]), location.text)
        elif kind == "TreeNode":
            arguments = self.schema.plain(node["__reduce__"]["args"])
            check_tree(arguments, self.schema.plain(node["content"]), location.text)
        elif location.finite and kind == "JsonNode":
            value = scalar(node)
            if isinstance(value, float) and not np.isfinite(value):
                raise Refusal(f"is refused: {location.text} must be a finite number, got {value}")
        elif location.finite and kind == "NdArrayNode" and node["type"] == "numpy":
            array = self.schema.array(node)
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                raise Refusal(f"is refused: {location.text} is not finite everywhere")

    def _check_dict(self, node: Node, location: _Location) -> None:
        """Check a dict that is not the attributes of an object."""
        _key_types(node, location)
        for key in node["content"]:
            self.visit(self._folderless(node, key), location.below(f"[{key!r:.80}]"))

    def _check_object(self, node: Node, location: _Location) -> None:
        """Check an object against its class, and its attributes."""
        name = full_name(node)
        module = node["__module__"]
        owner = import_pyod(module) if name in PYOD_TYPES else import_module(module)
        cls = getattr(owner, node["__class__"])
        content = node.get("content")
        if content is None or (content["__loader__"] == "JsonNode" and scalar(content) is None):
            return
        if content["__loader__"] != "DictNode":
            if name not in self.trusted:
                raise Refusal(f"is refused: {location.text} has a state that is no dict")
            self.visit(content, location)
            return
        if _key_types(content, location) - {"str"}:
            raise Refusal(f"is refused: {location.text} has attributes whose names are no strings")
        attributes = content["content"]
        parameters = _parameters(cls)
        if name not in self.trusted:
            for attribute in attributes:
                _check_attribute(cls, attribute, parameters, location.text)
            self._check_arrays(name, attributes, location.text)
        finite = _must_be_finite(name, cls)
        is_own = is_own_type(name)
        for attribute in attributes:
            is_parameter = attribute in parameters
            inner = _Location(
                f"{location.text}.{attribute}",
                name in self.trusted
                or ((is_parameter or attribute in _FUNCTIONS_OF_SCORERS) and not is_own),
                finite and not is_parameter,
            )
            self.visit(self._folderless(content, attribute), inner)

    def _check_arrays(self, name: str, attributes: dict[str, Node], location: str) -> None:
        """Check arrays that compiled code of scikit-learn uses without bounds checks."""
        module = name.rpartition(".")[0]
        if name == "sklearn.svm._classes.OneClassSVM" and "support_" in attributes:
            check_support_vectors(self._values(attributes, _OF_LIBSVM), location)
        elif module in _NEIGHBORS and "_fit_X" in attributes:
            check_neighbors(self._values(attributes, _OF_NEIGHBORS), location)
        elif module.startswith("sklearn.covariance.") and "location_" in attributes:
            check_covariance(self._values(attributes, _OF_COVARIANCES), location)
        elif module in ("sklearn.ensemble._forest", "sklearn.ensemble._iforest"):
            values = self._values(attributes, ("n_features_in_", "_max_features"))
            features = self._values(attributes, ("estimators_features_",))
            trees = attributes.get("estimators_", {}).get("content", [])
            widths = [self._width_of(tree["content"]["content"]) for tree in trees]
            check_forest(values, features.get("estimators_features_"), widths, location)
        elif module == "sklearn.tree._classes" and "tree_" in attributes:
            values = self._values(attributes, ("n_features_in_",))
            check_forest(values, None, [self._width_of(attributes)], location)

    def _width_of(self, attributes: dict[str, Node]) -> Any:
        """Return the number of features of the tree in an estimator; None if it has no tree."""
        tree = attributes.get("tree_")
        if tree is None or tree["__loader__"] != "TreeNode":
            return None
        return self.schema.plain(tree["__reduce__"]["args"])[0]

    def _values(self, attributes: dict[str, Node], names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.schema.plain(attributes[name]) for name in names if name in attributes}

    def _state(self, node: Node, size: int) -> list[Any]:
        """Return the state of an object as a list; nested objects stay nodes."""
        content = node.get("content")
        if not content or content["__loader__"] != "TupleNode" or len(content["content"]) < size:
            raise Refusal(f"is refused: {full_name(node)!r} has no state of {size} values")
        return [
            item if item["__loader__"] == "ObjectNode" else self.schema.plain(item)
            for item in content["content"]
        ]


def _check_attribute(cls: Any, name: str, parameters: Collection[str], location: str) -> None:
    """Raise an error for an attribute that is not declared, or that overrides a member."""
    if name in parameters:
        return
    if name.startswith("__") or _defines(cls, name):
        raise Refusal(
            f"is refused: {location}.{name} hides what the class {cls.__name__} defines by that "
            "name"
        )
    if cls.__module__.startswith("sklearn_diffake.") and name not in declared_attributes(cls):
        raise Refusal(f"is refused: {location}.{name} is no attribute of the class {cls.__name__}")


def declared_attributes(cls: type) -> set[str]:
    """Return the attributes that a class and its bases declare by annotations.

    Parameters
    ----------
    cls : type
        A class of this package.

    Returns
    -------
    set of str
        Names, also of attributes of scikit-learn's base classes, and of attributes of earlier
        versions, which are dropped when a file is loaded.
    """
    annotated = (name for base in cls.__mro__ for name in inspect.get_annotations(base))
    return _INHERITED | set(annotated) | set(getattr(cls, "_former_attributes", ()))


def _defines(cls: type, name: str) -> bool:
    try:
        inspect.getattr_static(cls, name)
    except AttributeError:
        return False
    return True


def _parameters(cls: Any) -> set[str]:
    """Return the names of the parameters of a class."""
    if cls.__init__ is object.__init__:
        return set()
    return set(inspect.signature(cls.__init__).parameters) - {"self", "args", "kwargs"}


def _must_be_finite(name: str, cls: type) -> bool:
    """Return whether the fitted numbers of a class affect verdicts."""
    if name in _UNBOUNDED_TYPES:
        return False
    bounded = is_own_type(name) or name in PYOD_TYPES or name.startswith(_FINITE_MODULES)
    return bounded or (name.startswith("sklearn.") and issubclass(cls, OutlierMixin))


def _key_types(node: Node, location: _Location) -> set[str]:
    """Return the names of the types of a dict's keys; each key must have a type."""
    types = node.get("key_types", {})
    key_types = types.get("content") if types.get("__loader__") == "ListNode" else None
    if not isinstance(key_types, list) or len(key_types) != len(node["content"]):  # a set has fewer
        raise Refusal(f"is refused: {location.text} has keys without types")
    if any(item["__loader__"] != "TypeNode" for item in key_types):
        raise Refusal(f"is refused: {location.text} has keys whose types are none")
    return {full_name(item).removeprefix("builtins.") for item in key_types}
