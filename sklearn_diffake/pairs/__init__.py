"""Form pairs of images, and compute differences of their embeddings."""

from typing import TYPE_CHECKING

from sklearn_diffake.utils._lazy_names import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "DifferenceScaler": "._scaler",
        "ModeError": "sklearn_diffake.utils._modes",
        "PairDifference": "._difference",
        "TableError": "._pair_table",
        "check_mode": "._mode",
        "load_pairs": "._pair_table",
        "make_reference_pairs": "._pairing",
        "make_same_video_pairs": "._pairing",
        "mode_of": "._mode",
    },
)
