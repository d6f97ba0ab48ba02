"""Placeholder in a table for a template without a usable picture."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn_diffake.images.errors import ImageError

__all__ = ["MissingFace"]


@dataclass(frozen=True)
class MissingFace:
    """Placeholder of a template without a usable face.

    `FaceAligner` puts it into a cell, `FaceEmbedder` returns an embedding of NaN for it, and
    the score of the row is NaN.

    Attributes
    ----------
    reason : str
        Why there is none, without the location.
    row : int or None
        Row of the table, from 0.
    column : int or None
        0 for the reference, 1 for the probe.
    path : str or None
        The file, if the cell holds one.

    See Also
    --------
    FaceAligner : Returns placeholders, with ``on_missing="skip"``.

    Examples
    --------
    >>> from sklearn_diffake.faces import MissingFace
    >>> print(MissingFace("no face was found", row=3, column=1).error())
    row 3, column 1: no face was found
    """

    reason: str
    row: int | None = None
    column: int | None = None
    path: str | None = None

    def error(self) -> ImageError:
        """Return the placeholder as an error.

        Returns
        -------
        ImageError
            With row, column and file.
        """
        return ImageError(self.reason, row=self.row, column=self.column, path=self.path)
