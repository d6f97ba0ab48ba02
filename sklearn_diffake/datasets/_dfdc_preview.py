"""The preview of the Deepfake Detection Challenge dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Unpack

from sklearn_diffake.datasets._dfdc import LABELS
from sklearn_diffake.datasets._tree import GENUINE, DatasetInfo, Tree, Video
from sklearn_diffake.datasets._videos import PairOptions, pair_videos

DFDC_PREVIEW = DatasetInfo(
    "DFDC-preview",
    'Dolhansky et al., "The Deepfake Detection Challenge (DFDC) Preview Dataset", arXiv 1910.08854',
    "Accept the terms at https://ai.meta.com/datasets/dfdc, and unpack the preview.",
)


def load_dfdc_preview(root: str | os.PathLike[str], **options: Unpack[PairOptions]) -> Any:
    """Load the preview of the DFDC dataset: 5,000 videos of 66 actors and two techniques.

    Read is ``dataset.json``, which gives for every video, by its place below `root` such as
    ``original_videos/643116/643116_A_001.mp4`` or ``method_A/...``, the ``label`` (real or fake),
    the ``set`` (train or test), and in deepfakes, the actors ``target_id`` and ``swapped_id``.
    Missing videos are left out and listed in `absent` of the result.

    The dataset is described in [1]_.

    Parameters
    ----------
    root : str or Path
        Folder of dataset.json.
    **options
        Options of all loaders, see :func:`.load_video_table`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns. The technique is the folder, ``method_A`` or
        ``method_B``; the identity is the actor seen: ``swapped_id`` in deepfakes, whose face was
        put in. Which video a deepfake was made from is not published.

    Raises
    ------
    FileNotFoundError
        If dataset.json is not there.
    ValueError
        If it is damaged.

    See Also
    --------
    load_video_table : The options and the result of all loaders.
    describe : Count what a dataset holds.

    Notes
    -----
    The owners give the files to those who accept their terms.

    References
    ----------
    .. [1] Dolhansky et al., "The Deepfake Detection Challenge (DFDC) Preview Dataset", 2019,
       arXiv:1910.08854.

    Examples
    --------
    >>> from sklearn_diffake.datasets import load_dfdc_preview
    >>> faces = load_dfdc_preview("dfdc_preview_set", mode="reference")  # doctest: +SKIP
    """
    tree = Tree(root, DFDC_PREVIEW)
    path = tree.find_file("dataset.json")
    if path is None:
        raise tree.missing_error("the file dataset.json", tree.root / "dataset.json")
    videos = []
    for name, entry in tree.read_json(path, dict).items():
        label = LABELS.get(str(entry.get("label")).upper()) if isinstance(entry, dict) else None
        if label is None:
            raise tree.content_error(
                path, f"no label real or fake in the entry {name!r}: {entry!r}"
            )
        relative_name = tree.name(tree.root / name)
        folders = Path(relative_name).parts
        person = entry.get("swapped_id") if label == -1 else entry.get("target_id")
        if person is None:  # genuine videos lie in the folder of their actor
            person = folders[1] if label == 1 and len(folders) > 2 else ""
        videos.append(
            Video(
                str(tree.root / relative_name),
                label,
                GENUINE if label == 1 else folders[0],
                split=str(entry.get("set", "")),
                identity=str(person),
                video=relative_name,
            )
        )
    return pair_videos(videos, tree.info, tree=tree, **options)
