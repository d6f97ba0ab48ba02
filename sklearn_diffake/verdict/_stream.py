"""verify_stream: rolling verdicts on the frames of a camera or a stream."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.verdict._decision import Rules, decide, scoreless
from sklearn_diffake.verdict._evidence import ImageEvidence
from sklearn_diffake.verdict._face_images import find_faces
from sklearn_diffake.verdict._gates import Gates
from sklearn_diffake.verdict._inputs import (
    N_FRAMES,
    Side,
    Source,
    check_positive,
    copy_pixels,
)
from sklearn_diffake.verdict._model import JudgingModel, prepare_model
from sklearn_diffake.verdict._reference import Reference
from sklearn_diffake.verdict._scoring import score_templates
from sklearn_diffake.verdict._templates import Template, embed_templates
from sklearn_diffake.verdict._verdict import Verdict
from sklearn_diffake.verdict._verify import check_options

#: Frames after which there is a verdict, unless the caller sets another number.
STEP = 4


@dataclass(frozen=True, eq=False)
class _EmbeddedFrame:
    """One frame of a stream: the parts of a `Template` that are its own, but no pixels."""

    evidence: ImageEvidence
    embeddings: tuple[NDArray[np.float32], ...]
    digest: bytes | None
    matrix: NDArray[np.float64]


def verify_stream(
    reference: Any,
    frames: Iterable[Any],
    *,
    model: Any = None,
    window: int = N_FRAMES,
    step: int = STEP,
    abstain: float | None = None,
    gates: Gates | None = None,
) -> Iterator[Verdict]:
    """Judge a stream of frames again and again, by the last frames that came.

    Read more in the :ref:`User Guide <streams>`.

    Parameters
    ----------
    reference : picture, clip, folder, pattern, list of these, or Reference
        Trusted images of one person.
    frames : iterable of (number, time, image)
        Frames of one camera or stream, in order: number of the frame, time in seconds, and an
        (H, W, 3) uint8 RGB array, whose buffer may be reused for the next frame. It may have no
        end. Frames half a second apart say more than
        neighbors, which are alike.
    model : Pipeline, str or Path, default=None
        As for `verify`.
    window : int, default=24
        Frames that a verdict is about: the last ones.
    step : int, default=4
        Frames from one verdict to the next.
    abstain : float in (0, 1), default=None
        As for `verify`.
    gates : Gates, default=None
        As for `verify`.

    Returns
    -------
    iterator of Verdict
        One after every `step` frames, and after the last one. The first ones are about fewer frames
        than `window`. In ``images`` the frames are those of the probe, with number and time. A
        window without a usable face is "inconclusive".

    Raises
    ------
    ImageError
        If no reference has a usable face.
    ModeError
        If the model is one for single clips.
    ValueError
        If a number is out of range, or `step` is larger than `window`, so that frames would be
        left out.

    See Also
    --------
    sklearn_diffake.verify : Judges a clip as a whole.

    Notes
    -----
    Each frame is embedded once; memory holds the embeddings of `window` frames and the pixels of
    `step`. A verdict is that of `verify` on a clip of these frames, but for rounding.

    Every p-value is valid for its window. Over a long stream there are many: at a level of 0.05, of
    a hundred windows of a genuine stream that do not overlap about five are suspicious.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sklearn_diffake.verdict import verify_stream
    >>> photo = astronaut()
    >>> frames = [(i, 0.5 * i, photo[i:, ::-1]) for i in range(6)]
    >>> verdicts = verify_stream(photo, frames, window=4, step=3)
    >>> [[image.frame for image in v.images if image.side == "probe"] for v in verdicts]
    [[0, 1, 2], [2, 3, 4, 5]]
    """
    rules = check_options(N_FRAMES, None, abstain, gates).rules
    check_positive("window", window)
    check_positive("step", step)
    if step > window:
        raise ValueError(f"step={step} is more than window={window}: frames would be left out")
    ready = None if model is None else prepare_model(model)
    if not isinstance(reference, Reference):
        reference = Reference(reference, ready)
    ready = ready or reference.model
    ready.check_mode("reference")
    return _rolling_verdicts(ready, reference.template_for(ready), frames, window, step, rules)


def _rolling_verdicts(
    model: JudgingModel,
    reference: Template,
    frames: Iterable[Any],
    window: int,
    step: int,
    rules: Rules,
) -> Iterator[Verdict]:
    recent: deque[_EmbeddedFrame] = deque(maxlen=window)
    source = iter(frames)
    while batch := _next_frames(source, step):
        recent.extend(_embed_frames(model, reference, batch))
        yield _judge_window(model, reference, _template_of(recent), rules)


def _next_frames(source: Iterator[Any], step: int) -> list[tuple[Any, Any, Any]]:
    """Take frames of a stream, which may put each of them into the same buffer."""
    frames = itertools.islice(source, step)
    return [(number, seconds, copy_pixels(image)) for number, seconds, image in frames]


def _embed_frames(
    model: JudgingModel, reference: Template, frames: Sequence[Any]
) -> list[_EmbeddedFrame]:
    """Find and embed the faces of frames."""
    side = Side(tuple(Source(image, False) for _, _, image in frames))
    images, _ = find_faces(model, [(side, side)], 1, reference.matching_embeddings)[0]
    for image, (number, seconds, _) in zip(images, frames, strict=True):
        image.source = 0  # of one clip
        image.evidence = replace(
            image.evidence, side="probe", frame=int(number), time=float(seconds)
        )
    (template,) = embed_templates(model, [(side, images)])
    return [
        _EmbeddedFrame(
            template.images[i],
            tuple(embeddings[i] for embeddings in template.embeddings),
            template.digests[i],
            template.matrices[i],
        )
        for i in range(len(frames))
    ]


def _template_of(frames: Sequence[_EmbeddedFrame]) -> Template:
    """Put frames together, as those of one clip."""
    return Template(
        images=tuple(frame.evidence for frame in frames),
        sources=np.zeros(len(frames), dtype=np.intp),
        embeddings=tuple(map(np.stack, zip(*(frame.embeddings for frame in frames), strict=True))),
        digests=tuple(frame.digest for frame in frames),
        matrices=np.stack([frame.matrix for frame in frames]),
        side=None,
    )


def _judge_window(
    model: JudgingModel, reference: Template, probe: Template, rules: Rules
) -> Verdict:
    if not len(probe.used_positions):
        reason = f"no usable face in {len(probe.images)} frames: {probe.images[0].reason}"
        return scoreless(model, reference, probe, "inconclusive", reason)
    (numbers,) = score_templates(model, [(reference, probe)], rules.window)
    return decide(model, reference, probe, numbers, rules)
