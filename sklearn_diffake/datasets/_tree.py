"""What the readers of published datasets share: rows, folders, lists, and what to say if absent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sklearn_diffake.images.formats import file_format

# A file of such a name that is no image or video by its content is listed all the same: it is
# damaged, and reported as such.
_IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
_VIDEO_SUFFIXES = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".flv",
     ".mts", ".m2ts", ".ogv"}
)  # fmt: skip
GENUINE = "genuine"  # the technique of what is not manipulated


class Source(NamedTuple):
    """Where a dataset comes from."""

    name: str
    reference: str  # the paper
    get: str  # how to get the files


class Video(NamedTuple):
    """One row of a table of videos, see :func:`.load_video_table`."""

    path: str
    label: int
    technique: str = GENUINE
    compression: str = ""
    split: str = ""
    identity: str = ""
    original: str = ""
    video: str = ""
    fake_frames: str = ""


class Tree:
    """The folder of a published dataset.

    Parameters
    ----------
    root : str or Path
        The folder.
    source : Source
        The dataset that should be there; its errors say how to get it.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """

    def __init__(self, root: str | os.PathLike[str], source: Source) -> None:
        self.root = Path(root).absolute()
        self.source = source
        if not self.root.is_dir():
            raise self.missing("the folder of the dataset", self.root)

    def missing(self, what: str, *places: Path) -> FileNotFoundError:
        """Make the error that says what was looked for, where, and how to get it."""
        where = " or ".join(str(place) for place in places)
        return FileNotFoundError(
            f"{self.source.name}: {what} was looked for, and is not there: {where}. "
            f"{self.source.get}"
        )

    def folder(self, *parts: str) -> Path:
        """Return a folder that must be there."""
        path = self.root.joinpath(*parts)
        if not path.is_dir():
            raise self.missing(f"the folder {'/'.join(parts)}", path)
        return path

    def file(self, *places: str) -> Path:
        """Return the first of some files that is there."""
        paths = [self.root / place for place in places]
        for path in paths:
            if path.is_file():
                return path
        raise self.missing(f"the file {Path(places[0]).name}", *paths)

    def name(self, path: Path) -> str:
        """Name a file by its place in the dataset; a list may not name any elsewhere."""
        inside = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        if inside.is_absolute() or ".." in inside.parts or not inside.parts:
            raise self.wrong(path, f"it is to be read, and lies outside of the folder {self.root}")
        return inside.as_posix()

    def videos(self, *parts: str, pattern: str = "*") -> list[Path]:
        """List the videos of a folder that must be there and hold some."""
        path = self.folder(*parts)
        found = list(listed_files(path.glob(pattern), is_video_file))
        if not found:
            raise self.missing(f"any video in {'/'.join(parts)}", path / pattern)
        return found

    def wrong(self, path: Path, problem: str) -> ValueError:
        """Make the error that says what is wrong in a file."""
        return ValueError(f"{self.source.name}, {path}: {problem}.")

    def json(self, path: Path, kind: type) -> Any:
        """Read a JSON file that must hold a list or a dict."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise self.wrong(path, f"not a JSON file, a damaged one perhaps: {error}") from error
        if not isinstance(content, kind):
            raise self.wrong(
                path, f"a JSON {kind.__name__} is expected, not a {type(content).__name__}"
            )
        return content

    def lines(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """Read number and words of every line of a text file that is not blank."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.wrong(path, f"not a text file in UTF-8: {error}") from error
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield number, line.split()


def listed_files(paths: Iterable[Path], accepts: Callable[[Path], bool]) -> Iterator[Path]:
    """Keep the files that a function accepts, sorted; a dot at the start hides a file."""
    for path in sorted(paths):
        if not path.name.startswith(".") and path.is_file() and accepts(path):
            yield path


def is_video_file(path: Path) -> bool:
    """Tell whether a file is a video by its content, or a damaged one by its name."""
    found = file_format(path)
    return found.is_video or (not found.is_image and path.suffix.lower() in _VIDEO_SUFFIXES)


def is_image_file(path: Path) -> bool:
    """Tell whether a file is one picture by its content, or a damaged one by its name."""
    found = file_format(path)
    return found.is_image or (not found.is_video and path.suffix.lower() in _IMAGE_SUFFIXES)


def some_of(name: str, wanted: str | Sequence[str], known: Sequence[str]) -> list[str]:
    """Read a parameter that is one name, several, or ``"all"`` of the known ones."""
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    if names == ["all"]:
        return list(known)
    for item in names:
        if item not in known:
            raise ValueError(f"{name}={item!r} is not known; expected some of {list(known)}.")
    if not names:
        raise ValueError(f"{name} is empty; expected some of {list(known)}.")
    return names
