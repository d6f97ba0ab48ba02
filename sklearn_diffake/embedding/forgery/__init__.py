"""ForgeryEmbedder, and how its network is trained.

The estimator is in `_estimator`; what trains it loads torch and is imported when `fit` needs it.
"""

from sklearn_diffake.embedding.forgery._estimator import ForgeryEmbedder

__all__ = ["ForgeryEmbedder"]
