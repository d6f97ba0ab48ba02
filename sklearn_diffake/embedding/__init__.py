"""A face becomes a vector."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..store import EmbeddingStore
    from ._face_embedder import FaceEmbedder
    from ._forgery_embedder import ForgeryEmbedder
    from .backbones import RECIPES

_MODULES = {  # loaded when they are used: the command line lists the registry without them
    "RECIPES": "embedding.backbones",
    "EmbeddingStore": "store",
    "FaceEmbedder": "embedding._face_embedder",
    "ForgeryEmbedder": "embedding._forgery_embedder",
}

__all__ = ["RECIPES", "EmbeddingStore", "FaceEmbedder", "ForgeryEmbedder"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        package = __name__.rpartition(".")[0]
        return getattr(importlib.import_module(f"{package}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
