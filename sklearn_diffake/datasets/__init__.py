"""Published datasets, read as their owners publish them, and given as pairs of pictures."""

from sklearn_diffake.datasets._celeb_df import load_celeb_df
from sklearn_diffake.datasets._deeperforensics import load_deeperforensics
from sklearn_diffake.datasets._deepfakedetection import load_deepfakedetection
from sklearn_diffake.datasets._describe import describe
from sklearn_diffake.datasets._dfdc import load_dfdc
from sklearn_diffake.datasets._dfdc_preview import load_dfdc_preview
from sklearn_diffake.datasets._faceforensics import load_faceforensics
from sklearn_diffake.datasets._ffiw import load_ffiw
from sklearn_diffake.datasets._folder import load_video_folder
from sklearn_diffake.datasets._forgerynet import load_forgerynet
from sklearn_diffake.datasets._frames import Frames, extract_frames
from sklearn_diffake.datasets._lfw import fetch_lfw_pairs
from sklearn_diffake.datasets._rendered._pairs import make_face_pairs
from sklearn_diffake.datasets._table import load_video_table
from sklearn_diffake.datasets._tracks import follow_face
from sklearn_diffake.images.errors import VideoError

__all__ = [
    "Frames",
    "VideoError",
    "describe",
    "extract_frames",
    "fetch_lfw_pairs",
    "follow_face",
    "load_celeb_df",
    "load_deeperforensics",
    "load_deepfakedetection",
    "load_dfdc",
    "load_dfdc_preview",
    "load_faceforensics",
    "load_ffiw",
    "load_forgerynet",
    "load_video_folder",
    "load_video_table",
    "make_face_pairs",
]
