"""Forge models and configurations: from a grammar of skops nodes, and of nested tables.

What is forged is well-formed, so that it is not refused for its syntax: honest models in which
objects have attributes that hide methods, types and functions stand where data belong, names of
code are nested in lists and dicts, nodes share a number, and arrays lead out of bounds.
"""

import contextlib
import copy
import io
import json
import sys
import zipfile
from itertools import count

import numpy as np

#: Code that no file may have called; `called` notes that it was.
REFERENCES = (
    "benchmarks.stress._forged_files:called",
    "hostile_trap:run",
    "hostile_trap:no_such_function",
    "sklearn.datasets:clear_data_home",
    "shutil:rmtree",
    "os:getcwd",
)
CALLS = []
_NAMES = (
    ("benchmarks.stress._forged_files", "called"),
    ("hostile_trap", "run"),
    ("builtins", "list"),
    ("builtins", "map"),
    ("builtins", "eval"),
    ("builtins", "bytes"),
    ("builtins", "NoneType"),
    ("collections", "defaultdict"),
    ("functools", "partial"),
    ("importlib", "import_module"),
    ("joblib", "load"),
    ("numpy", "load"),
    ("numpy", "exp"),
    ("numpy", "float64"),
    ("numpy", "memmap"),
    ("numpy", "object_"),
    ("numpy.random.mtrand", "RandomState"),
    ("numpy.random._generator", "Generator"),
    ("operator", "methodcaller"),
    ("pathlib", "PosixPath"),
    ("posix", "system"),
    ("shutil", "rmtree"),
    ("sklearn.base", "clone"),
    ("sklearn.cluster._agglomerative", "AgglomerativeClustering"),
    ("sklearn.datasets", "clear_data_home"),
    ("sklearn.metrics._scorer", "_Scorer"),
    ("sklearn.neighbors._kd_tree", "KDTree"),
    ("sklearn.neighbors._lof", "LocalOutlierFactor"),
    ("sklearn.pipeline", "Pipeline"),
    ("sklearn.preprocessing._function_transformer", "FunctionTransformer"),
    ("sklearn.svm._classes", "SVC"),
    ("sklearn.tree._tree", "Tree"),
    ("sklearn_diffake.cli", "main"),
    ("sklearn_diffake.embedding._face_embedder", "FaceEmbedder"),
    ("sklearn_diffake.embedding.backbones._user_function", "_build"),
    ("sklearn_diffake.novelty._deep_svdd", "DeepSVDD"),
    ("sklearn_diffake.utils._imports", "import_function"),
    ("sklearn_diffake.store", "EmbeddingStore"),
    ("subprocess", "Popen"),
)
_KINDS = (
    "JsonNode", "DictNode", "DefaultDictNode", "ListNode", "TupleNode", "SetNode", "SliceNode",
    "NdArrayNode", "MaskedArrayNode", "RandomStateNode", "RandomGeneratorNode", "DTypeNode",
    "TypeNode", "FunctionNode", "MethodNode", "PartialNode", "OperatorFuncNode", "ObjectNode",
    "ConstructorFromReduceNode", "TreeNode", "LossNode", "BytesNode", "SparseMatrixNode",
    "CachedNode",
)  # fmt: skip
_NUMBERS = (0, 1, -1, 2, 0.5, 1e308, 2**31, 2**63, -(2**63), float("inf"), float("nan"))
_ATTRIBUTES = ("encoder", "backbone", "backbone_info_", "weights_", "cache", "memory", "offset_")
_ATTRIBUTES += ("contamination", "_imports", "__sklearn_tags__", "__sklearn_clone__", "__class__")
_ATTRIBUTES += ("__dict__", "predict", "score_samples", "decision_function", "_validate", "_score")
_ATTRIBUTES += ("get_params", "set_params", "estimators_", "tree_", "detector_", "unheard_of_")
_IDS = count(10**15)  # of new nodes; skops numbers nodes by addresses


def count_call(*args, **kwargs):
    """Note that code was called which a file named."""
    CALLS.append((args, kwargs))


def node(kind, module="builtins", name="str", **fields):
    """Return a node of a skops schema."""
    return {
        "__class__": name,
        "__module__": module,
        "__loader__": kind,
        **fields,
        "__id__": next(_IDS),
    }


def plain(value):
    """Return the nodes of plain values, lists, tuples and dicts, as skops writes them."""
    if isinstance(value, dict) and "__loader__" in value:
        return value
    if isinstance(value, dict):
        types = [node("TypeNode", "builtins", type(key).__name__) for key in value]
        content = {key: plain(item) for key, item in value.items()}
        keys = node("ListNode", name="list", content=types)
        return node("DictNode", name="dict", content=content, key_types=keys)
    if isinstance(value, (list, tuple)):
        name = type(value).__name__
        kind = f"{name.capitalize()}Node"
        return node(kind, name=name, content=[plain(item) for item in value])
    return node("JsonNode", content=json.dumps(value), is_json=True)


def read_model(content):
    """Take a model file apart: its members, the schema of its state, the files beside that."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(io.BytesIO(members.pop("model.skops"))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return members, json.loads(files.pop("schema.json")), files


def write_model(members, schema, files):
    """Put a model file together."""
    state = _packed({"schema.json": json.dumps(schema).encode(), **files})
    return _packed({**members, "model.skops": state})


def _packed(contents):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return target.getvalue()


def walk(value, key=None, parent=None):
    """Yield every node in a schema, with the container and the key that hold it."""
    if isinstance(value, dict):
        if isinstance(value.get("__loader__"), str) and parent is not None:
            yield value, parent, key
        for name, inner in list(value.items()):
            yield from walk(inner, name, value)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from walk(inner, index, value)


class Forger:
    """Forge one model after the other from honest ones.

    Parameters
    ----------
    rng : random.Random
        Draws everything.
    """

    def __init__(self, rng):
        self.rng = rng

    def model(self, content):
        """Return another model file, made from an honest one."""
        members, schema, files = read_model(content)
        changes = (
            self.replace_node, self.add_attribute, self.add_attribute, self.rename_attribute,
            self.change_value, self.change_array, self.change_array, self.change_type,
            self.share_number, self.wrap, self.name_code, self.name_code, self.change_field,
        )  # fmt: skip
        if self.rng.random() < 0.1:
            root = self.value(4)
            schema = {**root, "protocol": schema["protocol"], "_skops_version": "0.16.0"}
        else:
            for _ in range(self.rng.choice((1, 1, 2, 3))):
                with contextlib.suppress(LookupError, TypeError, ValueError, AttributeError):
                    self.rng.choice(changes)(schema, files)  # an earlier one may have left nothing
        if self.rng.random() < 0.05:
            manifest = json.loads(members["manifest.json"])
            key = self.rng.choice(list(manifest))
            manifest[key] = self.rng.choice(("99.0.0", 99, None, "", [], "0.1.0"))
            members["manifest.json"] = json.dumps(manifest).encode()
        return write_model(members, schema, files)

    def name(self):
        return self.rng.choice(_NAMES)

    def value(self, depth):
        """Return a node of any kind, with others in it."""
        if depth <= 0 or self.rng.random() < 0.3:
            return self.leaf()
        inner = [self.value(depth - 1) for _ in range(self.rng.randrange(3))]
        first = inner[0] if inner else self.leaf()
        module, name = self.name()
        arguments = node("TupleNode", name="tuple", content=inner)
        attributes = {self.rng.choice(_ATTRIBUTES): self.value(depth - 1) for _ in inner}
        owner = (first["__module__"], first["__class__"])
        return self.rng.choice((
            plain(dict(zip(_ATTRIBUTES, inner, strict=False))),
            node("ListNode", name="list", content=inner),
            arguments,
            node("SetNode", name="set", content=inner),
            node("ObjectNode", module, name, content=plain(attributes)),
            node("ObjectNode", module, name, content=arguments),
            node("ConstructorFromReduceNode", module, name, content=arguments),
            node("MethodNode", *owner, content={"func": "fit", "obj": first}),
            node("OperatorFuncNode", "operator", "methodcaller", attrs=arguments),
            node("PartialNode", "functools", "partial", content={
                "func": node("FunctionNode", module, name), "args": arguments,
                "kwds": plain({}), "namespace": plain(None)}),
            node("DefaultDictNode", "collections", "defaultdict", content={
                "main": plain(attributes), "default_factory": node("TypeNode", module, name)}),
            node("TreeNode", "sklearn.tree._tree", "Tree", content=plain(attributes),
                 __reduce__={"args": arguments}),
            node("LossNode", module, name, content=plain({}), __reduce__={"args": arguments}),
            node("RandomStateNode", "numpy.random.mtrand", "RandomState", content=first),
        ))  # fmt: skip

    def leaf(self):
        """Return a node without others in it."""
        module, name = self.name()
        return self.rng.choice((
            plain(self.rng.choice(_NUMBERS)),
            plain(self.rng.choice((None, True, "", "text", *REFERENCES))),
            plain(self.rng.choice(REFERENCES)),
            node("TypeNode", module, name),
            node("FunctionNode", module, name),
            node("ObjectNode", module, name),
            node("JsonNode", content=json.dumps([self.rng.choice(REFERENCES)]), is_json=True),
            node("SliceNode", name="slice", content={"start": 0, "stop": None, "step": "x"}),
            node("NdArrayNode", "numpy", "ndarray", type="numpy", file="no_such_file.npy"),
            node("CachedNode", module, name),
        ))  # fmt: skip

    def nested(self, value):
        """Return a node with a value somewhere in it."""
        for _ in range(self.rng.randrange(4)):
            value = self.rng.choice(([value], (value,), {"key": value}, {value: value}
                                     if isinstance(value, str) else {"key": [value]}))  # fmt: skip
        return plain(value)

    def objects(self, schema):
        """Return the nodes of objects whose attributes are a dict."""
        nodes = [schema, *(item for item, _, _ in walk(schema))]
        return [
            item
            for item in nodes
            if item.get("__loader__") == "ObjectNode"
            and (item.get("content") or {}).get("__loader__") == "DictNode"
        ]

    def replace_node(self, schema, files):
        _, parent, key = self.rng.choice(list(walk(schema)))
        parent[key] = self.value(3)

    def add_attribute(self, schema, files):
        """Give an object an attribute that hides a method, or that nobody knows."""
        owner = self.rng.choice(self.objects(schema))
        module = sys.modules.get(owner["__module__"])  # nothing is imported for this
        attribute_names = dir(getattr(module, owner["__class__"], None))
        name = self.rng.choice((*_ATTRIBUTES, *attribute_names))
        content = owner["content"]
        if name not in content["content"]:
            content["key_types"]["content"].append(node("TypeNode", "builtins", "str"))
        content["content"][name] = self.value(2)

    def rename_attribute(self, schema, files):
        attributes = self.rng.choice(self.objects(schema))["content"]["content"]
        if attributes:
            key = self.rng.choice(list(attributes))
            attributes[self.rng.choice(_ATTRIBUTES)] = attributes.pop(key)

    def change_value(self, schema, files):
        values = [item for item, _, _ in walk(schema) if item["__loader__"] == "JsonNode"]
        item = self.rng.choice(values)
        item["content"] = json.dumps(self.rng.choice((*_NUMBERS, None, True, "text")))
        item["__id__"] = next(_IDS)

    def name_code(self, schema, files):
        """Put the name of code into an attribute, a list, a dict or an array."""
        owner = self.rng.choice(self.objects(schema))
        attributes = owner["content"]["content"]
        if attributes:
            key = self.rng.choice(list(attributes))
            attributes[key] = self.nested(self.rng.choice(REFERENCES))
        if files and self.rng.random() < 0.3:
            name = self.rng.choice([*files])
            files[name] = _npy(np.array([self.rng.choice(REFERENCES)]))

    def change_array(self, schema, files):
        """Change numbers in an array, above all those that are indices."""
        if not files:
            return
        name = self.rng.choice([*files])
        array = np.load(io.BytesIO(files[name]), allow_pickle=False).copy()
        fields = [array[field] for field in array.dtype.names or ()] or [np.atleast_1d(array)]
        for array_field in self.rng.sample(fields, min(len(fields), self.rng.choice((1, 2)))):
            if not array_field.size:
                continue
            item_index = np.unravel_index(self.rng.randrange(array_field.size), array_field.shape)
            extreme = self.rng.choice(
                (0, -1, -2, 1, 7, 10**6, 2**31 - 1, 2**62, float("nan"), 1e300)
            )
            with np.errstate(all="ignore"):
                array_field[item_index] = (
                    np.array(extreme).astype(array_field.dtype)
                    if array_field.dtype.kind != "U"
                    else "x:y"
                )
        if self.rng.random() < 0.2:
            array = np.atleast_1d(array)
            array = self.rng.choice((array[:1], array.ravel(), array[..., None], np.float64(1)))
        files[name] = _npy(array)

    def change_type(self, schema, files):
        item = self.rng.choice([item for item, _, _ in walk(schema)])
        if self.rng.random() < 0.5:
            item["__module__"], item["__class__"] = self.name()
        else:
            item["__loader__"] = self.rng.choice(_KINDS)

    def share_number(self, schema, files):
        """Give a new node the number of another, which skops would make in its place."""
        nodes = list(walk(schema))
        other_node = self.rng.choice(nodes)[0]
        _, parent, key = self.rng.choice(nodes)
        parent[key] = {**self.value(1), "__id__": other_node.get("__id__")}

    def wrap(self, schema, files):
        """Put a node into one that calls something."""
        item, parent, key = self.rng.choice(list(walk(schema)))
        module, name = self.name()
        inner = node("TupleNode", name="tuple", content=[copy.deepcopy(item)])
        parent[key] = self.rng.choice((
            node("ConstructorFromReduceNode", module, name, content=inner),
            node("ObjectNode", module, name, content=inner),
            node("OperatorFuncNode", "operator", "attrgetter", attrs=inner),
        ))  # fmt: skip

    def change_field(self, schema, files):
        item = self.rng.choice([schema, *(item for item, _, _ in walk(schema))])
        key = self.rng.choice((*item, "extra"))
        item[key] = self.rng.choice((None, 3, "text", [], {}, True, ["a"], {"a": 1}))

    def configuration(self):
        """Return the text of a configuration that names code somewhere."""
        depth = self.rng.randrange(4)
        detector = {"name": "DeepSVDD", "encoder": self.reference(), "max_epochs": 1}
        if self.rng.random() < 0.3:
            detector = {"name": "pyod.KNN", "metric": self.reference()}
        for _ in range(depth):
            detector = {"name": self.rng.choice(("ConformalDetector", "GenuineOnly")),
                        "detector": detector}  # fmt: skip
        embedder = self.rng.choice((
            "difffake-lite0-identity", "difffake-lite0", self.reference(),
            {"backbone": self.reference()}, ["difffake-lite0", self.reference()],
            [{"backbone": "difffake-lite0", "weights": self.reference()}],
        ))  # fmt: skip
        arguments = {"n_pairs": 24, "size": 64}
        if self.rng.random() < 0.2:
            arguments["techniques"] = [self.reference()]
        plan = {
            "bootstrap": 5,
            "datasets": {"faces": {"loader": "make_face_pairs", "arguments": arguments}},
            "candidates": {"a": {"embedder": embedder, "align": False, "detector": detector}},
            "protocols": {"cross-manipulation": {"folds": 2}},
        }
        if self.rng.random() < 0.4:
            plan["candidates"]["a"]["detector"] = "mine"
            plan["detectors"] = {"mine": detector}
        if self.rng.random() < 0.3:
            plan["candidates"]["a"][self.rng.choice(("operator", "extra"))] = self.reference()
        return "".join(f"{key} = {_toml(value)}\n" for key, value in plan.items())

    def reference(self):
        """Return the name of code, or now and then a value that is none."""
        return self.rng.choice(REFERENCES) if self.rng.random() < 0.7 else "none"


def _npy(array):
    target = io.BytesIO()
    np.save(target, array, allow_pickle=False)
    return target.getvalue()


def _toml(value):
    """Write a value as TOML on one line."""
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)
