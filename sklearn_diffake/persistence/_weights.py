"""Check the weights of backbones in a model file, and write them to the cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn_diffake.embedding.backbones._lookup import fingerprint_of
from sklearn_diffake.persistence._parts import embedders
from sklearn_diffake.persistence._schema import Refusal
from sklearn_diffake.utils._atomic_files import atomic_write, private_folder

_PARAMETERS = {".onnx": "backbone", ".safetensors": "weights"}


@dataclass(frozen=True)
class Weights:
    """Weights of an embedder in a model file.

    Attributes
    ----------
    embedder : FaceEmbedder
        The embedder that uses them.
    suffix : {".onnx", ".safetensors"}
        Type of the weights file.
    content : bytes
    """

    embedder: Any
    suffix: str
    content: bytes

    def keep(self) -> None:
        """Write the weights to the user's cache, and set the path in the embedder.

        The file is named by the fingerprint. An existing file with this fingerprint is used, as
        other models may share it. An existing file with another fingerprint is corrupt, and is
        replaced.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        home = os.environ.get("SKLEARN_DIFFAKE_HOME") or "~/.cache/sklearn-diffake"
        folder = Path(home).expanduser().absolute() / "weights"
        file = folder / f"{self.embedder.fingerprint_}{self.suffix}"
        try:
            if not (file.is_file() and self._are(file.read_bytes())):
                private_folder(folder)
                atomic_write(file, self.content)
        except OSError as error:
            raise OSError(
                f"the weights in the model file cannot be written to {str(file)!r}: {error}. "
                "Set SKLEARN_DIFFAKE_HOME to a writable folder."
            ) from error
        self.embedder.set_params(**{_PARAMETERS[self.suffix]: str(file)})

    def _are(self, content: bytes) -> bool:
        """Return whether the content of a file equals these weights, or has their fingerprint."""
        if content == self.content:
            return True
        try:
            actual = _fingerprint(self.embedder, content, self.suffix)
        except ValueError:
            return False
        return actual == self.embedder.fingerprint_


def checked_weights(model: Any, weights: Mapping[tuple[str, str], bytes]) -> list[Weights]:
    """Return the weights in a model file; check that the model was fitted with them.

    Parameters
    ----------
    model : object
        A loaded model.
    weights : mapping of (str, str) to bytes
        By fingerprint and suffix.

    Returns
    -------
    list of Weights

    Raises
    ------
    Refusal
        If a network with these weights has another fingerprint.
    """
    checked = []
    for embedder in embedders(model):
        if hasattr(embedder, "weights_"):
            continue  # trained weights are in its state
        for suffix in _PARAMETERS:
            content = weights.get((str(embedder.fingerprint_), suffix))
            if content is None:
                continue
            actual = _fingerprint(embedder, content, suffix)
            if actual != embedder.fingerprint_:
                raise Refusal(
                    f"is refused: the fingerprint of its weights of {embedder.backbone!r} must be "
                    f"{embedder.fingerprint_}, got {actual}"
                )
            checked.append(Weights(embedder, suffix, content))
    return checked


def _fingerprint(embedder: Any, content: bytes, suffix: str) -> str:
    """Return the fingerprint that an embedder would have with other weights."""
    return fingerprint_of(str(embedder.backbone), content, suffix, embedder.overrides())
