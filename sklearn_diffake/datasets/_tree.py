"""What the readers of published datasets share: rows, folders, lists, and what is absent."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sklearn_diffake.images.formats import FileFormat, file_format
from sklearn_diffake.utils._natural import natural_key

#: Kinds of files that lie beside pictures and videos without being meant for such.
SIDE_FILES = frozenset({"text", "table", "document", "pdf", "array", "archive", "mask"})
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


class Absent(NamedTuple):
    """A part of a published dataset that is not in its folder."""

    path: str
    kind: str  # "folder", "list" or "video"


class Skipped(NamedTuple):
    """A file in the folder of a dataset that is no video or picture."""

    path: str
    kind: str  # of :class:`.FileFormat`
    reason: str


class Media(NamedTuple):
    """A video or picture in the folder of a dataset."""

    path: Path
    content: FileFormat


class Tree:
    """The folder of a published dataset, which may hold a part of it only.

    Parameters
    ----------
    root : str or Path
        The folder.
    source : Source
        The dataset that should be there; its errors say how to get it.

    Attributes
    ----------
    absent : list of Absent
        What was looked for so far, and is not there.
    skipped : list of Skipped
        Files that are there, and cannot be used for what they are.
    hint : str
        Which option of the loader chooses what is read.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """

    def __init__(self, root: str | os.PathLike[str], source: Source) -> None:
        self.root = Path(root).absolute()
        self.source = source
        self.absent: list[Absent] = []
        self.skipped: list[Skipped] = []
        self.hint = ""
        if not self.root.is_dir():
            raise self.missing("the folder of the dataset", self.root)

    def missing(self, what: str, *places: Path, hint: str = "") -> FileNotFoundError:
        """Make the error that says what was looked for, where, and how to get it."""
        where = " or ".join(str(place) for place in places)
        return FileNotFoundError(
            f"{self.source.name}: {what} was looked for, and is not there: {where}. "
            f"{hint}{self.source.get}"
        )

    def folder(self, *parts: str) -> Path | None:
        """Return a folder, or None and remember that it is absent."""
        path = self.root.joinpath(*parts)
        if path.is_dir():
            return path
        self.absent.append(Absent(str(path), "folder"))
        return None

    def file(self, *places: str) -> Path | None:
        """Return the first of some files that is there, or None and remember that it is absent."""
        paths = [self.root / place for place in places]
        for path in paths:
            if path.is_file():
                return path
        self.absent.append(Absent(str(paths[0]), "list"))
        return None

    def name(self, path: Path) -> str:
        """Name a file by its place in the dataset; a list may not name any elsewhere."""
        inside = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        if inside.is_absolute() or ".." in inside.parts or not inside.parts:
            raise self.wrong(path, f"it is to be read, and lies outside of the folder {self.root}")
        return inside.as_posix()

    def media(self, paths: Iterable[Path]) -> list[Media]:
        """Keep what is a video or a picture by its content, in natural order.

        What begins with a dot is not the dataset's; other files are remembered as skipped.
        """
        kept = []
        for path in sorted(paths, key=natural_key):
            if path.name.startswith("."):
                continue
            content = file_format(path)
            if content.is_video or content.is_image:
                kept.append(Media(path, content))
            elif content.kind not in ("directory", "missing"):
                reason = content.describe("image or video")
                self.skipped.append(Skipped(str(path), content.kind, reason))
        return kept

    def videos(self, *parts: str, pattern: str = "*") -> list[Path]:
        """List the videos of a folder; none, and it is remembered as absent, if there are none."""
        folder = self.folder(*parts)
        if folder is None:
            return []
        found = [path for path, content in self.media(folder.glob(pattern)) if content.is_video]
        if not found:
            self.absent.append(Absent(str(folder / pattern), "video"))
        return found

    def check_named(
        self, option: str, wanted: str | Sequence[str], there: Collection[str], places: str
    ) -> None:
        """Refuse what an option names if nothing of it is there, and say what is.

        Parameters
        ----------
        option : str
            Name of the option.
        wanted : str or sequence of str
            Its value; ``"all"`` names nothing.
        there : collection of str
            The names of which there are videos.
        places : str
            Pattern of the folders that are named so.
        """
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        for name in names if names != ["all"] else ():
            if name not in there:
                folders = {path.name for path in self.root.glob(places) if path.is_dir()}
                raise self.missing(
                    f"the folder of {option}={name!r}",
                    *(Path(item.path) for item in self.absent if name in Path(item.path).parts),
                    hint=f"There are {option}={sorted(folders)}. " if folders else "",
                )

    def present(self, videos: Sequence[Video]) -> list[Video]:
        """Keep the videos that are there, and remember the others as absent."""
        there = []
        for video in videos:
            if os.path.isfile(video.path):
                there.append(video)
            else:
                self.absent.append(Absent(video.path, "video"))
        if not there:
            listed = f"any of the {len(videos)} videos that are listed" if videos else "any video"
            raise self.missing(listed, Path(videos[0].path) if videos else self.root)
        return there

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


def summarize(absent: Sequence[Absent]) -> str:
    """Say what is absent: how many of each kind, and the first ones by name.

    Parameters
    ----------
    absent : sequence of Absent

    Returns
    -------
    str
        Such as ``"1 folder (/data/ff/raw) and 12 videos (/data/ff/a.mp4, ...)"``.
    """
    words = []
    for kind in ("folder", "list", "video"):
        paths = [item.path for item in absent if item.kind == kind]
        if paths:
            shown = ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")
            words.append(f"{len(paths)} {kind}{'s' * (len(paths) > 1)} ({shown})")
    return " and ".join(words)


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
