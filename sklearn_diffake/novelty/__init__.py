"""One-class detectors: whether a difference is one that genuine pairs show."""

from sklearn_diffake.novelty._gaussian_mixture import GaussianMixtureDetector

__all__ = ["GaussianMixtureDetector"]
