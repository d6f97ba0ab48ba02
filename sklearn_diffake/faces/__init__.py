"""Detect, choose and align faces."""

from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.missing import MissingFace
from sklearn_diffake.images.read import read_image

from ._aligned import AlignedFaces
from ._aligner import FaceAligner

__all__ = ["AlignedFaces", "FaceAligner", "ImageError", "MissingFace", "read_image"]
