"""The plan of a dataset: its frames, and the pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.datasets._tree import GENUINE

MIN_IDENTITIES = 6  # two in each split, so that a face of the same split can be put in
PLAIN, RECOMPRESSED = "plain", "recompressed"


class Frame(NamedTuple):
    """One picture of the dataset; people, their videos and frames are numbered from 0."""

    person: int
    video: int
    number: int
    technique: str
    compression: str
    condition: str = PLAIN


class Plan(NamedTuple):
    """Frames and pairs of them."""

    frames: list[Frame]  # each once
    pairs: NDArray[np.int64]  # (n, 2), positions in `frames`
    target: NDArray[np.int64]  # (n,)


def split_of(person: int, n_identities: int) -> str:
    """Return the split that a person is in: a fifth each in ``val`` and ``test``."""
    n_held_out = max(2, round(n_identities / 5))
    behind = n_identities - person
    return "train" if behind > 2 * n_held_out else "val" if behind > n_held_out else "test"


def split_members_except(person: int, n_identities: int) -> list[int]:
    """Return the other people of a person's split."""
    split = split_of(person, n_identities)
    return [
        candidate
        for candidate in range(n_identities)
        if candidate != person and split_of(candidate, n_identities) == split
    ]


def plan_pairs(
    rng: np.random.Generator,
    *,
    n_pairs: int,
    n_fake: int,
    recompressed_share: float,
    mode: str,
    techniques: Sequence[str],
    compressions: Sequence[str],
    n_identities: int,
    n_videos: int,
    n_frames: int,
) -> Plan:
    """Draw the pairs: people, techniques and compressions in equal shares, no pair twice.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_pairs, n_fake : int
        Number of pairs, and of those that are deepfakes.
    recompressed_share : float
        Fraction of genuine and of manipulated pairs whose probe is strongly compressed once more.
    mode : {"reference", "same-video"}
    techniques, compressions : sequence of str
    n_identities, n_videos, n_frames : int
        People, videos of each, and frames of each video.

    Raises
    ------
    ValueError
        If there are not enough frames to make so many different pairs of.
    """
    target = rng.permutation(np.where(np.arange(n_pairs) < n_fake, -1, 1))
    technique = np.full(n_pairs, GENUINE, dtype=object)
    person, level, is_recompressed = np.empty((3, n_pairs), dtype=np.int64)
    for label in (1, -1):
        rows = np.flatnonzero(target == label)
        person[rows] = _draw_evenly(rng, len(rows), n_identities)
        level[rows] = _draw_evenly(rng, len(rows), len(compressions))
        is_recompressed[rows] = rng.permutation(len(rows)) < round(recompressed_share * len(rows))
        if label == -1:
            technique[rows] = np.array(techniques, dtype=object)[
                _draw_evenly(rng, len(rows), len(techniques))
            ]
    groups: dict[tuple[int, str, str], list[int]] = {}
    for row in range(n_pairs):
        key = int(person[row]), technique[row], compressions[level[row]]
        groups.setdefault(key, []).append(row)
    choices = _all_pairs(mode, n_videos, n_frames)
    positions: dict[Frame, int] = {}
    index = np.empty((n_pairs, 2), dtype=np.int64)
    for (number, name, compression), members in groups.items():
        if len(members) > len(choices):
            raise ValueError(
                f"n_pairs={n_pairs} needs {len(members)} different pairs of {name} frames of one "
                f"person, and n_videos={n_videos} of n_frames={n_frames} give {len(choices)} with "
                f"mode={mode!r}; raise n_identities, n_videos or n_frames, or lower n_pairs."
            )
        pairs = rng.choice(len(choices), len(members), replace=False)
        for row, ((v, f), (w, g)) in zip(members, choices[pairs].tolist(), strict=True):
            trusted = GENUINE if mode == "reference" else name
            condition = RECOMPRESSED if is_recompressed[row] else PLAIN
            pair = (
                Frame(number, v, f, trusted, compression),
                Frame(number, w, g, name, compression, condition),
            )
            index[row] = [positions.setdefault(frame, len(positions)) for frame in pair]
    return Plan(list(positions), index, target)


def _draw_evenly(rng: np.random.Generator, n: int, k: int) -> NDArray[np.int64]:
    """Give each of n one of k numbers, each number as often as any other."""
    return rng.permutation(n) % k


def _all_pairs(mode: str, n_videos: int, n_frames: int) -> NDArray[np.int64]:
    """Return all pairs of (video, frame), of shape (n, 2, 2)."""
    frames = [(video, number) for video in range(n_videos) for number in range(n_frames)]
    if mode == "reference":
        pairs = [(a, b) for a in frames for b in frames if a[0] != b[0]]
    else:
        pairs = [(a, b) for a, b in combinations(frames, 2) if a[0] == b[0]]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2, 2)
