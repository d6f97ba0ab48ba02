"""A face becomes a vector."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn_diffake.embedding._face_embedder import FaceEmbedder
    from sklearn_diffake.embedding.backbones import RECIPES, fetch_weights
    from sklearn_diffake.embedding.forgery import ForgeryEmbedder
    from sklearn_diffake.store import EmbeddingStore

_MODULES = {  # loaded when they are used: the command line lists the registry without them
    "RECIPES": "embedding.backbones",
    "EmbeddingStore": "store",
    "FaceEmbedder": "embedding._face_embedder",
    "ForgeryEmbedder": "embedding.forgery",
    "fetch_weights": "embedding.backbones",
}

__all__ = ["RECIPES", "EmbeddingStore", "FaceEmbedder", "ForgeryEmbedder", "fetch_weights"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        package = __name__.rpartition(".")[0]
        return getattr(importlib.import_module(f"{package}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
