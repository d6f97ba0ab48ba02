"""ForgeryNet, its videos."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Unpack

from sklearn_diffake.datasets._tree import GENUINE, DatasetInfo, Tree, Video
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

FORGERYNET = DatasetInfo(
    "ForgeryNet",
    'He et al., "ForgeryNet: A Versatile Benchmark for Comprehensive Forgery Analysis", CVPR 2021',
    "Follow the links at https://yinanhe.github.io/projects/forgerynet.html, and unpack the "
    "archives of the data and of the lists.",
)
_SPLITS = {"Training": "train", "Validation": "val", "Test": "test"}


def load_forgerynet(root: str | os.PathLike[str], **options: Unpack[PairOptions]) -> Any:
    """Load the 221,247 videos of ForgeryNet, which are manipulated in parts only.

    It reads ``Training/video_list.txt`` and ``Training/video/...``, and the same of ``Validation``
    and ``Test``, as far as they are there. A line of a list has the number of segments, the video,
    for each segment its first frame, number of frames and whether it is manipulated, and three
    labels: two, three and sixteen classes, of which 0 is genuine. Missing videos are left out and
    listed in `absent` of the result.

    The dataset is described in [1]_.

    Parameters
    ----------
    root : str or Path
        Folder that holds ``Training``, ``Validation`` or ``Test``.
    **options
        Options of all loaders, see :func:`.load_video_table`. The dataset names no people:
        reference mode is not possible.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns. Frames outside of the manipulated segments are
        genuine; a pair is a deepfake if one of its frames is. Techniques are ``"class_1"`` to
        ``"class_15"``, as in the lists.

    Raises
    ------
    FileNotFoundError
        If there is no list.
    ValueError
        If a line of a list is not as described.

    See Also
    --------
    load_video_table : The options and the result of all loaders.
    describe : Count what a dataset holds.

    Notes
    -----
    The owners restrict it to non-commercial research and education.

    References
    ----------
    .. [1] He et al., "ForgeryNet: A Versatile Benchmark for Comprehensive Forgery Analysis",
       CVPR 2021.

    Examples
    --------
    >>> from sklearn_diffake.datasets import load_forgerynet
    >>> faces = load_forgerynet("ForgeryNet", subset="val", n_frames=8)  # doctest: +SKIP
    """
    tree = Tree(root, FORGERYNET)
    lists = {split: tree.root / folder / "video_list.txt" for folder, split in _SPLITS.items()}
    if not any(path.is_file() for path in lists.values()):
        raise tree.missing_error("a list of videos", *lists.values())
    videos = []
    for split, path in lists.items():
        if path.is_file():
            for number, fields in tree.read_lines(path):
                try:
                    videos.append(_read_line(tree, path.parent, split, fields))
                except (ValueError, IndexError) as error:
                    raise tree.content_error(path, f"line {number}: {error}") from error
    return pair_videos(videos, tree.info, tree=tree, **options)


def _read_line(tree: Tree, folder: Path, split: str, fields: list[str]) -> Video:
    """Read ``<n> <video> n x (<first frame> <frames> <fake>) <2 classes> <3> <16>``."""
    count = int(fields[0])
    if len(fields) != 2 + 3 * count + 3:
        raise ValueError(f"there must be {count} segments and 3 labels, got {len(fields)} words")
    binary_label, _, technique_label = (int(field) for field in fields[-3:])
    if (binary_label == 0) != (technique_label == 0):
        raise ValueError(f"labels {binary_label} and {technique_label} contradict each other")
    segments = [fields[i : i + 3] for i in range(2, 2 + 3 * count, 3)]
    forged = [
        f"{int(first)}:{int(first) + int(length)}"
        for first, length, fake in segments
        if fake in ("1", "fake")
    ]
    name = Path(fields[1])
    candidates = [folder / "video" / name, folder / "videos" / name, folder / name]
    path = next((candidate for candidate in candidates if candidate.is_file()), candidates[0])
    if technique_label == 0:
        return Video(str(path), 1, GENUINE, split=split, video=tree.name(path))
    return Video(str(path), -1, f"class_{technique_label}", split=split, video=tree.name(path),
                 fake_frames=";".join(forged))  # fmt: skip
