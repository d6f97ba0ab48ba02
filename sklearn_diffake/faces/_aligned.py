"""AlignedFaces: crops, and the detection result of each picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.images.missing import MissingFace


class VideoDamage(NamedTuple):
    """The damage of a video.

    Attributes
    ----------
    n_lost : int
        Chosen frames that cannot be decoded and are skipped.
    description : str
        Of these frames, of missing frames at the end, and of frames that depend on damaged ones.
    """

    n_lost: int
    description: str


@dataclass(frozen=True, eq=False)
class AlignedFaces:
    """The result of `FaceAligner.align`: crops, and for each picture the detected faces.

    Except `crops` and `counts`, every attribute is an array with one entry for each picture of each
    cell, in the order of rows, columns, and pictures of a template. A video has one entry for each
    of its frames. So for pairs of single pictures ``box.reshape(-1, 2, 4)`` has one box for each
    cell.

    Attributes
    ----------
    crops : ndarray
        As returned by `FaceAligner.transform`.
    counts : dict of str to int
        Distinct pictures (paths, objects and frames): `images`, `found` (with a face), `missing`
        (without one), `several` (with more than one).
    row, column, position : ndarray of shape (m,), int
        Location of the picture: row and column of the table (0 for single pictures), and position
        in the template.
    path : ndarray of shape (m,), object
        The file; None for objects.
    frame : ndarray of shape (m,), int
        Number of the frame in its video; -1 for a picture.
    time : ndarray of shape (m,), float64
        Seconds since the first frame of the video; NaN for a picture.
    n_faces : ndarray of shape (m,), int
        Number of detected faces.
    face : ndarray of shape (m,), int
        Number of the chosen face; 0 is the largest, -1 means none.
    chosen_by : ndarray of shape (m,), object
        Rule of the choice: ``"only face"``, ``"largest"``, ``"confident"``, ``"central"``,
        ``"match"``, or ``"center"`` for the center of a picture without a face; None if there
        is no crop.
    similarity : ndarray of shape (m,), float64
        With ``"match"``, cosine similarity to the most similar face of the other cell (in further
        pictures of a template, to the mean of these two); else NaN.
    box : ndarray of shape (m, 4), float32
        Left, top, right and bottom of the face in the picture, in pixels; NaN without a face.
    probability : ndarray of shape (m,), float32
        Confidence of the detector, in [0, 1]; NaN without a face.
    landmarks : ndarray of shape (m, 5, 2), float32
        (x, y) of left eye, right eye, nose, left and right corner of the mouth in the picture, in
        pixels; NaN without a face.
    matrix : ndarray of shape (m, 2, 3), float64
        Affine map from the picture's pixels to the crop's; NaN without a crop.
    reason : ndarray of shape (m,), object
        Why the picture has no face, or cannot be read; None if it has one.
    is_missing : ndarray of shape (n, 2) or (n,), bool
        Cells of which no picture has a face. They hold a `MissingFace`, or the center of the
        picture, by ``on_missing``.
    damages : dict of str to VideoDamage
        The damage of each damaged video, by path.

    See Also
    --------
    FaceAligner : Aligns faces.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sklearn_diffake.faces import FaceAligner
    >>> photo = astronaut()
    >>> faces = FaceAligner(112).align([(photo, photo)])
    >>> faces.n_faces, faces.counts["several"]
    (array([1, 1]), 0)
    >>> bool((faces.eye_distance > 30).all())
    True
    """

    crops: NDArray[Any]
    counts: dict[str, int]
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    position: NDArray[np.intp]
    path: NDArray[np.object_]
    frame: NDArray[np.intp]
    time: NDArray[np.float64]
    n_faces: NDArray[np.intp]
    face: NDArray[np.intp]
    chosen_by: NDArray[np.object_]
    similarity: NDArray[np.float64]
    box: NDArray[np.float32]
    probability: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    matrix: NDArray[np.float64]
    reason: NDArray[np.object_]
    is_missing: NDArray[np.bool_]
    damages: dict[str, VideoDamage] = field(default_factory=dict)

    @property
    def face_size(self) -> NDArray[np.float32]:
        """Side of the face in pixels, the root of its area; shape (m,), NaN without a face."""
        left, top, right, bottom = self.box.T
        return np.sqrt((right - left) * (bottom - top))

    @property
    def eye_distance(self) -> NDArray[np.float32]:
        """Distance between the eyes in pixels; shape (m,), NaN without a face."""
        return np.linalg.norm(self.landmarks[:, 0] - self.landmarks[:, 1], axis=1)

    @property
    def crop_landmarks(self) -> NDArray[np.float32]:
        """(x, y) of the five landmarks in the crop; shape (m, 5, 2), NaN without a face."""
        linear, shift = self.matrix[..., :2], self.matrix[..., 2]
        points = self.landmarks @ linear.swapaxes(-1, -2) + shift[..., None, :]
        return points.astype(np.float32)

    @property
    def missing(self) -> NDArray[np.intp]:
        """Row and column (for single pictures the row) of each missing cell, see `is_missing`."""
        cells = np.argwhere(self.is_missing)
        return cells if self.is_missing.ndim == 2 else cells[:, 0]

    @property
    def row_reasons(self) -> list[str | None]:
        """For each row the reason why a cell has no crop, with column and file; None if all have.

        With ``on_missing="warn"`` and ``"crop"``, the crop of a cell without a face is its center.
        """
        reasons: list[str | None] = [None] * len(self.is_missing)
        cells = (self.is_missing & self._without_crop()).reshape(len(reasons), -1)
        for i in np.flatnonzero(cells[self.row, self.column])[::-1].tolist():
            reasons[self.row[i]] = self._describe(i)
        return reasons

    def _without_crop(self) -> NDArray[np.bool_]:
        """Return a mask of the cells that hold a placeholder."""
        if self.crops.dtype != object:
            return np.zeros(self.is_missing.shape, dtype=bool)
        placeholders = [isinstance(cell, MissingFace) for cell in self.crops.ravel()]
        return np.array(placeholders, dtype=bool).reshape(self.is_missing.shape)

    def _describe(self, i: int) -> str:
        from sklearn_diffake.images.errors import ImageError

        column = int(self.column[i]) if self.is_missing.ndim == 2 else None
        return str(ImageError(self.reason[i], column=column, path=self.path[i]))
