"""What a model file may not do, and files that are no models."""

import io
import itertools
import json
import os
import pickle
import pickletools
import shutil
import sys
import zipfile
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
import scipy.sparse
import torch
from image_helpers import noise
from model_helpers import BACKBONE, Foreign, members, pipeline
from sklearn.cluster import AgglomerativeClustering
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skops import io as skops_io

from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.persistence import load, save
from sklearn_diffake.utils._estimators import estimators

trusting = partial(load, trusted=[BACKBONE])


@pytest.fixture(scope="module")
def model():
    return pipeline().fit(np.stack(noise(24)).reshape(12, 2, 20, 20, 3))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.diffake"


def is_pickle(content):
    try:
        return "STOP" in [operation.name for operation, _, _ in pickletools.genops(content)]
    except ValueError:
        return False


def test_no_member_is_a_pickle(model, path):
    save(model, path, include_weights=True)
    result = members(path)
    assert {Path(name).suffix for name in result} == {".json", ".npy", ".safetensors"}
    assert is_pickle(pickle.dumps(1))
    assert not [name for name, content in result.items() if is_pickle(content)]
    for name, content in result.items():
        if name.endswith(".npy"):
            np.load(io.BytesIO(content), allow_pickle=False)


def test_foreign_types_must_be_trusted(path):
    save(make_pipeline(Foreign().fit([1, 2])), path)
    with pytest.raises(ValueError, match=r"contains \['model_helpers.Foreign'\], which is not"):
        load(path)
    assert load(path, trusted=["model_helpers.Foreign"])[0].mean_ == 1.5


class Plain:
    """An object without a constructor of its own."""


class Stateless:
    __slots__ = ()


class Paired:
    """An object whose state is a tuple."""

    def __getstate__(self):
        return (3, 4)

    def __setstate__(self, state):
        self.pair = state


def test_trusted_objects_with_any_state_come_back(path):
    simple = Plain()
    simple.level = 7
    objects = {"simple": simple, "stateless": Stateless(), "paired": Paired()}
    save(FunctionTransformer(kw_args=objects), path)
    with pytest.raises(ValueError, match="which is not trusted"):
        load(path)
    names = [f"{kind.__module__}.{kind.__name__}" for kind in (Plain, Stateless, Paired)]
    loaded = load(path, trusted=names).kw_args
    assert loaded["simple"].level == 7
    assert isinstance(loaded["stateless"], Stateless)
    assert loaded["paired"].pair == (3, 4)


@pytest.mark.parametrize("function", [os.getcwd, shutil.rmtree], ids=["compiled", "Python's"])
def test_functions_must_be_trusted(path, function):
    save(make_pipeline(FunctionTransformer(function)), path)
    with pytest.raises(ValueError, match=rf"{function.__name__}'\], which is not trusted"):
        load(path)


@pytest.mark.parametrize(
    "hide",
    [
        lambda e: e,
        lambda e: make_pipeline(make_pipeline(e)),
        lambda e: FunctionTransformer(kw_args={"deep": [({"in": e},)]}),
        lambda e: FunctionTransformer(kw_args={"array": np.array([None, e], dtype=object)}),
        lambda e: GridSearchCV(LogisticRegression(), {"x": [e]}),
    ],
    ids=["alone", "nested", "containers", "array", "grid"],
)
def test_factories_must_be_trusted_wherever_they_hide(hide, path):
    embedder = FaceEmbedder("antigravity:fly")
    save(hide(embedder), path)
    sys.modules.pop("antigravity", None)
    with pytest.raises(ValueError, match=r"contains \['antigravity:fly'\], which is not trusted"):
        load(path)
    assert "antigravity" not in sys.modules
    load(path, trusted=["antigravity:fly"])


def forge(path, schema, arrays=()):
    """Write a model file around a hand-made skops schema."""
    from skops.io._protocol import PROTOCOL

    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        schema = {**schema, "protocol": PROTOCOL, "_skops_version": "0.16.0"}
        archive.writestr("schema.json", json.dumps(schema))
        for name, content in dict(arrays).items():
            archive.writestr(name, content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": 1}))
        archive.writestr("model.skops", inner.getvalue())


IDS = itertools.count(1)


def node(module, kind, loader, **fields):
    fields |= {"__module__": module, "__class__": kind, "__loader__": loader}
    return {**fields, "__id__": next(IDS)}


def json_node(value):
    return node("builtins", "str", "JsonNode", content=json.dumps(value), is_json=True)


def call(module, function, *arguments):
    """Ask for a function to be called: skops calls what its caller trusts."""
    content = node("builtins", "tuple", "TupleNode", content=[json_node(a) for a in arguments])
    return node(module, function, "ConstructorFromReduceNode", content=content)


@pytest.mark.parametrize(
    ("module", "function", "arguments"),
    [
        ("sklearn_diffake.embedding.backbones._lookup", "find_backbone", ["antigravity:fly"]),
        ("sklearn_diffake.embedding.backbones._user_function", "_build", ["antigravity:fly", None]),
        ("sklearn_diffake.persistence", "load", ["other.diffake"]),
        ("sklearn_diffake.persistence", "Path", ["x"]),
        ("sklearn_diffake.pipeline", "Pipeline", [[]]),
        ("sklearn_diffake.store", "EmbeddingStore", ["x"]),
        ("sklearn_diffake.images.engine", "ThreadPoolExecutor", [1]),
        ("sklearn_diffake.cli", "main", [[]]),
        ("sklearn_diffake.__main__", "main", []),
        ("sklearn_diffake.no_such_module", "main", []),
        ("sklearn_diffake..faces", "main", []),
        ("os", "getcwd", []),
    ],
)
def test_our_own_functions_are_not_called_for_a_file(path, module, function, arguments):
    forge(path, call(module, function, *arguments))
    sys.modules.pop("antigravity", None)
    with pytest.raises(ValueError, match=f"{function}.*which is not trusted"):
        load(path)
    assert "antigravity" not in sys.modules


def test_forged_file_with_our_own_estimator_only(path):
    forge(path, call("sklearn_diffake.faces._aligner", "FaceAligner", 32))
    assert load(path).size == 32


def test_methods_are_not_trusted_for_being_ours(path):
    embedder = FaceEmbedder("antigravity:fly")
    save(FunctionTransformer(embedder.fit), path)
    with pytest.raises(ValueError, match=r"FaceEmbedder\.fit.*which is not trusted"):
        load(path)


@pytest.mark.parametrize(
    "hide",
    [
        lambda e: e,
        lambda e: make_pipeline(make_pipeline(e)),
        lambda e: FunctionTransformer(kw_args={"deep": [({"in": e},)]}),
        lambda e: GridSearchCV(LogisticRegression(), {"x": [e]}),
    ],
    ids=["alone", "nested", "containers", "grid"],
)
@pytest.mark.parametrize(
    ("estimator", "folder"),
    [
        (FaceEmbedder("difffake-lite0-identity", cache="theirs"), "cache"),
        (ForgeryEmbedder(cache="theirs"), "cache"),
        (ForgeryEmbedder(checkpoint_dir="theirs"), "checkpoint_dir"),
        (AgglomerativeClustering(memory="theirs"), "memory"),
    ],
    ids=["cache", "cache of a forgery embedder", "checkpoint_dir", "memory"],
)
def test_a_file_does_not_choose_where_to_write(hide, estimator, folder, path):
    state = skops_io.dumps(hide(estimator))
    assert b"theirs" in zipfile.ZipFile(io.BytesIO(state)).read("schema.json")
    archive_with(path, '{"format": 1}', state)
    (result,) = [piece for piece in estimators(load(path)) if isinstance(piece, type(estimator))]
    assert getattr(result, folder) is None


# --- files that are none -----------------------------------------------------------------------


def damaged(path, model):
    save(model, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def truncated(path, model):
    save(model, path)
    path.write_bytes(path.read_bytes()[:-100])


def archive_with(path, manifest, state=b"nonsense"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", manifest)
        if state is not None:
            archive.writestr("model.skops", state)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p, m: p.write_bytes(pickle.dumps(m)), "pickle and joblib files are never read"),
        (lambda p, m: joblib.dump(m, p), "pickle and joblib files are never read"),
        (lambda p, m: joblib.dump(m, p, compress=3), "is damaged or was not written by"),
        (lambda p, m: p.write_bytes(os.urandom(2000)), "is damaged or was not written by"),
        (lambda p, m: p.write_bytes(b""), "is damaged or was not written by"),
        (damaged, "is damaged"),
        (truncated, "is damaged or was not written by"),
        (lambda p, m: torch.save({}, p), "is damaged or was not written by"),
        (lambda p, m: archive_with(p, "[1, 2]"), "is damaged or was not written by"),
        (lambda p, m: archive_with(p, "{"), "is damaged or was not written by"),
        (lambda p, m: archive_with(p, '{"format": 1}', None), "no item named 'model.skops'"),
        (lambda p, m: archive_with(p, '{"format": 1, "numpy": "1"}'), "written with .*numpy': '1'"),
        (
            lambda p, m: archive_with(p, '{"format": 2, "sklearn_diffake": "9.9"}'),
            r"must be 1 for this version \(.*\), got 2, written by version 9.9",
        ),
        (lambda p, m: archive_with(p, "{}"), "must be 1 .*, got None"),
    ],
    ids=[
        "pickle", "joblib", "joblib compressed", "random", "empty", "damaged", "truncated", "torch",
        "list", "no json", "no state", "no skops", "later format", "no format",
    ],
)  # fmt: skip
def test_files_that_are_no_models(make, message, model, path):
    make(path, model)
    with pytest.raises(ValueError, match=message) as caught:
        trusting(path)
    assert f"model file {str(path)!r}" in str(caught.value)


@pytest.mark.parametrize("location", ["weights/x", "manifest.json", "model.skops", "in the state"])
def test_archives_that_unpack_to_more_than_they_hold(model, path, location):
    save(model, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    bomb = bytes(2**22)
    if location == "in the state":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("schema.json", bomb)
        location, bomb = "model.skops", path.read_bytes()
        kinds = dict.fromkeys(members, zipfile.ZIP_STORED)
    else:
        kinds = {location: zipfile.ZIP_DEFLATED}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, location: bomb}.items():
            archive.writestr(name, content, kinds.get(name, zipfile.ZIP_STORED))
    with pytest.raises(ValueError, match="would unpack to") as caught:
        load(path)
    assert f"model file {str(path)!r}" in str(caught.value)


def array_in_an_archive(compress):
    """Make a state with an array that is an archive, as numpy writes several, of zeros."""
    content = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(content, zeros=np.zeros(2**17))
    array = node("numpy", "ndarray", "NdArrayNode", type="numpy", file="1.npy")
    return node("builtins", "list", "ListNode", content=[array]), {"1.npy": content.getvalue()}


def test_archives_in_the_state_that_unpack_to_more_than_they_hold(path):
    forge(path, *array_in_an_archive(compress=False))
    with pytest.raises(ValueError, match=r"'1\.npy' is no array"):
        load(path)
    forge(path, *array_in_an_archive(compress=True))
    with pytest.raises(ValueError, match="would unpack to"):
        load(path)


@pytest.mark.parametrize("location", ["weights/x", "manifest.json", "model.skops", "in the state"])
def test_compressed_members_that_lie_about_their_size(model, path, location, monkeypatch):
    """zipfile unpacks such a member, up to 2 GiB of it, and only then compares."""
    monkeypatch.setattr(zipfile.ZipExtFile, "_read1", guarded(zipfile.ZipExtFile._read1))
    save(model, path)
    result = members(path)
    if location == "in the state":
        content = packed({"schema.json": bytes(2**22)}, "schema.json")
        path.write_bytes(packed({**result, "model.skops": content}))
    else:
        path.write_bytes(packed({**result, location: bytes(2**22)}, location))
    with pytest.raises(ValueError, match="must not be compressed") as caught:
        load(path)
    assert f"model file {str(path)!r}" in str(caught.value)


def guarded(read):
    def read_and_look(self, n):
        assert self._compress_type == zipfile.ZIP_STORED, "something compressed is read"
        return read(self, n)

    return read_and_look


def packed(contents, lying=None):
    """Pack an archive; one member is compressed, and said to be of 9 bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in contents.items():
            kind = zipfile.ZIP_DEFLATED if name == lying else zipfile.ZIP_STORED
            archive.writestr(name, content, kind)
        if lying:
            archive.getinfo(lying).file_size = 9  # as written to the directory at the end
    return target.getvalue()


def test_sparse_matrices_are_stored_uncompressed(path):
    matrix = scipy.sparse.random(200, 200, density=0.01, random_state=0, format="csr")
    save(FunctionTransformer(kw_args={"matrix": matrix}), path)
    kind = f"{type(matrix).__module__}.{type(matrix).__name__}"
    with pytest.raises(ValueError, match="which is not trusted"):
        load(path)
    result = load(path, trusted=[kind]).kw_args["matrix"]
    assert (result != matrix).nnz == 0


def test_pickles_are_not_run(path):
    class Trap:
        def __reduce__(self):
            return (open, (str(path.with_name("sprung")), "w"))

    for write in (
        lambda: path.write_bytes(pickle.dumps(Trap())),
        lambda: joblib.dump(Trap(), path),
    ):
        write()
        with pytest.raises(ValueError, match="never read"):
            load(path)
    archive_with(path, '{"format": 1}', pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="is damaged"):
        load(path)
    assert not path.with_name("sprung").exists()


def test_every_truncation_is_noticed(model, path):
    save(model, path)
    content = path.read_bytes()
    for length in range(0, len(content), len(content) // 25):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="is damaged or was not written by"):
            trusting(path)


@pytest.mark.parametrize("name", ["missing.diffake", "."])
def test_missing_file(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=r"model file .*: no such file"):
        load(tmp_path / name)


def test_types_that_are_gone(path):
    save(make_pipeline(Foreign()), path)
    content = members(path)
    schema = json.loads(content["model.skops/schema.json"])
    text = json.dumps(schema).replace("Foreign", "Forgotten")
    forge(path, json.loads(text))
    with pytest.raises(ValueError, match=r"does not fit the installed versions.*Forgotten"):
        load(path, trusted=["model_helpers.Forgotten"])
