"""Store results on disk that are expensive to compute from an image.

Processes that need the same results at the same time divide the work by claims. Without claims,
each of n workers of a search would compute everything: n times the work.
"""

from sklearn_diffake.store._embedding_store import EmbeddingStore as EmbeddingStore
from sklearn_diffake.store._embedding_store import FileKey as FileKey
from sklearn_diffake.store._embedding_store import as_store as as_store
