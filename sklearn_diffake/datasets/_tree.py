"""The folder of a published dataset: rows, lists, and a record of missing files."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sklearn_diffake.images.formats import FileFormat, file_format
from sklearn_diffake.utils._names import natural_key

#: Kinds of files that accompany pictures and videos.
SIDE_FILES = frozenset({"text", "table", "document", "pdf", "array", "archive", "mask"})
GENUINE = "genuine"  # the technique of genuine videos


class DatasetInfo(NamedTuple):
    """Where a dataset comes from."""

    name: str
    citation: str  # of the paper
    access: str  # how to get the files


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


class AbsentItem(NamedTuple):
    """A folder, list or video that is missing from a published dataset."""

    path: str
    kind: str  # "folder", "list" or "video"


class SkippedFile(NamedTuple):
    """A file in the folder of a dataset that is no video or picture."""

    path: str
    kind: str  # of :class:`.FileFormat`
    reason: str


class MediaFile(NamedTuple):
    """A video or picture in the folder of a dataset."""

    path: Path
    content: FileFormat


class Tree:
    """The folder of a published dataset, which may be incomplete.

    Parameters
    ----------
    root : str or Path
        The folder.
    info : DatasetInfo
        The dataset that should be there; its errors say how to get it.

    Attributes
    ----------
    absent : list of AbsentItem
        Folders, lists and videos that were looked for and are missing.
    skipped : list of SkippedFile
        Files that are neither video nor picture.
    hint : str
        Which option of the loader chooses what is read.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """

    def __init__(self, root: str | os.PathLike[str], info: DatasetInfo) -> None:
        self.root = Path(root).absolute()
        self.info = info
        self.absent: list[AbsentItem] = []
        self.skipped: list[SkippedFile] = []
        self.hint = ""
        if not self.root.is_dir():
            raise self.missing_error("the folder of the dataset", self.root)

    def missing_error(self, subject: str, *paths: Path, hint: str = "") -> FileNotFoundError:
        """Return the error that names the missing item, its paths, and how to get it."""
        joined_paths = " or ".join(str(path) for path in paths)
        return FileNotFoundError(
            f"{self.info.name}: {subject} was looked for, and is not there: {joined_paths}. "
            f"{hint}{self.info.access}"
        )

    def find_folder(self, *names: str) -> Path | None:
        """Return a folder; None if it is absent, which is recorded."""
        path = self.root.joinpath(*names)
        if path.is_dir():
            return path
        self.absent.append(AbsentItem(str(path), "folder"))
        return None

    def find_file(self, *names: str) -> Path | None:
        """Return the first file that exists; None if there is none, which is recorded."""
        paths = [self.root / name for name in names]
        for path in paths:
            if path.is_file():
                return path
        self.absent.append(AbsentItem(str(paths[0]), "list"))
        return None

    def name(self, path: Path) -> str:
        """Return a file's path in the dataset; raise an error if it lies outside."""
        inside = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        if inside.is_absolute() or ".." in inside.parts or not inside.parts:
            raise self.content_error(path, f"it lies outside of the folder {self.root}")
        return inside.as_posix()

    def media_files(self, paths: Iterable[Path]) -> list[MediaFile]:
        """Keep videos and pictures, recognized by content, in natural order.

        Names with a leading dot are ignored; other files are recorded as skipped.
        """
        media = []
        for path in sorted(paths, key=natural_key):
            if path.name.startswith("."):
                continue
            content = file_format(path)
            if content.is_video or content.is_image:
                media.append(MediaFile(path, content))
            elif content.kind not in ("directory", "missing"):
                reason = content.describe("image or video")
                self.skipped.append(SkippedFile(str(path), content.kind, reason))
        return media

    def list_videos(self, *names: str, pattern: str = "*") -> list[Path]:
        """List the videos of a folder; a folder without any is recorded as absent."""
        folder = self.find_folder(*names)
        if folder is None:
            return []
        paths = [
            path for path, content in self.media_files(folder.glob(pattern)) if content.is_video
        ]
        if not paths:
            self.absent.append(AbsentItem(str(folder / pattern), "video"))
        return paths

    def check_option(
        self,
        option: str,
        requested: str | Sequence[str],
        present_names: Collection[str],
        pattern: str,
    ) -> None:
        """Raise an error if an option names something of which there is no video.

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
        names = [requested] if isinstance(requested, str) else list(requested)
        for name in names if names != ["all"] else ():
            if name not in present_names:
                folders = {path.name for path in self.root.glob(pattern) if path.is_dir()}
                raise self.missing_error(
                    f"the folder of {option}={name!r}",
                    *(Path(item.path) for item in self.absent if name in Path(item.path).parts),
                    hint=f"There are {option}={sorted(folders)}. " if folders else "",
                )

    def keep_present(self, videos: Sequence[Video]) -> list[Video]:
        """Keep the videos that exist, and record the others as absent."""
        present = []
        for video in videos:
            if os.path.isfile(video.path):
                present.append(video)
            else:
                self.absent.append(AbsentItem(video.path, "video"))
        if not present:
            subject = f"any of the {len(videos)} videos that are listed" if videos else "any video"
            raise self.missing_error(subject, Path(videos[0].path) if videos else self.root)
        return present

    def content_error(self, path: Path, problem: str) -> ValueError:
        """Return the error that names a file and its problem."""
        return ValueError(f"{self.info.name}, {path}: {problem}.")

    def read_json(self, path: Path, kind: type) -> Any:
        """Read a JSON file that must hold a list or a dict."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise self.content_error(
                path, f"not a JSON file, a damaged one perhaps: {error}"
            ) from error
        if not isinstance(content, kind):
            raise self.content_error(
                path, f"the content must be a JSON {kind.__name__}, got a {type(content).__name__}"
            )
        return content

    def read_lines(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """Yield number and fields of every line of a text file that is not blank."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.content_error(path, f"not a text file in UTF-8: {error}") from error
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield number, line.split()


def summarize(absent: Sequence[AbsentItem]) -> str:
    """Summarize absent items: the number of each kind, and the first paths.

    Parameters
    ----------
    absent : sequence of AbsentItem

    Returns
    -------
    str
        Such as ``"1 folder (/data/ff/raw) and 12 videos (/data/ff/a.mp4, ...)"``.
    """
    counts = []
    for kind in ("folder", "list", "video"):
        paths = [item.path for item in absent if item.kind == kind]
        if paths:
            first_paths = ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")
            counts.append(f"{len(paths)} {kind}{'s' * (len(paths) > 1)} ({first_paths})")
    return " and ".join(counts)


def parse_choices(name: str, requested: str | Sequence[str], choices: Sequence[str]) -> list[str]:
    """Read a parameter that is one choice, several, or ``"all"``."""
    names = [requested] if isinstance(requested, str) else list(requested)
    if names == ["all"]:
        return list(choices)
    for item in names:
        if item not in choices:
            raise ValueError(f"{name} must be some of {list(choices)}, got {item!r}.")
    if not names:
        raise ValueError(f"{name} must be some of {list(choices)}, got none.")
    return names
