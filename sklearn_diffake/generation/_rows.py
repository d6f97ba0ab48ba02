"""What the generator and the torch dataset share: crops, donors and seeds, row by row."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils._groups import group_codes
from ._apply import apply_pair
from ._codec import available_codecs
from ._landmarks import place_landmarks
from ._techniques import TECHNIQUES, draw_from, technique_weights

Record = dict[str, Any]

_CANDIDATES = 8  # donors that are drawn; the one of the most similar pose is taken
MIN_SIZE = 16  # pixels; below, a mouth is smaller than a pixel


def check_crops(crops: Any, name: str = "X") -> Any:
    """Refuse what is not n crops of one size; nothing is copied.

    Parameters
    ----------
    crops : ndarray of shape (n, S, S, 3), uint8, or sequence of n such crops
    name : str, default="X"
        What to call them in messages.

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
    whole = isinstance(crops, np.ndarray) and crops.dtype != object
    if whole and crops.ndim != 4:
        raise ValueError(
            f"{name} has shape {crops.shape}: expected RGB crops (n, S, S, 3). A single crop is "
            "written crop[None]; a gray one is repeated: np.stack([gray] * 3, axis=-1)."
        )
    first = crops[0]
    for row in range(1 if whole else len(crops)):
        _check_crop(crops[row], first, f"{name}[{row}]")
    return crops


def _check_crop(crop: Any, first: Any, place: str) -> None:
    dtype = getattr(crop, "dtype", None)
    if dtype != np.uint8:
        raise ValueError(
            f"{place} has type {dtype}: expected uint8 levels from 0 to 255, as FaceAligner gives."
        )
    shape = tuple(crop.shape)
    if len(shape) != 3 or shape[2] != 3 or shape[0] != shape[1]:
        raise ValueError(f"{place} has shape {shape}: expected an RGB square (S, S, 3).")
    if shape[0] < MIN_SIZE:
        raise ValueError(f"{place} has {shape[0]} pixels a side: at least {MIN_SIZE} are needed.")
    if shape != first.shape:
        raise ValueError(f"{place} has shape {shape}, but the first crop {first.shape}.")


class PseudoDeepfakeRows:
    """n crops with their landmarks, donors and the chances of every technique.

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
        self.order, self.start, self.stop = _by_identity(identity, len(self.crops))
        donors = bool(self.stop[0] - self.start[0] < len(self.crops))
        self.weights = technique_weights(techniques, donors=donors)
        self.landmarks = place_landmarks(
            self.crops, landmarks=landmarks, margin=margin, points=points
        )
        if augment == "video":
            available_codecs()  # raises here rather than in the middle of a training
        self.drawn: dict[str, Any] = {
            "augment": augment, "blending": blending, "match_sharpness": match_sharpness
        }  # fmt: skip
        self.method, self.margin, self.points = _used(landmarks, margin, points)

    def draw(self, row: int, *seed: int) -> Record:
        """Draw the record of a row; `seed` decides, but for donor and landmarks."""
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        record = draw_from(rng, self.weights, **self.drawn)
        needs = TECHNIQUES[record["technique"]].needs_donor
        record["donor"] = self._donor(row, rng.random(_CANDIDATES)) if needs else None
        record["landmarks"] = self._landmark_source(row)
        return record

    def check_replayed(self, row: int, record: Record) -> None:
        """Refuse a record that was drawn for other landmarks; those of 0.1 do not say for which.

        Parameters
        ----------
        row : int
        record : dict

        Raises
        ------
        ValueError
            If the landmarks of the row are found in another way than the record says.
        """
        drawn, here = record.get("landmarks"), self._landmark_source(row)
        if drawn is None or drawn == here:
            return
        names = {"method": "landmarks", "margin": "margin", "points": "points"}
        other = [
            f"{names.get(name, name)} {drawn.get(name)!r} there, {here.get(name)!r} here"
            for name in {**drawn, **here}
            if drawn.get(name) != here.get(name)
        ]
        raise ValueError(
            f"Record {row} was made with other landmarks: {'; '.join(other)}. Replay it with a "
            "generator of the same landmarks and margin, and with the same points."
        )

    def _landmark_source(self, row: int) -> Record:
        """Say what the landmarks of a row come from, as JSON can hold it."""
        points = None
        if self.points is not None:
            points = hashlib.blake2b(self.points[row].tobytes(), digest_size=8).hexdigest()
        return {"method": self.method, "margin": self.margin, "points": points}

    def render(self, row: int, record: Record) -> tuple[NDArray, NDArray, NDArray]:
        """Return the genuine image, its fake and the mask that a record describes."""
        donor = record["donor"]
        try:
            other = () if donor is None else (self.crops[donor], self.landmarks[donor])
            return apply_pair(record, self.crops[row], self.landmarks[row], *other)
        except (ValueError, IndexError, KeyError) as error:
            raise ValueError(f"Row {row}: {error}") from error

    def _donor(self, row: int, shares: NDArray) -> int:
        """Return, of some rows of other identities, the one whose landmarks are nearest."""
        start, stop = self.start[row], self.stop[row]
        others = len(self.order) - (stop - start)
        places = np.minimum((shares * others).astype(int), others - 1)
        candidates = self.order[np.where(places < start, places, places + stop - start)]
        away = self.landmarks[candidates] - self.landmarks[row]
        return int(candidates[np.square(away).sum((1, 2)).argmin()])


def _used(
    landmarks: str, margin: float, points: ArrayLike | None
) -> tuple[str, float | None, NDArray[np.float32] | None]:
    """Return of three arguments of `place_landmarks` those that it uses, None for the others."""
    given = None if points is None else np.ascontiguousarray(points, dtype=np.float32)
    if given is not None and given.shape[1] == 68:
        return "points", None, given
    if landmarks == "dlib":
        return landmarks, float(margin), None
    return landmarks, float(margin) if given is None else None, given


def _by_identity(identity: ArrayLike | None, n: int) -> tuple[NDArray, NDArray, NDArray]:
    """Sort rows by identity; return the order, and of every row where its identity lies in it."""
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
