"""A picture becomes an aligned face."""

from ..images.errors import ImageError
from ._aligner import FaceAligner
from ._images import read_image

__all__ = ["FaceAligner", "ImageError", "read_image"]
