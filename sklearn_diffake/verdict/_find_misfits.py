"""find_misfits: which of many pictures do not fit the template of a person."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.stats import false_discovery_control

from sklearn_diffake.utils._messages import warn_caller
from sklearn_diffake.utils._names import natural_key
from sklearn_diffake.utils._numbers import significant
from sklearn_diffake.utils._progress import progress_bar
from sklearn_diffake.verdict._evidence import Outcome
from sklearn_diffake.verdict._gates import Gates
from sklearn_diffake.verdict._inputs import N_FRAMES
from sklearn_diffake.verdict._listing import Listing, list_probes
from sklearn_diffake.verdict._model import JudgingModel
from sklearn_diffake.verdict._reference import Reference
from sklearn_diffake.verdict._verdict import Verdict
from sklearn_diffake.verdict._verify import verify_many

Adjustment = Literal["bh", "by"]
#: How p-values of many pictures may be adjusted, and who proposed it.
ADJUSTMENTS: dict[Adjustment, str] = {
    "bh": "Benjamini-Hochberg",
    "by": "Benjamini-Yekutieli",
}
_BATCH = 32  # pictures that are read ahead and computed together


@dataclass(frozen=True)
class RankedPicture:
    """One of many pictures or clips, compared with the template of a person.

    Attributes
    ----------
    rank : int or None
        1 for the picture that fits least; None if it could not be judged.
    path : str or None
        The file; None for an array or other content.
    position : int
        In the list of pictures, from 0.
    outcome : {"genuine", "suspicious", "inconclusive", "error"}
    reason : str
        Why this outcome.
    score : float or None
        Higher fits better.
    threshold : float or None
        Scores below it are suspicious, before any adjustment.
    p_value : float or None
        Of this picture alone.
    adjusted_p_value : float or None
        For so many pictures; None without an adjustment.
    level : float or None
        P-values up to it, adjusted ones if there are any, are suspicious.
    n_probes : int
        Images used: a clip counts its frames.
    n_faces : int or None
        Faces in the picture; None for a clip.
    warnings : tuple of str
        Codes of the warnings of its verdict.

    See Also
    --------
    find_misfits : Makes them.

    Examples
    --------
    >>> from sklearn_diffake.verdict import RankedPicture
    >>> picture = RankedPicture(1, "a.jpg", 0, "suspicious", "p = 0.001", p_value=0.001)
    >>> picture.path, picture.adjusted_p_value
    ('a.jpg', None)
    """

    rank: int | None
    path: str | None
    position: int
    outcome: Outcome
    reason: str
    score: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    adjusted_p_value: float | None = None
    level: float | None = None
    n_probes: int = 0
    n_faces: int | None = None
    warnings: tuple[str, ...] = ()


def find_misfits(
    reference: Any,
    pictures: Any,
    *,
    model: Any = None,
    adjust: Adjustment | None = None,
    n_frames: int = N_FRAMES,
    abstain: float | None = None,
    gates: Gates | None = None,
    verbose: bool | int = False,
) -> list[RankedPicture]:
    """Rank pictures by how badly they fit the template of a person.

    Read more in the :ref:`User Guide <find_misfits>`.

    Parameters
    ----------
    reference : picture, clip, folder, pattern, list of these, or Reference
        Trusted images of one person, which make one template.
    pictures : folder, pattern, picture, clip, or list of these
        Each picture and clip is judged by itself. Of a folder everything in it and in its folders
        is taken that is a picture or video by its content or its name.
    model : Pipeline, str or Path, default=None
        As for `verify`. With a `cache` in its aligner and embedder, what an earlier call has
        computed is not computed again, also if that call was stopped.
    adjust : {"bh", "by"}, default=None
        Adjust p-values for the number of pictures, so that the expected fraction of pictures that
        fit among those called suspicious is at most the level (false discovery rate): by
        Benjamini and Hochberg [1]_, which holds for independent and for positively dependent
        p-values, as conformal ones are [3]_, or by Benjamini and Yekutieli [2]_, which always holds
        and finds less. A file that is listed twice, or by a link, counts once. None judges each
        picture as if it were alone: at a level of 0.05, about 500 of 10,000 that fit are
        suspicious.
    n_frames : int, default=24
        Frames of a clip.
    abstain : float in (0, 1), default=None
        As for `verify`.
    gates : Gates, default=None
        As for `verify`.
    verbose : bool or int, default=False
        Whether to show a progress bar.

    Returns
    -------
    list of RankedPicture
        All pictures: those that fit least first, by p-value, then score, then name; at the end,
        with the outcome "error" and a reason, those that could not be judged. None of them holds
        pixels or embeddings.

    Raises
    ------
    ImageError
        If no reference has a usable face, or there is no picture to judge.
    ModeError
        If the model is one for single clips.
    TypeError
        If a reference or the model is of no type listed here.
    ValueError
        If a number is out of range, or p-values are to be adjusted and the model gives none.

    Warns
    -----
    UserWarning
        If, after the adjustment, no picture can be suspicious, because the calibration of the
        model has too few people for p-values that small.

    See Also
    --------
    sklearn_diffake.verify_many : Full verdicts on pairs, in their order.
    sklearn_diffake.novelty.ConformalDetector.benjamini_hochberg : For embeddings.

    Notes
    -----
    Memory holds one batch of 32 pictures, and a few numbers and texts for each of the others.

    An adjusted picture that would be suspicious alone is "inconclusive", never "genuine".

    References
    ----------
    .. [1] Y. Benjamini, Y. Hochberg, "Controlling the False Discovery Rate", JRSS B 57(1), 1995.
    .. [2] Y. Benjamini, D. Yekutieli, "The Control of the False Discovery Rate in Multiple Testing
       under Dependency", Annals of Statistics 29(4), 2001.
    .. [3] S. Bates, E. Candes, L. Lei, Y. Romano, M. Sesia, "Testing for Outliers with Conformal
       p-values", Annals of Statistics 51(1), 2023, arXiv:2104.08279.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sklearn_diffake.verdict import find_misfits
    >>> photo = astronaut()
    >>> pictures = find_misfits(photo, [photo[:, ::-1], 255 - photo, "missing.jpg"])
    >>> [(picture.rank, picture.position) for picture in pictures][-1], pictures[-1].outcome
    ((None, 2), 'error')
    """
    if adjust is not None and adjust not in ADJUSTMENTS:
        raise ValueError(f"adjust must be None or one of {tuple(ADJUSTMENTS)}, got {adjust!r}")
    listing = pictures if isinstance(pictures, Listing) else list_probes(pictures)
    if not isinstance(reference, Reference):
        reference = Reference(reference, model, n_frames=n_frames)
    if adjust is not None and reference.model.conformal is None:
        raise ValueError(f"adjust={adjust!r} needs p-values, and the model gives none")
    verdicts = verify_many(
        ((reference, probe) for probe in listing.probes),
        model=model,
        n_frames=n_frames,
        abstain=abstain,
        gates=gates,
        batch_size=_BATCH,
    )
    rows = []
    total = len(listing.probes)
    with progress_bar(total=total, desc="judging", unit="picture", verbose=verbose) as bar:
        for position, verdict in enumerate(verdicts):
            rows.append(_row(position, listing.probes[position], verdict))
            bar.update()
    if adjust is not None:
        rows = _adjusted(rows, adjust)
        _warn_if_none_can_be_suspicious(rows, reference.model, reference.n_sources, adjust)
    return _ranked(rows)


def _row(position: int, probe: Any, verdict: Verdict) -> RankedPicture:
    """Keep of a verdict what is listed: a verdict itself holds embeddings."""
    images = [image for image in verdict.images if image.side == "probe"]
    return RankedPicture(
        rank=None,
        path=probe if isinstance(probe, str) else None,
        position=position,
        outcome=verdict.outcome,
        reason=verdict.reason,
        score=verdict.score,
        threshold=verdict.threshold,
        p_value=verdict.p_value,
        level=verdict.level,
        n_probes=verdict.n_probes,
        n_faces=images[0].n_faces if len(images) == 1 else None,
        warnings=tuple(dict.fromkeys(warning.code for warning in verdict.warnings)),
    )


def _adjusted(rows: Sequence[RankedPicture], method: Adjustment) -> list[RankedPicture]:
    """Adjust the p-values of the rows that have one, and the outcomes with them."""
    tested = tested_files(rows)
    if not tested:
        return list(rows)
    p_values = false_discovery_control([row.p_value for row in tested.values()], method=method)
    adjusted = dict(zip(tested, p_values.tolist(), strict=True))
    return [
        row if row.p_value is None
        else _with_adjusted_p_value(row, adjusted[_file_of(row)], len(tested))
        for row in rows
    ]  # fmt: skip


def tested_files(rows: Sequence[RankedPicture]) -> dict[Any, RankedPicture]:
    """Return the first row with a p-value of each file: a file that is listed twice is one test.

    Parameters
    ----------
    rows : sequence of RankedPicture

    Returns
    -------
    dict of RankedPicture
        By the file, or by the position of what is no file.
    """
    tested: dict[Any, RankedPicture] = {}
    for row in rows:
        if row.p_value is not None:
            tested.setdefault(_file_of(row), row)
    return tested


def _file_of(row: RankedPicture) -> str | int:
    return row.position if row.path is None else os.path.realpath(row.path)


def _with_adjusted_p_value(row: RankedPicture, p: float, n: int) -> RankedPicture:
    row = replace(row, adjusted_p_value=p)
    if row.outcome != "suspicious" or row.level is None or p <= row.level:
        return row
    reason = f"suspicious alone, but not among {n} pictures (adjusted p = {significant(p)}): "
    return replace(row, outcome="inconclusive", reason=reason + row.reason)


def _warn_if_none_can_be_suspicious(
    rows: Sequence[RankedPicture], model: JudgingModel, n_references: int, method: Adjustment
) -> None:
    """Warn if even pictures with the smallest p-value there is are not suspicious."""
    numbers = [row for row in rows if row.adjusted_p_value is not None]
    if not numbers or any(row.outcome == "suspicious" for row in numbers):
        return
    assert model.conformal is not None
    n, level = len(tested_files(rows)), model.conformal.level_of(n_references, 1)
    least = 1 / (model.n_calibration(n_references, 1) + 1)
    factor = 1.0 if method == "bh" else float(np.sum(1 / np.arange(1, n + 1)))
    n_needed = math.ceil(n * least * factor / level)
    if n_needed > 1:
        warn_caller(
            f"{ADJUSTMENTS[method]} over {n} pictures: the smallest p-value of this model is about "
            f"{significant(least, 2)}, so that {n_needed} pictures must have it before any is "
            "suspicious; look at the first pictures of the list, or calibrate on more people"
        )


def _ranked(rows: Sequence[RankedPicture]) -> list[RankedPicture]:
    """Sort rows, those without a score last, and number the others."""
    scored = sorted((row for row in rows if row.score is not None), key=_misfit)
    remaining = [row for row in rows if row.score is None]
    return [replace(row, rank=number) for number, row in enumerate(scored, 1)] + remaining


def _misfit(row: RankedPicture) -> tuple[Any, ...]:
    p_value = 1.0 if row.p_value is None else row.p_value
    return p_value, row.score, natural_key(row.path or ""), row.position
