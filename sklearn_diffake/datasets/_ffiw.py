"""FFIW-10K, "Face Forensics in the Wild"."""

from __future__ import annotations

import os
from typing import Any, Unpack

from sklearn_diffake.datasets._tree import GENUINE, DatasetInfo, Tree, Video
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

FFIW = DatasetInfo(
    "FFIW-10K",
    'Zhou et al., "Face Forensics in the Wild", CVPR 2021',
    "Fill in the form linked at https://github.com/tfzhou/FFIW.",
)


def load_ffiw(root: str | os.PathLike[str], **options: Unpack[PairOptions]) -> Any:
    """Load FFIW-10K: videos of several people, of whom some are manipulated.

    It reads the genuine videos of ``source/{train,val,test}`` and the manipulated ones of
    ``target/{train,val,test}``. These folders are the official splits; missing ones
    are left out and listed in `absent` of the result. The test split is not published to everybody.

    The dataset is described in [1]_.

    Parameters
    ----------
    root : str or Path
        Folder that holds ``source`` and ``target``.
    **options
        Options of all loaders, see :func:`.load_video_table`. The dataset names no people:
        reference mode is not possible. With ``crop="face"``, the person who is followed need not
        be the one who was manipulated.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns.

    Raises
    ------
    FileNotFoundError
        If there is no video.

    See Also
    --------
    load_video_table : The options and the result of all loaders.
    describe : Count what a dataset holds.

    Notes
    -----
    The owners give the files to those who accept their Terms to Use.

    References
    ----------
    .. [1] Zhou et al., "Face Forensics in the Wild", CVPR 2021.

    Examples
    --------
    >>> from sklearn_diffake.datasets import load_ffiw
    >>> faces = load_ffiw("FFIW10K", subset="val", crop="face")  # doctest: +SKIP
    """
    tree = Tree(root, FFIW)
    videos = [
        Video(str(path), label, technique, split=split, video=tree.name(path))
        for split in ("train", "val", "test")
        for kind, label, technique in (("source", 1, GENUINE), ("target", -1, "FFIW"))
        for path in tree.list_videos(kind, split)
    ]
    return pair_videos(videos, tree.info, tree=tree, **options)
