"""DeepFakeDetection, which is given together with FaceForensics++."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any, Unpack

from sklearn_diffake.datasets._faceforensics import COMPRESSIONS, HOW_TO_GET
from sklearn_diffake.datasets._tree import Source, Tree, Video, some_of
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

DEEPFAKEDETECTION = Source(
    "DeepFakeDetection",
    'Dufour and Gully, "Contributing Data to Deepfake Detection Research", Google AI 2019',
    HOW_TO_GET,
)
_ACTORS = re.compile(r"(\d+)(?:_(\d+))?__(.+?)(?:__([A-Z0-9]{8}))?$")


def load_deepfakedetection(
    root: str | os.PathLike[str],
    *,
    compressions: str | Sequence[str] = "c23",
    **options: Unpack[PairOptions],
) -> Any:
    """Load DeepFakeDetection: 363 videos of 28 actors, and 3,068 deepfakes of them.

    Read are ``original_sequences/actors/<compression>/videos/01__exit_phone_room.mp4`` and
    ``manipulated_sequences/DeepFakeDetection/<compression>/videos/\
01_02__exit_phone_room__YVGY8LOK.mp4``. There are no official splits.

    Parameters
    ----------
    root : str or Path
        Folder that holds ``original_sequences`` and ``manipulated_sequences``.
    compressions : str or sequence of str, default="c23"
        Some of ``"raw"``, ``"c23"`` and ``"c40"``, or ``"all"``.
    **options
        What all loaders share, see :func:`.load_video_table`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns. ``identity`` is the actor whose face is seen: of a
        video ``01_02__...`` actor 02, whose face was put on actor 01.

    Raises
    ------
    FileNotFoundError
        If a folder is not there or has no videos.
    ValueError
        If an option is not known, or a video is not named as above.

    See Also
    --------
    load_video_table : What all loaders share.
    describe : Count what a dataset holds.

    Notes
    -----
    It comes under the FaceForensics Terms of Use: for non-commercial research and education, to
    those who accept them.

    References
    ----------
    Dufour and Gully, "Contributing Data to Deepfake Detection Research", Google AI, 2019.

    Examples
    --------
    >>> from sklearn_diffake.datasets import load_deepfakedetection
    >>> faces = load_deepfakedetection(  # doctest: +SKIP
    ...     "FaceForensics++", compressions=["c23", "c40"], mode="reference")
    """
    tree = Tree(root, DEEPFAKEDETECTION)
    videos = []
    for compression in some_of("compressions", compressions, COMPRESSIONS):
        for kind in ("original_sequences/actors", "manipulated_sequences/DeepFakeDetection"):
            for path in tree.videos(*kind.split("/"), compression, "videos"):
                match = _ACTORS.fullmatch(path.stem)
                if match is None:
                    raise tree.wrong(path, "a name such as 01_02__scene__YVGY8LOK.mp4 is expected")
                target, donor, scene, _ = match.groups()
                described = {"compression": compression, "video": tree.name(path)}
                if donor is None:
                    videos.append(Video(str(path), 1, identity=target, **described))
                else:
                    videos.append(
                        Video(str(path), -1, "DeepFakeDetection", identity=donor,
                              original=f"{target}__{scene}", **described)
                    )  # fmt: skip
    return pair_videos(videos, tree.source, **options)
