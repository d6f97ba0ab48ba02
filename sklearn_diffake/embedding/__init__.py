"""A face becomes a vector."""

from typing import TYPE_CHECKING

from sklearn_diffake.utils._lazy_names import lazy_names

if TYPE_CHECKING:
    from sklearn_diffake.embedding._face_embedder import FaceEmbedder
    from sklearn_diffake.embedding.backbones import RECIPES, fetch_weights
    from sklearn_diffake.embedding.forgery import ForgeryEmbedder
    from sklearn_diffake.store import EmbeddingStore

__all__ = ["RECIPES", "EmbeddingStore", "FaceEmbedder", "ForgeryEmbedder", "fetch_weights"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "EmbeddingStore": "sklearn_diffake.store",
        "FaceEmbedder": "._face_embedder",
        "ForgeryEmbedder": ".forgery",
        "RECIPES": ".backbones",
        "fetch_weights": ".backbones",
    },
    scikit_learn=False,  # the command line lists the registry without it
)
