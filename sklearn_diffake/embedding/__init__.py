"""A face becomes a vector."""

from ..store import EmbeddingStore
from ._face_embedder import FaceEmbedder
from ._forgery_embedder import ForgeryEmbedder

__all__ = ["EmbeddingStore", "FaceEmbedder", "ForgeryEmbedder"]
