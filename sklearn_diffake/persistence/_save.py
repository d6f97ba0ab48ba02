"""Write a model to a file."""

from __future__ import annotations

import copy
import os
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..embedding import FaceEmbedder
from ..embedding.backbones._functions import reference_of
from ..utils._atomic_files import atomic_open
from ..utils._estimators import estimators
from ._archive import MANIFEST, STATE, make_manifest, uncompressed, weights_member
from ._parts import FOLDERS, embedders
from ._skops import skops_io


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
        If a part of the model cannot be saved safely, such as a lambda, or a `backbone` that is a
        function of no module.
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
    by_fingerprint = {e.fingerprint_: e for e in embedders(model)}
    parts = by_fingerprint.values()
    apart = [e for e in parts if include_weights and not hasattr(e, "weights_")]
    backbones = [e.find_backbone() for e in apart]
    manifest = make_manifest([e.backbone_info_ for e in parts])
    state = _dump_state(model)
    options: dict[str, Any] = {"inputs": _weight_files(parts), "public": public}
    with atomic_open(target, **options) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(MANIFEST, manifest)
        archive.writestr(STATE, state)
        for backbone in backbones:
            with tempfile.TemporaryDirectory() as folder:
                weights = Path(folder) / f"weights{backbone.suffix}"
                backbone.export(str(weights))
                archive.write(weights, weights_member(backbone.fingerprint, backbone.suffix))


def _weight_files(fitted: Iterable[Any]) -> list[str]:
    """List the parameters of embedders that may be files, for `save` not to overwrite them."""
    values = (getattr(e, name, None) for e in fitted for name in ("backbone", "weights"))
    return [os.path.expanduser(value) for value in values if isinstance(value, (str, os.PathLike))]


def _dump_state(model: Any) -> bytes:
    """Return the model as skops writes it, if it can be read back."""
    skops = skops_io()
    try:
        state = uncompressed(skops.dumps(_portable(model)))
        skops.loads(state, trusted=skops.get_untrusted_types(data=state))
    except Exception as error:  # skops raises whatever the object it cannot take raises
        raise TypeError(f"this model cannot be saved safely: {error}") from error
    return state


def _portable(model: Any) -> Any:
    """Copy a model without what belongs to this machine alone."""
    model = copy.deepcopy(model)
    for part in estimators(model):
        for folder in FOLDERS:
            if hasattr(part, folder):
                setattr(part, folder, None)
        for name, value in vars(part).items():
            if isinstance(value, os.PathLike):
                setattr(part, name, os.fspath(value))
        if isinstance(part, FaceEmbedder) and callable(part.backbone):
            part.backbone = _importable(part.backbone)
    return model


def _importable(function: Any) -> str:
    """Return the name by which a function that makes a network can be imported."""
    name = reference_of(function)
    if name is None:
        raise TypeError(
            f"backbone={function!r} cannot be imported where the model is loaded: define the "
            "function at the top level of a module, not in a script, notebook or other function"
        )
    return name
