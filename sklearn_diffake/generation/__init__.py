"""Pseudo-deepfakes: fakes made from genuine faces, to learn from what forgery looks like."""

from ._apply import apply, apply_pair
from ._dataset import PseudoDeepfakeDataset
from ._dlib import dlib_landmarks
from ._generator import PseudoDeepfakeGenerator
from ._landmarks import fitted_shape, mean_shape
from ._masks import GLOBAL_FAMILIES, LOCAL_FAMILIES
from ._techniques import TECHNIQUES, add_technique, draw, technique_weights

__all__ = [
    "GLOBAL_FAMILIES",
    "LOCAL_FAMILIES",
    "TECHNIQUES",
    "PseudoDeepfakeDataset",
    "PseudoDeepfakeGenerator",
    "add_technique",
    "apply",
    "apply_pair",
    "dlib_landmarks",
    "draw",
    "fitted_shape",
    "mean_shape",
    "technique_weights",
]
