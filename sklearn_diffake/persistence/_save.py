"""Write a model to a file."""

from __future__ import annotations

import copy
import os
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding.backbones._user_function import reference_of
from sklearn_diffake.persistence._archive import (
    MANIFEST,
    STATE,
    make_manifest,
    uncompressed,
    weights_member,
)
from sklearn_diffake.persistence._parts import FOLDERS, embedders
from sklearn_diffake.persistence._skops import skops_io
from sklearn_diffake.utils._atomic_files import atomic_open
from sklearn_diffake.utils._callbacks import CallbacksMixin
from sklearn_diffake.utils._estimators import estimators


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
        A fitted pipeline or any estimator of one. Its parameters `cache`, `checkpoint_dir` and
        `memory` are not saved, because they are folders of this machine, nor are `callbacks`, which
        concern only a training.
    path : str or Path
        The file, replaced atomically. ``.diffake`` is the usual suffix.
    include_weights : bool, default=False
        Whether to include the weights of the backbones. By default the file holds only their
        fingerprints, and the same weights must be available when it is loaded. Weights that an
        estimator has trained are always in the file.
    public : bool, default=False
        Whether the umask determines who may read a new file. By default only its owner may (mode
        0600), because a model can hold data of the people it was fitted on. An existing file
        keeps its mode.

    Raises
    ------
    TypeError
        If something in the model cannot be saved safely, such as a lambda, or a `backbone` that is
        not a function of a module.
    ValueError
        If `path` is the file of a backbone or of its weights, a directory, a device, a named pipe
        or a symbolic link of another user.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Reads a model.

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
    by_fingerprint = {e.fingerprint_: e for e in embedders(model)}
    all_embedders = by_fingerprint.values()
    exported = [e for e in all_embedders if include_weights and not hasattr(e, "weights_")]
    backbones = [e.find_backbone() for e in exported]
    manifest = make_manifest([e.backbone_info_ for e in all_embedders])
    state = _dump_state(model)
    options: dict[str, Any] = {"inputs": _weight_files(all_embedders), "public": public}
    with atomic_open(target, **options) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(MANIFEST, manifest)
        archive.writestr(STATE, state)
        for backbone in backbones:
            with tempfile.TemporaryDirectory() as folder:
                weights = Path(folder) / f"weights{backbone.suffix}"
                backbone.export(str(weights))
                archive.write(weights, weights_member(backbone.fingerprint, backbone.suffix))


def _weight_files(fitted: Iterable[Any]) -> list[str]:
    """Return the files among the parameters of embedders, which `save` must not overwrite."""
    values = (getattr(e, name, None) for e in fitted for name in ("backbone", "weights"))
    return [os.path.expanduser(value) for value in values if isinstance(value, (str, os.PathLike))]


def _dump_state(model: Any) -> bytes:
    """Return the model as skops writes it; raise an error if skops cannot read it again."""
    skops = skops_io()
    try:
        state = uncompressed(skops.dumps(_portable(model)))
        skops.loads(state, trusted=skops.get_untrusted_types(data=state))
    except Exception as error:  # an object that skops cannot write may raise any error
        raise TypeError(f"this model cannot be saved safely: {error}") from error
    return state


def _portable(model: Any) -> Any:
    """Copy a model without settings of this machine."""
    # Callbacks may hold what cannot be copied, such as an open writer.
    callbacks = [e.callbacks for e in estimators(model) if isinstance(e, CallbacksMixin)]
    model = copy.deepcopy(model, {id(items): [] for items in callbacks if items is not None})
    for estimator in estimators(model):
        if isinstance(estimator, CallbacksMixin):
            estimator.callbacks = None
        for folder in FOLDERS:
            if hasattr(estimator, folder):
                setattr(estimator, folder, None)
        for name, value in vars(estimator).items():
            if isinstance(value, os.PathLike):
                setattr(estimator, name, os.fspath(value))
        if isinstance(estimator, FaceEmbedder) and callable(estimator.backbone):
            estimator.backbone = _importable(estimator.backbone)
    return model


def _importable(function: Any) -> str:
    """Return the name by which a backbone function can be imported."""
    name = reference_of(function)
    if name is None:
        raise TypeError(
            f"backbone={function!r} cannot be imported where the model is loaded: define the "
            "function at the top level of a module, not in a script, notebook or other function"
        )
    return name
