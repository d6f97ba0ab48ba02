"""Short clips made of one photograph each: what frames of one video differ by, without a video.

A photograph is moved a little from frame to frame and coded as one clip. In the fake of it, every
frame is forged by itself, as face swaps are: with the same technique and mask, at a new position.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from sklearn_diffake.generation import apply_pair, draw
from sklearn_diffake.generation._codec import code_frames
from sklearn_diffake.generation._degradation import draw_degradation, draw_views, move
from sklearn_diffake.generation._landmarks import place_landmarks

N_FRAMES = 4


class StandIns(NamedTuple):
    """Frames of clips of photographs.

    Attributes
    ----------
    genuine, fake : ndarray of shape (n, N_FRAMES, S, S, 3), uint8
    """

    genuine: np.ndarray
    fake: np.ndarray


def stand_in_clips(crops, margin, seed=0):
    """Make a genuine and a fake clip of every photograph.

    Parameters
    ----------
    crops : ndarray of shape (n, S, S, 3), uint8
        Aligned.
    margin : float
        Of the crops.
    seed : int

    Returns
    -------
    StandIns
    """
    landmarks = place_landmarks(crops, landmarks="mean-shape", margin=margin)
    clips = [
        _clips_of(crop, points, np.random.default_rng([seed, row]))
        for row, (crop, points) in enumerate(zip(crops, landmarks, strict=True))
    ]
    return StandIns(*(np.stack(kind) for kind in zip(*clips, strict=True)))


def _clips_of(crop, points, rng):
    views = [draw_views(rng)[0] for _ in range(N_FRAMES)]
    codec = _codec(rng)
    forged = draw(rng, "difffake", blending="yuv420")
    fakes = []
    for _ in range(N_FRAMES):
        warped_record = {**forged, "geometry": draw(rng, "self_blend_global")["geometry"]}
        fakes.append(apply_pair(warped_record, crop, points))
    real = fakes[0][0]  # in the colors of video, as the fakes are
    moved_points = [
        [move(cv2, frame, view) for frame, view in zip(frames, views, strict=True)]
        for frames in ([real] * N_FRAMES, [fake for _, fake, _ in fakes])
    ]
    return [np.stack(code_frames(frames, **codec)) for frames in moved_points]


def _codec(rng):
    while (clip := draw_degradation(rng)["clip"]) is None:
        pass
    return {name: clip[name] for name in ("codec", "quality", "chroma")}
