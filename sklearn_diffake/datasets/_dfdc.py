"""The Deepfake Detection Challenge dataset."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

from sklearn_diffake.datasets._tree import GENUINE, DatasetInfo, Tree, Video
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

DFDC = DatasetInfo(
    "DFDC",
    'Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset", arXiv 2006.07397',
    "Accept the terms at https://ai.meta.com/datasets/dfdc or at "
    "https://www.kaggle.com/c/deepfake-detection-challenge/data, and unpack the parts.",
)
LABELS = {"REAL": 1, "FAKE": -1, "0": 1, "1": -1}  # in labels.csv, 1 is a deepfake
_SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


def load_dfdc(root: str | os.PathLike[str], **options: Unpack[PairOptions]) -> Any:
    """Load the DFDC dataset: 100,000 deepfakes and the videos of actors they were made from.

    It reads every ``metadata.json`` and ``labels.csv`` in `root` and below, and the videos that
    lie beside each: the parts ``dfdc_train_part_0`` to ``dfdc_train_part_49``, whose metadata
    name the original of each deepfake, and the folders ``validation`` and ``test`` with
    ``labels.csv``. Kaggle's ``train_sample_videos`` works as well. Missing
    videos, such as originals in a part that is not unpacked, are left out and listed in `absent`
    of the result.

    The dataset is described in [1]_.

    Parameters
    ----------
    root : str or Path
        Folder of the parts, or one part.
    **options
        Options of all loaders, see :func:`.load_video_table`. The dataset names no people:
        reference mode is not possible.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns, with the splits ``"train"``, ``"val"`` and ``"test"``,
        from the metadata, or else from the folders. The technique is not published: ``"DFDC"``
        stands for all.

    Raises
    ------
    FileNotFoundError
        If there is no metadata.json and no labels.csv.
    ValueError
        If one of them is damaged.

    See Also
    --------
    load_video_table : The options and the result of all loaders.
    describe : Count what a dataset holds.

    Notes
    -----
    The owners give the files to those who accept their terms.

    References
    ----------
    .. [1] Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset", 2020,
       arXiv:2006.07397.

    Examples
    --------
    >>> from sklearn_diffake.datasets import load_dfdc
    >>> faces = load_dfdc("dfdc", subset="test", crop="face", n_jobs=-1)  # doctest: +SKIP
    """
    tree = Tree(root, DFDC)
    tables = sorted([*tree.root.rglob("metadata.json"), *tree.root.rglob("labels.csv")])
    if not tables:
        raise tree.missing_error("a metadata.json or labels.csv", tree.root / "dfdc_train_part_0")
    videos: dict[str, Video] = {}
    for path in tables:
        for file, label, split, original in _read_labels(tree, path):
            video = _path_near_table(path, file)
            technique = GENUINE if label == 1 else "DFDC"
            source = tree.name(_path_near_table(path, original)) if original else ""
            row = Video(str(video), label, technique, split=split, original=source,
                        video=tree.name(video))  # fmt: skip
            first_row = videos.setdefault(row.video, row)
            if first_row.label != label:
                raise tree.content_error(
                    path, f"the label of {file} contradicts that in another file"
                )
    return pair_videos(list(videos.values()), tree.info, tree=tree, **options)


def _read_labels(tree: Tree, path: Path) -> Iterator[tuple[str, int, str, str]]:
    """Read file name, label, split and original from either kind of table."""
    rows: list[tuple[str, Any]]
    if path.suffix == ".json":
        rows = list(tree.read_json(path, dict).items())
    else:
        with open(path, newline="", encoding="utf-8-sig") as file:
            try:
                rows = [(row.get("filename") or "", row) for row in csv.DictReader(file)]
            except (csv.Error, UnicodeDecodeError) as error:
                raise tree.content_error(path, str(error)) from error
    folders = [name.lower() for name in path.parent.parts[len(tree.root.parts) - 1 :]]
    folder_splits = [_SPLITS[name] for name in reversed(folders) if name in _SPLITS]
    for name, row in rows:
        entry = row if isinstance(row, dict) else {}
        label = LABELS.get(str(entry.get("label", entry.get("is_fake"))).upper())
        if label is None or not name:
            raise tree.content_error(
                path, f"no label REAL or FAKE, 0 or 1, in the entry {name!r}: {row!r}"
            )
        split = _SPLITS.get(
            str(entry.get("split", "")), folder_splits[0] if folder_splits else "train"
        )
        yield name, label, split, str(entry.get("original") or "")


def _path_near_table(table: Path, name: str) -> Path:
    """Find a video beside its table, or in the folder ``videos`` there."""
    path = table.parent / name
    in_videos = table.parent / "videos" / name
    return in_videos if in_videos.is_file() and not path.is_file() else path
