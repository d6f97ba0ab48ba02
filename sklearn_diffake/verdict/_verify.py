"""verify and verify_many: from pictures and clips to verdicts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.table import pair_rows
from sklearn_diffake.utils._modes import MODES, Mode
from sklearn_diffake.verdict._compared_images import ComparedImages
from sklearn_diffake.verdict._decision import Rules, decide, few_frames, scoreless
from sklearn_diffake.verdict._gates import Gates
from sklearn_diffake.verdict._inputs import (
    N_FRAMES,
    Side,
    check_positive,
    copy_pixels,
    read_clip,
    read_side,
)
from sklearn_diffake.verdict._model import JudgingModel, packaged_model, prepare_model
from sklearn_diffake.verdict._reference import Reference, unusable_error
from sklearn_diffake.verdict._scoring import score_templates
from sklearn_diffake.verdict._templates import EMPTY, Template, TemplateMemory, gather_templates
from sklearn_diffake.verdict._verdict import Verdict

_MOST_TEMPLATES = 32  # references that are remembered by one call of verify_many


@dataclass(frozen=True, eq=False)
class Options:
    """Arguments that `verify` and `verify_many` share, checked.

    Attributes
    ----------
    n_frames : int
        Frames of a clip.
    rules : Rules
    """

    n_frames: int
    rules: Rules


@dataclass(frozen=True, eq=False)
class _Request:
    """One row: two sides, and the model to judge them."""

    model: JudgingModel
    reference: Side | Template
    probe: Side


@dataclass(frozen=True, eq=False)
class _BadRow:
    """One row that cannot be judged."""

    model: JudgingModel
    reason: str


def verify(
    reference: Any,
    probe: Any,
    *,
    model: Any = None,
    n_frames: int = N_FRAMES,
    window: int | None = None,
    abstain: float | None = None,
    gates: Gates | None = None,
) -> Verdict:
    """Judge whether a probe is a genuine image of the person in the reference, or a clip by itself.

    Parameters
    ----------
    reference : picture, clip, folder, pattern, list of these, Reference, or None
        Trusted images of one person. None judges the probe, one clip, by its own frames
        (same-video mode); read first in the :ref:`User Guide <same_video>` how little that can
        see. A picture or clip is a path, the content of a file (bytes, or
        a binary file object), a PIL image or an (H, W, 3) uint8 RGB array; a path may also be that
        of a folder, or a pattern such as ``"photos/*.jpg"``. In these, everything that is a
        picture or clip by its content is taken, in natural order.
    probe : picture, clip, folder, pattern, or list of these
        Images in doubt, of one person.
    model : Pipeline, str or Path, default=None
        Fitted, or a file of one. None is the model that comes with the package for the mode, or the
        one of a `Reference`. In same-video mode it must state that mode (see `mode_of`).
    n_frames : int, default=24
        Frames of a clip, evenly spaced in time.
    window : int, default=None
        Frames of the windows of a clip that are also judged by themselves; None is a sixth of the
        usable frames, 3 at least. Longer ones are taken where the calibration has too few people
        for so many windows.
    abstain : float in (0, 1), default=None
        P-values above the level and up to this one are "inconclusive". None is `abstain` of the
        detector, or if it has none twice the level; 0 is no such band.
    gates : Gates, default=None
        Limits of quality; None is ``Gates()``.

    Returns
    -------
    Verdict
        Its `outcome` is "error" where a side has no usable image: the file cannot be read, or no
        face was found.

    Raises
    ------
    ImageError
        If a side is an empty list, folder or pattern; or, in same-video mode, the probe is a
        photograph or more than one clip. It has `column` and `path`.
    ModeError
        If the model is of the other mode, or states none in same-video mode.
    TypeError
        If a side or the model is of no type listed here.
    ValueError
        If a number is out of range, a `Reference` was enrolled with another model, or the model
        cannot judge in same-video mode: its faces are chosen by ``select="match"``, or it has a
        `ConformalDetector` with ``method="cv+"``.

    See Also
    --------
    verify_many : For many pairs.
    Reference : Keeps the images of a person for many probes.

    Notes
    -----
    "suspicious" means: not like genuine pairs of one person: altered, or somebody else; in
    same-video mode: not like frames of genuine videos: altered, or recorded or compressed
    otherwise.

    In same-video mode, frames of the clip are paired with each other, each with eight others, never
    with a copy of itself. The score of a frame is the mean over its pairs, that of the clip the
    mean over its frames. With one different frame only, the outcome is "inconclusive".

    The embeddings of a side are pooled, each picture or clip counting equally, and the pooled pair
    gets the score, as `FaceEmbedder` does with templates. Copies count once: p-values hold for
    so many different pictures. The call is thread-safe: nothing of the
    model is changed, and threads get the same numbers as one call after the other.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sklearn_diffake import verify
    >>> photo = astronaut()
    >>> verdict = verify(photo, photo[:, ::-1])                     # the probe is mirrored
    >>> verdict.outcome, verdict.n_references, verdict.n_probes
    ('genuine', 1, 1)
    >>> verify(photo, photo).outcome                                # it proves nothing
    'inconclusive'
    >>> [warning.code for warning in verify(photo, photo).warnings]
    ['few_images', 'same_pixels']
    """
    options = check_options(n_frames, window, abstain, gates)
    mode: Mode = "reference" if reference is not None else "same-video"
    request = _read_request(reference, probe, _prepared_model(model, mode), mode)
    return _judge_batch([request], options, {})[0]


def verify_many(
    pairs: Any,
    *,
    mode: Mode = "reference",
    model: Any = None,
    n_frames: int = N_FRAMES,
    window: int | None = None,
    abstain: float | None = None,
    gates: Gates | None = None,
    batch_size: int = 8,
) -> Iterator[Verdict]:
    """Judge many pairs or clips, one after the other; a bad one costs only its own verdict.

    Parameters
    ----------
    pairs : iterable of (reference, probe), or DataFrame
        Each as for `verify`. A DataFrame has the columns ``reference`` and ``probe``. A generator
        may yield the same arrays again with other pixels.
    mode : {"reference", "same-video"}, default="reference"
        ``"same-video"`` judges each probe, a clip, by its own frames. All references must be
        missing then: None, NaN or an empty text. In reference mode, one that is missing is an
        error.
    model : Pipeline, str or Path, default=None
        As for `verify`.
    n_frames : int, default=24
        As for `verify`.
    window : int, default=None
        As for `verify`.
    abstain : float in (0, 1), default=None
        As for `verify`.
    gates : Gates, default=None
        As for `verify`.
    batch_size : int, default=8
        Pairs that are read ahead and computed together. Pictures that occur more than once in them
        are computed once, and so is a reference that was among the last 32.

    Returns
    -------
    iterator of Verdict
        One for each pair, in their order. Whatever is wrong with a pair is a verdict with the
        outcome "error" and a reason.

    Raises
    ------
    ModeError
        If the model is of the other mode, or states none in same-video mode.
    TypeError
        If `pairs` cannot be iterated over, or the model is of another type.
    ValueError
        If there is no such mode, a number is out of range, a `Reference` was enrolled with another
        model, or the model cannot judge in same-video mode.

    See Also
    --------
    verify : Judges one probe.
    Reference : Embeds trusted images once, for many probes.
    score_pairs : Scores pairs, without evidence.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sklearn_diffake import verify_many
    >>> photo = astronaut()
    >>> [v.outcome for v in verify_many([(photo, photo[:, ::-1]), (photo, "missing.jpg")])]
    ['genuine', 'error']
    """
    options = check_options(n_frames, window, abstain, gates)
    check_positive("batch_size", batch_size)
    if mode not in MODES:
        raise ValueError(f"mode must be one of {MODES}, got {mode!r}")
    rows = iter(pair_rows(pairs))
    if isinstance(pairs, Iterator):  # the next row may be in the same buffers
        rows = map(copy_pixels, rows)
    shared = None if model is None else _prepared_model(model, mode)
    return _judge_rows(rows, shared, mode, options, int(batch_size))


def _judge_rows(
    rows: Iterator[Any], model: JudgingModel | None, mode: Mode, options: Options, batch_size: int
) -> Iterator[Verdict]:
    memory: TemplateMemory = {}
    requests = (_read_row(row, model, mode) for row in rows)
    while batch := list(itertools.islice(requests, batch_size)):
        yield from _judge_all(batch, options, memory)
        while len(memory) > _MOST_TEMPLATES:
            del memory[next(iter(memory))]


def check_options(n_frames: Any, window: Any, abstain: Any, gates: Any) -> Options:
    """Check the arguments that `verify` and other functions share.

    Parameters
    ----------
    n_frames, window, abstain, gates : object
        As for `verify`.

    Returns
    -------
    Options

    Raises
    ------
    TypeError
        If `gates` is of another type.
    ValueError
        If a number is out of range.
    """
    check_positive("n_frames", n_frames)
    if window is not None:
        check_positive("window", window)
    if abstain is not None and not (isinstance(abstain, (int, float)) and 0 <= abstain < 1):
        raise ValueError(f"abstain must be a number from 0 up to below 1, got {abstain!r}")
    if gates is not None and not isinstance(gates, Gates):
        raise TypeError(f"gates must be Gates, got {type(gates).__name__}")
    return Options(int(n_frames), Rules(abstain, window, gates or Gates()))


def _prepared_model(model: Any, mode: Mode) -> JudgingModel | None:
    """Return a model of the caller, prepared to judge in a mode; None if there is none."""
    if model is None:
        return None
    ready = prepare_model(model)
    ready.check_mode(mode)
    return ready


def _read_request(reference: Any, probe: Any, model: JudgingModel | None, mode: Mode) -> _Request:
    if isinstance(probe, Reference):
        raise TypeError("probe: a Reference is trusted material, not a probe")
    if mode == "same-video":
        return _Request(model or packaged_model(mode), EMPTY, read_clip(probe))
    if isinstance(reference, Reference):
        ready = model or reference.model
        return _Request(ready, reference.template_for(ready), read_side(probe, 1))
    ready = model or packaged_model(mode)
    return _Request(ready, read_side(reference, 0), read_side(probe, 1))


def _read_row(row: Any, model: JudgingModel | None, mode: Mode) -> _Request | _BadRow:
    """Read a row of `verify_many`; an error in its cells is its reason."""
    try:
        if not (isinstance(row, (tuple, list, np.ndarray)) and len(row) == 2):
            of_length = f" of length {len(row)}" if isinstance(row, (tuple, list)) else ""
            raise TypeError(
                f"a row must be a pair (reference, probe), got a {type(row).__name__}{of_length}"
            )
        is_missing = _is_missing(row[0])
        if mode == "reference" and row[0] is None:
            raise TypeError("reference must be a picture, got None")
        if mode == "same-video" and not is_missing:
            raise TypeError("reference must be None in same-video mode, got a picture")
        return _read_request(row[0], row[1], model, mode)
    except (ImageError, TypeError) as error:
        return _BadRow(model or packaged_model(mode), str(error))


def _is_missing(cell: Any) -> bool:
    """Whether a cell of a table is empty."""
    is_nan = isinstance(cell, float) and math.isnan(cell)
    return cell is None or is_nan or (isinstance(cell, str) and not cell)


def _judge_all(
    rows: Sequence[_Request | _BadRow], options: Options, memory: TemplateMemory
) -> Iterator[Verdict]:
    """Judge rows, those of one model together."""
    by_model: dict[int, list[_Request]] = {}
    for row in rows:
        if isinstance(row, _Request):
            by_model.setdefault(id(row.model), []).append(row)
    verdicts = {key: iter(_judge_batch(batch, options, memory)) for key, batch in by_model.items()}
    for row in rows:
        if isinstance(row, _BadRow):
            yield scoreless(row.model, EMPTY, EMPTY, "error", row.reason)
        else:
            yield next(verdicts[id(row.model)])


def _judge_batch(
    requests: Sequence[_Request], options: Options, memory: TemplateMemory
) -> list[Verdict]:
    """Judge requests of one model: find, embed and score all their images together."""
    model = requests[0].model
    sides = [(request.reference, request.probe) for request in requests]
    templates = gather_templates(model, sides, options.n_frames, memory)
    verdicts = [_unscorable_verdict(model, *pair, options.rules.gates) for pair in templates]
    usable = [i for i, verdict in enumerate(verdicts) if verdict is None]
    scored = score_templates(model, [templates[i] for i in usable], options.rules.window)
    for i, numbers in zip(usable, scored, strict=True):
        verdicts[i] = decide(model, *templates[i], numbers, options.rules)
    return [
        replace(verdict, _compared_images=ComparedImages(model, pair))
        for verdict, pair in zip(verdicts, templates, strict=True)
        if verdict is not None
    ]


def _unscorable_verdict(
    model: JudgingModel, reference: Template, probe: Template, gates: Gates
) -> Verdict | None:
    """Return the verdict on templates that cannot be scored; None if they can."""
    sides = [reference, probe]
    for column in (0, 1) if model.mode == "reference" else (1,):
        if not len(sides[column].used_positions):
            reason = str(unusable_error(sides[column], column))
            return scoreless(model, reference, probe, "error", reason)
    return few_frames(model, probe, gates) if model.mode == "same-video" else None
