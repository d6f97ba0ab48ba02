"""Crops, donors and seeds of each row, for the generator and for the torch dataset."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_diffake.generation._apply import apply_pair
from sklearn_diffake.generation._codec import available_codecs
from sklearn_diffake.generation._landmarks import place_landmarks
from sklearn_diffake.generation._techniques import TECHNIQUES, draw_from, technique_weights
from sklearn_diffake.utils._groups import group_codes

Record = dict[str, Any]

_CANDIDATES = 8  # donors that are drawn; the one with the most similar pose is used
MIN_SIZE = 16  # pixels; below, a mouth is smaller than a pixel


def check_crops(crops: Any, name: str = "X") -> Any:
    """Raise an error unless these are n crops of one size; nothing is copied.

    Parameters
    ----------
    crops : ndarray of shape (n, S, S, 3), uint8, or sequence of n such crops
    name : str, default="X"
        Name of the crops in messages.

    Returns
    -------
    ndarray or sequence
        The crops as they came; a list or tuple becomes a list of arrays.

    Raises
    ------
    ValueError
        If a crop is not an RGB uint8 square of at least 16 pixels, or sizes differ; the row is
        named.
    """
    if isinstance(crops, list | tuple):
        crops = [np.asarray(crop) for crop in crops]
    if not hasattr(crops, "__len__") or len(crops) == 0:
        raise ValueError(f"{name} must hold at least one crop.")
    is_array = isinstance(crops, np.ndarray) and crops.dtype != object
    if is_array and crops.ndim != 4:
        raise ValueError(
            f"{name} must be RGB crops (n, S, S, 3), got shape {crops.shape}. A single crop is "
            "written crop[None]; a gray one is repeated: np.stack([gray] * 3, axis=-1)."
        )
    first = crops[0]
    for row in range(1 if is_array else len(crops)):
        _check_crop(crops[row], first, f"{name}[{row}]")
    return crops


def _check_crop(crop: Any, first: Any, name: str) -> None:
    dtype = getattr(crop, "dtype", None)
    if dtype != np.uint8:
        raise ValueError(
            f"{name} must hold uint8 levels from 0 to 255, as FaceAligner returns, got {dtype}."
        )
    shape = tuple(crop.shape)
    if len(shape) != 3 or shape[2] != 3 or shape[0] != shape[1]:
        raise ValueError(f"{name} must be an RGB square (S, S, 3), got shape {shape}.")
    if shape[0] < MIN_SIZE:
        raise ValueError(f"{name} must have at least {MIN_SIZE} pixels a side, got {shape[0]}.")
    if shape != first.shape:
        raise ValueError(
            f"{name} must have the shape of the first crop, {first.shape}, got {shape}."
        )


class PseudoDeepfakeRows:
    """n crops with their landmarks, their donors and the probability of every technique.

    Parameters
    ----------
    crops : ndarray of shape (n, S, S, 3), uint8, or sequence of n such crops
    techniques : see `technique_weights`
    identity : array-like of shape (n,) or None
        Who is seen; a donor comes from another identity. None: every row is another person.
    landmarks, margin, points
        See `place_landmarks`.
    augment : bool or "video"
    blending : {"rgb", "yuv420", "mixed"}
    match_sharpness : float
    """

    def __init__(
        self,
        crops: Any,
        *,
        techniques: Any,
        identity: ArrayLike | None,
        landmarks: str,
        margin: float,
        augment: bool | str,
        blending: str = "rgb",
        match_sharpness: float = 0.0,
        points: ArrayLike | None = None,
    ) -> None:
        self.crops: Any = check_crops(crops)
        self.order, self.start, self.stop = _sort_by_identity(identity, len(self.crops))
        donors = bool(self.stop[0] - self.start[0] < len(self.crops))
        self.weights = technique_weights(techniques, donors=donors)
        self.landmarks = place_landmarks(
            self.crops, landmarks=landmarks, margin=margin, points=points
        )
        if augment == "video":
            available_codecs()  # raises here rather than in the middle of a training
        self.draw_options: dict[str, Any] = {
            "augment": augment, "blending": blending, "match_sharpness": match_sharpness
        }  # fmt: skip
        self.method, self.margin, self.points = _landmark_arguments(landmarks, margin, points)

    def draw(self, row: int, *seed: int) -> Record:
        """Draw the record of a row; donor and landmarks aside, it depends on `seed` alone."""
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        record = draw_from(rng, self.weights, **self.draw_options)
        needs = TECHNIQUES[record["technique"]].needs_donor
        record["donor"] = self._choose_donor(row, rng.random(_CANDIDATES)) if needs else None
        record["landmarks"] = self._landmark_source(row)
        return record

    def check_replayed(self, row: int, record: Record) -> None:
        """Raise an error if a record was drawn for other landmarks; those of 0.1 name none.

        Parameters
        ----------
        row : int
        record : dict

        Raises
        ------
        ValueError
            If the landmarks of the row come from another source than the record names.
        """
        record_source, row_source = record.get("landmarks"), self._landmark_source(row)
        if record_source is None or record_source == row_source:
            return
        names = {"method": "landmarks", "margin": "margin", "points": "points"}
        differences = [
            f"{names.get(name, name)} {record_source.get(name)!r} there, "
            f"{row_source.get(name)!r} here"
            for name in {**record_source, **row_source}
            if record_source.get(name) != row_source.get(name)
        ]
        raise ValueError(
            f"Record {row} was made with other landmarks: {'; '.join(differences)}. Replay it "
            "with a generator of the same landmarks and margin, and with the same points."
        )

    def _landmark_source(self, row: int) -> Record:
        """Return where the landmarks of a row come from, as JSON can hold it."""
        points = None
        if self.points is not None:
            points = hashlib.blake2b(self.points[row].tobytes(), digest_size=8).hexdigest()
        return {"method": self.method, "margin": self.margin, "points": points}

    def render(self, row: int, record: Record) -> tuple[NDArray, NDArray, NDArray]:
        """Return the genuine image, its fake and the mask that a record describes."""
        donor = record["donor"]
        try:
            donor_arguments = () if donor is None else (self.crops[donor], self.landmarks[donor])
            return apply_pair(record, self.crops[row], self.landmarks[row], *donor_arguments)
        except (ValueError, IndexError, KeyError) as error:
            raise ValueError(f"Row {row}: {error}") from error

    def _choose_donor(self, row: int, uniform: NDArray) -> int:
        """Return the row of another identity whose landmarks are nearest, of a few drawn ones."""
        start, stop = self.start[row], self.stop[row]
        n_candidates = len(self.order) - (stop - start)
        positions = np.minimum((uniform * n_candidates).astype(int), n_candidates - 1)
        candidates = self.order[np.where(positions < start, positions, positions + stop - start)]
        offsets = self.landmarks[candidates] - self.landmarks[row]
        return int(candidates[np.square(offsets).sum((1, 2)).argmin()])


def _landmark_arguments(
    landmarks: str, margin: float, points: ArrayLike | None
) -> tuple[str, float | None, NDArray[np.float32] | None]:
    """Return the arguments that `place_landmarks` uses, and None for those that it ignores."""
    row_points = None if points is None else np.ascontiguousarray(points, dtype=np.float32)
    if row_points is not None and row_points.shape[1] == 68:
        return "points", None, row_points
    if landmarks == "dlib":
        return landmarks, float(margin), None
    return landmarks, float(margin) if row_points is None else None, row_points


def _sort_by_identity(identity: ArrayLike | None, n: int) -> tuple[NDArray, NDArray, NDArray]:
    """Sort rows by identity; return the order, and the range of each row's identity in it."""
    if identity is None:
        rows = np.arange(n)
        return rows, rows, rows + 1
    names = np.asarray(identity)
    if names.shape != (n,):
        raise ValueError(f"identity must have shape ({n},), one name a row, got {names.shape}.")
    codes = group_codes(names.tolist(), kind="identity")
    counts = np.bincount(codes)
    ends = np.cumsum(counts)
    return np.argsort(codes, kind="stable"), (ends - counts)[codes], ends[codes]
