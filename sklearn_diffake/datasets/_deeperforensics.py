"""DeeperForensics-1.0."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Unpack

from sklearn_diffake.datasets._faceforensics import FACEFORENSICS
from sklearn_diffake.datasets._tree import DatasetInfo, Tree, Video, parse_choices
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

DEEPERFORENSICS = DatasetInfo(
    "DeeperForensics-1.0",
    'Jiang et al., "DeeperForensics-1.0: A Large-Scale Dataset for Real-World Face Forgery '
    'Detection", CVPR 2020',
    "Fill in the form linked at https://github.com/EndlessSora/DeeperForensics-1.0, and unpack "
    "everything by the script unzip.sh that comes with it.",
)
_VARIANTS = (
    "end_to_end",
    "reenact_postprocess",
    *(f"end_to_end_level_{level}" for level in range(1, 6)),
    "end_to_end_random_level",
    *(f"end_to_end_mix_{count}_distortions" for count in (2, 3, 4)),
)


def load_deeperforensics(
    root: str | os.PathLike[str],
    *,
    faceforensics: str | os.PathLike[str] | None = None,
    variants: str | Sequence[str] = "end_to_end",
    actors: str | None = None,
    **options: Unpack[PairOptions],
) -> Any:
    """Load DeeperForensics-1.0: the faces of 100 actors in the videos of FaceForensics++.

    It reads ``manipulated_videos/<variant>/<target>_<actor>.mp4``, the official splits
    ``lists/splits/{train,val,test}.txt``, and if `actors` is set, ``source_videos/<actor>/...``.
    Its genuine videos are those of FaceForensics++ in compression c23, which is a dataset of its
    own. Missing folders and files are left out and listed in `absent` of the result. Without one of
    the lists, the videos of the folders that are on none of them have the split ``""``.

    The dataset is described in [1]_.

    Parameters
    ----------
    root : str or Path
        Folder that holds ``manipulated_videos`` and ``lists``.
    faceforensics : str or Path, default=None
        Folder of FaceForensics++, see :func:`.load_faceforensics`. None gives deepfakes only.
    variants : str or sequence of str, default="end_to_end"
        Folders of ``manipulated_videos``: ``"end_to_end"``, ``"reenact_postprocess"``,
        ``"end_to_end_level_1"`` to ``"..._5"``, ``"end_to_end_random_level"``,
        ``"end_to_end_mix_2_distortions"`` to ``"..._4_..."``, or ``"all"``.
    actors : str, default=None
        Which of the 48,475 videos of the actors to add, as genuine ones of their split: a pattern
        of file names such as ``"*_light_uniform_neutral_camera_front.mp4"``. They are the
        references of reference mode; the owners advise not to train on them as genuine videos.
    **options
        Options of all loaders, see :func:`.load_video_table`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns. The technique is the variant, the identity is the
        actor, of genuine videos the target.

    Raises
    ------
    FileNotFoundError
        If no video is there, or none matches the pattern.
    ValueError
        If a variant is not known, or a list is damaged.

    See Also
    --------
    load_video_table : The options and the result of all loaders.
    describe : Count what a dataset holds.

    Notes
    -----
    The owners give the files, to those who accept their terms, for non-commercial research.

    References
    ----------
    .. [1] Jiang et al., "DeeperForensics-1.0: A Large-Scale Dataset for Real-World Face Forgery
       Detection", CVPR 2020.

    Examples
    --------
    >>> from sklearn_diffake.datasets import load_deeperforensics
    >>> faces = load_deeperforensics(  # doctest: +SKIP
    ...     "DeeperForensics-1.0", faceforensics="FaceForensics++", subset="test")
    """
    tree = Tree(root, DEEPERFORENSICS)
    splits = _read_splits(tree)
    is_complete = not tree.absent
    videos: dict[str, Video] = {}
    for variant in parse_choices("variants", variants, _VARIANTS):
        folder = tree.find_folder("manipulated_videos", variant)
        if folder is None:
            continue
        paths = [folder / f"{target}_{actor}.mp4" for target, actor in splits]
        if not is_complete:  # what the lists do not name has no split
            paths += [
                path for path, content in tree.media_files(folder.iterdir()) if content.is_video
            ]
        for path in paths:
            target, _, actor = path.stem.partition("_")
            split = splits.get((target, actor), "")
            row = Video(str(path), -1, variant, "", split, actor, target, tree.name(path))
            videos.setdefault(row.video, row)
    rows = list(videos.values())
    tree.check_option("variants", variants, {row.technique for row in rows}, "manipulated_videos/*")
    if faceforensics is not None:
        rows += _targets(tree, faceforensics, {row.original: row.split for row in rows})
    if actors is not None:
        rows += _actors(tree, actors, {row.identity: row.split for row in rows if row.label == -1})
    tree.hint = "Name what is to be read with variants."
    return pair_videos(rows, tree.info, tree=tree, **options)


def _read_splits(tree: Tree) -> dict[tuple[str, str], str]:
    """Read the split of every (target, actor)."""
    swaps = {}
    for split in ("train", "val", "test"):
        path = tree.find_file(f"lists/splits/{split}.txt")
        if path is None:
            continue
        for number, fields in tree.read_lines(path):
            stem = os.path.splitext(os.path.basename(fields[0]))[0]
            target, _, actor = stem.partition("_")
            if not (target and actor):
                raise tree.content_error(path, f"line {number} must be a name like 000_M101.mp4")
            swaps[target, actor] = split
    return swaps


def _targets(tree: Tree, root: str | os.PathLike[str], splits: dict[str, str]) -> list[Video]:
    """List the genuine videos, from FaceForensics++, in the splits of their deepfakes."""
    original_tree = Tree(root, FACEFORENSICS)
    folder = original_tree.find_folder("original_sequences", "youtube", "c23", "videos")
    tree.absent += original_tree.absent
    rows = []
    if folder is None:
        return []
    for target in sorted(splits):
        path = folder / f"{target}.mp4"
        rows.append(
            Video(
                str(path), 1, split=splits[target], identity=target, video=original_tree.name(path)
            )
        )
    return rows


def _actors(tree: Tree, pattern: str, splits: dict[str, str]) -> list[Video]:
    """List videos of the actors themselves, in the splits of the deepfakes they appear in."""
    rows = []
    for actor in sorted(splits):
        folder = tree.find_folder("source_videos", actor)
        media = tree.media_files(folder.rglob(pattern)) if folder is not None else []
        for path, content in media:
            if content.is_video:
                rows.append(
                    Video(str(path), 1, split=splits[actor], identity=actor, video=tree.name(path))
                )
    if not rows:
        raise tree.missing_error("any video of the actors", tree.root / "source_videos" / pattern)
    return rows
