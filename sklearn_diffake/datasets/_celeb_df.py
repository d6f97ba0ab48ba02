"""Celeb-DF, versions 1 and 2."""

from __future__ import annotations

import os
import re
from typing import Any, Literal, Unpack

from sklearn_diffake.datasets._tree import DatasetInfo, Tree, Video
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

_CITATION = (
    'Li et al., "Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics", CVPR 2020'
)
_ACCESS = "Fill in the form linked at https://github.com/yuezunli/celeb-deepfakeforensics."
_VERSIONS = {version: DatasetInfo(f"Celeb-DF-v{version}", _CITATION, _ACCESS) for version in (1, 2)}
_FOLDERS = {"Celeb-real": 1, "YouTube-real": 1, "Celeb-synthesis": -1}
_LIST = "List_of_testing_videos.txt"
_NAME = re.compile(r"(id\d+)(?:_(id\d+))?_(\d+)")


def load_celeb_df(
    root: str | os.PathLike[str], *, version: Literal[1, 2] = 2, **options: Unpack[PairOptions]
) -> Any:
    """Load Celeb-DF: deepfakes of celebrities, made with care.

    It reads ``Celeb-real/id0_0000.mp4``, ``YouTube-real/00000.mp4``,
    ``Celeb-synthesis/id0_id1_0000.mp4``, and the official test split
    ``List_of_testing_videos.txt``, which lists 518 videos in version 2 and 100 in version 1; all
    others are for training. Missing folders and files are left out and listed in `absent` of the
    result; without the list there are no splits.

    The dataset is described in [1]_.

    Parameters
    ----------
    root : str or Path
        Folder that holds these three folders and the list.
    version : {1, 2}, default=2
        Version of the files. Both have the same layout; this only names the dataset.
    **options
        Options of all loaders, see :func:`.load_video_table`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns. Of a video ``id0_id1_0000``, ``original`` is
        ``id0_0000``, and ``identity`` is ``id1``, whose face was put in. The people of
        YouTube-real are not named: each video there counts as a person of its own.

    Raises
    ------
    FileNotFoundError
        If there is no video.
    ValueError
        If a video is not named as above, or the list contradicts the folders.

    See Also
    --------
    load_video_table : The options and the result of all loaders.
    describe : Count what a dataset holds.

    Notes
    -----
    The owners give the files to those who accept their Terms to Use Celeb-DF.

    References
    ----------
    .. [1] Li et al., "Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics",
       CVPR 2020.

    Examples
    --------
    >>> from sklearn_diffake.datasets import describe, load_celeb_df
    >>> faces = load_celeb_df("Celeb-DF-v2", subset="test", n_frames=8)  # doctest: +SKIP
    >>> describe(faces)  # doctest: +SKIP
    """
    if version not in _VERSIONS:
        raise ValueError(f"version must be 1 or 2, got {version!r}.")
    tree = Tree(root, _VERSIONS[version])
    test = _read_list(tree)
    videos = {}
    for folder in _FOLDERS:
        for path in tree.list_videos(folder):
            videos[tree.name(path)] = _video(tree, folder, path.stem, path.name, test)
    absent = {item.path for item in tree.absent if item.kind == "folder"}
    for name in sorted((test or set()) - set(videos)):  # a half-copied tree
        folder, _, file = name.partition("/")
        if str(tree.root / folder) in absent:
            continue  # its folder is listed as absent already
        videos[name] = _video(tree, folder, os.path.splitext(file)[0], file, test)
    return pair_videos(list(videos.values()), tree.info, tree=tree, **options)


def _read_list(tree: Tree) -> set[str] | None:
    """Read lines such as ``1 YouTube-real/00170.mp4``, 1 for genuine; None without the list."""
    path = tree.find_file(_LIST)
    if path is None:
        return None
    names = set()
    for number, fields in tree.read_lines(path):
        folder = fields[-1].partition("/")[0]
        if len(fields) != 2 or folder not in _FOLDERS:
            raise tree.content_error(path, f"line {number} must be like '1 YouTube-real/00170.mp4'")
        if fields[0] != ("1" if _FOLDERS[folder] == 1 else "0"):
            raise tree.content_error(path, f"line {number}: label {fields[0]} contradicts {folder}")
        names.add(fields[1])
    return names


def _video(tree: Tree, folder: str, stem: str, file: str, test: set[str] | None) -> Video:
    """Describe one video by its folder and name."""
    path = tree.root / folder / file
    name = tree.name(path)
    split = "" if test is None else "test" if name in test else "train"
    if folder == "YouTube-real":
        return Video(str(path), 1, split=split, identity=name, video=name)
    match = _NAME.fullmatch(stem)
    if match is None or (match[2] is None) != (folder == "Celeb-real"):
        expected = "id0_0000.mp4" if folder == "Celeb-real" else "id0_id1_0000.mp4"
        raise tree.content_error(path, f"the name must be like {expected}")
    target, donor, number = match.groups()
    if donor is None:
        return Video(str(path), 1, split=split, identity=target, video=name)
    return Video(str(path), -1, "Celeb-synthesis", split=split, identity=donor,
                 original=f"{target}_{number}", video=name)  # fmt: skip
