"""Results kept on disk, for what is expensive to compute from an image."""

from ._embedding_store import EmbeddingStore, FileKey, as_store

__all__ = ["EmbeddingStore", "FileKey", "as_store"]
