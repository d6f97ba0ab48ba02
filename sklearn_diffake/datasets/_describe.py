"""Count what a dataset holds."""

from __future__ import annotations

from typing import Any

from sklearn.utils import Bunch

from sklearn_diffake.datasets._tree import GENUINE


def describe(dataset: Bunch, *, as_dict: bool = False) -> dict[str, Any] | None:
    """Print how many videos, people, techniques, frames and pairs a dataset has.

    Parameters
    ----------
    dataset : Bunch
        What a loader of this package returns.
    as_dict : bool, default=False
        Return the counts instead of printing them.

    Returns
    -------
    dict or None
        With `as_dict`: ``dataset``, ``videos``, ``genuine videos``, ``deepfake videos``,
        ``broken videos``, ``identities``, ``frames``, ``pairs``, ``genuine pairs``,
        ``deepfake pairs``, in ``techniques``, ``compressions`` and ``splits`` the number of
        videos of each, and in ``absent`` the number of folders, lists and videos that are not
        there.

    Raises
    ------
    TypeError
        If the dataset does not come from such a loader.

    See Also
    --------
    load_video_folder : Loads videos and pictures from folders of any layout.
    load_video_table : Loads the videos that a table lists.

    Examples
    --------
    >>> from sklearn_diffake.datasets import describe, make_face_pairs
    >>> describe(make_face_pairs(12, techniques=["swap", "splice"], random_state=0))
             dataset  rendered-studio
              videos  22
      genuine videos  16
     deepfake videos  6
       broken videos  0
          identities  6
              frames  23
               pairs  12
       genuine pairs  6
      deepfake pairs  6
          techniques  genuine 16, splice 3, swap 3
        compressions  raw 22
              splits  train 15, val 7
    """
    if not isinstance(dataset, Bunch) or not {"frame", "images"} <= set(dataset):
        raise TypeError(
            f"dataset must come from a loader of sklearn_diffake.datasets, got "
            f"{type(dataset).__name__}."
        )
    images, frame = dataset.images, dataset.frame
    videos = images.drop_duplicates(["dataset", "video"])
    fake = videos["technique"] != GENUINE
    counts: dict[str, Any] = {
        "dataset": ", ".join(sorted(set(images["dataset"]))),
        "videos": len(videos),
        "genuine videos": int((~fake).sum()),
        "deepfake videos": int(fake.sum()),
        "broken videos": dataset.n_broken,
        "identities": len(set(images["identity"]) - {""}),
        "frames": len(images),
        "pairs": len(frame),
        "genuine pairs": int((frame["label"] == 1).sum()),
        "deepfake pairs": int((frame["label"] == -1).sum()),
    }
    for column in ("technique", "compression", "split"):
        sizes = videos.loc[videos[column] != "", column].value_counts().sort_index()
        counts[f"{column}s"] = {str(name): int(size) for name, size in sizes.items()}
    absent = dataset["absent"]["kind"].value_counts().sort_index() if "absent" in dataset else {}
    counts["absent"] = {f"{kind}s": int(size) for kind, size in absent.items()}
    if as_dict:
        return counts
    for name, value in counts.items():
        if not isinstance(value, dict):
            print(f"{name:>16}  {value}")
        elif value:
            print(f"{name:>16}  " + ", ".join(f"{key} {size}" for key, size in value.items()))
    return None
