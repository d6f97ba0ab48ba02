"""Read a model from a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn_diffake.persistence._archive import BUILT_WITH, read_archive, refuse_bombs
from sklearn_diffake.persistence._objects import check_objects
from sklearn_diffake.persistence._parameters import check_loaded_parameters
from sklearn_diffake.persistence._plain import create, is_plain
from sklearn_diffake.persistence._schema import Refusal, Schema
from sklearn_diffake.persistence._skops import skops_io
from sklearn_diffake.persistence._trust import foreign_names, unseen_names
from sklearn_diffake.persistence._weights import checked_weights

_logger = logging.getLogger(__name__)


def load(path: str | os.PathLike[str], *, trusted: Sequence[str] = ()) -> Any:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or Path
        The file.
    trusted : sequence of str, default=()
        Full names of further types that the file may contain, such as ``"mine.MyDetector"``,
        and backbones and encoders of the form ``"module:function"`` that it may import. They are
        executed, so trust only code that you know.

    Returns
    -------
    estimator
        As it was saved, with every `cache`, `checkpoint_dir` and `memory` set to None. Weights of
        backbones in the file are written to ``~/.cache/sklearn-diffake`` (or the folder
        ``SKLEARN_DIFFAKE_HOME``).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a saved model, is corrupt, was written by a later version, contains types
        or names functions that are not trusted, or its content is not valid: attributes that a
        class does not have, parameters out of range, a threshold of NaN, weights of another
        network.

    See Also
    --------
    save : Writes a model.

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
    archive = read_archive(file)
    try:
        model = _load_state(archive.state, set(trusted))
        weights = checked_weights(model, archive.weights)
    except Refusal as error:
        raise ValueError(f"model file {str(file)!r} {error}") from error
    except Exception as error:  # types in the file may raise any error
        built_with = {name: archive.manifest.get(name) for name in ("sklearn_diffake", *BUILT_WITH)}
        raise ValueError(
            f"model file {str(file)!r} is damaged, or does not fit the installed versions; it "
            f"was written with {built_with}: {error}"
        ) from error
    for weights_of_embedder in weights:
        weights_of_embedder.keep()
    _logger.info("read %s, written by version %s", file, archive.manifest.get("sklearn_diffake"))
    return model


def _load_state(state: bytes, trusted: set[str]) -> Any:
    """Check the raw state of the model before creating any object; return the model."""
    refuse_bombs(state)
    schema = Schema(state)
    foreign = foreign_names(schema, trusted)
    plain = is_plain(schema)
    untrusted: list[str] = []
    if not foreign and not plain:  # skops might import a foreign type in order to inspect it
        untrusted = skops_io().get_untrusted_types(data=state)
        foreign = unseen_names(schema, untrusted, trusted)
    if foreign:
        raise Refusal(
            f"contains {foreign}, which is not trusted. If you trust the source of the file and "
            f"know these names, pass trusted={foreign}."
        )
    check_objects(schema, trusted)
    model = create(schema) if plain else skops_io().loads(schema.state(state), trusted=untrusted)
    check_loaded_parameters(model)
    return model
