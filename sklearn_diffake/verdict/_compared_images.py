"""The pictures behind a verdict, read again when they are requested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.faces._geometry import warp
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.read import image_digest, read_image
from sklearn_diffake.inspection._split_pipeline import SplitPipeline
from sklearn_diffake.verdict._inputs import Source
from sklearn_diffake.verdict._model import JudgingModel
from sklearn_diffake.verdict._templates import Template

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ComparedImages:
    """The images of a verdict.

    Pixels are not held: files and clips are read again.

    Attributes
    ----------
    model : JudgingModel
    templates : tuple of (Template, Template)
        Reference and probe.
    """

    model: JudgingModel
    templates: tuple[Template, Template]

    @property
    def pipeline(self) -> SplitPipeline:
        """The steps of the fitted model."""
        return self.model.pipeline

    @property
    def sources(self) -> list[Any]:
        """A path, content or pixels for each image; None if that was not kept."""
        sources = [self._locate(i)[0] for i in range(len(self))]
        return [None if source is None else source.item for source in sources]

    def __len__(self) -> int:
        return sum(len(template.images) for template in self.templates)

    def picture(self, i: int) -> Pixels | None:
        """Return a whole picture or frame.

        Parameters
        ----------
        i : int
            Position in `Verdict.images`.

        Returns
        -------
        ndarray of shape (H, W, 3), uint8, or None
            None for an image of a reference that was loaded from a file.

        Raises
        ------
        ImageError
            If it cannot be read (any more).
        """
        source, template, number = self._locate(i)
        if source is None:
            return None
        frame = template.images[number].frame
        with source.opened() as item:
            if frame is None:
                return read_image(item)
            from sklearn_diffake.images.video import read_frames

            return next(read_frames(item, [frame], on_damage="skip")).image

    def crop(self, i: int) -> Pixels | None:
        """Return the crop of an image that was embedded.

        Parameters
        ----------
        i : int
            Position in `Verdict.images`.

        Returns
        -------
        ndarray of shape (S, S, 3), uint8, or None
            None for an image that was not used, or of a reference that was loaded from a file.

        Raises
        ------
        ImageError
            If the file cannot be read, or was changed since the verdict.
        """
        _, template, number = self._locate(i)
        digest = template.digests[number]
        if digest is None or not template.images[number].used:
            return None
        picture = self.picture(i)
        if picture is None:
            return None
        aligner, matrix = self.pipeline.aligner, template.matrices[number]
        crop = picture if aligner is None else warp(picture, matrix, aligner.size)
        if image_digest(crop) != digest:
            message = "the picture was changed since the verdict"
            raise ImageError(message, path=template.images[number].path)
        return crop

    def _locate(self, i: int) -> tuple[Source | None, Template, int]:
        """Return the source, the template and the position in it of an image."""
        reference, probe = self.templates
        if not 0 <= i < len(self):
            raise IndexError(f"there is no image {i}, the verdict has {len(self)}")
        n = len(reference.images)
        template, number = (reference, i) if i < n else (probe, i - n)
        if template.side is None:
            return None, template, number
        return template.side.sources[template.sources[number]], template, number
