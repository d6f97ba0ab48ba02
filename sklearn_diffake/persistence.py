"""Save fitted pipelines and load them again without running anything that the file brings.

A saved model is one zip file: ``model.skops`` (parameters and fitted state), ``manifest.json``
(versions and backbones) and, if asked for, the weights of the backbones as safetensors or onnx.
No pickle is ever written or read.
"""

import copy
import functools
import importlib
import io
import json
import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from sklearn import metrics, model_selection
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit

from . import __version__
from .embedding import FaceEmbedder
from .novelty._pyod import PYOD_TYPES
from .utils._atomic_files import atomic_open, atomic_write, private_folder

_logger = logging.getLogger(__name__)
_FORMAT = 1
_OWN = "sklearn_diffake."
_BUILT_WITH = ("numpy", "scikit-learn", "skops")
_WEIGHTS = (".onnx", ".safetensors")
_ARCHIVE = b"PK"  # what zip archives begin with
# Functions and compiled parts of scikit-learn that detectors and searches hold: they compute from
# arrays and run nothing else.
_HARMLESS = {
    "sklearn.tree._tree.Tree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn_diffake.metrics._scorers._evaluate",  # it only computes a metric
    *(
        f"sklearn.metrics._dist_metrics.{metric}Distance{bits}"
        for metric in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski")
        for bits in (32, 64)
    ),
}


def save(
    model: Any,
    path: str | os.PathLike[str],
    *,
    include_weights: bool = False,
    public: bool = False,
) -> None:
    """Write a fitted estimator or pipeline to one file.

    Parameters
    ----------
    model : estimator
        A fitted pipeline or any part of one. Its parameters `cache`, `checkpoint_dir` and
        `memory` are not saved: they are folders of this machine.
    path : str or Path
        The file, replaced whole or not at all. ``.diffake`` is the usual suffix.
    include_weights : bool, default=False
        Put the weights of the backbones into the file. By default only their fingerprints are
        kept, and the file needs the same weights where it is loaded. Weights that an estimator
        learned are always in the file.
    public : bool, default=False
        Let the umask decide who may read a new file. By default only its owner may (mode 0600):
        a model can hold data of the people it was fitted on. A file that exists keeps its mode.

    Raises
    ------
    TypeError
        If a part of the model cannot be saved safely, such as a function or a lambda.
    ValueError
        If `path` is the file of a backbone or of its weights, a directory, a device, a named pipe
        or a symbolic link of another user.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Reads it again.

    Examples
    --------
    >>> import numpy as np, tempfile, os
    >>> from sklearn_diffake import persistence
    >>> from sklearn_diffake.novelty import GaussianMixtureDetector
    >>> X = np.random.default_rng(0).normal(size=(100, 4))
    >>> model = GaussianMixtureDetector(random_state=0).fit(X)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.diffake")
    >>> persistence.save(model, path)
    >>> bool((persistence.load(path).predict(X) == model.predict(X)).all())
    True
    """
    target = Path(path)
    embedders = {e.fingerprint_: e for e in _embedders(model)}
    apart = [e for e in embedders.values() if include_weights and not hasattr(e, "weights_")]
    backbones = [e.find_backbone() for e in apart]
    manifest = {
        "format": _FORMAT,
        "sklearn_diffake": __version__,
        **{name: version(name) for name in _BUILT_WITH},
        "backbones": [e.backbone_info_ for e in embedders.values()],
    }
    state = _dump_state(model)
    options: dict[str, Any] = {"inputs": _weight_files(embedders.values()), "public": public}
    with atomic_open(target, **options) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))
        archive.writestr("model.skops", state)
        for backbone in backbones:
            with tempfile.TemporaryDirectory() as folder:
                weights = Path(folder) / f"{backbone.fingerprint}{backbone.suffix}"
                backbone.export(str(weights))
                archive.write(weights, f"weights/{weights.name}")


def load(path: str | os.PathLike[str], *, trusted: Sequence[str] = ()) -> Any:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or Path
        The file.
    trusted : sequence of str, default=()
        Full names of further types that the file may contain, such as ``"mine.MyDetector"``,
        and backbones of the form ``"module:function"`` that it may import. Give only what you
        know: they are run.

    Returns
    -------
    estimator
        As it was saved, with every `cache`, `checkpoint_dir` and `memory` set to None. Weights of
        backbones that came in the file are kept in ``~/.cache/sklearn-diffake`` (or where
        ``SKLEARN_DIFFAKE_HOME`` says).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no saved model, is damaged, is of a later format, or contains types or
        functions that are not trusted.

    See Also
    --------
    save : Writes such a file.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake import persistence
    >>> from sklearn_diffake.pairs import PairDifference
    >>> persistence.save(PairDifference("cosine").fit(np.eye(4).reshape(2, 2, 4)), "model.diffake")
    >>> persistence.load("model.diffake").operator
    'cosine'
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"model file {str(file)!r}: no such file")
    manifest, state, weights = _read_archive(file)
    try:
        model, foreign = _load_state(state, set(trusted))
    except Exception as error:  # skops lets through what the types in the file raise
        built_with = {name: manifest.get(name) for name in ("sklearn_diffake", *_BUILT_WITH)}
        raise ValueError(
            f"model file {str(file)!r} is damaged, or does not fit the installed versions; it "
            f"was written with {built_with}: {error}"
        ) from error
    if foreign:
        raise ValueError(
            f"model file {str(file)!r} contains {foreign}, which is not trusted. If you know "
            f"where the file comes from and what these do, give trusted={foreign}."
        )
    _forget_folders(model)  # a file that `save` did not write may name some
    _restore_weights(model, weights)
    _logger.info("read %s, written by version %s", file, manifest.get("sklearn_diffake"))
    return model


def _read_archive(path: Path) -> tuple[dict[str, Any], bytes, dict[str, bytes]]:
    """Return the manifest, the state and the weights, by name, that are in a file."""
    damage = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, OSError, RuntimeError)
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _refuse_bomb(archive, path.stat().st_size)
                manifest = dict(json.loads(archive.read("manifest.json")))
                state = archive.read("model.skops")
                names = [name for name in archive.namelist() if name.startswith("weights/")]
                weights = {Path(name).name: archive.read(name) for name in names}
        except (*damage, TypeError) as error:
            raise ValueError(
                f"model file {str(path)!r} is damaged or was not written by sklearn_diffake "
                f"(pickle and joblib files are never read): {error}"
            ) from error
    if manifest.get("format") != _FORMAT:
        raise ValueError(
            f"model file {str(path)!r} has format {manifest.get('format')}, this version "
            f"({__version__}) reads format {_FORMAT}; it was written by version "
            f"{manifest.get('sklearn_diffake')}"
        )
    return manifest, state, weights


def _refuse_bomb(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive that would unpack to more than its own size: `save` compresses nothing."""
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > size:
        raise ValueError(f"an archive of {size:,} bytes would unpack to {unpacked:,}")
    for member in members:  # a compressed one may hold more than it says
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ValueError(f"its member {member.filename!r} is compressed, which none should be")


def _dump_state(model: Any) -> bytes:
    """Return the model as skops writes it, after a look at whether it can be read back."""
    from skops import io as skops_io

    try:
        state = _uncompressed(skops_io.dumps(_portable(model)))
        skops_io.loads(state, trusted=skops_io.get_untrusted_types(data=state))
    except Exception as error:  # skops raises whatever the object it cannot take raises
        raise TypeError(f"this model cannot be saved safely: {error}") from error
    return state


def _uncompressed(content: bytes) -> bytes:
    """Pack an archive, and those in it, anew without compression; skops packs sparse matrices."""
    if not content.startswith(_ARCHIVE):
        return content
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, _uncompressed(source.read(name)))
    return target.getvalue()


def _load_state(state: bytes, trusted: set[str]) -> tuple[Any, list[str]]:
    """Return the model, and the names in it that nobody trusts; if there are any, no model."""
    from skops import io as skops_io

    _refuse_bombs(state)
    unknown = skops_io.get_untrusted_types(data=state)
    known = trusted | _search_parts() | PYOD_TYPES | _HARMLESS
    foreign = [name for name in unknown if name not in known and not _is_own_class(name)]
    if foreign:
        return None, foreign
    model = skops_io.loads(state, trusted=unknown)
    imported = {name for part in _estimators(model) for name in _imported(part)}
    return model, sorted(imported - trusted)


def _refuse_bombs(state: bytes) -> None:
    """Look at the archive that skops reads, and at those in it, which numpy would unpack."""
    with zipfile.ZipFile(io.BytesIO(state)) as archive:
        _refuse_bomb(archive, len(state))
        for member in archive.infolist():
            content = archive.read(member)
            if content.startswith(_ARCHIVE):
                with zipfile.ZipFile(io.BytesIO(content)) as inner:
                    _refuse_bomb(inner, len(content))


@functools.cache
def _search_parts() -> frozenset[str]:
    """Name what a fitted search may hold: scikit-learn's splitters and scorers, all harmless."""
    scorers = [metrics.get_scorer(name) for name in metrics.get_scorer_names()]
    parts = {item for scorer in scorers for item in (type(scorer), scorer._score_func)}
    for item in vars(model_selection).values():
        if isinstance(item, type) and issubclass(item, (BaseCrossValidator, BaseShuffleSplit)):
            parts.add(item)
    return frozenset(f"{part.__module__}.{part.__qualname__}" for part in parts)


def _is_own_class(name: str) -> bool:
    """Tell whether a name in a file is that of an estimator or a splitter of this package.

    Functions and methods are not trusted for being ours, nor is what our modules import: a file
    may ask for any of them to be called.
    """
    module, _, kind = name.rpartition(".")
    if not module.startswith(_OWN) or "__" in module:
        return False
    try:
        found = getattr(importlib.import_module(module), kind, None)
    except ImportError:
        return False
    return (
        isinstance(found, type)
        and issubclass(found, (BaseEstimator, BaseCrossValidator, BaseShuffleSplit))
        and found.__module__ == module
    )


def _imported(part: Any) -> list[str]:
    """Name the functions that an estimator would import when it is used."""
    return part._imports() if hasattr(part, "_imports") else []


def _portable(model: Any) -> Any:
    """Copy a model without what belongs to this machine alone."""
    model = copy.deepcopy(model)
    _forget_folders(model)
    for part in _estimators(model):
        for name, value in vars(part).items():
            if isinstance(value, os.PathLike):
                setattr(part, name, os.fspath(value))
    return model


def _forget_folders(model: Any) -> None:
    """Set every folder in which a part of the model would keep files to None."""
    for part in _estimators(model):
        for folder in ("cache", "checkpoint_dir", "memory"):  # memory reads pickles
            if hasattr(part, folder):
                setattr(part, folder, None)


def _weight_files(embedders: Iterable[FaceEmbedder]) -> list[str]:
    """List the parameters of embedders that may be files, for `save` not to overwrite them."""
    values = (getattr(e, name, None) for e in embedders for name in ("backbone", "weights"))
    return [os.path.expanduser(value) for value in values if isinstance(value, (str, os.PathLike))]


def _restore_weights(model: Any, weights: dict[str, bytes]) -> None:
    """Let a model use the weights that came with it."""
    for embedder in _embedders(model):
        for name, content in weights.items():
            stem, suffix = os.path.splitext(name)
            if stem == embedder.fingerprint_ and suffix in _WEIGHTS:
                parameter = "backbone" if suffix == ".onnx" else "weights"
                embedder.set_params(**{parameter: _keep_weights(name, content)})


def _keep_weights(name: str, content: bytes) -> str:
    """Write weights to the user's cache, unless they are there and whole; return the file."""
    home = os.environ.get("SKLEARN_DIFFAKE_HOME") or "~/.cache/sklearn-diffake"
    file = Path(home).expanduser().absolute() / "weights" / name
    try:
        if not file.is_file() or file.read_bytes() != content:
            private_folder(file.parent)
            atomic_write(file, content)
    except OSError as error:
        raise OSError(
            f"the weights that came with the model cannot be kept as {str(file)!r}: {error}. "
            "Set SKLEARN_DIFFAKE_HOME to a folder that can be written to."
        ) from error
    return str(file)


def _embedders(model: Any) -> list[FaceEmbedder]:
    return [
        part
        for part in _estimators(model)
        if isinstance(part, FaceEmbedder) and hasattr(part, "fingerprint_")
    ]


def _estimators(item: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield every estimator that can be reached from an object, itself included."""
    seen = set() if seen is None else seen
    if id(item) in seen:
        return
    seen.add(id(item))
    if isinstance(item, BaseEstimator):
        yield item
    for child in _children(item):
        yield from _estimators(child, seen)


def _children(item: Any) -> list[Any]:
    if isinstance(item, Mapping):
        return list(item.values())
    if isinstance(item, (list, tuple, set, frozenset)):
        return list(item)
    if isinstance(item, np.ndarray):
        return list(item.flat) if item.dtype == object else []
    if isinstance(item, (type, ModuleType)) or not hasattr(item, "__dict__"):
        return []
    return list(vars(item).values())
