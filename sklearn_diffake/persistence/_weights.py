"""Weights of backbones that come in a model file: checked before they are written anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..embedding.backbones._finding import fingerprint_of
from ..utils._atomic_files import atomic_write, private_folder
from ._parts import embedders
from ._schema import Refusal

_PARAMETERS = {".onnx": "backbone", ".safetensors": "weights"}


@dataclass(frozen=True)
class Weights:
    """Weights that came with a model.

    Attributes
    ----------
    embedder : FaceEmbedder
        Was fitted with them.
    suffix : {".onnx", ".safetensors"}
        What kind of file they are the content of.
    content : bytes
    """

    embedder: Any
    suffix: str
    content: bytes

    def keep(self) -> None:
        """Write them to the user's cache, unless they are there, and let the embedder use them.

        The file is named by the fingerprint. One that is there stays as it is if it has that
        fingerprint: it is another model's. One that has not is corrupt, and is replaced.

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
                f"the weights that came with the model cannot be kept as {str(file)!r}: {error}. "
                "Set SKLEARN_DIFFAKE_HOME to a folder that can be written to."
            ) from error
        self.embedder.set_params(**{_PARAMETERS[self.suffix]: str(file)})

    def _are(self, content: bytes) -> bool:
        """Return whether the content of a file is that of these weights, or means the same."""
        if content == self.content:
            return True
        try:
            actual = _fingerprint(self.embedder, content, self.suffix)
        except ValueError:
            return False
        return actual == self.embedder.fingerprint_


def checked_weights(model: Any, weights: Mapping[tuple[str, str], bytes]) -> list[Weights]:
    """Find the weights that came with a model, and see that they are those it was fitted with.

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
    chosen = []
    for embedder in embedders(model):
        if hasattr(embedder, "weights_"):
            continue  # it learned them, they are in its state
        for suffix in _PARAMETERS:
            content = weights.get((str(embedder.fingerprint_), suffix))
            if content is None:
                continue
            actual = _fingerprint(embedder, content, suffix)
            if actual != embedder.fingerprint_:
                raise Refusal(
                    f"is refused: its weights of {embedder.backbone!r} have the fingerprint "
                    f"{actual}, expected {embedder.fingerprint_}"
                )
            chosen.append(Weights(embedder, suffix, content))
    return chosen


def _fingerprint(embedder: Any, content: bytes, suffix: str) -> str:
    """Return the fingerprint that an embedder would have with other weights."""
    return fingerprint_of(str(embedder.backbone), content, suffix, embedder.overrides())
