"""Reference pairs of frames: never with the very frame that a fake was made from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_diffake.pairs import make_reference_pairs
from sklearn_diffake.utils._groups import value_codes

if TYPE_CHECKING:
    import pandas as pd


def pair_references(
    images: pd.DataFrame,
    other_videos: bool,
    k: int | Literal["all"],
    random_state: int | RandomState | None,
) -> Bunch:
    """Pair every frame with genuine frames of the same person, split and compression.

    Parameters
    ----------
    images : DataFrame
        One row per frame.
    other_videos : bool
        Whether references come only from other videos than the probe's, and than the one that it
        was made from. If not, the one frame of the latter that a fake was made from is left out.
    k, random_state
        As in :func:`.make_reference_pairs`.

    Returns
    -------
    pairs : Bunch
        As :func:`.make_reference_pairs` returns; `notes` says which pairs do not go across videos.
    """
    paths = images["path"].to_numpy(dtype=object)
    person = value_codes(
        zip(images["identity"], images["split"], images["compression"], strict=True)
    )
    table: dict[str, Any] = {"identity": person, "label": images["label"]}
    if other_videos:
        table |= {"path": images["video"], "original": images["original"]}
    else:
        frame = value_codes(paths)
        source = _source_frames(images, person)
        table["path"] = [str(number) for number in frame]
        table["original"] = [str(frame[row]) if row >= 0 else "" for row in source]
    pairs = make_reference_pairs(table, k=k, exclude="original", random_state=random_state)
    pairs.data = paths[pairs.index]
    pairs.notes = _notes(images, pairs)
    return pairs


def _source_frames(images: pd.DataFrame, person: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, of every fake, the row of the frame of its original that is nearest in number.

    -1 where the original is not named, or not among the person's genuine videos.
    """
    label, number = images["label"].to_numpy(), images["number"].to_numpy()
    frames: dict[tuple[int, str], list[int]] = {}
    for row in np.flatnonzero(label == 1).tolist():
        for name in _spellings(images["video"].iat[row]):
            frames.setdefault((person[row], name), []).append(row)
    source = np.full(len(images), -1, dtype=np.int64)
    for row in np.flatnonzero((label == -1) & (images["original"] != "")).tolist():
        names = _spellings(images["original"].iat[row])
        rows = next((frames[person[row], n] for n in names if (person[row], n) in frames), [])
        if rows:
            source[row] = min(rows, key=lambda other: abs(number[other] - number[row]))
    return source


def _spellings(video: str) -> tuple[str, str]:
    """Return the name of a video without its folder, with and without its ending."""
    name = video.replace("\\", "/").rsplit("/", 1)[-1]
    return name, os.path.splitext(name)[0]


def _notes(images: pd.DataFrame, pairs: Bunch) -> list[str]:
    """Say which pairs are easier than those that a case has: both frames are of one video."""
    video = images["video"].to_numpy(dtype=object)
    reference, probe = pairs.index.T
    genuine = pairs.target == 1
    within = int((genuine & (video[reference] == video[probe])).sum())
    original = images["original"].to_numpy(dtype=object)[probe]
    from_source = sum(
        name != "" and bool(set(_spellings(name)) & set(_spellings(source)))
        for name, source in zip(original[~genuine], video[reference][~genuine], strict=True)
    )
    notes = []
    if not genuine.any():
        notes.append(
            "no genuine pair can be made, since no person has two genuine videos here; "
            'references="all_videos" pairs frames of one video.'
        )
    if within:
        notes.append(
            f"{within} of {int(genuine.sum())} genuine pairs are two frames of one video, which "
            "are more alike than two videos of a person; genuine pairs across videos need a second "
            "genuine video of the person."
        )
    if from_source:
        notes.append(
            f"{from_source} of {int((~genuine).sum())} deepfake pairs have a reference from the "
            "video that the deepfake was made from, another frame of it than the source frame."
        )
    return notes
