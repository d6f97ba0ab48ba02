"""List the pictures and clips to be judged one by one: folders with all folders in them."""

from __future__ import annotations

import glob
import mimetypes
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.formats import file_format
from sklearn_diffake.utils._names import natural_key
from sklearn_diffake.verdict._inputs import distinct_files, names_file


@dataclass
class Listing:
    """Pictures and clips, each of which is judged by itself.

    Attributes
    ----------
    probes : list
        Paths, or whatever else `verify` takes as a probe.
    skipped : list of str
        Files of folders and patterns that are neither a picture nor a video, nor named as one.
    """

    probes: list[Any] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def list_probes(value: Any) -> Listing:
    """List pictures and clips.

    Parameters
    ----------
    value : folder, pattern, picture, clip, or list of these
        A folder stands for all files in it and in its folders, except hidden ones; symbolic links
        to folders are followed. A link to a picture that is missing, and an item of a list that
        holds or matches nothing, are kept, so that their verdict is an error; an array of names, or
        of pictures (n, H, W, 3), is a list.

    Returns
    -------
    Listing
        In the order given; files of a folder or pattern in natural order.

    Raises
    ------
    ImageError
        If there is nothing to judge. It has `path` where that is a folder or pattern.
    TypeError
        If it is a DataFrame.
    """
    listing = Listing()
    empty_places = []
    for item in _items(value):
        if not isinstance(item, (str, os.PathLike)):
            listing.probes.append(item)
            continue
        try:
            _add_path(os.fsdecode(item), listing)
        except ImageError as error:
            empty_places.append((len(listing.probes), os.fsdecode(item), error))
    if not listing.probes and not empty_places:
        raise ImageError("the list is empty; expected one picture at least", column=1)
    if not listing.probes:
        raise empty_places[0][2]
    for position, path, _ in reversed(empty_places):
        listing.probes.insert(position, path)  # its verdict is an error, with the reason
    return listing


def _items(value: Any) -> list[Any]:
    """Return what is listed: rows of arrays, Series, generators and sets too."""
    if isinstance(value, np.ndarray):  # of names, or of pictures (n, H, W, 3)
        return list(value) if value.ndim in (1, 4) else [value]
    if hasattr(value, "columns"):
        raise TypeError(
            f"pictures must be a list, got a {type(value).__name__}: give one of its columns"
        )
    is_one = isinstance(value, (str, bytes, os.PathLike)) or hasattr(value, "__array_interface__")
    return list(value) if isinstance(value, Iterable) and not is_one else [value]


def files_below(folder: str, unreadable: list[str] | None = None) -> Iterator[str]:
    """Yield the files of a folder and of all folders in it; hidden ones are left out.

    Symbolic links to folders are followed, but no folder is read twice. A link whose file is
    missing is a file that cannot be read.

    Parameters
    ----------
    folder : str
    unreadable : list of str, default=None
        The folders that cannot be read are added to it.

    Yields
    ------
    str
        A path that begins with `folder`, in no particular order.
    """

    def note(error: OSError) -> None:
        if unreadable is not None:
            unreadable.append(error.filename)

    visited = set()
    for path, folders, names in os.walk(folder, followlinks=True, onerror=note):
        identity = os.path.realpath(path)
        if identity in visited:
            folders.clear()
            continue
        visited.add(identity)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = os.path.join(path, name)
            if not name.startswith(".") and names_file(file):
                yield file


def may_be_judged(path: str) -> bool:
    """Return whether a file is a picture or video by its content, or at least by its name.

    Parameters
    ----------
    path : str

    Returns
    -------
    bool
        True for a corrupt file with the name of a picture too: its verdict has the reason.
    """
    content = file_format(path)
    if content.is_image or content.is_video:
        return True
    kind = mimetypes.guess_type(path)[0] or ""
    return kind.startswith(("image/", "video/"))


def _add_path(path: str, listing: Listing) -> None:
    unreadable: list[str] = []
    if os.path.isdir(path):
        files = list(files_below(path, unreadable))
    elif glob.has_magic(path) and not os.path.lexists(path):
        files = distinct_files([f for f in glob.glob(path, recursive=True) if names_file(f)])
    else:
        listing.probes.append(path)
        return
    probes = [file for file in sorted(files, key=natural_key) if may_be_judged(file)]
    probes += unreadable  # their verdict is an error
    if not probes:
        problem = "the folder holds" if os.path.isdir(path) else "matches"
        count = f" ({len(files)} other files)" if files else ""
        raise ImageError(f"{problem} no picture or video{count}", column=1, path=path)
    listing.probes += probes
    listing.skipped += sorted(set(files) - set(probes), key=natural_key)
