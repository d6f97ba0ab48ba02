"""The module that saved models name as that of `ForgeryEmbedder`."""

from sklearn_diffake.embedding.forgery._estimator import ForgeryEmbedder

__all__ = ["ForgeryEmbedder"]
