"""Form pairs of images, and compute differences of their embeddings."""

from sklearn_diffake.pairs._difference import PairDifference
from sklearn_diffake.pairs._mode import check_mode, mode_of
from sklearn_diffake.pairs._pair_table import TableError, load_pairs
from sklearn_diffake.pairs._pairing import make_reference_pairs, make_same_video_pairs
from sklearn_diffake.pairs._scaler import DifferenceScaler
from sklearn_diffake.utils._modes import ModeError

__all__ = [
    "DifferenceScaler",
    "ModeError",
    "PairDifference",
    "TableError",
    "check_mode",
    "load_pairs",
    "make_reference_pairs",
    "make_same_video_pairs",
    "mode_of",
]
