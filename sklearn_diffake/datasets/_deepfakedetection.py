"""DeepFakeDetection, which is given together with FaceForensics++."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Unpack

from sklearn_diffake.datasets._faceforensics import HOW_TO_GET
from sklearn_diffake.datasets._sequences import (
    COMPRESSIONS,
    MANIPULATED,
    ORIGINAL,
    describe_sequence,
)
from sklearn_diffake.datasets._tree import DatasetInfo, Tree, parse_choices
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

DEEPFAKEDETECTION = DatasetInfo(
    "DeepFakeDetection",
    'Dufour and Gully, "Contributing Data to Deepfake Detection Research", Google AI 2019',
    HOW_TO_GET,
)


def load_deepfakedetection(
    root: str | os.PathLike[str],
    *,
    compressions: str | Sequence[str] = "c23",
    **options: Unpack[PairOptions],
) -> Any:
    """Load DeepFakeDetection: 363 videos of 28 actors, and 3,068 deepfakes of them.

    It reads ``original_sequences/actors/<compression>/videos/01__exit_phone_room.mp4`` and
    ``manipulated_sequences/DeepFakeDetection/<compression>/videos/\
01_02__exit_phone_room__YVGY8LOK.mp4``. There are no official splits. Missing folders and files are
    left out and listed in `absent` of the result.

    The dataset is described in [1]_.

    Parameters
    ----------
    root : str or Path
        Folder that holds ``original_sequences`` and ``manipulated_sequences``.
    compressions : str or sequence of str, default="c23"
        Some of ``"raw"``, ``"c23"`` and ``"c40"``, or ``"all"``.
    **options
        Options of all loaders, see :func:`.load_video_table`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns. ``identity`` is the actor whose face is seen: of a
        video ``01_02__...`` actor 02, whose face was put on actor 01.

    Raises
    ------
    FileNotFoundError
        If there is no video.
    ValueError
        If an option is not known, or a video is not named as above.

    See Also
    --------
    load_video_table : The options and the result of all loaders.
    describe : Count what a dataset holds.

    Notes
    -----
    It comes under the FaceForensics Terms of Use: for non-commercial research and education, to
    those who accept them.

    References
    ----------
    .. [1] Dufour and Gully, "Contributing Data to Deepfake Detection Research", Google AI, 2019.

    Examples
    --------
    >>> from sklearn_diffake.datasets import load_deepfakedetection
    >>> faces = load_deepfakedetection(  # doctest: +SKIP
    ...     "FaceForensics++", compressions=["c23", "c40"], mode="reference")
    """
    tree = Tree(root, DEEPFAKEDETECTION)
    videos = []
    for compression in parse_choices("compressions", compressions, COMPRESSIONS):
        for folders, technique in (
            ((ORIGINAL, "actors"), None),
            ((MANIPULATED, "DeepFakeDetection"), "DeepFakeDetection"),
        ):
            for path in tree.list_videos(*folders, compression, "videos"):
                row = describe_sequence(path, path.stem, tree.name(path), technique, compression)
                if row is None:
                    raise tree.content_error(
                        path, "the name must be like 01_02__scene__YVGY8LOK.mp4"
                    )
                videos.append(row)
    present_compressions = {row.compression for row in videos}
    tree.check_option("compressions", compressions, present_compressions, "*_sequences/*/*")
    tree.hint = "Name what is to be read with compressions."
    return pair_videos(videos, tree.info, tree=tree, **options)
