"""Errors of images and videos, with row, column, file and frame as attributes."""

from __future__ import annotations

import os
from typing import Any, Self

__all__ = ["ImageError", "VideoError", "describe_place"]

_SIDES = ("reference", "probe")  # columns of a table of pairs


class ImageError(ValueError):
    """An image that cannot be used.

    Its text is composed of the attributes: ``row 3, column 1, file 'x.jpg': message``. Programs
    should read the attributes and not parse the text.

    Parameters
    ----------
    message : str
        The problem, without the location.
    row : int, default=None
        Row of the table, from 0.
    column : int, default=None
        Column of the table: 0 the reference, 1 the probe.
    path : str or path-like, default=None
        The file.
    frame : int, default=None
        Number of the frame in a video, from 0.

    Attributes
    ----------
    message : str
        As given.
    row, column, frame : int or None
        As given.
    path : str or None
        The file.

    See Also
    --------
    read_image : Reads one image.
    MissingFace : Placeholder of a template without a usable face.
    sklearn_diffake.datasets.VideoError : The same for a video.

    Examples
    --------
    >>> from sklearn_diffake.faces import ImageError
    >>> error = ImageError("the file is empty", path="x.jpg")
    >>> print(error.at(row=3, column=1))
    row 3, column 1, file 'x.jpg': the file is empty
    >>> error.at(row=3).row
    3
    """

    def __init__(
        self,
        message: str,
        *,
        row: int | None = None,
        column: int | None = None,
        path: str | os.PathLike[str] | None = None,
        frame: int | None = None,
    ) -> None:
        self.message = str(message)
        self.row = None if row is None else int(row)
        self.column = None if column is None else int(column)
        self.path = None if path is None else os.fsdecode(path)
        self.frame = None if frame is None else int(frame)
        super().__init__(self._compose())

    def at(self, **location: Any) -> Self:
        """Return a copy with another location.

        Parameters
        ----------
        **location : row, column, path or frame
            New values of these attributes; the others stay.

        Returns
        -------
        ImageError
            Of the same class.
        """
        return type(self)(self.message, **(self._location() | location))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.message, self._location())

    def _location(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("row", "column", "path", "frame")}

    def _compose(self) -> str:
        location = describe_place(**self._location())
        return f"{location}: {self.message}" if location else self.message


def describe_place(
    *,
    row: int | None = None,
    column: int | None = None,
    path: str | None = None,
    frame: int | None = None,
) -> str:
    """Describe the location of an image.

    Parameters
    ----------
    row, column : int, default=None
        In a table of images, from 0. Without a row, columns are named "reference" and "probe".
    path : str, default=None
        The file. It is quoted, so that no name can look like anything else.
    frame : int, default=None
        Number of the frame in a video, from 0.

    Returns
    -------
    str
        Such as ``row 3, column 1, file 'x.jpg'``; empty if nothing is given.

    Examples
    --------
    >>> from sklearn_diffake.images.errors import describe_place
    >>> describe_place(column=1, path="x.jpg")
    "probe, file 'x.jpg'"
    """
    fields = [("row", row), ("column", column), ("file", path), ("frame", frame)]
    descriptions = [f"{name} {value!r}" for name, value in fields if value is not None]
    if row is None and column is not None and 0 <= column < len(_SIDES):
        descriptions[0] = _SIDES[column]
    return ", ".join(descriptions)


class VideoError(ImageError):
    """A video that cannot be used.

    Parameters
    ----------
    message : str
        The problem, without the location.
    row : int, default=None
        Row of the table, from 0.
    column : int, default=None
        Column of the table: 0 the reference, 1 the probe.
    path : str or path-like, default=None
        The file.
    frame : int, default=None
        Number of the frame in the video, from 0.

    See Also
    --------
    sklearn_diffake.faces.ImageError : Error of images, with the same attributes.

    Examples
    --------
    >>> from sklearn_diffake.datasets import VideoError, extract_frames
    >>> try:
    ...     extract_frames("no-such-video.mp4")
    ... except VideoError as error:
    ...     print(error.message)
    no such file
    """


def _restore(kind: type[ImageError], message: str, location: dict[str, Any]) -> ImageError:
    """Rebuild an error when it is unpickled."""
    return kind(message, **location)
