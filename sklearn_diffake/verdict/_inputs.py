"""The inputs of verdicts: pictures, folders, patterns and clips of a side; nothing is decoded."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.formats import file_format
from sklearn_diffake.images.read import image_digest
from sklearn_diffake.utils._names import natural_key
from sklearn_diffake.verdict._evidence import SideName

#: Frames of a clip that are used unless the caller sets another number.
N_FRAMES = 24
#: The sides of a verdict, by column.
SIDES: tuple[SideName, ...] = ("reference", "probe")


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
        """Yield an input of the aligner; the content of a clip is a temporary file.

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
        """Return a key, equal for sides of the same unchanged files or the same pixels."""
        return tuple(_source_key(source.item) for source in self.sources)


def read_side(value: Any, column: int) -> Side:
    """List the pictures and clips of one side.

    Parameters
    ----------
    value : str, Path, bytes, file object, PIL image, ndarray, or list or tuple of these
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
    _add(value, column, sources, skipped)
    if not sources:
        raise ImageError("the list is empty; expected one picture at least", column=column)
    return Side(tuple(sources), tuple(skipped))


def read_clip(value: Any) -> Side:
    """Read the clip that is judged by itself.

    Parameters
    ----------
    value : str, Path, bytes, file object, or list or tuple of one of these
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
    side = read_side(value, 1)
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


def _add(value: Any, column: int, sources: list[Source], skipped: list[str]) -> None:
    if isinstance(value, (str, os.PathLike)):
        _add_path(os.fsdecode(value), column, sources, skipped)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        content = bytes(value)
        sources.append(Source(content, file_format(content).is_video))
    elif _is_list(value):
        for item in value:
            _add(item, column, sources, skipped)
    elif callable(getattr(value, "read", None)):
        _add(_content_of(value, column), column, sources, skipped)
    elif _is_picture(value):
        sources.append(Source(value, False))
    else:
        raise TypeError(
            f"{SIDES[column]} must be a path, bytes, a binary file object, a PIL image, an "
            f"array of shape (H, W, 3), or a list of these, got {type(value).__name__}"
        )


def _add_path(path: str, column: int, sources: list[Source], skipped: list[str]) -> None:
    if os.path.isdir(path):
        with os.scandir(path) as entries:
            files = [e.path for e in entries if not e.name.startswith(".") and names_file(e.path)]
        _add_files(files, path, column, sources, skipped)
    elif glob.has_magic(path) and not os.path.lexists(path):
        files = distinct_files([f for f in glob.glob(path, recursive=True) if names_file(f)])
        _add_files(files, path, column, sources, skipped)
    else:
        sources.append(Source(path, file_format(path).is_video))


def names_file(path: str) -> bool:
    """Return whether a path is that of a file, or of a symbolic link whose file is missing.

    Parameters
    ----------
    path : str

    Returns
    -------
    bool
    """
    return os.path.isfile(path) or (os.path.islink(path) and not os.path.exists(path))


def distinct_files(files: Sequence[str]) -> list[str]:
    """Return each file once, by its shortest path: links to folders may lead in circles.

    Parameters
    ----------
    files : sequence of str

    Returns
    -------
    list of str
    """
    by_real_path: dict[str, str] = {}
    for file in sorted(files, key=len):
        by_real_path.setdefault(os.path.realpath(file), file)
    return list(by_real_path.values())


def _add_files(
    files: Sequence[str], location: str, column: int, sources: list[Source], skipped: list[str]
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
        is_folder = os.path.isdir(location)
        problem = "the folder holds" if is_folder else "matches"
        count = f" ({len(files)} other files)" if files else ""
        raise ImageError(f"{problem} no picture or video{count}", column=column, path=location)


def _is_list(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 4 or (value.ndim == 1 and value.dtype.kind in "OUT")
    return isinstance(value, (list, tuple))


def _is_picture(value: Any) -> bool:
    from PIL import Image

    return isinstance(value, Image.Image) or (hasattr(value, "__array__") and np.ndim(value) >= 2)


def _content_of(file: Any, column: int) -> bytes:
    content = file.read()
    if not isinstance(content, bytes):
        raise TypeError(
            f"{SIDES[column]}: the file is open as text; open it in binary mode, as with 'rb'"
        )
    return content


def copy_pixels(value: Any) -> Any:
    """Copy arrays and buffers, as a generator may put its next image into the same one.

    Parameters
    ----------
    value : object
        As for `read_side`.

    Returns
    -------
    object
        The same with its arrays and byte buffers copied.
    """
    if isinstance(value, (list, tuple)):
        return [copy_pixels(item) for item in value]
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return np.array(value) if hasattr(value, "__array__") else value


def _source_key(item: Any) -> Any:
    if not isinstance(item, str):
        pixels = np.asarray(item) if hasattr(item, "__array__") else None
        if pixels is None or pixels.dtype.kind not in "biuf":
            return id(item)
        return pixels.dtype.str, image_digest(pixels)  # the caller may change them
    try:
        status = os.stat(item)
    except (OSError, ValueError):
        return item
    return item, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_positive(name: str, value: Any) -> None:
    """Raise an error unless a number is a positive integer.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
