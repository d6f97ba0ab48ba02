"""Detect, choose and align faces."""

from ..images.errors import ImageError
from ..images.missing import MissingFace
from ..images.read import read_image
from ._aligned import AlignedFaces
from ._aligner import FaceAligner

__all__ = ["AlignedFaces", "FaceAligner", "ImageError", "MissingFace", "read_image"]
