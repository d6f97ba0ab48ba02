"""What a side of a verdict is given as: pictures, folders, patterns, clips; nothing is decoded."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..images.errors import ImageError
from ..images.formats import file_format
from ..utils._natural import natural_key

_NAMES = ("reference", "probe")  # of the sides


@dataclass(frozen=True, eq=False)
class Source:
    """One picture or clip.

    Attributes
    ----------
    item : str, bytes, PIL image or ndarray
        A path, the content of a file, or pixels.
    is_clip : bool
        Whether it has frames.
    """

    item: Any
    is_clip: bool

    @property
    def path(self) -> str | None:
        """The file; None for content and pixels."""
        return self.item if isinstance(self.item, str) else None

    @contextlib.contextmanager
    def opened(self) -> Iterator[Any]:
        """Yield what the aligner takes; the content of a clip is a file for so long.

        Yields
        ------
        str, bytes, PIL image or ndarray
        """
        if not (self.is_clip and isinstance(self.item, bytes)):
            yield self.item
            return
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # mode 0700
            path = os.path.join(folder, "clip")
            with open(path, "wb") as file:
                file.write(self.item)
            yield path


@dataclass(frozen=True, eq=False)
class Side:
    """The pictures and clips of one side.

    Attributes
    ----------
    sources : tuple of Source
        At least one.
    skipped : tuple of str
        Files of folders and patterns that are neither pictures nor videos.
    """

    sources: tuple[Source, ...]
    skipped: tuple[str, ...] = ()

    @property
    def has_clip(self) -> bool:
        """Whether a source is a clip."""
        return any(source.is_clip for source in self.sources)

    def key(self) -> tuple[Any, ...]:
        """Return what is equal for sides of the same unchanged files or the same objects."""
        return tuple(_source_key(source.item) for source in self.sources)


def read_side(given: Any, column: int) -> Side:
    """List the pictures and clips that a user gives for one side.

    Parameters
    ----------
    given : str, Path, bytes, file object, PIL image, ndarray, or list or tuple of these
        A path may be that of a folder, or a pattern such as ``"photos/*.jpg"``.
    column : int
        0 for the reference, 1 for the probe.

    Returns
    -------
    Side

    Raises
    ------
    ImageError
        If there is nothing: an empty list, folder or pattern. It has `column` and `path`.
    TypeError
        If it is of another type.
    """
    sources: list[Source] = []
    skipped: list[str] = []
    _add(given, column, sources, skipped)
    if not sources:
        raise ImageError("the list is empty; expected one picture at least", column=column)
    return Side(tuple(sources), tuple(skipped))


def read_clip(given: Any) -> Side:
    """Read what a user gives to be judged by itself: one clip.

    Parameters
    ----------
    given : str, Path, bytes, file object, or list or tuple of one of these
        As for `read_side`.

    Returns
    -------
    Side
        Of one source. It may be a file that cannot be read, but is no photograph.

    Raises
    ------
    ImageError
        If it is a photograph, or there are several pictures or clips. It has `column` and `path`.
    TypeError
        If it is of another type.
    """
    side = read_side(given, 1)
    first = side.sources[0]
    if len(side.sources) > 1:
        raise ImageError(
            f"same-video mode judges one clip, and here are {len(side.sources)} pictures or clips: "
            "judge each clip by itself, or give a reference",
            column=1,
            path=first.path,
        )
    in_memory = not isinstance(first.item, (str, bytes))
    if not first.is_clip and (in_memory or file_format(first.item).is_image):
        raise ImageError(
            "a photograph by itself cannot be judged: same-video mode compares the frames of a "
            "clip. Give a reference: trusted pictures of the person",
            column=1,
            path=first.path,
        )
    return side


def _add(given: Any, column: int, sources: list[Source], skipped: list[str]) -> None:
    if isinstance(given, (str, os.PathLike)):
        _add_path(os.fsdecode(given), column, sources, skipped)
    elif isinstance(given, (bytes, bytearray, memoryview)):
        content = bytes(given)
        sources.append(Source(content, file_format(content).is_video))
    elif _is_list(given):
        for item in given:
            _add(item, column, sources, skipped)
    elif callable(getattr(given, "read", None)):
        _add(_content_of(given, column), column, sources, skipped)
    elif _is_picture(given):
        sources.append(Source(given, False))
    else:
        raise TypeError(
            f"{_NAMES[column]}: expected a path, bytes, a binary file object, a PIL image, an "
            f"array of shape (H, W, 3), or a list of these, got {type(given).__name__}"
        )


def _add_path(path: str, column: int, sources: list[Source], skipped: list[str]) -> None:
    if os.path.isdir(path):
        with os.scandir(path) as entries:
            files = [e.path for e in entries if e.is_file() and not e.name.startswith(".")]
        _add_files(files, path, column, sources, skipped)
    elif glob.has_magic(path) and not os.path.lexists(path):
        files = _different([f for f in glob.glob(path, recursive=True) if os.path.isfile(f)])
        _add_files(files, path, column, sources, skipped)
    else:
        sources.append(Source(path, file_format(path).is_video))


def _different(files: Sequence[str]) -> list[str]:
    """Return each file once, by its shortest path: links to folders may lead in circles."""
    by_place: dict[str, str] = {}
    for file in sorted(files, key=len):
        by_place.setdefault(os.path.realpath(file), file)
    return list(by_place.values())


def _add_files(
    files: Sequence[str], place: str, column: int, sources: list[Source], skipped: list[str]
) -> None:
    """Add the pictures and videos among the files of a folder or pattern."""
    n_before = len(sources)
    for file in sorted(files, key=natural_key):
        kind = file_format(file)
        if kind.is_image or kind.is_video:
            sources.append(Source(file, kind.is_video))
        else:
            skipped.append(file)
    if len(sources) == n_before:
        what = (
            "matches no picture or video"
            if not os.path.isdir(place)
            else ("the folder holds no picture or video")
        )
        more = f" ({len(files)} other files)" if files else ""
        raise ImageError(f"{what}{more}", column=column, path=place)


def _is_list(given: Any) -> bool:
    if isinstance(given, np.ndarray):
        return given.ndim == 4 or (given.ndim == 1 and given.dtype.kind in "OUT")
    return isinstance(given, (list, tuple))


def _is_picture(given: Any) -> bool:
    from PIL import Image

    return isinstance(given, Image.Image) or (hasattr(given, "__array__") and np.ndim(given) >= 2)


def _content_of(file: Any, column: int) -> bytes:
    content = file.read()
    if not isinstance(content, bytes):
        raise TypeError(
            f"{_NAMES[column]}: the file is open as text; open it in binary mode, as with 'rb'"
        )
    return content


def _source_key(item: Any) -> Any:
    if not isinstance(item, str):
        return id(item)
    try:
        status = os.stat(item)
    except (OSError, ValueError):
        return item
    return item, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
