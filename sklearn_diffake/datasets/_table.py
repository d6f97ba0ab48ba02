"""Pairs from a table of videos or pictures of your own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Unpack

from sklearn_diffake.datasets._bundle import import_pandas
from sklearn_diffake.datasets._tree import DatasetInfo, Video
from sklearn_diffake.datasets._videos import PairOptions, pair_videos, read_rows
from sklearn_diffake.utils._delimited import TableError, read_columns

_MOST_COLUMNS = 1000  # pandas takes minutes over very many


def load_video_table(table: Any, *, dataset: str = "videos", **options: Unpack[PairOptions]) -> Any:
    """Make pairs of frames from a table of videos.

    Frames are stored as PNG files, so the pairs are pairs of paths, and a second call decodes
    nothing. All other loaders make such a table and take the same options.

    Parameters
    ----------
    table : DataFrame, str or Path
        One row per video or picture, or a CSV file with a header, in any of the forms that
        :func:`.load_pairs` reads; in a file, relative paths begin at its folder. The columns are

        - ``path``: a video or a picture, which is a frame as it is;
        - ``label``: +1 genuine, -1 deepfake;
        - ``technique``, ``compression``, ``split``, ``identity``: what they say, optional;
        - ``original``: name of the genuine video that a deepfake was made from, optional;
        - ``video``: name of the video, optional; pictures with one name are frames of one video;
        - ``fake_frames``: where only parts of a video are manipulated, the frame numbers of these
          parts, as in ``"0:12;40:80"`` (without the last), optional.
    dataset : str, default="videos"
        Name of the dataset.
    **options
        Options of all loaders:

        subset : str, default="all"
            Only the videos of this split, such as ``"train"``, ``"val"`` or ``"test"``.
        mode : {"same-video", "reference"}, default="same-video"
            Pair frames of one video (:func:`.make_same_video_pairs`), or
            genuine frames of a person, in column 0, with frames of what claims to be the same
            person (:func:`.make_reference_pairs`). Pairs never go across
            splits or compressions. ``"same_video"`` is another spelling of the first.
        references : {"other_videos", "all_videos"}, default="other_videos"
            In reference mode, whether references come only from other videos than the probe's,
            and than the one it was made from. With ``"all_videos"``, a deepfake is still never
            paired with the source frame it was made from: of its `original`, the frame of the
            nearest number. A warning, and `DESCR`, say how many pairs are of one video.
        k : int or "all", default=1
            Pairs per frame; with `templates`, references per frame.
        templates : bool, default=False
            In reference mode, whether the `k` references of a frame are one template, and make
            one pair with it; else each of them makes a pair of its own.
        n_frames : int, default=16
            Frames per video, evenly spaced in time over its duration.
        crop : "face", callable or None, default=None
            Store only the face of one person, see :func:`.extract_frames`.
        cache : str or Path, default=None
            Folder of the frames, see :func:`.extract_frames`.
        on_broken : {"raise", "warn", "skip"}, default="warn"
            What to do about videos that are missing, damaged, or without a face where there is
            `crop`. The last two skip them, and count them. ``"raise"`` refuses, and ``"warn"``
            warns of, files that cannot be used for what they are; ``"warn"`` also warns of what is
            absent from a published dataset.
        on_damage : {"raise", "skip"}, default="raise"
            What to do where frames of a video cannot be decoded: ``"raise"`` makes the video a
            broken one, ``"skip"`` leaves out these frames and warns of how many there are.
        n_jobs : int, default=None
            Number of processes that extract frames, as joblib counts them: None is 1, -1 is one per
            core. The result does not depend on it.
        random_state : int, RandomState instance or None, default=None
            Seeds the draw of pairs.
        return_X_y : bool, default=False
            Return ``(data, target)`` instead of a Bunch.
        as_frame : bool, default=False
            Give `data` and `target` as DataFrame and Series.
        verbose : int, default=0
            Show a progress bar; with 2 also say what was read.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With the fields

        data : ndarray or DataFrame of shape (n, 2), object
            Paths of the pairs' pictures; with `templates`, column 0 holds tuples of paths.
        target : ndarray or Series of shape (n,), int
            +1 genuine, -1 deepfake.
        mode : {"reference", "same-video"}
            How the pairs were formed.
        frame : DataFrame of shape (n, 11)
            For each pair, ``dataset``, ``technique``, ``compression``, ``split``, ``identity``,
            ``video`` and ``original`` of the probe (of the later frame), ``reference_video``,
            the frame numbers ``reference_frame`` and ``probe_frame``, and ``label``. With
            `templates`, the columns of the reference hold tuples.
        groups : ndarray of shape (n,), object
            The person of each pair; the video where no person is named.
        images : DataFrame
            One row per frame.
        broken : DataFrame with columns ``path`` and ``reason``
            Videos that could not be used.
        absent : DataFrame with columns ``path`` and ``kind``
            Of a published dataset, the folders, lists and videos that are not there.
        skipped_files : DataFrame with columns ``path``, ``kind`` and ``reason``
            Files in the folders of a dataset that are no videos or pictures, and what they are.
        n_broken, n_skipped : int
            Number of these, and of frames left out because they have no partner.
        feature_names : list of str
            Names of the two columns.
        DESCR : str
            What this is and where it comes from, what is absent, and in reference mode, which
            pairs do not go across videos.

    Raises
    ------
    FileNotFoundError
        If a table or folder is not there.
    ValueError
        If the table is not as described, there is no such subset, no pair can be made, or no
        video can be used; with ``on_broken="raise"``, if one cannot.
    ImportError
        If pandas, or with videos PyAV, is not installed.

    See Also
    --------
    load_video_folder : Labels from the names of folders.
    describe : Count what a dataset holds.

    Examples
    --------
    Pictures that are named as one video are its frames; a video file would be one row.

    >>> import pandas as pd
    >>> from PIL import Image
    >>> from sklearn_diffake.datasets import load_video_table
    >>> for name in ("a1.png", "a2.png", "b1.png", "b2.png"):
    ...     Image.new("RGB", (64, 64)).save(name)
    >>> table = pd.DataFrame({
    ...     "path": ["a1.png", "a2.png", "b1.png", "b2.png"],
    ...     "label": [1, 1, -1, -1],
    ...     "technique": ["genuine", "genuine", "FaceSwap", "FaceSwap"],
    ...     "video": ["a", "a", "b", "b"],
    ... })
    >>> faces = load_video_table(table)
    >>> faces.frame[["video", "technique", "reference_frame", "probe_frame", "label"]]
      video technique  reference_frame  probe_frame  label
    0     a   genuine                0            1      1
    1     b  FaceSwap                0            1     -1

    With videos, their frames are decoded first:

    >>> X, y = load_video_table("videos.csv", n_frames=8, return_X_y=True)  # doctest: +SKIP
    """
    access = "The videos are those that the table names."
    if isinstance(table, (str, os.PathLike)):
        path = Path(table).absolute()
        if not path.is_file():
            raise FileNotFoundError(f"There is no table {path}.")
        access = f"The videos are those that {path} names."
        rows = _read_file(path)
    elif not hasattr(table, "columns"):
        raise TypeError(
            f"table must be a DataFrame or the path of a CSV file, got {type(table).__name__}."
        )
    else:
        rows = read_rows(table, Path.cwd())
    return pair_videos(rows, DatasetInfo(dataset, "", access), **options)


def _read_file(path: Path) -> list[Video]:
    """Read a CSV file; an error names it."""
    pandas = import_pandas()
    try:
        return read_rows(
            pandas.DataFrame(read_columns(path, max_columns=_MOST_COLUMNS)), path.parent
        )
    except TableError:  # names the file
        raise
    except ValueError as error:
        raise ValueError(f"table {path}: {error}") from error
