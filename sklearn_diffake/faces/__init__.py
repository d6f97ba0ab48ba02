"""Detect, choose and align faces."""

from sklearn_diffake.faces._aligned import AlignedFaces
from sklearn_diffake.faces._aligner import FaceAligner
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.missing import MissingFace
from sklearn_diffake.images.read import read_image

__all__ = ["AlignedFaces", "FaceAligner", "ImageError", "MissingFace", "read_image"]
