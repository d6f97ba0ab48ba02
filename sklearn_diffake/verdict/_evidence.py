"""What a verdict rests on: evidence of images and clips, error rates, the model, warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from sklearn_diffake.utils._modes import Mode

Outcome = Literal["genuine", "suspicious", "inconclusive", "error"]
SideName = Literal["reference", "probe"]

#: Pairs, frames or clips of a test; from fewer, nothing is computed for cases to come.
FEWEST_TESTED = 30
#: What "genuine" and "suspicious" mean in each mode, in all texts for people.
GENUINE_MEANS: dict[Mode, str] = {
    "reference": "like genuine pairs of one person",
    "same-video": "like frames of genuine videos",
}
SUSPICIOUS_MEANS: dict[Mode, str] = {
    "reference": "not like genuine pairs of one person: altered, or somebody else",
    "same-video": "not like frames of genuine videos: altered, or recorded or compressed otherwise",
}


@dataclass(frozen=True)
class VerdictWarning:
    """One reason to be careful with a verdict.

    Attributes
    ----------
    code : str
        Such as ``"several_faces"``; stable, for programs.
    message : str
        For people.

    See Also
    --------
    Gates : The limits of quality.
    sklearn_diffake.Verdict : The verdict that it is part of.

    Examples
    --------
    >>> from sklearn_diffake.verdict import VerdictWarning
    >>> VerdictWarning("few_images", "the reference is 1 image").code
    'few_images'
    """

    code: str
    message: str


@dataclass(frozen=True)
class ImageEvidence:
    """One picture, or one frame of a clip, of a verdict.

    Attributes
    ----------
    side : {"reference", "probe"}
    path : str or None
        The file; None for an array or a file object.
    frame : int or None
        Number of the frame in its clip.
    time : float or None
        Seconds since the first frame of the clip.
    box : tuple of 4 floats or None
        Left, top, right and bottom of the face, in pixels of the picture.
    face_size : float or None
        Side of the face, in pixels.
    eye_distance : float or None
        Between the eyes, in pixels.
    probability : float or None
        Confidence of the face detector, in [0, 1].
    n_faces : int or None
        Faces in the picture.
    sharpness, brightness, yaw : float or None
        Quality of the face.
    score : float or None
        Of this probe image alone against all references; None for references.
    p_value : float or None
        Of `score`.
    reason : str or None
        Why the image was not used; None if it was.

    See Also
    --------
    ClipEvidence : Evidence of all frames of a clip.
    sklearn_diffake.Verdict : The verdict that it is part of.

    Examples
    --------
    >>> from sklearn_diffake.verdict import ImageEvidence
    >>> ImageEvidence("probe", path="x.jpg", reason="no face was found").used
    False
    """

    side: SideName
    path: str | None = None
    frame: int | None = None
    time: float | None = None
    box: tuple[float, float, float, float] | None = None
    face_size: float | None = None
    eye_distance: float | None = None
    probability: float | None = None
    n_faces: int | None = None
    sharpness: float | None = None
    brightness: float | None = None
    yaw: float | None = None
    score: float | None = None
    p_value: float | None = None
    reason: str | None = None

    @property
    def used(self) -> bool:
        """Whether the image belongs to its template."""
        return self.reason is None


@dataclass(frozen=True)
class ClipEvidence:
    """Evidence of the frames of a probe clip, one by one and together.

    Attributes
    ----------
    n_frames : int
        Frames used.
    fraction_below : float in [0, 1]
        Fraction of the used frames whose own p-value is at most the level.
    longest_interval : tuple of (float, float) or None
        First and last time, in seconds, of the longest run of consecutive such frames.
    worst_window : tuple of (float, float) or None
        First and last time of the window of frames with the smallest p-value.
    n_windows : int
        Windows of frames.
    p_value_whole : float or None
        Of all frames pooled.
    p_value_worst_window : float or None
        Of the worst window, multiplied by the number of windows (Bonferroni), at most 1; None if
        windows were not tested.
    decided_by : {"whole", "window"} or None
        Which of these two p-values, the smaller one, decided; None if the model gives none.

    See Also
    --------
    ImageEvidence : Evidence of one frame.
    sklearn_diffake.Verdict : The verdict that it is part of.
    annotate_clip : Draws it into a copy of the clip.

    Examples
    --------
    >>> from sklearn_diffake.verdict import ClipEvidence
    >>> ClipEvidence(24, 0.25, (3.0, 5.5), (3.0, 6.0), 5, 0.2, 0.03).fraction_below
    0.25
    """

    n_frames: int
    fraction_below: float
    longest_interval: tuple[float, float] | None
    worst_window: tuple[float, float] | None
    n_windows: int
    p_value_whole: float | None
    p_value_worst_window: float | None
    decided_by: Literal["whole", "window"] | None = None


@dataclass(frozen=True)
class ErrorRate:
    """How often a model was wrong on test data.

    Attributes
    ----------
    data : str
        Name of the test data.
    n_references, n_probes : int
        Images in the templates. In same-video mode there is no reference, and the frames of a clip
        are counted as probes.
    metric : {"apcer", "bpcer", "eer"}
    estimate, low, high : float in [0, 1]
        With its 95 % interval.
    n : int
        Pairs; in same-video mode frames or clips.

    See Also
    --------
    ModelInfo : Lists the error rates of a model.
    sklearn_diffake.Verdict : The verdict that it is part of.

    Examples
    --------
    >>> from sklearn_diffake.verdict import ErrorRate
    >>> ErrorRate("test pairs", 1, 1, "apcer", 0.1, 0.08, 0.13, 500).metric
    'apcer'
    """

    data: str
    n_references: int
    n_probes: int
    metric: Literal["apcer", "bpcer", "eer"]
    estimate: float
    low: float
    high: float
    n: int


def nearest_numbers(
    numbers: tuple[int, int], measured: Iterable[tuple[int, int]]
) -> tuple[int, int]:
    """Return the largest measured numbers of images within those of a verdict, else the least.

    Parameters
    ----------
    numbers : tuple of (int, int)
        References and probes of the verdict.
    measured : iterable of (int, int)
        References and probes for which there are error rates.

    Returns
    -------
    tuple of (int, int)
        One of `measured`.
    """
    pairs = sorted(measured, key=lambda pair: (sum(pair), pair[0]))
    not_larger = [pair for pair in pairs if pair[0] <= numbers[0] and pair[1] <= numbers[1]]
    return not_larger[-1] if not_larger else pairs[0]


@dataclass(frozen=True)
class ModelInfo:
    """Which model gave a verdict.

    Attributes
    ----------
    name : str
        ``"default"``, or the file.
    fingerprint : str
        SHA-256 over what decides scores and thresholds.
    networks : tuple of str
        Backbones.
    target_bpcer : float or None
        Fraction of genuine pairs that may be rejected.
    n_calibration : int or None
        Genuine people (or pairs) that the threshold for this number of images rests on.
    error_rates : tuple of ErrorRate
        As measured; empty if they were not.

    See Also
    --------
    ErrorRate : How often a model was wrong on test data.
    sklearn_diffake.Verdict : The verdict that it is part of.

    Examples
    --------
    >>> from sklearn_diffake.verdict import ModelInfo
    >>> ModelInfo("model.diffake", "0" * 64).error_rates
    ()
    """

    name: str
    fingerprint: str
    networks: tuple[str, ...] = ()
    target_bpcer: float | None = None
    n_calibration: int | None = None
    error_rates: tuple[ErrorRate, ...] = ()


@dataclass(frozen=True)
class VerdictData:
    """The fields of a `Verdict`, which describes them."""

    outcome: Outcome
    reason: str
    score: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    level: float | None = None
    n_references: int = 0
    n_probes: int = 0
    category: tuple[int, int] | None = None
    images: tuple[ImageEvidence, ...] = ()
    warnings: tuple[VerdictWarning, ...] = ()
    clip: ClipEvidence | None = None
    model: ModelInfo | None = None
    mode: Mode = "reference"

    _compared_images: Any = field(default=None, repr=False, compare=False)
