"""Verdict: an outcome, and what it rests on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from ..utils._json import json_text
from ..utils._mode import Mode
from ._evidence import ClipEvidence, ImageEvidence, ModelInfo, Outcome, VerdictWarning


@dataclass(frozen=True)
class Verdict:
    """An outcome, and what it rests on.

    Attributes
    ----------
    outcome : {"genuine", "suspicious", "inconclusive", "error"}
        "suspicious" means: not like genuine pairs of one person: altered, or somebody else; in
        same-video mode: not like frames of genuine videos: altered, or recorded or compressed
        otherwise.
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
        Numbers of reference and probe images for which threshold and p-value were calibrated. None
        in same-video mode, where they were calibrated on single frames or pairs of frames.
    images : tuple of ImageEvidence
    warnings : tuple of VerdictWarning
    clip : ClipEvidence or None
        If the probe holds a clip.
    model : ModelInfo or None
    mode : {"reference", "same-video"}
        What the probe was compared with: a reference, or, for a clip by itself, its own frames.
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
