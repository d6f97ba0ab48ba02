"""Verdict: an outcome, and what it rests on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from ..utils._json import json_text

Outcome = Literal["genuine", "suspicious", "inconclusive", "error"]
Side = Literal["reference", "probe"]
Mode = Literal["reference", "same-video"]

#: What "suspicious" means, wherever a person reads it.
SUSPICIOUS_MEANS = "not like genuine pairs of one person: altered, or somebody else"


@dataclass(frozen=True)
class VerdictWarning:
    """One reason to be careful with a verdict.

    Attributes
    ----------
    code : str
        Such as ``"several_faces"``; stable, for programs.
    message : str
        For people.

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
    """One picture, or one frame of a clip, that a verdict looked at.

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

    Examples
    --------
    >>> from sklearn_diffake.verdict import ImageEvidence
    >>> ImageEvidence("probe", path="x.jpg", reason="no face was found").used
    False
    """

    side: Side
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
    """What the frames of a probe clip say, one by one and together.

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
        Windows that were looked at.
    p_value_whole : float or None
        Of all frames pooled.
    p_value_worst_window : float or None
        Of the worst window, multiplied by the number of windows (Bonferroni), at most 1; None if
        windows were not tested.

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


@dataclass(frozen=True)
class ErrorRate:
    """How often a model was wrong on test data.

    Attributes
    ----------
    data : str
        Name of the test data.
    n_references, n_probes : int
        Images in the templates.
    metric : {"apcer", "bpcer", "eer"}
    estimate, low, high : float in [0, 1]
        With its 95 % interval.
    n : int
        Pairs.

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
        Genuine people (or pairs) that the threshold rests on.
    error_rates : tuple of ErrorRate
        As measured; empty if they were not.

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
class Verdict:
    """An outcome, and what it rests on.

    Attributes
    ----------
    outcome : {"genuine", "suspicious", "inconclusive", "error"}
        "suspicious" means: not like genuine pairs of one person: altered, or somebody else.
    reason : str
        One sentence: why this outcome.
    score : float or None
        Higher is more genuine.
    threshold : float or None
        Scores below it are suspicious, for this number of images.
    p_value : float or None
        Valid for this number of images; None if the model gives none.
    level : float or None
        ``p_value <= level`` is suspicious.
    n_references, n_probes : int
        Images used: a clip counts its frames.
    category : tuple of (int, int) or None
        Numbers of reference and probe images for which threshold and p-value were calibrated.
    images : tuple of ImageEvidence
    warnings : tuple of VerdictWarning
    clip : ClipEvidence or None
        If the probe holds a clip.
    model : ModelInfo or None
    mode : {"reference", "same-video"}
        What the probe was compared with: there is no same-video mode yet.
    _material : object or None
        The pictures, for `report`; not compared, and not among the plain values.

    See Also
    --------
    sklearn_diffake.verify : Makes verdicts.

    Examples
    --------
    >>> from sklearn_diffake import Verdict
    >>> verdict = Verdict("error", "probe: no face was found")
    >>> verdict.to_dict()["outcome"], verdict.score
    ('error', None)
    """

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

    _material: Any = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values.

        Returns
        -------
        dict
            Of dicts, lists, texts, numbers and None.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name[0] != "_"}
        return {name: _plain(value) for name, value in values.items()}

    def to_json(self) -> str:
        """Return all fields as JSON; a number that is not finite becomes null.

        Returns
        -------
        str
            One line.
        """
        return json_text(self.to_dict())

    def report(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write a page that shows what was compared, the outcome, and why.

        Parameters
        ----------
        path : str or Path
            A file whose name ends in ``.html``, replaced whole or not at all. A new one is
            readable by its owner only.
        **options
            `command` (text, or list of arguments): what gave the verdict. `case` (text): number of
            the case; without, there is room to write one. `date` (text or date): the current time
            by default. `maps` (bool, default True): show where the least genuine probe image
            differs, where such a map was shown to mean something; needs matplotlib (extra
            ``plots``).

        Raises
        ------
        ValueError
            If the name does not end in ``.html``; or the file is one of those that were compared,
            a directory, a device, a named pipe or a symbolic link of another user.
        OSError
            If the file cannot be written.

        Notes
        -----
        Read more in the :ref:`User Guide <verdict_reports>`. Files are read again: what was changed
        or removed since the verdict, or was left behind when it was pickled, is not shown.
        """
        from ._report import write_verdict_report

        write_verdict_report(self, path, **options)

    def _repr_html_(self) -> str:
        from ._notebook import verdict_html

        return verdict_html(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave pictures and model behind: a verdict travels as its fields."""
        return {**vars(self), "_material": None}


def _plain(value: Any) -> Any:
    """Turn dataclasses and tuples into dicts and lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
