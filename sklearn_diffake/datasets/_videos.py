"""Pairs of frames from a table of videos, for every loader."""

from __future__ import annotations

import logging
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import joblib
from numpy.random import RandomState
from sklearn.utils import Bunch

from sklearn_diffake.datasets._bundle import bundle_frames, import_pandas
from sklearn_diffake.datasets._frames import Crop, Extraction, Frames, store_frames
from sklearn_diffake.datasets._reference import pair_references
from sklearn_diffake.datasets._tree import (
    GENUINE,
    SIDE_FILES,
    DatasetInfo,
    Tree,
    Video,
    summarize,
)
from sklearn_diffake.images.errors import VideoError
from sklearn_diffake.images.formats import file_format
from sklearn_diffake.images.video import OnDamage
from sklearn_diffake.pairs import make_same_video_pairs
from sklearn_diffake.utils._groups import name_codes, value_codes
from sklearn_diffake.utils._labels import CONVENTION, parse_label
from sklearn_diffake.utils._modes import REFERENCE, SAME_VIDEO, SPELLINGS, mode_name
from sklearn_diffake.utils._progress import log_step, progress_bar
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, validate_params

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger(__name__)
_TEXT_COLUMNS = [name for name in Video._fields if name != "label"]
_NAME_COLUMNS = ("technique", "compression", "split", "identity", "video", "original")


class PairOptions(TypedDict, total=False):
    """The options that all loaders share; see :func:`.load_video_table`."""

    subset: str
    mode: Literal["same-video", "same_video", "reference"]
    references: Literal["other_videos", "all_videos"]
    k: int | Literal["all"]
    templates: bool
    n_frames: int
    crop: Crop
    cache: str | os.PathLike[str] | None
    on_broken: Literal["raise", "warn", "skip"]
    on_damage: OnDamage
    n_jobs: int | None
    random_state: int | RandomState | None
    return_X_y: bool
    as_frame: bool
    verbose: int


@validate_params(
    {
        "subset": [str],
        "mode": [StrOptions(set(SPELLINGS))],
        "references": [StrOptions({"other_videos", "all_videos"})],
        "k": [Interval(Integral, 1, None, closed="left"), StrOptions({"all"})],
        "templates": ["boolean"],
        "n_frames": [Interval(Integral, 1, None, closed="left")],
        "crop": [StrOptions({"face"}), callable, None],
        "cache": [str, os.PathLike, None],
        "on_broken": [StrOptions({"raise", "warn", "skip"})],
        "on_damage": [StrOptions({"raise", "skip"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def pair_videos(
    videos: Sequence[Video],
    info: DatasetInfo,
    *,
    tree: Tree | None = None,
    subset: str = "all",
    mode: Literal["same-video", "same_video", "reference"] = "same-video",
    references: Literal["other_videos", "all_videos"] = "other_videos",
    k: int | Literal["all"] = 1,
    templates: bool = False,
    n_frames: int = 16,
    crop: Crop = None,
    cache: str | os.PathLike[str] | None = None,
    on_broken: Literal["raise", "warn", "skip"] = "warn",
    on_damage: OnDamage = "raise",
    n_jobs: int | None = None,
    random_state: int | RandomState | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
    verbose: int = 0,
) -> Any:
    """Extract the frames of some videos and pair them, see :func:`.load_video_table`.

    `tree` is the folder of a published dataset: what is absent from it is not broken.
    """
    kind = mode_name(mode)
    if templates and kind != REFERENCE:
        raise ValueError(
            f"mode must be 'reference' with templates=True, got {kind!r}, which has no references."
        )
    selected = _select_subset(_normalize_names(videos), subset, info.name, tree)
    if tree is not None:
        if on_broken != "raise":
            selected = tree.keep_present(selected)
        _report_absent(tree, verbose, on_broken)
        _report_skipped(tree, verbose, on_broken)
    if kind == REFERENCE:
        _check_identities(selected, info.name)
    extraction = Extraction(n_frames, crop, on_damage)
    results = _frames_of_all(selected, info.name, cache, extraction, n_jobs, verbose)
    images, broken = _frame_table(selected, results, info, on_broken)
    message = "%s: %d frames of %d videos, %d unusable"
    log_step(_logger, verbose, message, info.name, len(images), len(selected), len(broken))
    try:
        pairs = _pair_frames(images, kind, references, k, templates, random_state)
    except ValueError as error:
        raise ValueError(f"{info.name}: {error} {info.access}") from error
    if on_broken != "skip":
        for note in pairs.get("notes", ()):
            warnings.warn(f"{info.name}: {note}", UserWarning, stacklevel=4)
    dataset = bundle_frames(images, pairs, broken, info, kind, as_frame, tree=tree)
    return (dataset.data, dataset.target) if return_X_y else dataset


def _normalize_names(videos: Sequence[Video]) -> list[Video]:
    """Write equivalent names alike; a warning lists those that differed."""
    columns = {}
    for column in _NAME_COLUMNS:
        values = [getattr(video, column) for video in videos]
        columns[column] = name_codes(values, kind=f"column {column!r}").values(values)
    rows = zip(*columns.values(), strict=True)
    return [
        video._replace(**dict(zip(columns, row, strict=True)))
        for video, row in zip(videos, rows, strict=True)
    ]


def _select_subset(
    videos: Sequence[Video], subset: str, name: str, tree: Tree | None
) -> list[Video]:
    """Keep the videos of one split."""
    if subset == "all":
        selected = list(videos)
    else:
        splits = sorted({video.split for video in videos} - {""})
        if subset not in splits:
            known_splits = f"its splits are {splits}" if splits else "it has no official splits"
            lists = [item for item in (tree.absent if tree else []) if item.kind == "list"]
            if lists:
                known_splits += f", and absent are {summarize(lists)}"
            raise ValueError(
                f'{name} has no subset {subset!r}: {known_splits}; "all" takes everything.'
            )
        selected = [video for video in videos if video.split == subset]
    if not selected:
        if tree is not None:
            raise tree.missing_error("any video", *(Path(item.path) for item in tree.absent[:3]))
        raise ValueError(f"{name}: there are no videos to take frames from.")
    return selected


def _report_absent(tree: Tree, verbose: int, on_broken: str) -> None:
    """Log and warn which parts of a dataset are absent."""
    if not tree.absent:
        return
    message = f"{tree.info.name}: absent are {summarize(tree.absent)}; the others are loaded."
    log_step(_logger, verbose, "%s", message)
    if on_broken == "warn":
        message += f" {tree.hint}" * bool(tree.hint)
        warnings.warn(f"{message} They are listed in `absent`.", UserWarning, stacklevel=5)


def _report_skipped(tree: Tree, verbose: int, on_broken: str) -> None:
    """Log and warn which files are not used, side files apart."""
    skipped = [item for item in tree.skipped if item.kind not in SIDE_FILES]
    if not skipped:
        return
    path, _, reason = skipped[0]
    if on_broken == "raise":
        raise VideoError(f"{tree.info.name}, file {path}: {reason}. {tree.info.access}")
    message = (
        f"{tree.info.name}: {len(skipped)} files cannot be used. The first is {path}: {reason}."
    )
    log_step(_logger, verbose, "%s", message)
    if on_broken == "warn":
        warnings.warn(f"{message} They are listed in `skipped_files`.", UserWarning, stacklevel=5)


def _check_identities(videos: list[Video], name: str) -> None:
    unnamed = [video for video in videos if not video.identity]
    if unnamed:
        raise ValueError(
            f"mode='reference' pairs images of one person, and {name} does not say who is seen in "
            f"{len(unnamed)} of {len(videos)} videos, {unnamed[0].path} for one. Use "
            "mode='same-video'."
        )


def _frames_of_all(
    videos: list[Video],
    name: str,
    cache: str | os.PathLike[str] | None,
    extraction: Extraction,
    n_jobs: int | None,
    verbose: int,
) -> Iterator[Frames | str]:
    """Yield the frames of every video, or the problem with it."""
    results = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(_frames_or_reason)(video.path, cache, extraction) for video in videos
    )
    with progress_bar(
        total=len(videos), desc=f"reading {name}", unit="video", verbose=verbose
    ) as bar:
        for result in results:
            bar.update()
            yield result


def _frame_table(
    videos: list[Video], results: Iterator[Frames | str], info: DatasetInfo, on_broken: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table with one row per frame, and one of the broken videos."""
    pd = import_pandas()
    rows: list[tuple[Any, ...]] = []
    broken: list[tuple[str, str]] = []
    undecodable: list[tuple[str, int]] = []
    picture_counts: Counter[str] = Counter()  # of the pictures that are frames of one video
    for i, (video, result) in enumerate(zip(videos, results, strict=True)):
        if isinstance(result, str):
            if on_broken == "raise":
                raise VideoError(f"{info.name}, video {i} ({video.path}): {result}. {info.access}")
            broken.append((video.path, result))
            continue
        if result.n_lost:
            undecodable.append((video.path, result.n_lost))
        forged_ranges = _read_ranges(video)
        if result.paths == [video.path]:
            result = result._replace(numbers=[picture_counts[video.video]])
            picture_counts[video.video] += 1
        for path, number, time in zip(result.paths, result.numbers, result.times, strict=True):
            label = (
                1
                if forged_ranges
                and not any(number in forged_range for forged_range in forged_ranges)
                else video.label
            )
            row = video._replace(label=label, video=video.video or video.path)
            rows.append((info.name, *row, path, number, time))
    _report_broken(broken, len(videos), info, on_broken)
    _report_undecodable(undecodable, info)
    columns = ["dataset", "file", *Video._fields[1:], "path", "number", "time"]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(broken, columns=["path", "reason"])


def _frames_or_reason(
    path: str, cache: str | os.PathLike[str] | None, extraction: Extraction
) -> Frames | str:
    """Return the frames of a video or a picture, or the problem with it."""
    content = file_format(path)
    if content.kind == "missing":
        return "no such file; is the copy of the dataset complete?"
    if content.is_image:
        return Frames([path], [0], [0.0], 0)
    if not content.is_video and content.kind != "unknown":  # the decoder may still read it
        return content.describe("image or video")
    try:
        return store_frames(path, cache, extraction)
    except VideoError as error:
        return str(error.at(path=None))


def _read_ranges(video: Video) -> list[range]:
    """Read ``"0:12;40:80"``."""
    try:
        ranges = [bounds.split(":") for bounds in video.fake_frames.split(";") if bounds.strip()]
        return [range(int(first), int(stop)) for first, stop in ranges]
    except ValueError:
        raise ValueError(
            f"{video.path}: fake_frames must be ranges of frame numbers such as '0:12;40:80', got "
            f"{video.fake_frames!r}."
        ) from None


def _report_broken(
    broken: list[tuple[str, str]], total: int, info: DatasetInfo, on_broken: str
) -> None:
    if not broken:
        return
    path, reason = broken[0]
    message = (
        f"{info.name}: {len(broken)} of {total} videos cannot be used. The first is {path}: "
        f"{reason}. "
    )
    if len(broken) == total:
        raise VideoError(message + info.access)
    if on_broken == "warn":
        warnings.warn(
            f"{message}They are skipped, and listed in `broken`.", UserWarning, stacklevel=6
        )


def _report_undecodable(undecodable: list[tuple[str, int]], info: DatasetInfo) -> None:
    """Warn of frames that were left out of videos that are used."""
    if undecodable:
        path, n = undecodable[0]
        warnings.warn(
            f"{info.name}: {sum(n for _, n in undecodable)} frames of {len(undecodable)} videos "
            f"cannot be decoded and are left out. The first is {path}: {n}.",
            UserWarning,
            stacklevel=5,
        )


def _pair_frames(
    images: pd.DataFrame,
    mode: str,
    references: str,
    k: int | Literal["all"],
    templates: bool,
    random_state: int | RandomState | None,
) -> Bunch:
    """Pair the frames; `index` holds the rows of both in `images`."""
    paths = images["path"].to_numpy(dtype=object)
    if mode == SAME_VIDEO:
        video = value_codes(images["video"])
        table = {"path": paths, "video": video, "label": images["label"]}
        table["number"] = images["number"]
        return make_same_video_pairs(table, k=k, frame="number", random_state=random_state)
    return pair_references(images, references == "other_videos", k, templates, random_state)


def _row_label(value: Any, row: int, path: str) -> int:
    """Read the label of a row, which must have one."""
    try:
        label = parse_label(value)
    except ValueError:
        label = None
    if label is None:
        raise ValueError(f"Row {row} ({path}): the label must be {CONVENTION}, got {value!r}.")
    return label


def read_rows(table: Any, root: Path) -> list[Video]:
    """Read a DataFrame whose columns are those of `Video`; relative paths begin at `root`."""
    for name in ("path", "label"):
        if name not in table.columns:
            raise ValueError(f"The table has no column {name!r}; it has {list(table.columns)}.")
    text_columns = [name for name in _TEXT_COLUMNS if name in table.columns]
    texts = table[text_columns].astype(object).where(table[text_columns].notna(), "").astype(str)
    videos = []
    for i, (row, label) in enumerate(zip(texts.to_dict("records"), table["label"], strict=True)):
        if not row["path"]:
            raise ValueError(f"Row {i} has no path.")
        value = _row_label(label, i, row["path"])
        row.setdefault("technique", GENUINE if value == 1 else "deepfake")
        row["video"] = row.get("video") or row["path"]
        row["path"] = str(root / row["path"])
        videos.append(Video(label=value, **row))
    return videos
