"""Faces of the frames of the development clips, aligned once and kept beside the crops of photos.

Of each clip there are moments, evenly spaced, and at each moment frames that follow each other at
short lags: differences within a clip are measured at every lag.
"""

from __future__ import annotations

from typing import NamedTuple

import av
import numpy as np

from sklearn_diffake.embedding.backbones._packaged import CROP
from sklearn_diffake.faces import FaceAligner

N_MOMENTS = 24
LAGS = (0, 1, 4, 12)  # frames after the moment
N_JUDGED = 12  # frames of a mean verdict: of every second moment


class ClipFaces(NamedTuple):
    """Aligned faces of one clip.

    Attributes
    ----------
    name : str
    genuine : bool
    crops : ndarray of shape (N_MOMENTS, len(LAGS), size, size, 3), uint8
    landmarks : ndarray of shape (N_MOMENTS, len(LAGS), 5, 2), float
        In pixels of the crop.
    """

    name: str
    genuine: bool
    crops: np.ndarray
    landmarks: np.ndarray

    @property
    def judged(self):
        """Crops of N_JUDGED frames that are evenly spaced."""
        return np.ascontiguousarray(self.crops[:: N_MOMENTS // N_JUDGED, 0])


def clip_faces(data, folder):
    """Return the faces of all clips, from `folder` where they are there.

    Parameters
    ----------
    data : Path
        Holds ``clips/{real,fake}/*.mp4``.
    folder : Path
        Where crops are kept; one file per clip.

    Returns
    -------
    list of ClipFaces
    """
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for kind in ("real", "fake"):
        for path in sorted((data / "clips" / kind).glob("*.mp4")):
            file = folder / f"{kind}-{path.stem}.npz"
            if not file.exists():
                np.savez(file, **_align(path))
            with np.load(file) as arrays:
                clips.append(ClipFaces(path.stem, kind == "real", **arrays))
    return clips


def _align(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        n_frames = sum(1 for _ in container.decode(stream))
    moments = ((np.arange(N_MOMENTS) + 0.5) * (n_frames - max(LAGS)) / N_MOMENTS).astype(int)
    numbers = moments[:, None] + np.array(LAGS)
    images = {}
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                images[number] = frame.to_ndarray(format="rgb24")
    aligner = FaceAligner(**CROP._asdict(), on_missing="crop")
    faces = aligner.align([images[number] for number in numbers.ravel()])
    shape = numbers.shape
    crops, points = np.asarray(faces.crops), np.asarray(faces.crop_landmarks)
    return {
        "crops": crops.reshape(*shape, *crops.shape[1:]),
        "landmarks": points.reshape(*shape, 5, 2),
    }
