"""Results kept on disk, for what is expensive to compute from an image.

Processes that need the same results at the same time divide the work among them by claims: without
these, each of n workers of a search would compute everything, n times the work of one device.
"""

from ._embedding_store import EmbeddingStore as EmbeddingStore
from ._embedding_store import FileKey as FileKey
from ._embedding_store import as_store as as_store
