"""FaceForensics++."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Unpack

from sklearn_diffake.datasets._tree import Source, Tree, Video, some_of
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

HOW_TO_GET = (
    "Fill in the form linked at https://github.com/ondyari/FaceForensics; its authors send a "
    "download script, which makes these folders with the options -d all -c c23 -t videos."
)
FACEFORENSICS = Source(
    "FaceForensics++",
    'Rössler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images", ICCV 2019',
    HOW_TO_GET
    + " The files train.json, val.json and test.json are in dataset/splits of that page.",
)
COMPRESSIONS = ("raw", "c23", "c40")
_SWAPS = ("Deepfakes", "FaceSwap", "FaceShifter")  # they show the face of the second video
_TECHNIQUES = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")


def load_faceforensics(
    root: str | os.PathLike[str],
    *,
    techniques: str | Sequence[str] = "all",
    compressions: str | Sequence[str] = "c23",
    **options: Unpack[PairOptions],
) -> Any:
    """Load FaceForensics++: 1,000 genuine videos, each manipulated by five techniques.

    Read are ``original_sequences/youtube/<compression>/videos/033.mp4``,
    ``manipulated_sequences/<technique>/<compression>/videos/033_097.mp4``, and the official splits
    ``train.json``, ``val.json`` and ``test.json``, which lie in `root`, or in ``splits`` or
    ``dataset/splits`` below it.

    Parameters
    ----------
    root : str or Path
        Folder that holds ``original_sequences`` and ``manipulated_sequences``.
    techniques : str or sequence of str, default="all"
        Some of ``"Deepfakes"``, ``"Face2Face"``, ``"FaceSwap"``, ``"NeuralTextures"`` and
        ``"FaceShifter"``.
    compressions : str or sequence of str, default="c23"
        Some of ``"raw"``, ``"c23"`` and ``"c40"``, or ``"all"``.
    **options
        What all loaders share, see :func:`.load_video_table`. `references` is ``"all_videos"`` by
        default: every person has one genuine video only, so genuine pairs come from one video.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns. In a video ``033_097``, ``original`` is 033, where
        the frames come from. ``identity`` is 097, whose face was put in, or with the
        reenactments Face2Face and NeuralTextures still 033.

    Raises
    ------
    FileNotFoundError
        If a folder or a list of the splits is not there.
    ValueError
        If an option is not known, or a list is damaged.

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
    Rössler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images", ICCV 2019.

    Examples
    --------
    >>> from sklearn_diffake.datasets import load_faceforensics
    >>> faces = load_faceforensics(  # doctest: +SKIP
    ...     "FaceForensics++", techniques=["Deepfakes", "FaceSwap"], subset="train")
    """
    tree = Tree(root, FACEFORENSICS)
    chosen = some_of("techniques", techniques, _TECHNIQUES)
    videos = []
    for compression in some_of("compressions", compressions, COMPRESSIONS):
        genuine = tree.folder("original_sequences", "youtube", compression, "videos")
        folders = {
            name: tree.folder("manipulated_sequences", name, compression, "videos")
            for name in chosen
        }
        for split, target, donor in _pairs(tree):
            path = genuine / f"{target}.mp4"
            videos.append(
                Video(str(path), 1, compression=compression, split=split, identity=target,
                      video=tree.name(path))
            )  # fmt: skip
            for name, folder in folders.items():
                path = folder / f"{target}_{donor}.mp4"
                face = donor if name in _SWAPS else target
                videos.append(
                    Video(str(path), -1, name, compression, split, face, target, tree.name(path))
                )
    options.setdefault("references", "all_videos")
    return pair_videos(videos, tree.source, **options)


def _pairs(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """List split, target and donor of the official splits, either way round."""
    for split in ("train", "val", "test"):
        name = f"{split}.json"
        path = tree.file(name, f"splits/{name}", f"dataset/splits/{name}")
        for pair in tree.json(path, list):
            if not (isinstance(pair, list) and [type(item) for item in pair] == [str, str]):
                raise tree.wrong(path, f'pairs such as ["071", "054"] are expected, got {pair!r}')
            first, second = pair
            yield split, first, second
            yield split, second, first
