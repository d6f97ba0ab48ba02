"""Pairs from folders whose names say genuine or fake."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

from sklearn_diffake.datasets._sequences import describe_by_folders, read_pairs
from sklearn_diffake.datasets._tree import GENUINE, DatasetInfo, MediaFile, SkippedFile, Tree, Video
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

_REAL = frozenset({"genuine", "real", "original", "originals", "bonafide", "bona_fide", "pristine"})
_FAKE = frozenset({"deepfake", "deepfakes", "fake", "manipulated", "synthetic"})
_MASKS = "masks"  # folder of where videos of FaceForensics++ are manipulated
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
    ``test/fake/1.mp4``. Pictures of one folder count as frames of one video in ``same-video``
    mode, and each for itself in ``reference`` mode.

    What a file is, is decided by its content: whatever can be read is used, in the natural order of
    names, and other files are listed in `skipped_files` with the reason. A tree as FaceForensics++
    and DeepFakeDetection have it, with ``original_sequences`` and ``manipulated_sequences``, is
    read with the technique, compression, identity and original that its names tell, and with the
    splits of ``train.json``, ``val.json`` and ``test.json`` where these are there; a folder of
    pictures that is named as a video of it, such as ``033_097``, holds frames of that video.

    Parameters
    ----------
    root : str or Path
        The folder.
    dataset : str, default=None
        Name of the dataset; None takes that of the folder.
    **options
        Options of all loaders, see :func:`.load_video_table`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no video or picture in it.
    ValueError
        If no folder's name says whether a file is genuine.

    See Also
    --------
    load_video_table : Labels from a table.
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
    tree = Tree(root, DatasetInfo(name, "", "The folder is expected to hold e.g. real/ and fake/."))
    media = tree.media_files(_walk(tree.root))
    if not media:
        raise tree.missing_error("any video or picture", tree.root, hint=_first_skipped(tree))
    frames_are_videos = options.get("mode") == "reference"
    splits = {target: split for split, target, _ in read_pairs(tree)}
    tree.absent.clear()  # such a folder need not have them
    videos = []
    for item in media:
        if _MASKS in item.path.relative_to(tree.root).parts[:-1]:
            tree.skipped.append(SkippedFile(str(item.path), "mask", "a mask, which shows no face"))
            continue
        row = describe_by_folders(tree, item.path, item.content.is_image, splits)
        videos.append(row if row is not None else _describe(tree, item, frames_are_videos))
    return pair_videos(videos, tree.info, tree=tree, **options)


def _walk(root: Path) -> Iterator[Path]:
    """List all files below a folder, but for what begins with a dot."""
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in files)


def _first_skipped(tree: Tree) -> str:
    if not tree.skipped:
        return ""
    first = tree.skipped[0]
    return f"Of {len(tree.skipped)} files, the first is {first.path}: {first.reason}. "


def _describe(tree: Tree, item: MediaFile, frames_are_videos: bool) -> Video:
    """Read label, technique, split and identity off the folders of a file."""
    path = item.path
    lower_names = [name.lower() for name in path.relative_to(tree.root).parts[:-1]]
    names = path.relative_to(tree.root).parts[:-1]
    label_positions = [i for i, name in enumerate(lower_names) if name in _REAL | _FAKE]
    if len(label_positions) != 1:
        raise tree.content_error(
            path,
            "exactly one folder above it must be named genuine, real, ... or deepfake, fake, ..., "
            f"got {'/'.join(names) or 'none'}",
        )
    label = 1 if lower_names[label_positions[0]] in _REAL else -1
    people = [names[i] for i in range(label_positions[0]) if lower_names[i] not in _SPLITS]
    below = [
        names[i] for i in range(label_positions[0] + 1, len(names)) if lower_names[i] not in _SPLITS
    ]
    splits = [_SPLITS[name] for name in lower_names if name in _SPLITS]
    return Video(
        str(path),
        label,
        GENUINE if label == 1 else (below[0] if below else "deepfake"),
        split=splits[0] if splits else "",
        identity=people[-1] if people else "",
        video=tree.name(path.parent if item.content.is_image and not frames_are_videos else path),
    )
