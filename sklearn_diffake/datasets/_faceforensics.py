"""FaceForensics++."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from sklearn_diffake.datasets._sequences import (
    COMPRESSIONS,
    MANIPULATED,
    ORIGINAL,
    describe_sequence,
    read_pairs,
)
from sklearn_diffake.datasets._tree import DatasetInfo, Tree, Video, parse_choices
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

HOW_TO_GET = (
    "Fill in the form linked at https://github.com/ondyari/FaceForensics; its authors send a "
    "download script, which makes these folders with the options -d all -c c23 -t videos."
)
FACEFORENSICS = DatasetInfo(
    "FaceForensics++",
    'Rössler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images", ICCV 2019',
    HOW_TO_GET
    + " The files train.json, val.json and test.json are in dataset/splits of that page.",
)
_TECHNIQUES = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")


def load_faceforensics(
    root: str | os.PathLike[str],
    *,
    techniques: str | Sequence[str] = "all",
    compressions: str | Sequence[str] = "c23",
    **options: Unpack[PairOptions],
) -> Any:
    """Load FaceForensics++: 1,000 genuine videos, each manipulated by five techniques.

    It reads ``original_sequences/youtube/<compression>/videos/033.mp4``,
    ``manipulated_sequences/<technique>/<compression>/videos/033_097.mp4``, and the official splits
    ``train.json``, ``val.json`` and ``test.json``, which lie in `root`, or in ``splits`` or
    ``dataset/splits`` below it. Missing folders and files are left out and listed in `absent` of
    the result. Without one of the lists, the videos of the folders that are on none of them have
    the split ``""``.

    The dataset is described in [1]_.

    Parameters
    ----------
    root : str or Path
        Folder that holds ``original_sequences`` and ``manipulated_sequences``.
    techniques : str or sequence of str, default="all"
        Some of ``"Deepfakes"``, ``"Face2Face"``, ``"FaceSwap"``, ``"NeuralTextures"`` and
        ``"FaceShifter"``; ``"all"`` takes those that exist.
    compressions : str or sequence of str, default="c23"
        Some of ``"raw"``, ``"c23"`` and ``"c40"``, or ``"all"`` for those that exist.
    **options
        Options of all loaders, see :func:`.load_video_table`. `references` is ``"all_videos"`` by
        default: every person has one genuine video only, so genuine pairs come from one video. A
        deepfake is never paired with the source frame it was made from.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns. In a video ``033_097``, ``original`` is 033, where
        the frames come from. ``identity`` is 097, whose face was put in, or with the
        reenactments Face2Face and NeuralTextures still 033.

    Raises
    ------
    FileNotFoundError
        If no video is there, or none of a technique or compression that is named.
    ValueError
        If an option is not known, or a list is damaged.

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
    .. [1] Rössler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images",
       ICCV 2019.

    Examples
    --------
    >>> from sklearn_diffake.datasets import load_faceforensics
    >>> faces = load_faceforensics(  # doctest: +SKIP
    ...     "FaceForensics++", techniques=["Deepfakes", "FaceSwap"], subset="train")
    """
    tree = Tree(root, FACEFORENSICS)
    technique_names = parse_choices("techniques", techniques, _TECHNIQUES)
    pairs = read_pairs(tree)
    is_complete = not tree.absent
    videos: dict[str, Video] = {}
    for compression in parse_choices("compressions", compressions, COMPRESSIONS):
        for technique in (None, *technique_names):
            folders = (ORIGINAL, "youtube") if technique is None else (MANIPULATED, technique)
            folder = tree.find_folder(*folders, compression, "videos")
            if folder is not None:
                rows = _describe_listed(tree, folder, technique, compression, pairs)
                rows += (
                    [] if is_complete else _describe_unlisted(tree, folder, technique, compression)
                )
                for row in rows:
                    videos.setdefault(row.video, row)
    rows = list(videos.values())
    present_names = {row.technique for row in rows}, {row.compression for row in rows}
    tree.check_option("techniques", techniques, present_names[0], f"{MANIPULATED}/*")
    tree.check_option("compressions", compressions, present_names[1], "*_sequences/*/*")
    present_techniques = sorted({row.technique for row in rows if row.label == -1})
    tree.hint = (
        f"Techniques and compressions choose what is read, as in techniques={present_techniques}."
    )
    options.setdefault("references", "all_videos")
    return pair_videos(rows, tree.info, tree=tree, **options)


def _describe_listed(
    tree: Tree,
    folder: Path,
    technique: str | None,
    compression: str,
    pairs: Sequence[tuple[str, str, str]],
) -> list[Video]:
    """Describe the videos of a folder that the official lists name."""
    rows = []
    for split, target, donor in pairs:
        stem = target if technique is None else f"{target}_{donor}"
        path = folder / f"{stem}.mp4"
        row = describe_sequence(path, stem, tree.name(path), technique, compression, split)
        if row is None:
            raise tree.content_error(path, "the name must be like 033.mp4 or 033_097.mp4")
        rows.append(row)
    return rows


def _describe_unlisted(
    tree: Tree, folder: Path, technique: str | None, compression: str
) -> list[Video]:
    """Describe the videos of a folder by their names, in no split."""
    rows = (
        describe_sequence(path, path.stem, tree.name(path), technique, compression)
        for path, content in tree.media_files(folder.iterdir())
        if content.is_video
    )
    return [row for row in rows if row is not None]
