"""The networks that `FaceEmbedder` runs: a registry of what can be named, one file per family.

Importing this package loads nothing but the standard library: command line and documentation list
the registry without a network. What loads networks is in `_finding`.
"""

from . import _difffake, _dlib, _facenet, _functions, _lite0, _onnx, _timm  # noqa: F401 (register)
from ._recipes import RECIPES
from ._registry import BackboneEntry, Crop, entries, entry_of, names

__all__ = ["RECIPES", "BackboneEntry", "Crop", "entries", "entry_of", "names"]
