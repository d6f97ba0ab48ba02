"""The layout of folders and names that FaceForensics++ and DeepFakeDetection share."""

from __future__ import annotations

import re
from pathlib import Path

from sklearn_diffake.datasets._tree import Tree, Video

COMPRESSIONS = ("raw", "c23", "c40")
ORIGINAL, MANIPULATED = "original_sequences", "manipulated_sequences"
_SWAPS = ("Deepfakes", "FaceSwap", "FaceShifter")  # they show the face of the second video
_NUMBERS = re.compile(r"(\d+)(?:_(\d+))?", re.ASCII)
_ACTORS = re.compile(r"(\d+)(?:_(\d+))?__(.+?)(?:__([A-Z0-9]{8}))?", re.ASCII)
_LISTS = ("train", "val", "test")


def describe_sequence(
    path: Path, stem: str, name: str, technique: str | None, compression: str, split: str = ""
) -> Video | None:
    """Describe a video by its folders and the name of its file.

    Parameters
    ----------
    path : Path
        The file.
    stem : str
        Its name, such as ``033``, ``033_097``, ``01__scene`` or ``01_02__scene__YVGY8LOK``.
    name : str
        Its path in the dataset.
    technique : str or None
        None for a genuine video.
    compression, split : str
        From the folders and lists.

    Returns
    -------
    Video or None
        None if it is not named so.
    """
    match = _NUMBERS.fullmatch(stem) or _ACTORS.fullmatch(stem)
    if match is None or (match[2] is None) != (technique is None):
        return None
    target, donor = match[1], match[2]
    if technique is None:
        return Video(str(path), 1, compression=compression, split=split, identity=target,
                     video=name)  # fmt: skip
    if match.re is _ACTORS:
        face, original = donor, f"{target}__{match[3]}"
    else:
        face, original = donor if technique in _SWAPS else target, target
    return Video(str(path), -1, technique, compression, split, face, original, name)


def describe_by_folders(
    tree: Tree, path: Path, is_picture: bool, splits: dict[str, str]
) -> Video | None:
    """Describe a video of a tree that holds original_sequences and manipulated_sequences.

    Parameters
    ----------
    tree : Tree
    path : Path
        A video, or a picture, which is a frame of the video that its folder is named after.
    picture : bool
        Whether it is a picture.
    splits : dict of str to str
        Split of every target of FaceForensics++.

    Returns
    -------
    Video or None
        None if there is no such folder above it.
    """
    folders = path.relative_to(tree.root).parts[:-1]
    position = next(
        (i for i, folder in enumerate(folders) if folder in (ORIGINAL, MANIPULATED)), None
    )
    if position is None:
        return None
    below = folders[position + 1 :]
    technique = None if folders[position] == ORIGINAL else (below[0] if below else "deepfake")
    compression = next((folder for folder in below if folder in COMPRESSIONS), "")
    stem = path.parent.name if is_picture else path.stem
    name = tree.name(path.parent if is_picture else path)
    split = splits.get(stem.partition("_")[0], "")
    row = describe_sequence(path, stem, name, technique, compression, split)
    if row is None:
        label = 1 if technique is None else -1
        row = Video(str(path), label, compression=compression, video=name)
        return row if technique is None else row._replace(technique=technique)
    return row


def read_pairs(tree: Tree) -> list[tuple[str, str, str]]:
    """List split, target and donor of the official splits that exist, each pair in both orders."""
    pairs = []
    for split in _LISTS:
        name = f"{split}.json"
        path = tree.find_file(name, f"splits/{name}", f"dataset/splits/{name}")
        if path is None:
            continue
        for pair in tree.read_json(path, list):
            if not (isinstance(pair, list) and [type(item) for item in pair] == [str, str]):
                raise tree.content_error(
                    path, f'entries must be pairs like ["071", "054"], got {pair!r}'
                )
            first, second = pair
            pairs += [(split, first, second), (split, second, first)]
    return pairs
