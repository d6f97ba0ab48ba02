"""A picture becomes an aligned face."""

from ..images.errors import ImageError
from ..images.read import read_image
from ._aligner import FaceAligner

__all__ = ["FaceAligner", "ImageError", "read_image"]
