"""A photograph of a pair, its aligned crop, and its maps."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.faces import FaceAligner, ImageError, read_image

SIDES = ("reference", "probe")


@dataclass(frozen=True, eq=False)
class ExplainedPhoto:
    """A photograph, its aligned crop, and maps of relevant regions.

    Attributes
    ----------
    name : str or None
        Path of the photograph; None for an image in memory.
    image : ndarray of shape (H, W, 3), uint8
        The photograph, RGB, upright.
    crop : ndarray of shape (h, w, 3), uint8
        Input of the embedder: the aligned face, or `image` if the pipeline does not align.
    matrix : ndarray of shape (2, 3), float64
        Affine map from the photograph's pixels (x, y) to those of the crop.
    maps : dict of str to ndarray of shape (h, w), float64
        Maps by method, in pixels of the crop; see `PairExplanation`.

    See Also
    --------
    explain_pair : Computes the maps.
    PairExplanation : The explanation that photographs are part of.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.inspection import ExplainedPhoto
    >>> crop = np.zeros((4, 4, 3), np.uint8)
    >>> double = np.array([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]])     # the crop is half as large
    >>> photo = ExplainedPhoto(None, np.zeros((8, 8, 3), np.uint8), crop, double)
    >>> photo.maps["occlusion"] = np.eye(4)[::-1] * np.arange(4)  # greatest at (x=3, y=0)
    >>> photo.peak("occlusion")
    (7.0, 1.0)
    """

    name: str | None
    image: NDArray[np.uint8]
    crop: NDArray[np.uint8]
    matrix: NDArray[np.float64]
    maps: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def corners(self) -> NDArray[np.float64]:
        """Corners of the crop in the photograph: (4, 2), (x, y), clockwise from the top left."""
        height, width = self.crop.shape[:2]
        return self._to_photo([[0, 0], [width, 0], [width, height], [0, height]])

    def in_photo(self, method: str) -> NDArray[np.float32]:
        """Resample a map to the pixels of the photograph.

        Parameters
        ----------
        method : str
            A key of `maps`.

        Returns
        -------
        ndarray of shape (H, W), float32
            NaN outside of the crop.

        Raises
        ------
        KeyError
            If there is no such map.
        """
        return lay_over(self._map(method), self.matrix, self.image.shape[:2])

    def peak(self, method: str) -> tuple[float, float]:
        """Return the position of the maximum of a map.

        Parameters
        ----------
        method : str
            A key of `maps`.

        Returns
        -------
        x, y : float
            In pixels of the photograph, whose top left corner is (0, 0); of several equal
            maxima, the one closest to their mean.
        """
        values = self._map(method)
        maxima = np.argwhere(values == values.max())[:, ::-1]
        middle = np.square(maxima - maxima.mean(axis=0)).sum(axis=1).argmin()
        x, y = self._to_photo(maxima[middle] + 0.5).tolist()
        return x, y

    def _to_photo(self, points: Any) -> NDArray[np.float64]:
        inverse = np.linalg.inv(np.vstack([self.matrix, [0, 0, 1]]))[:2]
        return np.asarray(points, dtype=np.float64) @ inverse[:, :2].T + inverse[:, 2]

    def _map(self, method: str) -> NDArray[np.float64]:
        if method not in self.maps:
            raise KeyError(f"there is no map {method!r}, only {sorted(self.maps)}")
        return self.maps[method]


def lay_over(
    values: NDArray[np.float64], matrix: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Resample a map to the pixels of the picture from which it was computed.

    Parameters
    ----------
    values : ndarray of shape (h, w)
    matrix : ndarray of shape (2, 3)
        Affine map from the picture's pixels to those of `values`.
    shape : (int, int)
        Height and width of the picture.

    Returns
    -------
    ndarray of that shape, float32
        NaN outside of `values`.
    """
    from PIL import Image

    overlay = Image.fromarray(values.astype(np.float32)).transform(
        (shape[1], shape[0]),
        Image.Transform.AFFINE,  # the matrix maps pixels of the picture to the map
        tuple(matrix.ravel()),
        resample=Image.Resampling.BILINEAR,
    )
    x, y = np.arange(shape[1]) + 0.5, np.arange(shape[0])[:, None] + 0.5
    (a, b, c), (d, e, f) = matrix
    u, v = a * x + b * y + c, d * x + e * y + f
    inside = (u >= 0) & (u < values.shape[1]) & (v >= 0) & (v < values.shape[0])
    return np.where(inside, np.asarray(overlay), np.float32(np.nan))


def read_pair(aligner: FaceAligner | None, reference: Any, probe: Any) -> list[ExplainedPhoto]:
    """Read and align two photographs; each face is detected once.

    Raises
    ------
    ImageError
        If one of them cannot be read or has no face; the message names it.
    """
    photos = []
    for column, source in enumerate((reference, probe)):
        name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
        try:
            image = read_image(source)
            crop, matrix = image, np.eye(3)[:2]
            if aligner is not None:
                crop, matrix = _align(aligner, image)
        except ImageError as error:
            raise error.at(row=None, column=column, path=name) from error
        photos.append(ExplainedPhoto(name, image, crop, matrix))
    return photos


def _align(aligner: FaceAligner, image: NDArray) -> tuple[NDArray, NDArray]:
    """Return the crop of a photograph, and the matrix from photograph to crop."""
    import copy

    faces = copy.copy(aligner).set_params(shared=False).align([image])
    return faces.crops[0], faces.matrix[0]
