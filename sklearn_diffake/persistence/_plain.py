"""Create models that consist of plain data and objects, without skops.

Importing ``skops.io`` takes longer than reading a model. The nodes that the packaged models, and
most saved pipelines, consist of are few and simple. They are created here, from the tree that was
checked, exactly as skops creates them. A model with nodes of any other kind is left to skops.
"""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from typing import Any

from sklearn_diffake.persistence._schema import Node, Schema, full_name, scalar

_MAPPINGS: dict[str, type] = {
    "builtins.dict": dict,
    "collections.OrderedDict": OrderedDict,
}
_SEQUENCES: dict[tuple[str, str], type] = {
    ("ListNode", "builtins.list"): list,
    ("TupleNode", "builtins.tuple"): tuple,
    ("SetNode", "builtins.set"): set,
}
_ARRAY = "numpy.ndarray"


def is_plain(schema: Schema) -> bool:
    """Return whether a model can be created without skops.

    Parameters
    ----------
    schema : Schema
        The state of the model.

    Returns
    -------
    bool
    """
    return all(_is_plain(node) for node in schema.nodes)


def _is_plain(node: Node) -> bool:
    kind, name = node["__loader__"], full_name(node)
    match kind:
        case "JsonNode" | "ObjectNode":
            return True
        case "DictNode":
            return name in _MAPPINGS
        case "TypeNode":
            return node["__module__"] in ("builtins", "numpy")
        case "NdArrayNode":
            return node["type"] == "numpy" and node["__module__"] == "numpy"
    return (kind, name) in _SEQUENCES


def create(schema: Schema) -> Any:
    """Create the model that a checked tree of plain nodes describes.

    Parameters
    ----------
    schema : Schema
        For which `is_plain` is true, all of whose types are trusted, and whose objects are checked.

    Returns
    -------
    object
        Nodes with the same number are one object.
    """
    return _Creation(schema).object_of(schema.root)


class _Creation:
    """The objects of a model, created once each."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.numbered: dict[int, Any] = {}

    def object_of(self, node: Node) -> Any:
        number = node.get("__id__")
        if number is None:
            return self._create(node)
        if number not in self.numbered:
            self.numbered[number] = self._create(node)
        return self.numbered[number]

    def _create(self, node: Node) -> Any:
        kind, name = node["__loader__"], full_name(node)
        match kind:
            case "JsonNode":
                return scalar(node)
            case "TypeNode":
                return _type_of(node)
            case "NdArrayNode":
                array = self.schema.array(node)
                return array if name == _ARRAY else _type_of(node)(array)
            case "DictNode":
                return self._mapping(node, _MAPPINGS[name]())
            case "ObjectNode":
                return self._instance(node)
        return _SEQUENCES[kind, name]([self.object_of(item) for item in node["content"]])

    def _mapping(self, node: Node, mapping: Any) -> Any:
        key_types = self.object_of(node["key_types"])
        for key_type, (key, value) in zip(key_types, node["content"].items(), strict=True):
            mapping[key_type(key)] = self.object_of(value)
        return mapping

    def _instance(self, node: Node) -> Any:
        cls = _type_of(node)
        instance = cls.__new__(cls)
        content = node.get("content")
        state = None if content is None else self.object_of(content)
        if state is None:
            return instance
        if hasattr(instance, "__setstate__"):
            instance.__setstate__(state)
        else:
            vars(instance).update(state)
        return instance


def _type_of(node: Node) -> Any:
    return getattr(import_module(node["__module__"]), node["__class__"])
