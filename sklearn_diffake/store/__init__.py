"""Store results on disk that are expensive to compute from an image.

Processes that need the same results at the same time divide the work by claims. Without claims,
each of n workers of a search would compute everything: n times the work.
"""

from sklearn_diffake.store._embedding_store import EmbeddingStore, FileKey, as_store

__all__ = ["EmbeddingStore", "FileKey", "as_store"]
