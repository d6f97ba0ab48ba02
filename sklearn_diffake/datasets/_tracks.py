"""Follow one person through the frames of a video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

_FARTHEST = 2.0  # how far a face may move and grow between two frames, see `_unlikeness`


def follow_face(boxes: Sequence[ArrayLike]) -> list[int | None]:
    """Choose the face of one person in every frame of a video.

    Faces of successive frames are linked so that, all together, they move and grow the least
    (the assignment problem); a person who is out of sight for some frames is waited for. Of the
    people found, the one who takes up the largest area in all frames together is kept.

    Parameters
    ----------
    boxes : sequence of array-like of shape (k, 4)
        Left, top, right and bottom, in pixels, of the faces found in each frame, in order; an
        empty sequence where none was found.

    Returns
    -------
    list of int or None
        For each frame the position of this person's face, None where it was not found.

    Raises
    ------
    ValueError
        If the boxes of a frame do not have four numbers each.

    See Also
    --------
    extract_frames : Stores frames of a video.
    sklearn_diffake.faces.FaceAligner : Detects the faces of each frame.

    Examples
    --------
    >>> from sklearn_diffake.datasets import follow_face
    >>> left, right = [10, 10, 60, 60], [200, 10, 240, 50]
    >>> follow_face([[left, right], [right], [right, left], [left]])
    [0, None, 1, 0]
    """
    tracks: list[dict[int, int]] = []  # of each person: in which frame, which face
    latest: list[np.ndarray] = []  # of each person: the face seen last
    areas: list[float] = []
    for frame, frame_boxes in enumerate(_check_boxes(item, i) for i, item in enumerate(boxes)):
        matches = _match_people(latest, frame_boxes)
        for face, box in enumerate(frame_boxes):
            person = matches.get(face)
            if person is None:
                person = len(tracks)
                tracks.append({})
                latest.append(box)
                areas.append(0.0)
            tracks[person][frame] = face
            latest[person] = box
            areas[person] += float((box[2] - box[0]) * (box[3] - box[1]))
    if not tracks:
        return [None] * len(boxes)
    largest_track = tracks[int(np.argmax(areas))]
    return [largest_track.get(frame) for frame in range(len(boxes))]


def _check_boxes(boxes: ArrayLike, frame: int) -> np.ndarray:
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(
            f"boxes of frame {frame} must have shape (k, 4): left, top, right, bottom, got shape "
            f"{array.shape}."
        )
    return array


def _match_people(people: list[np.ndarray], frame_boxes: np.ndarray) -> dict[int, int]:
    """Match faces to people: return the person of each face that has one."""
    if not people or not len(frame_boxes):
        return {}
    cost = _track_distance(np.stack(people), frame_boxes)
    person, face = linear_sum_assignment(np.minimum(cost, _FARTHEST))
    is_near = cost[person, face] < _FARTHEST
    return dict(zip(face[is_near].tolist(), person[is_near].tolist(), strict=True))


def _track_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the distance of the centers, in face widths, plus the doublings of the width."""
    a, b = first[:, np.newaxis], second[np.newaxis]
    distance = np.hypot(
        (a[..., 0] + a[..., 2] - b[..., 0] - b[..., 2]) / 2,
        (a[..., 1] + a[..., 3] - b[..., 1] - b[..., 3]) / 2,
    )
    width_a = np.maximum(a[..., 2] - a[..., 0], 1)
    width_b = np.maximum(b[..., 2] - b[..., 0], 1)
    return distance / np.sqrt(width_a * width_b) + np.abs(np.log2(width_a / width_b))
