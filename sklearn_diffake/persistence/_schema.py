"""The raw state of a model: a tree of nodes as skops writes them, before any object is created.

The tree holds the whole content of a file. It is checked in this form, because objects created
from a file cannot be trusted to describe themselves: their attributes are from the file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from sklearn_diffake.persistence._skops import skops_io

Node = dict[str, Any]

_COMMON = {"__class__", "__module__", "__loader__", "__id__"}
_ROOT = {"protocol", "_skops_version"}
#: Fields of the nodes that `save` writes. Nodes of other kinds must be trusted by name.
FIELDS: dict[str, set[str]] = {
    "JsonNode": {"content", "is_json"},
    "DictNode": {"content", "key_types"},
    "ListNode": {"content"},
    "TupleNode": {"content"},
    "SetNode": {"content"},
    "SliceNode": {"content"},
    "NdArrayNode": {"type", "file", "content", "shape"},
    "MaskedArrayNode": {"content"},
    "RandomStateNode": {"content"},
    "TypeNode": set(),
    "FunctionNode": set(),
    "ObjectNode": {"content"},
    "ConstructorFromReduceNode": {"content"},
    "TreeNode": {"__reduce__", "content"},
    "LossNode": {"__reduce__", "content"},
}
_SEQUENCES = ("ListNode", "TupleNode", "SetNode")
_SINGLE = ("ObjectNode", "ConstructorFromReduceNode", "RandomStateNode", "TreeNode", "LossNode")
_OLDEST_PROTOCOL = 2  # of skops 0.12; older nodes are checked less strictly by skops
_SCHEMA = "schema.json"
_NPY = b"\x93NUMPY"


class Refusal(ValueError):
    """A model that must not be loaded; the message continues "model file 'name'"."""


def full_name(node: Node) -> str:
    """Return the name of the type or function of a node."""
    return f"{node['__module__']}.{node['__class__']}"


class Schema:
    """The nodes of a model's state, and the arrays that they refer to.

    Parameters
    ----------
    state : bytes
        An archive that skops wrote.

    Attributes
    ----------
    root : dict
        The node of the model.
    nodes : list of dict
        All nodes, including `root`.
    texts : list of str
        All strings in the file: values, keys, items of arrays.

    Raises
    ------
    Refusal
        If a node is not as skops writes it: the object might differ from the checked node.
    """

    def __init__(self, state: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(state)) as archive:
            names = archive.namelist()
            if len(set(names)) < len(names):
                raise Refusal("is refused: its state has two members of one name")
            self._files = {name: archive.read(name) for name in names}
        self._is_modified = False
        self.root: Node = json.loads(self._files.pop(_SCHEMA))
        self._digests: dict[int, bytes] = {}
        self._file_digests: dict[str, bytes] = {}
        self.nodes: list[Node] = []
        self.texts: list[str] = []
        _check_protocol(self.root)
        self._digest(self.root)
        self._collect(self.root, root=True)

    def array(self, node: Node) -> np.ndarray:
        """Return the numeric array of a node, not converted to the type of the node."""
        return np.load(io.BytesIO(self._file(node)), allow_pickle=False)

    def plain(self, node: Node) -> Any:
        """Return the value of a node of plain data.

        Raises
        ------
        Refusal
            If it holds other objects.
        """
        kind = node["__loader__"]
        if kind == "JsonNode":
            return scalar(node)
        if kind == "NdArrayNode" and node["type"] == "numpy":
            array = self.array(node)
            return array if array.ndim else array.item()
        if kind in _SEQUENCES:
            return [self.plain(item) for item in node["content"]]
        if kind == "DictNode":
            return {key: self.plain(item) for key, item in node["content"].items()}
        raise Refusal(f"is refused: it holds {full_name(node)!r} where plain values belong")

    def children(self, node: Node) -> list[tuple[str, Node]]:
        """Return the direct children of a node, with a name of their location."""
        kind, content = node["__loader__"], node.get("content")
        if kind in _SEQUENCES or (kind == "NdArrayNode" and node.get("type") == "json"):
            nodes = [(f"[{i}]", item) for i, item in enumerate(content or [])]
        elif kind == "DictNode":
            nodes = [(f"[{key!r}]", item) for key, item in (content or {}).items()]
        elif kind == "MaskedArrayNode":
            nodes = [(f".{key}", item) for key, item in (content or {}).items()]
        elif kind in _SINGLE:
            nodes = [("", content)] if content is not None else []
        elif kind in FIELDS:
            nodes = []
        else:  # trusted by name, otherwise refused
            nodes = [("", item) for item in _nodes_in(list(node.values()))]
        nodes += [("", node[key]) for key in ("key_types", "shape") if key in node]
        nodes += [("", item) for item in _nodes_in(node.get("__reduce__", []))]
        for _, item in nodes:
            if not isinstance(item, dict) or not isinstance(item.get("__loader__"), str):
                raise Refusal(f"is refused: {full_name(node)!r} holds something that is not a node")
        return nodes

    def clear_value(self, node: Node, key: str) -> None:
        """Replace a value in a dict by None."""
        node["content"][key] = {
            "__class__": "str",
            "__module__": "builtins",
            "__loader__": "JsonNode",
            "content": "null",
        }
        self._is_modified = True

    def state(self, unchanged: bytes) -> bytes:
        """Return the state as an archive; `unchanged` is the original one."""
        if not self._is_modified:
            return unchanged
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr(_SCHEMA, json.dumps(self.root))
            for name, content in self._files.items():
                archive.writestr(name, content)
        return target.getvalue()

    def _file(self, node: Node) -> bytes:
        content = self._files.get(str(node.get("file")))
        if content is None or not content.startswith(_NPY):
            raise Refusal(f"is refused: {node.get('file')!r:.80} is no array")
        return content

    def _digest(self, value: Any) -> bytes:
        """Return a digest of the content of a subtree.

        skops creates one object for all nodes with the same number, from the first of them. So
        they must all be equal. Otherwise the object could differ from the checked node.
        """
        if isinstance(value, list):
            digests: Any = [self._digest(item) for item in value]
        elif isinstance(value, dict):
            digests = sorted(
                (key, self._file_digest(item) if key == "file" else self._digest(item))
                for key, item in value.items()
                if key not in ("__id__", *_ROOT) or isinstance(item, (dict, list))
            )
        else:
            return hashlib.blake2b(repr((type(value), value)).encode(), digest_size=20).digest()
        digest = hashlib.blake2b(repr((type(value), digests)).encode(), digest_size=20).digest()
        if isinstance(value, dict) and isinstance(value.get("__loader__"), str):
            number = value.get("__id__")
            if number is not None and type(number) is not int:
                raise Refusal(f"is refused: a node has the number {number!r:.80}")
            if number is not None and self._digests.setdefault(number, digest) != digest:
                raise Refusal(f"is refused: two different nodes have the number {number}")
        return digest

    def _file_digest(self, name: Any) -> bytes:
        if not isinstance(name, str):
            return self._digest(name)
        if name not in self._file_digests:
            content = self._files.get(name, b"")
            self._file_digests[name] = hashlib.blake2b(content, digest_size=20).digest()
        return self._file_digests[name]

    def _collect(self, node: Node, *, root: bool = False) -> None:
        """Collect a node, all nodes below it, and their strings."""
        _check_fields(node, root)
        self.nodes.append(node)
        kind = node["__loader__"]
        if kind not in FIELDS:
            self.texts += _texts({k: v for k, v in node.items() if k not in _COMMON})
        elif kind == "JsonNode":
            self.texts += _texts(json.loads(node["content"]))
        elif kind == "SliceNode":
            self.texts += _texts(node["content"])
        elif kind == "DictNode":
            self.texts += node["content"]
        elif kind == "NdArrayNode" and node["type"] == "numpy":
            self.texts += _array_texts(self.array(node))
        for _, child in self.children(node):
            self._collect(child)


def _check_protocol(root: Any) -> None:
    if not isinstance(root, dict) or not isinstance(root.get("__loader__"), str):
        raise Refusal("is refused: its state is no node")
    protocol = root.get("protocol")
    if type(protocol) is not int or protocol < _OLDEST_PROTOCOL:
        raise Refusal(f"is refused: its state names the skops protocol {protocol!r:.80}")
    if protocol == _OLDEST_PROTOCOL:
        return
    latest = skops_io()._protocol.PROTOCOL
    if protocol > latest:
        raise Refusal(
            f"was written by a later skops (protocol {protocol}, installed is {latest}): "
            "upgrade skops to load it"
        )


def _check_fields(node: Node, root: bool) -> None:
    """Raise an error for a node without class or module, or with an unknown field."""
    kind = node["__loader__"]
    names = node.get("__class__"), node.get("__module__")
    if kind == "CachedNode" or not all(isinstance(name, str) for name in names):
        raise Refusal(f"is refused: a node {kind!r:.80} has no class and module")
    if kind not in FIELDS:
        return
    extra = node.keys() - FIELDS[kind] - _COMMON - (_ROOT if root else set())
    if extra:
        raise Refusal(f"is refused: a node {kind!r} has a field {min(extra)!r:.80}")
    expected: dict[str, Any] = {"JsonNode": str, "DictNode": dict, "SliceNode": dict}
    expected |= dict.fromkeys(_SEQUENCES, list)
    if kind in expected and not isinstance(node.get("content"), expected[kind]):
        raise Refusal(f"is refused: a node {kind!r} holds no {expected[kind].__name__}")
    if kind == "NdArrayNode" and node.get("type") not in ("numpy", "json"):
        raise Refusal(f"is refused: an array has the type {node.get('type')!r:.80}")


def scalar(node: Node) -> Any:
    """Return the value of a scalar node: None, a bool, a number or a string."""
    value = json.loads(node["content"])
    if isinstance(value, (dict, list)):
        raise Refusal("is refused: a node 'JsonNode' holds a container")
    return value


def _nodes_in(value: Any) -> Iterator[Node]:
    """Yield the topmost nodes in raw values."""
    if isinstance(value, dict) and isinstance(value.get("__loader__"), str):
        yield value
    elif isinstance(value, dict):
        yield from _nodes_in(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _nodes_in(item)


def _texts(value: Any) -> Iterator[str]:
    """Yield the strings in raw values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *_texts(item))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _array_texts(array: np.ndarray) -> list[str]:
    """Return the strings in an array, also in the fields of its records."""
    if array.dtype.names:
        return [text for name in array.dtype.names for text in _array_texts(array[name])]
    if array.dtype.kind == "S":
        return [item.decode("latin-1") for item in set(array.ravel().tolist())]
    return list(set(array.ravel().tolist())) if array.dtype.kind == "U" else []
