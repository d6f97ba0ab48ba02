"""Pseudo-deepfakes: fakes made from genuine faces, to learn from what forgery looks like."""

from sklearn_diffake.generation._apply import apply, apply_pair
from sklearn_diffake.generation._dataset import PseudoDeepfakeDataset
from sklearn_diffake.generation._dlib import dlib_landmarks
from sklearn_diffake.generation._generator import PseudoDeepfakeGenerator
from sklearn_diffake.generation._landmarks import fitted_shape, mean_shape
from sklearn_diffake.generation._masks import GLOBAL_FAMILIES, LOCAL_FAMILIES
from sklearn_diffake.generation._techniques import (
    TECHNIQUES,
    add_technique,
    draw,
    technique_weights,
)

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
