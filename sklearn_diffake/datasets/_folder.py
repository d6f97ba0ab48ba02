"""Pairs from folders whose names tell what is genuine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Unpack

from sklearn_diffake.datasets._tree import (
    GENUINE,
    Source,
    Tree,
    Video,
    is_image_file,
    is_video_file,
    listed_files,
)
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

_REAL = frozenset({"genuine", "real", "original", "originals", "bonafide", "bona_fide", "pristine"})
_FAKE = frozenset({"deepfake", "deepfakes", "fake", "manipulated", "synthetic"})
_SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test"}


def load_video_folder(
    root: str | os.PathLike[str], *, dataset: str | None = None, **options: Unpack[PairOptions]
) -> Any:
    """Load videos and pictures from folders of any layout.

    On the way from `root` to a file, a folder named ``genuine``, ``real``, ``original``,
    ``bonafide`` or ``pristine`` makes it genuine, one named ``deepfake``, ``fake``,
    ``manipulated`` or ``synthetic`` a deepfake; ``train``, ``val`` and ``test`` are splits. Of
    the other folders, the last one *above* ``genuine`` or ``fake`` is the identity, and the first
    one below ``fake`` the technique: ``anna/real/1.mp4``, ``anna/fake/FaceSwap/1.mp4`` or
    ``test/fake/1.mp4``. Pictures of one folder count as frames of one video in ``same_video``
    mode, and each for itself in ``reference`` mode.

    Parameters
    ----------
    root : str or Path
        The folder.
    dataset : str, default=None
        Name of the dataset; None takes that of the folder.
    **options
        What all loaders share, see :func:`.load_video_table`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no video or picture in it.
    ValueError
        If folders do not tell whether a file is genuine.

    See Also
    --------
    load_video_table : Where a table tells what is genuine.
    describe : Count what a dataset holds.

    Examples
    --------
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from sklearn_diffake.datasets import load_video_folder
    >>> for folder in ("anna/real", "anna/fake/FaceSwap", "ben/real"):
    ...     Path("faces", folder).mkdir(parents=True)
    ...     for number in (1, 2):
    ...         Image.new("RGB", (64, 64)).save(f"faces/{folder}/{number}.png")
    >>> faces = load_video_folder("faces", mode="reference")
    >>> faces.frame[["identity", "technique", "label"]].value_counts()
    identity  technique  label
    anna      FaceSwap   -1       2
              genuine     1       2
    ben       genuine     1       2
    Name: count, dtype: int64
    """
    name = dataset or Path(root).absolute().name
    tree = Tree(root, Source(name, "", "The folder is expected to hold e.g. real/ and fake/."))
    found = list(listed_files(tree.root.rglob("*"), _is_readable))
    if not found:
        raise tree.missing("any video or picture", tree.root)
    alone = options.get("mode") == "reference"
    return pair_videos([_describe(tree, path, alone) for path in found], tree.source, **options)


def _is_readable(path: Path) -> bool:
    return is_image_file(path) or is_video_file(path)


def _describe(tree: Tree, path: Path, alone: bool) -> Video:
    """Read label, technique, split and identity off the folders of a file."""
    parts = [part.lower() for part in path.relative_to(tree.root).parts[:-1]]
    names = path.relative_to(tree.root).parts[:-1]
    told = [i for i, part in enumerate(parts) if part in _REAL | _FAKE]
    if len(told) != 1:
        raise tree.wrong(
            path,
            "exactly one folder above it must be named genuine, real, ... or deepfake, fake, ..., "
            f"got {'/'.join(names) or 'none'}",
        )
    label = 1 if parts[told[0]] in _REAL else -1
    people = [names[i] for i in range(told[0]) if parts[i] not in _SPLITS]
    below = [names[i] for i in range(told[0] + 1, len(names)) if parts[i] not in _SPLITS]
    splits = [_SPLITS[part] for part in parts if part in _SPLITS]
    picture = is_image_file(path)
    return Video(
        str(path),
        label,
        GENUINE if label == 1 else (below[0] if below else "deepfake"),
        split=splits[0] if splits else "",
        identity=people[-1] if people else "",
        video=tree.name(path.parent if picture and not alone else path),
    )
