"""Pairs of Labeled Faces in the Wild."""

from __future__ import annotations

import os
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.utils import Bunch

from sklearn_diffake.datasets._bundle import bundle_frames, import_pandas
from sklearn_diffake.datasets._tree import GENUINE, DatasetInfo
from sklearn_diffake.utils._sklearn_compat import StrOptions, validate_params

LFW = DatasetInfo(
    "LFW",
    'Huang et al., "Labeled Faces in the Wild: A Database for Studying Face Recognition in '
    'Unconstrained Environments", 2007',
    "scikit-learn's fetch_lfw_pairs downloads it; there are no deepfakes in it.",
)
_LISTS = {"train": "pairsDevTrain.txt", "test": "pairsDevTest.txt", "10_folds": "pairs.txt"}


@validate_params(
    {
        "subset": [StrOptions(set(_LISTS))],
        "data_home": [str, os.PathLike, None],
        "funneled": ["boolean"],
        "impostors": ["boolean"],
        "download_if_missing": ["boolean"],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
        "n_retries": [Integral],
    },
    prefer_skip_nested_validation=True,
)
def fetch_lfw_pairs(
    *,
    subset: Literal["train", "test", "10_folds"] = "train",
    data_home: str | os.PathLike[str] | None = None,
    funneled: bool = True,
    impostors: bool = True,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
    n_retries: int = 3,
) -> Any:
    """Load the official pairs of LFW, by scikit-learn's own fetcher, as paths of photographs.

    The dataset is described in [1]_.

    Parameters
    ----------
    subset : {"train", "test", "10_folds"}, default="train"
        The official lists: 2,200 and 1,000 pairs for development, 6,000 for evaluation.
    data_home : str or Path, default=None
        Scikit-learn's data folder, see :func:`sklearn.datasets.get_data_home`.
    funneled : bool, default=True
        The variant whose faces are roughly aligned.
    impostors : bool, default=True
        Keep the pairs of different people, as -1 and of the technique ``"impostor"``. They are
        genuine photographs of somebody else: what a perfect identity swap would look like.
    download_if_missing : bool, default=True
        Download it if it is not there.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Give `data` and `target` as DataFrame and Series.
    n_retries : int, default=3
        How often to try to download.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As :func:`.load_video_table` returns, in reference mode; ``video`` is the photograph.

    Raises
    ------
    OSError
        If the photographs are not there and must not, or cannot, be downloaded.

    See Also
    --------
    sklearn.datasets.fetch_lfw_pairs : The same pairs as pixels.
    describe : Count what a dataset holds.

    References
    ----------
    .. [1] Huang et al., "Labeled Faces in the Wild: A Database for Studying Face Recognition in
       Unconstrained Environments", University of Massachusetts, Amherst, 2007.

    Examples
    --------
    >>> from sklearn_diffake.datasets import fetch_lfw_pairs
    >>> X, y = fetch_lfw_pairs(subset="test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (1000, 2)
    """
    from sklearn import datasets

    home = Path(datasets.get_data_home(data_home=data_home), "lfw_home")
    fetched = datasets.fetch_lfw_pairs(
        subset=subset,
        data_home=data_home,
        funneled=funneled,
        resize=None,
        slice_=(slice(0, 4), slice(0, 4)),  # the pixels are not used, only that it is there
        download_if_missing=download_if_missing,
        n_retries=n_retries,
    )
    pairs = _read_list(home / _LISTS[subset])
    is_genuine = np.array([first[0] == second[0] for first, second in pairs])
    if not np.array_equal(is_genuine, np.asarray(fetched.target) == 1):
        raise ValueError(f"{home / _LISTS[subset]} is not the list that scikit-learn has read.")
    if not impostors:
        pairs = [pair for pair, genuine in zip(pairs, is_genuine, strict=True) if genuine]
        is_genuine = is_genuine[is_genuine]
    pictures = list(dict.fromkeys(picture for pair in pairs for picture in pair))
    folder = home / ("lfw_funneled" if funneled else "lfw")
    images = _images(pictures, folder, subset)
    rows = {picture: i for i, picture in enumerate(pictures)}
    index = np.array([[rows[picture] for picture in pair] for pair in pairs])
    target = np.where(is_genuine, 1, -1)
    table = Bunch(
        data=images["path"].to_numpy(dtype=object)[index], target=target, index=index, n_skipped=0
    )
    dataset = bundle_frames(images, table, None, LFW, "reference", as_frame)
    dataset.frame["technique"] = np.where(is_genuine, GENUINE, "impostor")
    return (dataset.data, dataset.target) if return_X_y else dataset


def _read_list(path: Path) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Read the name and number of both photographs of every pair."""
    pairs = []
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.strip().split("\t")
        if len(fields) == 3:
            pairs.append(((fields[0], int(fields[1])), (fields[0], int(fields[2]))))
        elif len(fields) == 4:
            pairs.append(((fields[0], int(fields[1])), (fields[2], int(fields[3]))))
    return pairs


def _images(pictures: list[tuple[str, int]], folder: Path, subset: str) -> Any:
    """Describe the photographs as other loaders describe frames."""
    names = [f"{name}/{name}_{number:04d}.jpg" for name, number in pictures]
    paths = [str(folder / name) for name in names]
    columns: dict[str, Any] = {"dataset": LFW.name, "file": paths, "label": 1}
    columns |= {"technique": GENUINE, "compression": "", "split": subset}
    columns |= {"identity": [name for name, _ in pictures], "original": "", "video": names}
    columns |= {"fake_frames": "", "path": paths, "number": 0, "time": 0.0}
    return import_pandas().DataFrame(columns)
