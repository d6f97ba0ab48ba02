"""Reference pairs of frames, never with the very frame that a fake was made from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_diffake.datasets._pair_table import flat_rows, template_sizes, values_by_pair
from sklearn_diffake.pairs import make_reference_pairs
from sklearn_diffake.utils._groups import value_codes

if TYPE_CHECKING:
    import pandas as pd


def pair_references(
    images: pd.DataFrame,
    other_videos: bool,
    k: int | Literal["all"],
    templates: bool,
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
    k, templates, random_state
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
    pairs = make_reference_pairs(
        table, k=k, templates=templates, exclude="original", random_state=random_state
    )
    _, reference, probe = flat_rows(pairs)
    references = values_by_pair(paths[reference], pairs)
    pairs.data = np.empty((len(probe), 2), dtype=object)
    pairs.data[:, 0], pairs.data[:, 1] = references, paths[probe]
    pairs.notes = _one_video_notes(images, pairs)
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
            source[row] = min(rows, key=lambda candidate: abs(number[candidate] - number[row]))
    return source


def _spellings(video: str) -> tuple[str, str]:
    """Return the name of a video without its folder, with and without its ending."""
    name = video.replace("\\", "/").rsplit("/", 1)[-1]
    return name, os.path.splitext(name)[0]


def _one_video_notes(images: pd.DataFrame, pairs: Bunch) -> list[str]:
    """Say how many pairs are easier than those of a case: both frames are of one video."""
    video = images["video"].to_numpy(dtype=object)
    pair, reference, probe = flat_rows(pairs)
    genuine = pairs.target == 1
    in_video = video[reference] == video[probe][pair]
    n_within_video = len(np.unique(pair[in_video & genuine[pair]]))
    original = images["original"].to_numpy(dtype=object)[probe]
    fakes = np.flatnonzero(~genuine[pair] & (original[pair] != ""))
    from_source = {
        pair[i]
        for i in fakes.tolist()
        if set(_spellings(original[pair[i]])) & set(_spellings(video[reference[i]]))
    }
    notes = []
    if not genuine.any():
        notes.append(
            "no genuine pair can be made, since no person has two genuine videos here; "
            'references="all_videos" pairs frames of one video.'
        )
    if n_within_video:
        one_video = (
            "are two frames of one video"
            if template_sizes(pairs) is None
            else "have references from the probe's own video"
        )
        notes.append(
            f"{n_within_video} of {int(genuine.sum())} genuine pairs {one_video}, which "
            "are more alike than two videos of a person; genuine pairs across videos need a second "
            "genuine video of the person."
        )
    if from_source:
        notes.append(
            f"{len(from_source)} of {int((~genuine).sum())} deepfake pairs have a reference from "
            "the video that the deepfake was made from, another frame of it than the source frame."
        )
    return notes
