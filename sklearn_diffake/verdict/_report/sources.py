"""The files, pictures and faces of a verdict, for its report."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.read import image_digest
from sklearn_diffake.inspection._split_pipeline import SplitPipeline
from sklearn_diffake.verdict._compared_images import ComparedImages
from sklearn_diffake.verdict._evidence import ImageEvidence, SideName, VerdictData

Picture = NDArray[np.uint8]
State = Literal["as compared", "changed", "not kept"]


@dataclass(frozen=True)
class ReportSource:
    """One picture or clip, with the rows of its images in `Verdict.images`.

    Parameters
    ----------
    side : {"reference", "probe"}
    number : int
        Counted from 1 on its side.
    path : str or None
    rows : tuple of int
        One for a picture; one for each frame of a clip.
    is_clip : bool
    """

    side: SideName
    number: int
    path: str | None
    rows: tuple[int, ...]
    is_clip: bool

    @property
    def title(self) -> str:
        """Such as ``"Probe 2"``."""
        return f"{self.side.capitalize()} {self.number}"


@dataclass(frozen=True)
class FileFacts:
    """Checksum and size of a source.

    Parameters
    ----------
    kind : str
        ``"SHA-256 of the file"``, ``"SHA-256 of the content"`` or ``"digest of the pixels"``.
    checksum : str or None
        Hexadecimal; None if the source cannot be read any more.
    size : int or None
        Bytes of the file.
    """

    kind: str
    checksum: str | None
    size: int | None = None


def sources_of(images: Sequence[ImageEvidence]) -> list[ReportSource]:
    """Group images by the picture or clip they come from, in their order."""
    groups: list[list[int]] = []
    for row, image in enumerate(images):
        if groups and _same_clip(images[groups[-1][-1]], image):
            groups[-1].append(row)
        else:
            groups.append([row])
    counts: Counter[str] = Counter()
    sources = []
    for rows in groups:
        first = images[rows[0]]
        counts[first.side] += 1
        sources.append(
            ReportSource(
                first.side, counts[first.side], first.path, tuple(rows), first.frame is not None
            )
        )
    return sources


def _same_clip(last: ImageEvidence, image: ImageEvidence) -> bool:
    """Whether an image is a further frame of the clip that another one is of."""
    if last.frame is None or image.frame is None:
        return False
    return (last.side, last.path) == (image.side, image.path) and image.frame > last.frame


class Pictures:
    """The pictures and crops that a verdict keeps, each read when it is requested.

    Parameters
    ----------
    verdict : VerdictData
        With or without its pictures.
    """

    def __init__(self, verdict: VerdictData) -> None:
        self._images: ComparedImages | None = verdict._compared_images
        self._unreadable: set[int] = set()
        self.picture = lru_cache(maxsize=4)(self._read)
        self.crop = lru_cache(maxsize=4)(self._crop)

    @property
    def available(self) -> bool:
        """Whether the verdict still holds its images."""
        return self._images is not None

    @property
    def pipeline(self) -> SplitPipeline | None:
        """The steps of the fitted model, or None."""
        return None if self._images is None else self._images.pipeline

    def state(self, row: int) -> State:
        """Return whether an image that was used still shows the same pixels."""
        if self._images is None:
            return "not kept"
        if self.crop(row) is not None:
            return "as compared"
        return "changed" if row in self._unreadable else "not kept"

    def _crop(self, row: int) -> Picture | None:
        """Return the aligned face of an image, None if that is not kept or its file has changed."""
        if self._images is None:
            return None
        try:
            return self._images.crop(row)
        except (OSError, ImageError):
            self._unreadable.add(row)
            return None

    def _read(self, row: int) -> Picture | None:
        """Return the whole picture or frame, None if it cannot be read any more."""
        if self._images is None:
            return None
        try:
            return self._images.picture(row)
        except (OSError, ImageError):  # the file was moved, deleted or changed since
            return None

    def facts(self, source: ReportSource) -> FileFacts:
        """Return the checksum of the file or its content, or of the pixels of an array."""
        if source.path is not None:
            return file_facts(source.path)
        item = None if self._images is None else self._images.sources[source.rows[0]]
        if isinstance(item, bytes):
            checksum = hashlib.sha256(item).hexdigest()
            return FileFacts("SHA-256 of the content", checksum, len(item))
        picture = self.picture(source.rows[0])
        digest = None if picture is None else image_digest(picture).hex()
        return FileFacts("digest of the pixels", digest)


def file_facts(path: str) -> FileFacts:
    """Return the checksum and the size of a file as it is now."""
    kind = "SHA-256 of the file"
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            return FileFacts(kind, hashlib.file_digest(file, "sha256").hexdigest(), size)
    except (OSError, ValueError):  # a ValueError if there is a null character in the path
        return FileFacts(kind, None)
