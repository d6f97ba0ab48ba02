"""Edits of a face that need no OpenCV."""

import numpy as np

from sklearn_diffake.generation._edits import match_colors


def test_colours_are_matched_only_where_something_is_inserted():
    rng = np.random.default_rng(0)
    source, face = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    nowhere = np.zeros((8, 8), dtype=bool)
    assert match_colors(source, face, nowhere, 1.0) is source
    matched = match_colors(source, face // 4, ~nowhere, 1.0)
    assert np.abs(matched.mean((0, 1)) - (face // 4).mean((0, 1))).max() < 10
