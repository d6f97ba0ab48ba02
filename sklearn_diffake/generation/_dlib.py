"""68 landmarks by dlib, an optional dependency."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.utils._optional import dlib_model_file, import_extra

_PURPOSE = "Landmarks by dlib"
_PREDICTOR = "shape_predictor_68_face_landmarks.dat"
# The median box of dlib's face detector on canonical crops, in fractions of the ArcFace
# crop: left, top, right, bottom. The predictor was trained on such boxes.
_FACE_BOX = (0.15, 0.23, 0.85, 1.0)


@cache
def _predictor() -> Any:
    dlib = import_extra("dlib", "dlib", _PURPOSE)
    return dlib.shape_predictor(str(dlib_model_file(_PREDICTOR, _PURPOSE)))


def dlib_landmarks(crop: NDArray[np.uint8], *, margin: float = 0.0) -> NDArray:
    """Find 68 landmarks in the pixels of a canonical crop with dlib.

    The predictor is an ensemble of regression trees [1]_. The alignment fixes the position of the
    face, so that no detector is run. The crop is extended by its edges where the box of the face
    exceeds it.

    Parameters
    ----------
    crop : ndarray of shape (S, S, 3), uint8
        RGB.
    margin : float, default=0.0
        `margin` of the `FaceAligner` that made the crop.

    Returns
    -------
    ndarray of shape (68, 2), float32
        (x, y) in pixels; points may lie outside the crop.

    Raises
    ------
    ImportError
        If dlib or its model is not installed.

    See Also
    --------
    fitted_shape : Landmarks without dlib, by a linear regression.
    mean_shape : Landmarks of the average face.

    References
    ----------
    .. [1] V. Kazemi, J. Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression
       Trees", CVPR 2014.

    Examples
    --------
    >>> from sklearn_diffake.faces import FaceAligner
    >>> from sklearn_diffake.generation import dlib_landmarks
    >>> from skimage.data import astronaut
    >>> crop = FaceAligner(112).fit_transform([astronaut()])[0]
    >>> dlib_landmarks(crop).shape
    (68, 2)
    """
    predictor = _predictor()
    import dlib

    size = len(crop)
    border = size // 4
    padded = np.pad(crop, ((border, border), (border, border), (0, 0)), mode="edge")
    box = (np.array(_FACE_BOX) + margin) / (1 + 2 * margin) * size + border
    shape = predictor(padded, dlib.rectangle(*np.rint(box).astype(int).tolist()))
    return np.array([[p.x - border, p.y - border] for p in shape.parts()], np.float32)
