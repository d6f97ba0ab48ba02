"""A face becomes a vector."""

from ..utils._store import EmbeddingStore
from ._face_embedder import FaceEmbedder

__all__ = ["EmbeddingStore", "FaceEmbedder"]
