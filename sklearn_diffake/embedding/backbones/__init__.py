"""The networks that `FaceEmbedder` runs: a registry of names, and one file per family.

- `_base`: what a loaded network declares; `_registry`: its properties before it is loaded.
- `_lookup`: from a name, a file or a function to a loaded network, which is kept in memory.
- One file per family, which registers its entries: `_dlib`, `_facenet`, `_lite0`, `_onnx`,
  `_packaged`, `_timm`, `_user_function`. Architectures in plain torch are in `networks`.
- `_fetch`: weights that are downloaded.
- `_torch` and `_onnx_runtime` run networks, `_weights` reads their weights, `_views` averages over
  views of a crop.

Importing this package loads only the standard library: command line and documentation list the
registry without a network.
"""

from sklearn_diffake.embedding.backbones import (  # noqa: F401 (they register their entries)
    _dlib,
    _facenet,
    _lite0,
    _packaged,
    _timm,
    _user_function,
)
from sklearn_diffake.embedding.backbones._base import Crop
from sklearn_diffake.embedding.backbones._fetch import fetch_weights
from sklearn_diffake.embedding.backbones._onnx import RECIPES
from sklearn_diffake.embedding.backbones._registry import (
    BackboneEntry,
    entries,
    entry_of,
    names,
)

__all__ = ["RECIPES", "BackboneEntry", "Crop", "entries", "entry_of", "fetch_weights", "names"]
