"""A picture becomes an aligned face."""

from ._aligner import FaceAligner
from ._images import ImageError, read_image

__all__ = ["FaceAligner", "ImageError", "read_image"]
