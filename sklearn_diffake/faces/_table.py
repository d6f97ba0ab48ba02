"""Tell pairs from single images in every form they may come in."""

import os
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..images.errors import ImageError, describe_place

_EXPECTED = (
    "expected pairs, as a table or list of two images a row or an array of shape "
    "(n, 2, H, W, 3), or single images, as a list or an array of shape (n, H, W, 3)"
)


@dataclass(frozen=True)
class ImageTable:
    """The images of a table, each named once, and where each one stands.

    Attributes
    ----------
    sources : list
        Paths, PIL images and arrays; a path or an object that occurs often is listed once.
    index : ndarray of shape (n,) or (n, 2), intp
        Position in `sources` of every image of the table; two columns for pairs.
    """

    sources: list[Any]
    index: np.ndarray

    @property
    def is_pairs(self) -> bool:
        """Whether a row holds two images."""
        return self.index.ndim == 2

    def where(self, source: int) -> dict[str, Any]:
        """Return the first row and column, and the file, of ``sources[source]``."""
        position = np.argwhere(self.index == source)[0].tolist()
        item = self.sources[source]
        return {
            "row": position[0],
            "column": position[1] if self.is_pairs else None,
            "path": os.fspath(item) if isinstance(item, (str, os.PathLike)) else None,
        }

    def place(self, source: int) -> str:
        """Name the first row and column, and the file, of ``sources[source]``."""
        return describe_place(**self.where(source))

    def name(self, source: int) -> str:
        """Name the file of ``sources[source]``, or its place if it is none."""
        path = self.where(source)["path"]
        return self.place(source) if path is None else describe_place(path=path)


def image_table(X: Any) -> ImageTable:
    """Take a table of images apart, without reading any of them.

    Parameters
    ----------
    X : DataFrame, Series, array or list
        Pairs: an (n, 2) DataFrame or array of paths, PIL images or arrays, a list of 2-tuples,
        or an (n, 2, H, W, C) array. Single images: a Series, array or list of n of them, or an
        (n, H, W, C) array.

    Returns
    -------
    ImageTable
        Its `index` has shape (n, 2) for pairs and (n,) for single images.

    Raises
    ------
    ImageError
        If X is none of these, is empty, or a row does not hold exactly two images.
    """
    if hasattr(X, "iloc"):
        X = X.to_numpy(dtype=object)
    if not _is_table(X):
        raise ImageError(f"X is a single {type(X).__name__}, {_EXPECTED}")
    if len(X) == 0:
        raise ImageError(f"X has 0 rows, {_EXPECTED}")
    if isinstance(X, np.ndarray) and X.dtype.kind not in "OUS":
        return _from_dense(X)
    rows = [_row_images(row, i) for i, row in enumerate(X)]
    width = len(rows[0])
    for i, row in enumerate(rows):
        if len(row) != width:
            raise ImageError(
                f"row {i} has {len(row)} image(s), row 0 has {width}: every row must be a pair "
                "(two images), or every row a single image"
            )
    return _from_rows(rows)


def _is_table(X: Any) -> bool:
    """Whether X has rows in a certain order."""
    if isinstance(X, (str, bytes, os.PathLike, Mapping, Set)) or not hasattr(X, "__len__"):
        return False
    return np.ndim(X) > 0 if hasattr(X, "__array__") else True


def _from_dense(X: np.ndarray) -> ImageTable:
    if X.ndim == 5 and X.shape[1] == 2:
        sources = [image for pair in X for image in pair]
        return ImageTable(sources, np.arange(len(sources)).reshape(-1, 2))
    if X.ndim == 4 and X.shape[-1] in (1, 3, 4):
        return ImageTable(list(X), np.arange(len(X)))
    raise ImageError(f"X is an array of shape {X.shape}, {_EXPECTED}")


def _is_image(item: Any) -> bool:
    """Whether an item is one image (or claims to be), not a row of several."""
    if isinstance(item, np.ndarray):
        return item.dtype.kind not in "OUS" and item.ndim != 4
    return not isinstance(item, (list, tuple))


def _row_images(row: Any, i: int) -> tuple[Any, ...]:
    if _is_image(row):
        return (row,)
    images = tuple(row)
    if len(images) != 2:
        raise ImageError(
            f"row {i} has {len(images)} image(s), a pair has two: (reference, probe) or two "
            "frames of one video"
        )
    return images


def _from_rows(rows: list[tuple[Any, ...]]) -> ImageTable:
    seen: dict[Any, int] = {}
    sources: list[Any] = []
    width = len(rows[0])
    index = np.empty((len(rows), width), dtype=np.intp)
    for i, row in enumerate(rows):
        for j, item in enumerate(row):
            path = isinstance(item, (str, os.PathLike))
            token = os.fspath(item) if path else id(item)
            if token not in seen:
                seen[token] = len(sources)
                sources.append(item)
            index[i, j] = seen[token]
    return ImageTable(sources, index if width == 2 else index[:, 0])
